//! What Homeostat may cost, and what it sheds when it costs more.
//!
//! The order in which work is shed is declared in observe: first the dearer counters come half as often,
//! then a fifth as often, then probes as well. The level is a row of `self`.
use std::collections::VecDeque;

use vocab::sample::Sample;

/// CPU time we may use, of one core. A machine that computes for money gives a watchman a hundredth.
const CPU_MAX: f64 = 0.02;

/// Resident memory we may use. Unit: bytes.
const RSS_MAX: u64 = 64 << 20;

/// Ticks over which the use is averaged.
const SPAN: usize = 30;

/// Ticks at a level before it is left again, so that it does not flap.
const HOLD: u32 = 30;

/// The budget.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    used: VecDeque<(i64, u64)>,
    level: u8,
    held: u32,
}

impl Budget {
    /// The level of shedding after this sample: 0 nothing, to 3.
    pub fn shed_level(&mut self, sample: &Sample) -> u8 {
        self.used.push_back((sample.at.0, sample.own.cpu_us));
        if self.used.len() > SPAN {
            self.used.pop_front();
        }
        self.held = self.held.saturating_add(1);
        if self.used.len() < SPAN || self.held < HOLD {
            return self.level;
        }
        let is_over = self.share() > CPU_MAX || sample.own.rss_bytes > RSS_MAX;
        let is_under = self.share() < CPU_MAX / 2.0 && sample.own.rss_bytes < RSS_MAX / 2;
        let level = match (is_over, is_under) {
            (true, _) => (self.level + 1).min(3),
            (_, true) => self.level.saturating_sub(1),
            _ => self.level,
        };
        if level != self.level {
            (self.level, self.held) = (level, 0);
        }
        self.level
    }

    /// CPU time of one core we used over the span.
    fn share(&self) -> f64 {
        let (Some(first), Some(last)) = (self.used.front(), self.used.back()) else { return 0.0 };
        let span_us = (last.0 - first.0) as f64 / 1e3;
        if span_us > 0.0 { last.1.saturating_sub(first.1) as f64 / span_us } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocab::Timestamp;
    use vocab::sample::OwnSample;

    /// The levels of `seconds` ticks with this use of the CPU.
    fn levels(budget: &mut Budget, from_s: i64, seconds: i64, cpu_us_a_tick: u64) -> u8 {
        let mut level = 0;
        for second in from_s..from_s + seconds {
            let cpu_us = 1_000_000_000 + second as u64 * cpu_us_a_tick;
            let own = OwnSample { cpu_us, rss_bytes: 1 << 20, ..OwnSample::default() };
            let sample = Sample { at: Timestamp::from_secs(second), own, ..Sample::default() };
            level = budget.shed_level(&sample);
        }
        level
    }

    #[test]
    fn within_the_budget_nothing_is_shed() {
        assert_eq!(levels(&mut Budget::default(), 0, 600, 5_000), 0);
    }

    #[test]
    fn beyond_it_more_and_more_is_shed_and_taken_up_again() {
        let mut budget = Budget::default();
        assert_eq!(levels(&mut budget, 0, 45, 50_000), 1);
        assert_eq!(levels(&mut budget, 45, 120, 50_000), 3);
    }
}
