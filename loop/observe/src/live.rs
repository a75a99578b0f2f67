//! Reads one process when somebody asks, with descriptors of its own: for SQL, from any thread.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernfs::{Family, ProcFs, TcpSocket, TcpState};
use vocab::ProcessId;
use vocab::rows::{Map, OpenFile, Thread};
use vocab::sample::{ProcessDetail, ProcessInfo, ProcessStat};

use crate::look::{self, Budget};
use crate::process_detail;
use crate::process_info::{self, Cgroups, Extent, Told};
use crate::sockets::Tcp;
use crate::tracked::process_stat;

/// CPU time that one question may take. Unit: us.
const QUESTION_US: u32 = 100_000;

/// One process, read now.
#[derive(Clone, Debug)]
pub struct LiveProcess {
    /// The cheap counters, the wait for a CPU included.
    pub stat: ProcessStat,
    /// What seldom changes; its service is not known here.
    pub info: ProcessInfo,
    /// The dearer counters; `None` if it ended meanwhile.
    pub detail: Option<ProcessDetail>,
}

/// A reader on demand.
///
/// It reads with the rights of this process: the doors must refuse what `/proc` would not show the asker.
pub struct Live {
    proc: ProcFs,
    root: PathBuf,
}

impl Live {
    /// Opens the proc file system at `proc_root`.
    ///
    /// # Errors
    /// There is none.
    pub fn open(proc_root: &Path) -> Result<Self, kernfs::Error> {
        Ok(Self { proc: ProcFs::open(proc_root)?, root: proc_root.to_owned() })
    }

    /// One process; `None` if there is none of that pid, or it is hidden from us.
    pub fn process(&mut self, pid: u32) -> Option<LiveProcess> {
        read_process(&mut self.proc, pid)
    }

    /// Its threads, in order of tid; none if it ended or is not ours to read.
    pub fn threads(&mut self, pid: u32) -> Vec<Thread> {
        let probes = look::threads(&mut self.proc, pid, &[], &Budget::new(QUESTION_US), |_| None);
        probes.unwrap_or_default().into_iter().map(|one| one.thread).collect()
    }

    /// Its open descriptors, in order of number, at most 4,096; none if it ended or is not ours to read.
    pub fn open_files(&mut self, pid: u32) -> Vec<OpenFile> {
        let mut sockets: Vec<TcpSocket> = Vec::new();
        let mut table = Vec::new();
        for family in [Family::V4, Family::V6] {
            if self.proc.tcp_of(pid, family, &mut table).is_ok() {
                sockets.append(&mut table);
            }
        }
        sockets.sort_unstable_by_key(|socket| socket.inode);
        let listens = |port: u16| {
            sockets.iter().any(|other| other.state == TcpState::Listen && other.local.port() == port)
        };
        let tcp = |inode: u64| {
            let index = sockets.binary_search_by_key(&inode, |socket| socket.inode).ok()?;
            let socket = sockets.get(index)?;
            Some(Tcp { state: socket.state, is_outgoing: !listens(socket.local.port()) })
        };
        look::open_files(&mut self.proc, pid, tcp).unwrap_or_default()
    }

    /// Its memory summed by mapped name, largest first, at most 64; none if it ended or is not ours to read.
    pub fn maps(&mut self, pid: u32) -> Vec<Map> {
        let row = |one: vocab::probe::MapProbe| Map {
            pid,
            name: Arc::clone(&one.name),
            mappings: one.mappings,
            rss_bytes: one.rss_bytes,
            anon_bytes: one.anon_bytes,
        };
        look::maps(&self.root, pid).unwrap_or_default().into_iter().map(row).collect()
    }
}

/// Reads all of one process now, with nothing remembered.
pub(crate) fn read_process(proc: &mut ProcFs, pid: u32) -> Option<LiveProcess> {
    let raw = proc.stat(pid).ok()?;
    let mut stat = process_stat(&raw);
    stat.run_delay_ns = proc.schedstat(pid).ok().map(|one| one.run_delay_ns);
    let id = ProcessId { pid, start_ticks: stat.start_ticks };
    let mut info = process_info::unknown(id, raw.is_kernel_thread());
    let detail = process_detail::read(proc, id, info.is_kernel, (None, None));
    let status = detail.as_ref().map(|one| one.status);
    let told = Told { status: status.as_ref(), cgroups: Cgroups::Ask, limits: None };
    process_info::refresh(proc, raw.comm.as_bytes(), told, Extent::Whole, &mut info);
    Some(LiveProcess { stat, info, detail: detail.map(|one| one.row) })
}
