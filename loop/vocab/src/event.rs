//! Something that happened at an instant, as opposed to a counter that is read.
use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::{Entity, Timestamp};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventKind {
    /// A line of the kernel log.
    KernelLog,
    /// A line that a supervised service wrote to stdout or stderr, or a line of the journal.
    ServiceLog,
    /// A supervised service was started.
    ServiceStart,
    /// A supervised service ended.
    ServiceExit,
    /// The kernel killed a process for memory.
    OomKill,
    /// The kernel reported a task that waited for minutes and could not be woken.
    HungTask,
    /// The kernel reported an I/O error.
    IoError,
    /// The processor or memory reported an error (machine check, a page taken out of use).
    HardwareError,
    /// Memory of the machine or of a cgroup ran out.
    MemoryExhausted,
    /// A program brought a fatal signal on itself (segmentation fault, abort, …).
    Crash,
    /// Something differs from what was learnt as normal of it; no trouble by itself.
    Anomaly,
    /// Homeostat started, stopped, lost something or was told something.
    Own,
    /// A device or its driver failed: a reset, a timeout, a link that is down, a driver that gave up.
    DeviceFailure,
    /// A part of the machine is too hot and is slowed down, or will be switched off.
    Thermal,
    /// The kernel met an error of its own and went on without a part of itself.
    KernelFault,
    /// A CPU did not come back from the kernel (soft or hard lock-up, RCU stall).
    Lockup,
}

impl EventKind {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KernelLog => "kernel_log",
            Self::ServiceLog => "service_log",
            Self::ServiceStart => "service_start",
            Self::ServiceExit => "service_exit",
            Self::OomKill => "oom_kill",
            Self::HungTask => "hung_task",
            Self::IoError => "io_error",
            Self::HardwareError => "hardware_error",
            Self::MemoryExhausted => "memory_exhausted",
            Self::Crash => "crash",
            Self::Anomaly => "anomaly",
            Self::Own => "own",
            Self::DeviceFailure => "device_failure",
            Self::Thermal => "thermal",
            Self::KernelFault => "kernel_fault",
            Self::Lockup => "lockup",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// What kind.
    pub kind: EventKind,
    /// To what.
    pub entity: Entity,
    /// Kernel log level, 0 (emergency) to 7 (debug), or that of the line's writer where known.
    pub level: Option<u8>,
    /// The line or sentence, secrets masked, at most 1,024 bytes.
    pub message: String,
}
