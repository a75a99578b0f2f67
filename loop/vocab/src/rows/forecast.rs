//! Table `forecasts`.
use alloc::string::String;

use crate::Entity;

table! {
    /// One resource that will be used up if its use goes on rising as it does.
    forecasts => ForecastRow {
        /// Whose it is: the machine, a file system, a cgroup, a process.
        entity: Entity => None,
        /// memory_bytes (of a cgroup: anonymous memory), disk_bytes, inodes, descriptors, threads or ports.
        resource: String => None,
        /// In use now, in the unit of the resource.
        used: f64 => None,
        /// Where it ends, in the unit of the resource.
        bound: f64 => None,
        /// Rise, in the unit of the resource.
        rise_per_s: f64 => PerSecond,
        /// Time until it is used up: middle estimate.
        exhaustion_s: f64 => Seconds,
        /// Lower end of the 95 % interval.
        earliest_s: f64 => Seconds,
        /// Upper end of the 95 % interval; NULL if it may never be.
        latest_s: Option<f64> => Seconds,
        /// Time looked back on.
        seen_s: f64 => Seconds,
        /// The same in words.
        sentence: String => None,
    }
}
