//! A closer look that a thinking stage asks for, and its answer.
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

use crate::finding::{FindingKind, words};
use crate::kernel::{CallsSample, Hist};
use crate::rows::{OpenFile, Thread};
use crate::{Entity, ProcessId, Timestamp};

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProbeKind {
    /// Threads of a process with their state, wait channel and current system call; for those in a futex
    /// wait, the lock word and what stands beside it.
    Threads,
    /// Open descriptors of a process by class.
    Descriptors,
    /// Memory of a process by mapping.
    Maps,
    /// What systemd says of a unit.
    Unit,
    /// System calls of a process from this tick to the next one: which, how many, how long, with which errors.
    Calls,
    /// Stacks of a process, watched for some seconds at most: the answer comes in a later turn.
    Profile(ProfileKind),
    /// Calls of GPU libraries by a process, watched for some seconds at most: the answer comes in a later turn.
    GpuCalls,
}

words! {
    /// What is asked of the stacks of a process.
    ProfileKind {
        /// Where it uses CPU time.
        OnCpu = "on_cpu",
        /// Where it touches memory for the first time that it then keeps.
        MemoryGrowth = "memory_growth",
        /// Where each of its threads waits now.
        Waiting = "waiting",
        /// Whose allocations it keeps.
        MemoryKept = "memory_kept",
    }
}

impl ProfileKind {
    /// Least share of the whole that makes a function the place. Unit: ratio.
    pub const SHARE_MIN: f64 = 0.3;
    /// What was watched for less than this may have been in use just then. Unit: s.
    pub const SURE_S: f64 = 1.0;

    /// Which stacks say something of a trouble, the surer first: allocations that are kept need programs in the kernel,
    /// and an allocator that is not too busy, so who touches memory is asked, too.
    pub const fn of_trouble(kind: FindingKind) -> &'static [Self] {
        match kind {
            FindingKind::MemoryLeak => &[Self::MemoryKept, Self::MemoryGrowth],
            FindingKind::CpuHog => &[Self::OnCpu],
            FindingKind::Deadlock | FindingKind::Stalled => &[Self::Waiting],
            _ => &[],
        }
    }

    /// The function with the largest share of a profile, and that share; `stacks` are their functions and shares.
    pub fn heaviest<'a>(stacks: impl Iterator<Item = (Option<&'a str>, f64)>) -> Option<(&'a str, f64)> {
        let mut shares: BTreeMap<&str, f64> = BTreeMap::new();
        for (function, share) in stacks {
            if let Some(function) = function {
                *shares.entry(function).or_default() += share;
            }
        }
        shares.into_iter().max_by(|one, next| one.1.total_cmp(&next.1))
    }

    /// Whether a profile tells the place by itself: it took that long, and the heaviest function has that share.
    pub fn is_sure(seconds: f64, share: f64) -> bool {
        seconds >= Self::SURE_S && share >= Self::SHARE_MIN
    }

    /// For how long the process is watched. Unit: s.
    pub const fn seconds(self) -> f64 {
        match self {
            Self::OnCpu => 3.0,
            Self::MemoryGrowth | Self::MemoryKept => 5.0,
            Self::Waiting => 0.0,
        }
    }

    /// What weights are counted in: `us`, `bytes` or `threads`.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::OnCpu => "us",
            Self::MemoryGrowth | Self::MemoryKept => "bytes",
            Self::Waiting => "threads",
        }
    }
}

/// A request for a closer look: pure stages return it, observe carries it out before the next turn.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Probe {
    /// What to look at.
    pub kind: ProbeKind,
    /// Whose. `Threads`, `Descriptors`, `Maps`, `Calls`, `Profile`, `GpuCalls`: a process; `Unit`: a service.
    pub entity: Entity,
    /// CPU time it may take at most. Unit: us.
    pub budget_us: u32,
}

/// The answer to one probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeAnswer {
    /// What was asked.
    pub probe: Probe,
    /// When the look was taken.
    pub at: Timestamp,
    /// What was seen, or why nothing was.
    pub result: Result<ProbeResult, String>,
}

/// What a probe saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ProbeResult {
    /// Threads, in order of tid, with their futex waits.
    Threads(Vec<ThreadProbe>),
    /// Open descriptors, in order of number, at most 4,096.
    Descriptors(Vec<OpenFile>),
    /// Mappings summed by name, largest first, at most 64.
    Maps(Vec<MapProbe>),
    /// What systemd says of a unit.
    Unit(UnitProbe),
    /// What a process called while it was watched.
    Calls(CallsSample),
    /// Its stacks.
    Profile(ProfileProbe),
    /// What it asked of its GPUs.
    GpuCalls(GpuCallsProbe),
}

/// Calls of GPU libraries by one process, seen at their API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuCallsProbe {
    /// Name of the process when it was asked for: it may have ended meanwhile.
    pub name: Arc<str>,
    /// Its service, where it had one.
    pub service: Option<Arc<str>>,
    /// How long it was watched. Unit: s.
    pub seconds: f64,
    /// Calls and allocations that could not be kept.
    pub lost: u64,
    /// Why it ended before its time.
    pub cut_short: Option<String>,
    /// Functions that were called, by library, at most 64.
    pub calls: Vec<GpuCallProbe>,
}

/// Calls of one function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuCallProbe {
    /// The file with the function.
    pub library: Arc<str>,
    /// Its name.
    pub call: Arc<str>,
    /// Calls that returned an error.
    pub errors: u64,
    /// Calls that began during the watch, a second before its end or more, and had not returned at its end.
    pub open: u64,
    /// What calls without an error moved, allocated or freed; `None` where the arguments do not say. Unit: bytes.
    pub bytes: Option<u64>,
    /// Of what it allocated during the watch: not freed; `None` for what allocates nothing. Unit: bytes.
    pub live_bytes: Option<u64>,
    /// From entry to return, of all that returned. Unit: ns.
    pub latency: Hist,
}

/// Stacks of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileProbe {
    /// Name of the process when it was asked for: it may have ended meanwhile.
    pub name: Arc<str>,
    /// Its service, where it had one.
    pub service: Option<Arc<str>>,
    /// How long it was watched. Unit: s.
    pub seconds: f64,
    /// Weight of all its stacks, those left out included, in the unit of its kind.
    pub weight: u64,
    /// Samples that it rests on.
    pub samples: u64,
    /// Samples and threads that were lost.
    pub lost: u64,
    /// Why it ended before its time.
    pub cut_short: Option<String>,
    /// The heaviest stacks, heaviest first, at most 32.
    pub stacks: Vec<StackProbe>,
}

impl ProfileProbe {
    /// How much of the whole a weight is. Unit: ratio.
    pub fn share(&self, weight: u64) -> f64 {
        if self.weight == 0 { 0.0 } else { weight as f64 / self.weight as f64 }
    }
}

/// One stack and how much of the whole it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackProbe {
    /// Functions from the outermost on, joined by `;`.
    pub stack: Arc<str>,
    /// Functions of the program itself from the innermost on, joined by ` <- `, at most three; without allocators, C
    /// libraries and run-times. `None` where there is none.
    pub path: Option<Arc<str>>,
    /// The first of them, in whose own code or by whose calls to run-times it happens.
    pub function: Option<Arc<str>>,
    /// The file with its code.
    pub file: Option<Arc<str>>,
    /// How much, in the unit of the kind.
    pub weight: u64,
    /// Threads that were seen there, at most eight.
    pub threads: Vec<u32>,
    /// Threads that wait for a lock which the thread of this stack holds, where it is known to hold one.
    pub waiters: Option<u32>,
}

/// Beginning of the class of a thread that waits for the lock of a file.
pub const FILE_LOCK: &str = "file_lock:";

/// Class of a thread that waits for room in a pipe that is full.
pub const FULL_PIPE: &str = "full_pipe";
/// Beginning of the class of a thread that waits without end at a System V semaphore; its set and number follow.
pub const SEMAPHORE: &str = "semaphore:";

/// One thread, looked at closely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadProbe {
    /// The row of the `threads` table.
    pub thread: Thread,
    /// The futex it waits on, if it does.
    pub wait: Option<FutexWait>,
    /// Class of the descriptor it waits on, if its system call names one: `tcp_listen`, `tcp_connected`,
    /// `unix_listen`, `unix_connected`, `unix_datagram`, `socket`, `pipe`, `file`, or the kernel's word for an
    /// anonymous inode; for the lock of a file [`FILE_LOCK`] and the pid that holds it; [`FULL_PIPE`], [`SEMAPHORE`].
    #[serde(default)]
    pub waits_on: Option<String>,
}

/// A wait on a futex, and the sixteen bytes there: enough to tell a glibc mutex from other users of futexes.
///
/// Source: futex(2); glibc `struct __pthread_mutex_s`: `__lock`, `__count`, `__owner`, `__nusers`, `__kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FutexWait {
    /// Address of the futex in its process.
    pub address: u64,
    /// Operation with its flags, as passed to futex(2).
    pub operation: u32,
    /// Value the caller expected there.
    pub expected: u32,
    /// Whether the wait ends by itself after a time.
    pub has_timeout: bool,
    /// The five 32-bit words from the address on; `None` where the memory may not be read.
    pub words: Option<[u32; 5]>,
}

/// Mappings of one name, summed. Source: /proc/PID/smaps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapProbe {
    /// File, `[heap]`, `[stack]` or `[anon]`.
    pub name: Arc<str>,
    /// Resident memory. Unit: bytes.
    pub rss_bytes: u64,
    /// Anonymous memory. Unit: bytes.
    pub anon_bytes: u64,
    /// How many mappings.
    pub mappings: u32,
}

/// What systemd says of a unit. Source: systemctl show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnitProbe {
    /// ActiveState: active, activating, failed, …
    pub active_state: Arc<str>,
    /// SubState: running, auto-restart, …
    pub sub_state: Arc<str>,
    /// Result of the last run: success, exit-code, signal, oom-kill, …
    pub result: Arc<str>,
    /// Automatic restarts since the unit was started by hand.
    pub restarts: u64,
    /// Exit code or signal number of the main process's last run.
    pub exit_status: i32,
    /// Whether the last run ended by a signal.
    pub was_signal: bool,
    /// Wait before an automatic restart. Unit: s.
    pub restart_delay_s: f64,
    /// Main process, while it runs.
    pub main_pid: Option<u32>,
}

impl Probe {
    /// A look at the threads of a process, at most 5 ms.
    pub const fn threads(id: ProcessId) -> Self {
        Self { kind: ProbeKind::Threads, entity: Entity::Process(id), budget_us: 5_000 }
    }

    /// A watch of the system calls of a process for one tick; reading it takes at most 5 ms.
    pub const fn calls(id: ProcessId) -> Self {
        Self { kind: ProbeKind::Calls, entity: Entity::Process(id), budget_us: 5_000 }
    }

    /// A profile of a process, at a twentieth of a core at most.
    pub const fn profile(id: ProcessId, kind: ProfileKind) -> Self {
        let budget_us = match kind {
            ProfileKind::OnCpu => 150_000,
            ProfileKind::MemoryGrowth | ProfileKind::MemoryKept => 250_000,
            ProfileKind::Waiting => 50_000,
        };
        Self { kind: ProbeKind::Profile(kind), entity: Entity::Process(id), budget_us }
    }

    /// For how long the calls of GPU libraries are watched. Unit: s.
    pub const GPU_CALLS_S: f64 = 3.0;

    /// A watch of a process's calls of GPU libraries, which may cost that process a twentieth of a core.
    pub const fn gpu_calls(id: ProcessId) -> Self {
        Self { kind: ProbeKind::GpuCalls, entity: Entity::Process(id), budget_us: 150_000 }
    }

    /// A look at the descriptors of a process, at most 10 ms.
    pub const fn descriptors(id: ProcessId) -> Self {
        Self { kind: ProbeKind::Descriptors, entity: Entity::Process(id), budget_us: 10_000 }
    }
}
