//! Rise and fall of a quantity: a garbage collector, a pool and a cache that expires give back what they took.
use serde::{Deserialize, Serialize};

/// What is known of the rises and falls of one series.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Cycle {
    low: Option<(f64, f64)>,
    peak: f64,
    /// Highest value from which something was given back.
    pub peak_highest: f64,
    /// Longest rise that ended by giving back. Unit: s.
    pub rise_longest_s: f64,
    /// When it last gave back. Unit: s since the first snapshot.
    pub trough_s: f64,
    /// How often it gave back.
    pub give_backs: u32,
}

/// Share of a rise that must come back to count: less is the noise of an allocator.
const GIVE_BACK_RATIO: f64 = 0.4;
/// A fall is forgotten after so many times its rise without another one.
const FORGET_RISES: f64 = 6.0;
/// And not before. Unit: s.
const FORGET_S: f64 = 30.0;

impl Cycle {
    /// Takes the next value; a rise below `rise_min` is noise.
    pub fn push(&mut self, at_s: f64, value: f64, rise_min: f64) {
        let Some((low_s, low)) = self.low else {
            self.low = Some((at_s, value));
            self.peak = value;
            return;
        };
        self.peak = self.peak.max(value);
        let rise = self.peak - low;
        if rise >= rise_min && value <= self.peak - GIVE_BACK_RATIO * rise {
            self.peak_highest = self.peak_highest.max(self.peak);
            self.rise_longest_s = self.rise_longest_s.max(at_s - low_s);
            self.give_backs = self.give_backs.saturating_add(1);
            self.trough(at_s, value);
        } else if value <= low {
            self.trough(at_s, value);
        }
    }

    fn trough(&mut self, at_s: f64, value: f64) {
        self.low = Some((at_s, value));
        self.peak = value;
        if self.give_backs > 0 {
            self.trough_s = at_s;
        }
    }

    /// The end of what can be judged: now, or the last trough of a series that gives back what it takes.
    ///
    /// One that rises beyond every former peak, and for much longer than it ever rose, is judged to its end.
    pub fn judged_until(&self, now_s: f64, value: f64) -> f64 {
        let rising_s = now_s - self.trough_s;
        let memory_s = FORGET_S.max(FORGET_RISES * self.rise_longest_s);
        let is_beyond = value > 1.1 * self.peak_highest && rising_s > 2.0 * self.rise_longest_s;
        if self.give_backs == 0 || rising_s > memory_s || is_beyond { now_s } else { self.trough_s }
    }
}

#[cfg(test)]
mod tests {
    use super::Cycle;

    fn after(values: impl IntoIterator<Item = f64>) -> (Cycle, f64, f64) {
        let mut cycle = Cycle::default();
        let mut last = (0.0, 0.0);
        for (index, value) in values.into_iter().enumerate() {
            last = (index as f64, value);
            cycle.push(last.0, value, 2.0);
        }
        (cycle, last.0, last.1)
    }

    #[test]
    fn a_steady_rise_is_judged_to_its_end() {
        let (cycle, now, value) = after((0..50).map(f64::from));
        assert_eq!(cycle.judged_until(now, value), now);
    }

    #[test]
    fn a_saw_tooth_is_judged_to_its_last_trough() {
        let (cycle, now, value) = after((0..58).map(|turn| f64::from(turn % 10)));
        assert_eq!((cycle.give_backs, cycle.judged_until(now, value)), (5, 50.0));
    }

    #[test]
    fn one_fall_is_forgotten_after_a_while() {
        let spike = [1.0, 60.0, 20.0].into_iter().chain((0..60).map(|_| 20.0));
        let (cycle, now, value) = after(spike);
        assert_eq!(cycle.judged_until(now, value), now);
    }

    #[test]
    fn a_rise_beyond_all_peaks_is_judged_to_its_end() {
        let teeth = (0..30).map(|turn| f64::from(turn % 10));
        let (cycle, now, value) = after(teeth.chain((0..25).map(f64::from)));
        assert_eq!(cycle.judged_until(now, value), now);
    }
}
