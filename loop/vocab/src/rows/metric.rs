//! Table `metrics`.
use alloc::string::String;

use crate::{Entity, Timestamp};

table! {
    /// One number of the past: a cell of a live table as it was, or its mean over a step.
    metrics => MetricRow {
        /// When, or the begin of the step.
        at: Timestamp => UtcNanoseconds,
        /// Whose: machine, process:PID@START_TICKS, service:NAME, cgroup:PATH and so on.
        entity: Entity => None,
        /// The column, after the resource or kind where the table has one: cpu_pct, memory_some_pct.
        series: String => None,
        /// The number, in the unit of that column; the mean over a step.
        value: f64 => None,
        /// The least of the step.
        least: f64 => None,
        /// The greatest of the step.
        greatest: f64 => None,
        /// The last of the step.
        last: f64 => None,
        /// How many samples the step sums up.
        samples: u64 => Count,
        /// Width of a step, set with WHERE step_s = …; hidden, NULL for the samples themselves.
        step_s: Option<f64> => Seconds,
    }
}
