//! What Homeostat may cost, and what it sheds when it costs more.
//!
//! The order in which work is shed: first, beyond what we aim at, the dearer counters come half as often; then, beyond
//! what we may use, a fifth as often, then probes as well (observe), then the tick itself comes every two and every five
//! seconds. The level is a row of `self`.
use std::collections::VecDeque;

use vocab::budget::{CPU_SHARE_AIM, CPU_SHARE_MAX, RSS_BYTES_MAX, SHED_LEVEL_MAX};
use vocab::sample::Sample;

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
    /// The level of shedding after this sample: 0 nothing, to [`SHED_LEVEL_MAX`].
    pub fn shed_level(&mut self, sample: &Sample) -> u8 {
        self.used.push_back((sample.at.0, sample.own.cpu_us));
        if self.used.len() > SPAN {
            self.used.pop_front();
        }
        self.held = self.held.saturating_add(1);
        if self.used.len() < SPAN || self.held < HOLD {
            return self.level;
        }
        let (least, most) = match self.level {
            0 => (0.0, CPU_SHARE_AIM),
            // What comes half as often is a part of it only.
            1 => (0.7 * CPU_SHARE_AIM, CPU_SHARE_MAX),
            // One level less can cost two and a half times as much: only far below is there room for it.
            _ => (CPU_SHARE_MAX / 4.0, CPU_SHARE_MAX),
        };
        let is_over = self.share() > most || sample.own.rss_bytes > RSS_BYTES_MAX;
        let is_under = self.share() < least && sample.own.rss_bytes < RSS_BYTES_MAX / 2;
        let level = match (is_over, is_under) {
            (true, _) => (self.level + 1).min(SHED_LEVEL_MAX),
            (_, true) => self.level.saturating_sub(1),
            _ => self.level,
        };
        if level != self.level {
            (self.level, self.held) = (level, 0);
        }
        self.level
    }

    /// The level now.
    pub const fn level(&self) -> u8 {
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

    /// A budget whose use is made up.
    #[derive(Default)]
    struct Made {
        budget: Budget,
        second: i64,
        cpu_us: u64,
    }

    impl Made {
        /// The level after `seconds` ticks with this use of the CPU.
        fn after(&mut self, seconds: i64, cpu_us_a_tick: u64) -> u8 {
            for _ in 0..seconds {
                self.second += 1;
                self.cpu_us += cpu_us_a_tick;
                let own = OwnSample { cpu_us: self.cpu_us, rss_bytes: 1 << 20, ..OwnSample::default() };
                let at = Timestamp::from_secs(self.second);
                self.budget.shed_level(&Sample { at, own, ..Sample::default() });
            }
            self.budget.level()
        }
    }

    #[test]
    fn within_the_budget_nothing_is_shed() {
        assert_eq!(Made::default().after(600, 5_000), 0);
    }

    #[test]
    fn beyond_the_aim_a_little_is_shed_and_no_more() {
        let mut made = Made::default();
        assert_eq!(made.after(600, 9_000), 1);
        assert_eq!(made.after(60, 4_000), 1, "the same work would be beyond it again");
        assert_eq!(made.after(60, 3_000), 0);
    }

    #[test]
    fn beyond_it_more_and_more_is_shed_and_taken_up_again() {
        let mut made = Made::default();
        assert_eq!(made.after(45, 50_000), 1);
        assert_eq!(made.after(300, 50_000), SHED_LEVEL_MAX);
        assert_eq!(made.after(60, 8_000), SHED_LEVEL_MAX, "there is no room for more yet");
        assert_eq!(made.after(400, 1_000), 0);
    }
}
