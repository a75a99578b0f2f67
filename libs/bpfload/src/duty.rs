//! How much of the time a program on the busiest hook may run, so that it costs a bounded share of the machine.
//!
//! On a hook that is passed 300,000 times a second a program that does nothing costs a few percent: what helps is not to
//! be there. Time is divided into turns; in each one the program runs or rests, so what it counted in a turn is whole.

/// What one switch costs with a program on it: its own time and that of the hook. Source: `cargo xtask bench bpf`. Unit: ns.
const SWITCH_NS: f64 = 200.0;
/// Turns may save up what they do not spend, for so long: one burst in calm times is counted. Unit: s.
const SAVED_S: f64 = 2.0;

/// Whether the program on context switches runs or rests.
#[derive(Clone, Debug)]
pub struct Duty {
    left_ns: f64,
    runs: bool,
}

impl Default for Duty {
    /// It runs, and nothing is saved.
    fn default() -> Self {
        Self { left_ns: 0.0, runs: true }
    }
}

impl Duty {
    /// Share of all CPUs that may be spent on it.
    pub const SHARE: f64 = 0.005;

    /// Ends a turn of `passed_s` in which `cpus` CPUs switched so often: whether the program is to run in the next one.
    ///
    /// A turn that cost more than was left is paid for by resting, so the mean over some turns is kept, whatever the rate.
    pub fn turn(&mut self, passed_s: f64, switches: u64, cpus: u32) -> bool {
        let a_second_ns = Self::SHARE * f64::from(cpus.max(1)) * 1e9;
        let spent_ns = if self.runs { switches as f64 * SWITCH_NS } else { 0.0 };
        let left_ns = self.left_ns + a_second_ns * passed_s.max(0.0) - spent_ns;
        self.left_ns = left_ns.min(a_second_ns * SAVED_S);
        self.runs = self.left_ns >= 0.0;
        self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In which of so many seconds the program ran, at a rate of switches by second; two CPUs.
    fn ran(seconds: u64, rate: impl Fn(u64) -> u64) -> Vec<bool> {
        let mut duty = Duty::default();
        let mut runs = true;
        (0..seconds).map(|second| std::mem::replace(&mut runs, duty.turn(1.0, rate(second), 2))).collect()
    }

    #[test]
    fn at_ordinary_rates_it_always_runs() {
        for rate in [0, 5_000, 20_000, 29_400, 49_000] {
            assert!(ran(600, |_| rate).iter().all(|ran| *ran), "{rate}");
        }
    }

    #[test]
    fn in_a_storm_it_costs_its_share_and_still_looks() {
        for rate in [60_000, 119_000, 324_000, 2_000_000] {
            let count = ran(6_000, |_| rate).iter().filter(|ran| **ran).count() as f64;
            let spent = count / 6_000.0 * rate as f64 * SWITCH_NS / 1e9 / 2.0;
            assert!(
                (Duty::SHARE * 0.9..=Duty::SHARE * 1.1).contains(&spent),
                "{rate}: {count} of 6,000, {spent}"
            );
        }
    }

    #[test]
    fn one_busy_second_in_calm_is_counted_and_costs_none_after_it() {
        let burst = ran(60, |second| if second == 30 { 100_000 } else { 5_000 });
        assert!(burst.iter().all(|ran| *ran), "{burst:?}");
    }

    #[test]
    fn after_a_storm_it_is_back_within_seconds_and_stays() {
        let after = ran(120, |second| if second < 60 { 324_000 } else { 5_000 });
        assert!(after[67..].iter().all(|ran| *ran), "{after:?}");
        assert!(after[..60].iter().any(|ran| !ran));
    }

    #[test]
    fn a_clock_that_stands_still_or_runs_backwards_fills_nothing() {
        let mut duty = Duty::default();
        assert!(!duty.turn(-5.0, 1_000, 0) && !duty.turn(0.0, 0, 0));
    }
}
