//! The Rust side of `bpf/intf.h`: the same structs, field for field, and how bytes become one.
//!
//! Times are nanoseconds of CLOCK_MONOTONIC, start times nanoseconds of CLOCK_BOOTTIME as in /proc.

use crate::hist::Hist;

/// A struct that is any 8-byte-aligned run of bytes: integers and arrays of them, no padding.
///
/// # Safety
/// Every bit pattern must be a value, and the layout must be the one of `bpf/intf.h`.
pub unsafe trait Plain: Copy + Default {
    /// Reads one from the start of `bytes`; `None` when there are too few.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < size_of::<Self>() {
            return None;
        }
        // SAFETY: there are enough bytes, alignment does not matter, and every bit pattern is valid.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }
}

macro_rules! plain {
    ($($name:ident: $bytes:literal),* $(,)?) => {$(
        // SAFETY: repr(C), integers only; the size below equals the one that C asserts, so no padding.
        unsafe impl Plain for $name {}
        const _: () = assert!(size_of::<$name>() == $bytes);
    )*};
}

plain!(Hist: 120, SchedStat: 368, BlockKey: 8, BlockStat: 248, FsStat: 136, NetStat: 152, ReclaimStat: 368,
       CallStat: 128, CallOpen: 16, CallSequence: 32_776, ApiStat: 136, ApiOpen: 24, ApiLive: 16, AllocSample: 4152, Event: 128, TaskRow: 232, SocketRow: 16);
// SAFETY: integers.
unsafe impl Plain for u32 {}
// SAFETY: integers.
unsafe impl Plain for u64 {}

/// Scheduling of one process since the last drain.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SchedStat {
    /// Start time of the process, as its identity.
    pub start_ns: u64,
    /// From runnable to running. Of waits below 8,192 ns one in sixteen is recorded, for sixteen.
    pub runq: Hist,
    /// Uninterruptible sleep: disk, locks inside the kernel.
    pub blocked: Hist,
    /// The same inside a memory stall as PSI counts it: refault, swap-in, reclaim, compaction.
    pub memory: Hist,
}

/// A disk and an operation.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockKey {
    /// Device number, `major << 20 | minor`.
    pub dev: u32,
    /// Kernel's REQ_OP: 0 read, 1 write, 2 flush, 3 discard.
    pub op: u32,
}

/// Requests of one disk and operation since the last drain.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockStat {
    /// From queueing to completion.
    pub latency: Hist,
    /// Bytes a request.
    pub bytes: Hist,
    /// Requests that completed with an error.
    pub errors: u64,
}

/// File-system calls of one process since the last drain.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct FsStat {
    /// Start time of the process, as its identity.
    pub start_ns: u64,
    /// fsync and fdatasync on ext4.
    pub fsync: Hist,
    /// Calls that failed.
    pub errors: u64,
}

/// TCP of one cgroup since the last drain.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct NetStat {
    /// Segments sent again.
    pub retransmits: u64,
    /// Resets sent.
    pub resets_sent: u64,
    /// Resets received.
    pub resets_received: u64,
    /// Sockets destroyed.
    pub closed: u64,
    /// Smoothed round-trip time with which connections ended.
    pub rtt: Hist,
}

/// Memory that one process had to look for itself since the last drain.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ReclaimStat {
    /// Start time of the process, as its identity.
    pub start_ns: u64,
    /// Direct reclaim.
    pub direct: Hist,
    /// Reclaim at the limit of a cgroup.
    pub memcg: Hist,
    /// Compaction.
    pub compaction: Hist,
}

/// Calls of one system call while its process was watched.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CallStat {
    /// From entry to return.
    pub latency: Hist,
    /// Calls that returned an error.
    pub errors: u64,
}

/// A system call that has not returned.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CallOpen {
    /// When it began.
    pub start_ns: u64,
    /// Its number.
    pub number: u32,
    reserved: u32,
}

/// Calls of one function while its process was watched.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiStat {
    /// From entry to return.
    pub latency: Hist,
    /// Calls that returned something else than 0.
    pub errors: u64,
    /// Bytes that the others were asked to move, to allocate or to free.
    pub bytes: u64,
}

/// A call of a function that has not returned.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ApiOpen {
    pub(crate) start_ns: u64,
    pub(crate) bytes: u64,
    pub(crate) place: u64,
}

/// Memory that was allocated during a watch.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ApiLive {
    /// How much.
    pub(crate) bytes: u64,
    /// Index of the function that gave it.
    pub(crate) function: u64,
}

/// Functions that are watched at a time.
pub const API_FUNCTIONS: usize = 64;

/// Top of the stack that a sample of an allocation carries. Unit: bytes.
const ALLOC_STACK_BYTES: usize = 4_096;

/// An allocation that was sampled.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AllocSample {
    /// When it returned.
    pub at_ns: u64,
    /// What was given.
    pub address: u64,
    /// Bytes that it stands for.
    pub weight: u64,
    /// Where it returned to.
    pub ip: u64,
    /// Stack pointer there.
    pub sp: u64,
    /// Frame pointer there, where the program keeps one.
    pub fp: u64,
    /// The thread.
    pub tid: u32,
    /// Bytes of `stack` that were copied.
    pub copied: u32,
    /// The stack from `sp` on.
    pub stack: [u8; ALLOC_STACK_BYTES],
}

impl Default for AllocSample {
    fn default() -> Self {
        let stack = [0; ALLOC_STACK_BYTES];
        Self { at_ns: 0, address: 0, weight: 0, ip: 0, sp: 0, fp: 0, tid: 0, copied: 0, stack }
    }
}

/// Calls whose order is kept.
pub(crate) const CALLS_KEPT: usize = 8192;

/// Bits of a recorded call that hold its number; the others hold its thread.
pub(crate) const CALL_BITS: u32 = 10;

/// The calls of a watch in their order.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct CallSequence {
    /// All calls, those after the first 8,192 too.
    pub(crate) seen: u64,
    /// `thread id << CALL_BITS | number`.
    pub(crate) calls: [u32; CALLS_KEPT],
}

impl Default for CallSequence {
    fn default() -> Self {
        Self { seen: 0, calls: [0; CALLS_KEPT] }
    }
}

/// What an [`Event`] reports.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program was executed; `path` names it.
    Exec = 1,
    /// A process ended; `code`, `signal`; `value`: CPU time in ns.
    Exit = 2,
    /// The OOM killer chose; `value`: resident pages.
    OomVictim = 3,
    /// A signal was generated; `signal`, `sender`, `code`: si_code.
    Signal = 4,
    /// A request failed; `code`: blk_status_t, `value`: device, `value2`: sector.
    BlockError = 5,
    /// A task has not run for `hung_task_timeout_secs`.
    HungTask = 6,
    /// A machine check; `code`: bank, `value`: MCi_STATUS, `value2`: address.
    MachineCheck = 7,
    /// A page was taken out of use; `value`: page frame, `code`: result.
    MemoryFailure = 8,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Exec,
        Self::Exit,
        Self::OomVictim,
        Self::Signal,
        Self::BlockError,
        Self::HungTask,
        Self::MachineCheck,
        Self::MemoryFailure,
    ];
}

/// One record of the ring buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// A [`Kind`], as number.
    pub kind: u32,
    /// Process the event is about; 0 when it is about none.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// Parent process.
    pub ppid: u32,
    /// When it happened.
    pub at_ns: u64,
    /// Start time of the process, as its identity.
    pub start_ns: u64,
    /// Cgroup of the process in the unified hierarchy.
    pub cgroup: u64,
    /// Real user id.
    pub uid: u32,
    /// Depends on the kind.
    pub code: i32,
    /// Signal number; 0 when there is none.
    pub signal: i32,
    /// Process that ran when the signal was generated; CPU of a machine check.
    pub sender: u32,
    /// Depends on the kind.
    pub value: u64,
    /// Depends on the kind.
    pub value2: u64,
    comm: [u8; 16],
    path: [u8; 40],
}

impl Default for Event {
    fn default() -> Self {
        Self {
            kind: 0,
            pid: 0,
            tid: 0,
            ppid: 0,
            at_ns: 0,
            start_ns: 0,
            cgroup: 0,
            uid: 0,
            code: 0,
            signal: 0,
            sender: 0,
            value: 0,
            value2: 0,
            comm: [0; 16],
            path: [0; 40],
        }
    }
}

impl Event {
    /// What happened; `None` for a number this version does not know.
    pub fn kind(&self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u32 == self.kind)
    }

    /// Name of the thread.
    pub fn comm(&self) -> String {
        text(&self.comm)
    }

    /// Executed file, cut at 39 bytes; empty for other kinds.
    pub fn path(&self) -> String {
        text(&self.path)
    }
}

/// One thread of the process table. In the row of a process's first thread, faults, times in user and kernel mode and
/// I/O are with those of the threads that have ended; descriptors, limits and pages stand there alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskRow {
    /// Process.
    pub pid: u32,
    /// Thread; equals `pid` for the first one.
    pub tid: u32,
    /// Parent process.
    pub ppid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Kernel's task state bits; 0 is running or runnable.
    pub state: u32,
    /// Kernel's PF_ flags.
    pub flags: u32,
    /// Nice value.
    pub nice: i32,
    /// Scheduling policy.
    pub policy: u32,
    /// Session.
    pub session: i32,
    /// Open descriptors; [`TaskRow::DESCRIPTORS_UNKNOWN`] where the table has room for more than 1,024.
    pub descriptors: u32,
    /// Start time, as identity.
    pub start_ns: u64,
    /// CPU time of this thread.
    pub cpu_ns: u64,
    /// CPU time of the threads of its process that have ended.
    pub dead_cpu_ns: u64,
    /// Time in user mode as the timer saw it: only how it relates to `system_ns` means anything.
    pub user_ns: u64,
    /// Time in kernel mode as the timer saw it.
    pub system_ns: u64,
    /// Time spent runnable without running.
    pub run_delay_ns: u64,
    /// Page faults without I/O.
    pub minor_faults: u64,
    /// Page faults with I/O.
    pub major_faults: u64,
    /// Context switches.
    pub switches: u64,
    /// Context switches because it waited.
    pub voluntary_switches: u64,
    /// Bytes read and written by calls, from wherever.
    pub io_chars: u64,
    /// Calls that read and write.
    pub io_calls: u64,
    /// Bytes read from devices.
    pub read_bytes: u64,
    /// Bytes written to devices.
    pub write_bytes: u64,
    /// Resident pages of files.
    pub file_pages: u64,
    /// Resident anonymous pages.
    pub anon_pages: u64,
    /// Resident shared-memory pages.
    pub shmem_pages: u64,
    /// Pages in swap.
    pub swap_pages: u64,
    /// Pages of address space.
    pub total_pages: u64,
    /// The set of cgroups it is in, of all hierarchies: a number that is another one after a move.
    pub groups: u64,
    /// Soft limit of open files; `u64::MAX` for none.
    pub files_soft: u64,
    /// Hard limit of open files; `u64::MAX` for none.
    pub files_hard: u64,
    comm: [u8; 16],
}

impl TaskRow {
    /// What `descriptors` is where it was not counted.
    pub const DESCRIPTORS_UNKNOWN: u32 = u32::MAX;

    /// Name of the thread.
    pub fn comm(&self) -> String {
        text(&self.comm)
    }

    /// Name of the thread as the kernel has it.
    pub fn comm_bytes(&self) -> &[u8] {
        self.comm.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Whether this is a thread of the kernel.
    pub fn is_kernel(&self) -> bool {
        self.flags & 0x0020_0000 != 0
    }

    /// Whether it ends: most of what it had is gone already.
    pub fn is_exiting(&self) -> bool {
        self.flags & 4 != 0
    }
}

/// One descriptor that is a TCP socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketRow {
    /// Process.
    pub pid: u32,
    /// Number of the descriptor.
    pub fd: u32,
    /// Inode of the socket, as /proc and the kernel's socket diagnosis name it.
    pub inode: u64,
}

/// Text up to the first zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
