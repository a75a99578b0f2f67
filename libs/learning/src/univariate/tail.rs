//! Streaming tail: from any score to its surprise, -log10 of the probability that a normal sample scores as high.
//!
//! Two nested quantiles follow the score by stochastic approximation; above the upper one the tail is taken as
//! exponential with the mean excess seen there (the first order of extreme-value theory, without a fit).
use serde::{Deserialize, Serialize};

/// Share of the samples above the lower quantile that also exceed the upper one.
const INNER: f64 = 0.1;

/// Follows one score; 64 bytes, no allocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    rate: f64,
    nested: bool,
    seen: f64,
    spread: f64,
    lower: f64,
    excess: f64,
    above: f64,
    upper: f64,
    upper_excess: f64,
}

impl Tail {
    /// A calibrated tail that begins at the quantile which a share `rate` of the samples exceeds.
    pub fn new(rate: f64) -> Self {
        Tail { nested: true, ..Self::single(rate) }
    }

    /// A tail with the lower quantile alone: coarser far out, steadier after few samples; for evidence that is summed
    /// and calibrated again.
    pub fn single(rate: f64) -> Self {
        let (seen, spread, lower, excess) = (0.0, 0.0, 0.0, 0.0);
        Tail { rate, nested: false, seen, spread, lower, excess, above: 0.0, upper: 0.0, upper_excess: 0.0 }
    }

    /// Takes one score in and returns its surprise against what was seen before: 0 below the lower quantile.
    pub fn push(&mut self, score: f64) -> f64 {
        let surprise = self.surprise(score);
        self.learn(score);
        surprise
    }

    /// -log10 of the chance of a score this high, not capped: a measure to rank by.
    pub fn surprise(&self, score: f64) -> f64 {
        const LOG10_E: f64 = core::f64::consts::LOG10_E;
        if self.seen < 1.0 || score <= self.lower || self.excess <= 0.0 {
            return 0.0;
        }
        let entry = -libm::log10(self.rate);
        let step = self.upper - self.lower;
        if !self.nested || self.above < 2.0 / INNER || step <= 0.0 || self.upper_excess <= 0.0 {
            return entry + (score - self.lower) / self.excess * LOG10_E;
        }
        let inner = -libm::log10(INNER);
        match score <= self.upper {
            true => entry + inner * (score - self.lower) / step,
            false => entry + inner + (score - self.upper) / self.upper_excess * LOG10_E,
        }
    }

    /// The probability that goes with a surprise, never below 1 / (n + 1) after n samples.
    pub fn probability(&self, surprise: f64) -> f64 {
        libm::pow(10.0, -surprise).max(1.0 / (self.seen + 1.0))
    }

    /// Samples taken in.
    pub fn seen(&self) -> f64 {
        self.seen
    }

    /// Whether it can be of a tail that learnt: every value a number, its counts no less than nothing.
    pub fn is_sound(&self) -> bool {
        let values = [self.spread, self.lower, self.excess, self.upper, self.upper_excess];
        (1e-6..0.5).contains(&self.rate)
            && values.iter().all(|value| value.is_finite())
            && [self.seen, self.above].iter().all(|count| (0.0..1e15).contains(count))
    }

    fn learn(&mut self, score: f64) {
        self.seen += 1.0;
        if self.seen == 1.0 {
            self.lower = score;
            self.spread = score.abs().max(1e-9);
            self.excess = self.spread;
            return;
        }
        let deviation = (score - self.lower).abs().min(5.0 * self.spread + 1e-12);
        self.spread += (1.0 / self.seen).max(0.001) * (deviation - self.spread);
        let step = (4.0 / self.seen).max(0.02) * self.spread.max(1e-12);
        if score > self.lower {
            self.learn_excess(score);
            self.lower += step * (1.0 - self.rate);
        } else {
            self.lower -= step * self.rate;
        }
    }

    /// Outliers move the means by at most ten times what is usual, so that one attack does not blind the tail.
    fn learn_excess(&mut self, score: f64) {
        let over = (score - self.lower).min(10.0 * self.excess + 1e-12);
        self.above += 1.0;
        self.excess += (2.0 / (2.0 + self.above)).max(0.01) * (over - self.excess);
        if self.above < 1.5 {
            self.upper = score;
            self.upper_excess = over;
        }
        let step = (2.0 / self.above).max(0.02) * self.excess.max(self.upper - self.lower);
        if score > self.upper {
            let over = (score - self.upper).min(10.0 * self.upper_excess + 1e-12);
            self.upper_excess += (2.0 / (2.0 + self.above * INNER)).max(0.02) * (over - self.upper_excess);
            self.upper += step * (1.0 - INNER);
        } else {
            self.upper -= step * INNER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn realised(seed: u64, warm: usize, count: usize, mut draw: impl FnMut(&mut Rng) -> f64) -> f64 {
        let (mut tail, mut rng) = (Tail::new(0.005), Rng::new(seed));
        (0..warm).for_each(|_| {
            tail.push(draw(&mut rng));
        });
        let hits = (0..count).filter(|_| tail.push(draw(&mut rng)) >= 4.0).count();
        hits as f64 / count as f64
    }

    #[test]
    fn one_in_ten_thousand_is_kept_within_a_factor_of_two_on_quiet_data() {
        let normal = realised(1, 20_000, 2_000_000, |r| r.normal().abs());
        assert!((0.5e-4..2e-4).contains(&normal), "normal {normal}");
        let heavy = realised(2, 20_000, 2_000_000, |r| -libm::log(r.unit().max(1e-300)));
        assert!((0.5e-4..2e-4).contains(&heavy), "exponential {heavy}");
    }

    #[test]
    fn no_probability_below_one_over_n_plus_one() {
        let (mut tail, mut rng) = (Tail::new(0.02), Rng::new(3));
        for n in 1..500 {
            let surprise = tail.push(if n % 50 == 0 { 1e9 } else { rng.normal() });
            assert!(tail.probability(surprise) >= 1.0 / (n as f64 + 1.0));
        }
    }
}
