//! When what is read less often than every tick is due.
use vocab::Timestamp;

/// A collector may use this share of one core: where a reading is dearer, it comes less often.
pub(crate) const COST_SHARE_MAX: f64 = 0.004;

/// A period with a phase, so that slow collectors do not all fall into the same tick.
#[derive(Debug)]
pub(crate) struct Cadence {
    period_s: f64,
    phase_s: f64,
    next: Option<Timestamp>,
}

impl Cadence {
    /// Due at once, then `phase_s` after the first time, then every `period_s`.
    pub(crate) const fn new(period_s: f64, phase_s: f64) -> Self {
        Self { period_s, phase_s, next: None }
    }

    /// Whether it is due at `at`; if so, the next time is set. `stretch` multiplies the period: 1 normally.
    pub(crate) fn is_due(&mut self, at: Timestamp, stretch: f64) -> bool {
        // A tick comes some microseconds early or late: half a tick of tolerance keeps the rhythm.
        let is_due = self.next.is_none_or(|next| at.plus_seconds(0.5) >= next);
        if is_due {
            let wait_s = if self.next.is_none() { self.phase_s } else { self.period_s };
            self.next = Some(at.plus_seconds(wait_s * stretch));
        }
        is_due
    }

    /// Puts the next time off if the reading at `at` was dear: `cost_us` of CPU time is to be at most `share` of one
    /// core.
    pub(crate) fn charge(&mut self, at: Timestamp, cost_us: u64, share: f64) {
        let earliest = at.plus_seconds(cost_us as f64 / 1e6 / share);
        self.next = self.next.max(Some(earliest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_seconds(mut cadence: Cadence, stretch: f64) -> Vec<i64> {
        (0..14).filter(|s| cadence.is_due(Timestamp::from_secs(*s), stretch)).collect()
    }

    #[test]
    fn the_first_tick_is_due_then_the_phase_then_the_period() {
        assert_eq!(due_seconds(Cadence::new(5.0, 3.0), 1.0), [0, 3, 8, 13]);
        assert_eq!(due_seconds(Cadence::new(5.0, 3.0), 2.0), [0, 6]);
    }

    #[test]
    fn a_late_tick_does_not_bring_a_second_one() {
        let mut cadence = Cadence::new(2.0, 2.0);
        assert!(cadence.is_due(Timestamp::from_secs(0), 1.0));
        assert!(cadence.is_due(Timestamp::from_secs(60), 1.0));
        assert!(!cadence.is_due(Timestamp::from_secs(61), 1.0));
    }

    #[test]
    fn a_dear_reading_comes_less_often() {
        let mut cadence = Cadence::new(2.0, 2.0);
        assert!(cadence.is_due(Timestamp::from_secs(0), 1.0));
        cadence.charge(Timestamp::from_secs(0), 40_000, COST_SHARE_MAX);
        let due: Vec<_> = (1..=10).filter(|s| cadence.is_due(Timestamp::from_secs(*s), 1.0)).collect();
        assert_eq!(due, [10]);
    }
}
