//! A reflex that the kernel itself carries out: a row of a map says whom it may stop, at which signal, until when and how
//! often; the program tells afterwards what it did.

use std::os::fd::{AsRawFd, RawFd};

use aya::maps::{HashMap, MapData, RingBuf};
use aya::programs::BtfTracePoint;
use aya::{Btf, Ebpf, EbpfLoader};
use aya_obj::btf::BtfKind;
use bpfload::{Kernel, Object, Options};

use crate::figure::Failure;
use crate::floor::{FLOOR, now_ns};

/// The instruction of the object whose second word is to be the number of the kernel's function.
const CALL: [u8; 8] = [0x85, 0x20, 0, 0, 0xed, 0x5e, 0xed, 0x5e];
/// The row of a process, as `struct armed` in the source has it: start, end, event, signal and how often.
type Row = [u64; 4];
/// For how long a row holds, as what the guard has judged does. Unit: ns.
const HOLDS_NS: u64 = 3_000_000_000;

/// One armed process.
pub(crate) struct Armed {
    _ebpf: Box<Ebpf>,
    done: RingBuf<MapData>,
    rows: HashMap<MapData, u32, Row>,
    victim: u32,
    signal: u32,
    start_ns: u64,
    /// When the last one took effect. Unit: ns.
    effect_ns: u64,
}

impl Armed {
    /// Loads the program and arms it: `signal` to `victim` stops it.
    pub(crate) fn new(signal: u32, victim: u32) -> Result<Self, Failure> {
        let btf = Btf::from_sys_fs()?;
        let mut ebpf = EbpfLoader::new().btf(Some(&btf)).load(&with_call(&btf)?)?;
        let program: &mut BtfTracePoint = ebpf.program_mut("floor_reflex").ok_or("no program")?.try_into()?;
        program.load("signal_generate", &btf)?;
        program.attach()?;
        let done = RingBuf::try_from(ebpf.take_map("floor_events").ok_or("no ring")?)?;
        let rows = HashMap::try_from(ebpf.take_map("floor_armed").ok_or("no rows")?)?;
        let (start_ns, effect_ns) = (start_ns(victim)?, 0);
        let mut armed = Self { _ebpf: Box::new(ebpf), done, rows, victim, signal, start_ns, effect_ns };
        armed.arm()?;
        Ok(armed)
    }

    /// Lets the next signal stop it.
    fn arm(&mut self) -> Result<(), Failure> {
        let once = u64::from(self.signal) | 1 << 32;
        self.rows.insert(self.victim, [self.start_ns, now_ns() + HOLDS_NS, 0, once], 0)?;
        Ok(())
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.done.as_raw_fd()
    }

    /// When the event was that was answered; [`Armed::finish`] says how long the answer took. Unit: ns.
    pub(crate) fn take(&mut self) -> Option<u64> {
        let item = self.done.next()?;
        let words = item.as_chunks::<8>().0;
        let [event_ns, effect_ns] = [0, 1].map(|at| words.get(at).map(|bytes| u64::from_ne_bytes(*bytes)));
        self.effect_ns = effect_ns?;
        event_ns
    }

    /// Looks whether the process stands still, and arms again. How long it took. Unit: ns.
    pub(crate) fn finish(&mut self, event_ns: u64) -> Result<u64, Failure> {
        let took_ns = self.effect_ns.saturating_sub(event_ns);
        let is_stopped = || -> Result<bool, Failure> {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.victim))?;
            Ok(stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
        };
        let patience_ns = now_ns() + HOLDS_NS;
        while !is_stopped()? {
            if now_ns() > patience_ns {
                return Err("the kernel said it stopped the process, and it runs".into());
            }
        }
        self.arm()?;
        Ok(took_ns)
    }
}

/// The object with the number of `bpf_send_signal_task` in this kernel.
fn with_call(btf: &Btf) -> Result<Vec<u8>, Failure> {
    let number = btf.id_by_type_name_kind("bpf_send_signal_task", BtfKind::Func)?;
    let mut object = FLOOR.to_vec();
    let at =
        FLOOR.windows(CALL.len()).position(|bytes| bytes == CALL).ok_or("the object has no such call")?;
    object[at + 4..at + 8].copy_from_slice(&number.to_ne_bytes());
    Ok(object)
}

/// Start of a process, as the kernel has it. Unit: ns.
fn start_ns(pid: u32) -> Result<u64, Failure> {
    let mut kernel = Kernel::load(&Options { objects: vec![Object::Tasks], ..Options::default() });
    let mut rows = Vec::new();
    kernel.tasks_into(&mut rows, 65_536)?;
    let row = rows.iter().find(|row| row.pid == pid && row.tid == pid);
    Ok(row.ok_or("the process is not in the kernel's table")?.start_ns)
}
