//! Tier 0: distance of a sample from a slow mean, in units of a slow spread with a floor.
use serde::{Deserialize, Serialize};

/// Weight of a new sample once the series is known.
const RATE: f64 = 0.005;
/// Spread that a constant series is given, relative to its level.
const FLOOR: f64 = 1e-6;
/// Largest score: beyond it all samples are equally strange.
const CEILING: f64 = 50.0;

/// Mean and variance of one series, exponentially forgotten.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Level {
    seen: f64,
    mean: f64,
    variance: f64,
    floor: f64,
}

impl Level {
    /// A level whose spread is never taken as less than `floor`, in the unit of the series.
    pub fn with_floor(floor: f64) -> Self {
        Self { floor, ..Self::default() }
    }

    /// Score of a sample against what came before, then takes it in. 0 for the first.
    pub fn push(&mut self, value: f64) -> f64 {
        if self.seen == 0.0 {
            self.mean = value;
        }
        let deviation = value - self.mean;
        let score = self.score(value);
        let rate = (1.0 / (self.seen + 2.0)).max(RATE);
        self.seen += 1.0;
        self.mean += rate * deviation;
        self.variance = (1.0 - rate) * (self.variance + rate * deviation * deviation);
        score
    }

    /// Distance of a value from the slow mean, in slow spreads; nothing is learnt.
    pub fn score(&self, value: f64) -> f64 {
        ((value - self.mean) / self.spread()).abs().min(CEILING)
    }

    /// Whether every value is a number and none below what it can be.
    pub fn is_sound(&self) -> bool {
        self.mean.is_finite()
            && [self.seen, self.variance, self.floor].iter().all(|value| value.is_finite() && *value >= 0.0)
    }

    /// Slow mean, in the unit of the series.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Slow standard deviation, never below the floor.
    pub fn spread(&self) -> f64 {
        libm::sqrt(self.variance).max(FLOOR * self.mean.abs()).max(self.floor).max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_series_scores_nothing_and_rounding_noise_stays_below_a_step() {
        let mut level = Level::default();
        (0..1000).for_each(|_| assert_eq!(level.push(5e9), 0.0));
        assert!(level.push(5e9 + 1.0) < 0.01);
        assert_eq!(level.push(6e9), CEILING);
    }
}
