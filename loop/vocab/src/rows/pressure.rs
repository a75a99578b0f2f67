//! Table `pressure`.
use alloc::string::String;

use crate::Entity;

table! {
    /// How much of the time work stalled on a resource, of the machine or of a cgroup.
    pressure => Pressure {
        /// machine, or the cgroup.
        entity: Entity => None,
        /// cpu, memory or io.
        resource: String => None,
        /// Time in which some task stalled, since the sample before.
        some_pct: Option<f64> => Percent,
        /// Time in which every task stalled, since the sample before.
        full_pct: Option<f64> => Percent,
        /// Time in which some task stalled, since boot.
        some_us: u64 => Microseconds,
        /// Time in which every task stalled, since boot.
        full_us: Option<u64> => Microseconds,
    }
}
