//! Loads the kernel-side programs of `bpf/` one by one and reads what they count.
//!
//! [`Kernel::load`] never fails: each program is attached or [`State::Missing`] with its reason. Then
//! [`Kernel::drain`] once a tick for what was aggregated, [`Events`] for what happened,
//! [`Kernel::tasks_into`] for the process table. Dropping them, or the death of the process, detaches everything:
//! nothing is pinned. This crate knows nothing of the product and changes nothing but its own maps.

mod allocations;
mod calls;
mod drain;
mod drainer;
mod duty;
mod events;
mod fdinfo;
mod functions;
mod hist;
mod intf;
mod load;
mod loader;
mod missing;
mod probes;
mod programs;
mod stats;
mod sys;
mod tasks;

pub use allocations::{Allocations, Allocator};
pub use calls::Watched;
pub use drain::{Lost, Tick};
pub use duty::Duty;
pub use events::Events;
pub use functions::{Arguments, Called, Functions};
pub use hist::{Hist, bounds};
pub use intf::{
    API_FUNCTIONS, AllocSample, ApiStat, BlockKey, BlockStat, CallOpen, CallStat, Event, FsStat, Kind,
    NetStat, Plain, ReclaimStat, SchedStat, SocketRow, TaskRow,
};
pub use load::{Kernel, Options, Program, State};
pub use missing::{Lack, has_capabilities};
pub use probes::{Point, lack as probes_lack};
pub use programs::{Hook, Object, PROGRAMS, Spec};
pub use stats::{MapMemory, ProgramCost, RunTimeStats};

/// What can go wrong while reading a loaded program's data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A map could not be read.
    #[error("cannot read map `{map}`: {source}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// What the kernel answered.
        source: std::io::Error,
    },
    /// The process table could not be read.
    #[error("cannot read the task iterator: {0}")]
    Tasks(String),
    /// Waiting for events failed.
    #[error("cannot wait for events: {0}")]
    Wait(std::io::Error),
    /// No program of this name, or it is missing on this machine.
    #[error("program `{0}` is not loaded")]
    NotLoaded(String),
    /// A loaded program could not be attached.
    #[error("cannot attach `{name}`: {reason}")]
    Attach {
        /// Name of the program.
        name: &'static str,
        /// What the kernel answered.
        reason: String,
    },
}
