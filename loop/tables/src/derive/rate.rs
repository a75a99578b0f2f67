//! Rates from two reads of a counter.
use vocab::Timestamp;

/// Time between two reads; unknown after the first read or when time did not move forward.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval(Option<f64>);

impl Interval {
    /// From the earlier read, if there was one, to the later.
    pub fn between(before: Option<Timestamp>, at: Timestamp) -> Self {
        // Subtracted as floats: hostile instants must not overflow.
        let seconds = before.map(|before| (at.0 as f64 - before.0 as f64) / 1e9);
        // Below a millisecond a difference says nothing about a rate.
        Self(seconds.filter(|seconds| *seconds >= 1e-3))
    }

    /// Its length. Unit: s.
    pub const fn seconds(self) -> Option<f64> {
        self.0
    }

    /// Growth of a counter a second; `None` if it ran backwards.
    pub fn rate(self, before: u64, now: u64) -> Option<f64> {
        Some(now.checked_sub(before)? as f64 / self.0?)
    }

    /// As [`Interval::rate`], for counters that may be missing.
    pub fn rate_of(self, before: Option<u64>, now: Option<u64>) -> Option<f64> {
        self.rate(before?, now?)
    }

    /// Per cent of the interval that a counter of time spent grew by; `units_per_s` is 1,000 for a counter
    /// in ms. At most 100: reads of clock and counter are not one instant.
    pub fn busy_pct(self, before: u64, now: u64, units_per_s: f64) -> Option<f64> {
        Some((100.0 * self.rate(before, now)? / units_per_s).min(100.0))
    }
}

/// Mean cost of an operation between two reads; `None` if none completed.
pub fn mean(cost_before: u64, cost_now: u64, count_before: u64, count_now: u64) -> Option<f64> {
    let count = count_now.checked_sub(count_before).filter(|count| *count > 0)?;
    Some(cost_now.checked_sub(cost_before)? as f64 / count as f64)
}
