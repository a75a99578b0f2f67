//! Where a process spends its time, waits, and takes memory: its stacks, sampled for a few seconds and named.
//!
//! Start at [`profile`]. Nothing is loaded into the process and nothing in it is stopped: the kernel's perf events
//! copy registers and the top of a stack when a sample is due, and the stacks of sleeping threads are read as they lie.
//! Both are unwound here by the call frame information of the program's own files, so that neither frame pointers nor
//! debug information is needed. What is attached goes with the descriptors: nothing outlives this process.
//! What a Python of 3.11 or 3.12 runs is read from its interpreter's own frames, of threads that sleep.
//!
//! Limits: x86-64; no inlined functions; of memory that grows the function is named that touches it first, which need not be
//! the one that keeps it, as [`Kind::MemoryKept`] tells: a heap hands room that one gave back to the next, and the callers that both have are what is sure; a
//! thread that sleeps where only its frame pointer tells the caller may have a stack that ends early.
mod arch;
mod call_frames;
mod counts;
mod functions;
pub mod gpu;
mod holders;
mod image;
mod kept;
mod names;
mod perf;
mod profile;
mod python;
mod request;
mod ring;
mod sampler;
mod sleeping;
mod space;
pub mod svg;
mod symbols;
mod unwind;
mod watch;

pub use names::is_runtime;
pub use profile::{Frame, Function, Kind, Profile, Stack, Unit};
pub use request::Request;
pub use sleeping::Sleeping;
pub use watch::profile;

/// Why there is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such process, or it ended.
    #[error("process {0} ended")]
    Gone(u32),
    /// The kernel refuses to show it to this user.
    #[error("process {pid} may not be looked into: {why}")]
    Forbidden {
        /// Whose.
        pid: u32,
        /// The kernel's words.
        why: String,
    },
    /// The kernel has no perf events, or refuses them to this user.
    #[error("the kernel refuses perf events: {0}")]
    NoEvents(String),
    /// None of the libraries asked for is mapped.
    #[error("process {0} uses neither the CUDA run-time nor NCCL")]
    NoLibrary(u32),
    /// No file that it has mapped exports an allocator.
    #[error("process {0} has an allocator of its own that cannot be told")]
    NoAllocator(u32),
    /// The kernel has no probes of functions, or refuses them to this user.
    #[error("calls of functions cannot be watched: {why}")]
    NoProbes {
        /// What stood in the way.
        why: String,
        /// What would bring them.
        would_bring: String,
    },
    /// Stacks are unwound on x86-64 only.
    #[error("stacks cannot be unwound on this processor architecture")]
    Architecture,
}

/// Whether this user may have perf events: `None`, or why not. Opens one on the calling thread and closes it.
pub fn refusal() -> Option<Refusal> {
    if !arch::IS_SUPPORTED {
        return Some(Refusal::Architecture);
    }
    perf::Event::open(Kind::OnCpu, 0, 99).err().map(|error| Refusal::NoEvents(error.to_string()))
}
