//! What the drain keeps from tick to tick.
use crate::hist::Hist;
use crate::sys::BatchBuffer;

/// Kinds of software interrupts.
pub(crate) const SOFTIRQS: usize = 10;

/// The buffers of [`crate::Kernel::drain`], and where its totals stood.
#[derive(Default)]
pub(crate) struct Drainer {
    pub(crate) buffer: BatchBuffer,
    pub(crate) softirq: [Hist; SOFTIRQS],
    /// Whether software interrupts were timed when it was drained last.
    pub(crate) timed_softirqs: bool,
}
