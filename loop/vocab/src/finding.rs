//! What a detector says about one entity in one snapshot.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

use crate::{Entity, Timestamp, Value};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $( $(#[$variant_meta])* $variant, )+ }

        impl $name {
            /// Every one of them, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in tables and rules.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = ();

            fn from_str(word: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word).ok_or(())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The kinds of trouble Homeostat knows by name.
    FindingKind {
        /// Anonymous memory grows without bound.
        MemoryLeak = "memory_leak",
        /// Threads wait for each other in a circle.
        Deadlock = "deadlock",
        /// Work waits and nothing moves, without proof of a circle.
        Stalled = "stalled",
        /// One entity's use of the CPU hurts others.
        CpuHog = "cpu_hog",
        /// Open descriptors grow without bound.
        DescriptorLeak = "descriptor_leak",
        /// A service fails again and again soon after its start.
        CrashLoop = "crash_loop",
        /// The machine is busy moving memory instead of working.
        MemoryThrash = "memory_thrash",
        /// The machine waits for storage instead of working.
        IoThrash = "io_thrash",
        /// A file system will soon be full if its use goes on rising.
        DiskFull = "disk_full",
        /// A device, its driver or the kernel reports that it failed.
        DeviceFailure = "device_failure",
        /// One of our own collectors does not answer.
        CollectorStalled = "collector_stalled",
        /// Homeostat lost something, exceeded its budget or met an error of its own.
        OwnTrouble = "own_trouble",
    }
}

words! {
    /// How bad it is.
    Severity {
        /// Worth knowing.
        Notice = "notice",
        /// Will hurt unless something changes.
        Warning = "warning",
        /// Hurts now, or within a minute.
        Critical = "critical",
    }
}

/// One cell of one table that supports a finding, with what is normal there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Table the cell stands in.
    pub table: String,
    /// The entity whose row it is.
    pub entity: Entity,
    /// Column.
    pub column: String,
    /// What stood there.
    pub value: Value,
    /// What is normal there, where known.
    pub normal: Option<Value>,
    /// The same in words, with units: "anonymous memory grows by 5.2 MB/s".
    pub sentence: String,
}

/// What a detector says, in every turn in which it holds. The stage that explains joins them to incidents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The snapshot it was seen in.
    pub at: Timestamp,
    /// Which kind of trouble.
    pub kind: FindingKind,
    /// Who is in trouble or makes it: the process, or the service where the process belongs to one.
    pub culprit: Entity,
    /// The process of the culprit the evidence is about, where there is one.
    pub process: Option<crate::ProcessId>,
    /// Who is hurt; the culprit itself if it is its own victim.
    pub victims: Vec<Entity>,
    /// How bad.
    pub severity: Severity,
    /// How sure, 0 to 1. Unit: ratio.
    pub confidence: f64,
    /// Time until something runs out, where the finding is a trend. Unit: s.
    pub exhaustion_s: Option<f64>,
    /// One sentence for a person.
    pub sentence: String,
    /// What supports it, strongest first, at most 16.
    pub evidence: Vec<Evidence>,
}
