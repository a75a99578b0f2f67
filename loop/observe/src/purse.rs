//! CPU time for what is dear and can wait: it fills at a share of a core up to a bound, and who finds it empty waits.
use vocab::Timestamp;

/// What may be spent.
#[derive(Debug)]
pub(crate) struct Purse {
    share: f64,
    bound_us: f64,
    left_us: f64,
    filled: Option<Timestamp>,
}

impl Purse {
    /// A full one: `share` of a core in the long run, `bound_us` at one go.
    pub(crate) const fn new(share: f64, bound_us: f64) -> Self {
        Self { share, bound_us, left_us: bound_us, filled: None }
    }

    /// Whether something is left at `at`. What was begun then is finished, though it cost more.
    pub(crate) fn has(&mut self, at: Timestamp) -> bool {
        let passed_s = self.filled.map_or(0.0, |then| at.seconds_since(then).max(0.0));
        self.filled = Some(at);
        self.left_us = (self.left_us + passed_s * 1e6 * self.share).min(self.bound_us);
        self.left_us > 0.0
    }

    /// Takes out what something cost.
    pub(crate) fn spend(&mut self, cost_us: u64) {
        self.left_us -= cost_us as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_long_run_its_share_is_spent_and_at_one_go_no_more_than_it_holds() {
        let mut purse = Purse::new(0.001, 50_000.0);
        // What costs 10 ms each second would be a hundredth of a core.
        let spent = (0..1_000).filter(|second| {
            let may = purse.has(Timestamp::from_secs(*second));
            if may {
                purse.spend(10_000);
            }
            may
        });
        assert_eq!(spent.count(), 105, "5 at first, one in 10 s from then on");
        assert!(purse.has(Timestamp::from_secs(9_000)) && purse.left_us <= 50_000.0);
    }
}
