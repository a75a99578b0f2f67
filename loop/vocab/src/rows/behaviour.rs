//! Table `behaviour`.
use alloc::string::String;

use crate::Timestamp;

table! {
    /// One program and the order of its system calls: how the last look at it compares with those it was learnt from. Nothing here is a trouble by itself; no row without programs in the kernel.
    behaviour => BehaviourRow {
        /// The program; it is learnt across its processes, runs and versions.
        program: String => None,
        /// Process that was watched last.
        pid: u32 => None,
        /// When that was: whoever is in turn, once a minute, and a suspect again.
        at: Timestamp => UtcNanoseconds,
        /// learning (too few looks to claim anything), ready, suspicious (the last look was strange: it is looked at again) or strange (four of the last five were).
        state: String => None,
        /// When the state began.
        since: Timestamp => UtcNanoseconds,
        /// Looks it was learnt from.
        looks: u64 => Count,
        /// Calls it was learnt from.
        calls: u64 => Count,
        /// Chance of a look as strange as the last one; never below 1 in the looks and one; NULL before the second.
        probability: Option<f64> => Ratio,
        /// Mean surprise of the calls of the last look, in nats.
        surprise: f64 => None,
        /// What one look in twenty exceeds, in nats.
        usual: f64 => None,
        /// The calls of the last look that surprised most, the unexpected one last.
        strangest: Option<String> => None,
        /// Memory of its model.
        size_bytes: u64 => Bytes,
        /// The same in words.
        sentence: String => None,
    }
}
