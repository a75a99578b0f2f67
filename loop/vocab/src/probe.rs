//! A closer look that a thinking stage asks for, and its answer.
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::kernel::CallsSample;
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
}

/// A request for a closer look: pure stages return it, observe carries it out before the next turn.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Probe {
    /// What to look at.
    pub kind: ProbeKind,
    /// Whose. `Threads`, `Descriptors`, `Maps`, `Calls`: a process; `Unit`: a service.
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
}

/// One thread, looked at closely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadProbe {
    /// The row of the `threads` table.
    pub thread: Thread,
    /// The futex it waits on, if it does.
    pub wait: Option<FutexWait>,
    /// Class of the descriptor it waits on, if its system call names one: `tcp_listen`, `tcp_connected`,
    /// `unix_listen`, `unix_connected`, `unix_datagram`, `socket`, `pipe`, `file`, or the kernel's word for an
    /// anonymous inode.
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

    /// A look at the descriptors of a process, at most 10 ms.
    pub const fn descriptors(id: ProcessId) -> Self {
        Self { kind: ProbeKind::Descriptors, entity: Entity::Process(id), budget_us: 10_000 }
    }
}
