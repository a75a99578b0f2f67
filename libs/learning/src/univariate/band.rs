//! The learnt band of a series: the range that all but one sample in a hundred stay in, over the last hours.
//!
//! Both ends follow by stochastic approximation. The band widens within minutes of something new and narrows over hours.
use serde::{Deserialize, Serialize};

/// Share of the samples beyond each end.
const BEYOND: f64 = 0.005;
/// Weight of a sample in the center and spread, once the series is known.
const RATE: f64 = 0.001;
/// Step of an end, in spreads, once the series is known.
const STEP: f64 = 0.02;

/// Both ends of one series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Band {
    seen: u64,
    center: f64,
    spread: f64,
    low: f64,
    high: f64,
}

impl Band {
    /// Takes one sample in; `floor` is the spread below which a quantity is not told apart.
    pub fn push(&mut self, value: f64, floor: f64) {
        self.seen += 1;
        if self.seen == 1 {
            (self.center, self.low, self.high) = (value, value, value);
            return;
        }
        let count = self.seen as f64;
        let deviation = value - self.center;
        let rate = (1.0 / count).max(RATE);
        let unit = self.spread.max(floor);
        self.spread += rate * (deviation.abs().min(5.0 * unit) - self.spread);
        self.center += rate * deviation.clamp(-5.0 * unit, 5.0 * unit);
        let step = (8.0 / count).max(STEP) * unit;
        // While little is known an end goes all the way; later it counts samples, not sizes.
        self.high = if value > self.high { grow(self.high, value, step) } else { self.high - step * BEYOND };
        self.low = if value < self.low { -grow(-self.low, -value, step) } else { self.low + step * BEYOND };
        self.high = self.high.max(self.center);
        self.low = self.low.min(self.center);
    }

    /// Lower end.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// Upper end.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Samples taken in.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether every value is a number and its ends are in order.
    pub fn is_sound(&self) -> bool {
        let values = [self.center, self.spread, self.low, self.high];
        values.iter().all(|value| value.is_finite()) && self.low <= self.high && self.seen < 1 << 50
    }

    /// How far its ends lie beyond those of `before`, in widths of that one (at least `floor`).
    pub fn crept_from(&self, before: &Self, floor: f64) -> f64 {
        let width = (before.high - before.low).max(floor);
        ((self.high - before.high).max(before.low - self.low) / width).max(0.0)
    }
}

fn grow(end: f64, value: f64, step: f64) -> f64 {
    end + (step * (1.0 - BEYOND)).min(value - end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn one_sample_in_a_hundred_lies_outside() {
        let (mut rng, mut band, mut outside) = (Rng::new(5), Band::default(), 0);
        for i in 0..200_000 {
            let value = 40.0 + 3.0 * rng.normal();
            outside += usize::from(i >= 20_000 && (value < band.low() || value > band.high()));
            band.push(value, 0.1);
        }
        let share = outside as f64 / 180_000.0;
        assert!((0.005..0.02).contains(&share), "{share}");
        assert!((band.low() - 32.3).abs() < 2.0 && (band.high() - 47.7).abs() < 2.0, "{band:?}");
    }

    #[test]
    fn it_widens_in_minutes_and_narrows_in_hours() {
        let mut band = Band::default();
        (0..5_000).for_each(|_| band.push(10.0, 1.0));
        (0..600).for_each(|_| band.push(20.0, 1.0));
        assert!(band.high() > 19.0, "{band:?}");
        (0..3_600).for_each(|_| band.push(10.0, 1.0));
        assert!(band.high() > 15.0, "{band:?}");
    }

    #[test]
    fn a_constant_stays_a_line_and_creep_is_measured_in_widths() {
        let (mut band, mut later) = (Band::default(), Band::default());
        (0..5_000).for_each(|_| band.push(7.0, 1.0));
        assert!(band.low() <= 7.0 && band.high() >= 7.0 && band.high() - band.low() < 0.5, "{band:?}");
        (0..5_000).for_each(|_| later.push(27.0, 1.0));
        assert!((later.crept_from(&band, 5.0) - 4.0).abs() < 0.2, "{later:?}");
        assert_eq!(band.crept_from(&band, 5.0), 0.0);
    }
}
