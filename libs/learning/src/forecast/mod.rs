//! Forecasts of one series a few steps ahead, with intervals whose coverage is corrected as the answers come in.
//!
//! Experts (the last value, a mean, the median of the last eight, medians of three longer memories, two medians of the same
//! phase) are weighted by their own past
//! absolute errors, and by which side of the outcome they pulled the combination to (exponentiated gradient), both slowly
//! forgotten; the forecast is the value seen lately that is nearest to their combination, as the median of a
//! quantity that takes few values is one of them. An interval is the combination plus quantiles of its own past errors, at levels that adaptive
//! conformal inference moves until the promised share is covered.
pub mod exhaustion;
mod few;
mod phases;
mod recency;
mod sorted;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use few::Few;
use phases::Phases;
use recency::{MEMORIES, Recency};
use sorted::Sorted;

/// Experts: last value, one median a memory, two medians of the same phase, mean, median of the last few.
const EXPERTS: usize = MEMORIES + 5;
/// The expert whose error is the unit of all: the median of the first memory.
const USUAL: usize = 1;
/// Values that the median of the last few is of.
const LAST: usize = 8;
/// Weight of the newest value in the mean.
const MEAN: f32 = 0.1;
/// What an expert loses for its error, and gains or loses for the side it pulled to, per typical error.
const LEARNING: [f32; 2] = [0.1, 0.05];
/// Share of a loss that is kept from one answer to the next.
const KEPT: f32 = 0.995;
/// How far one answer moves an interval's level.
const LEVEL_STEP: f64 = 0.01;
/// Quantiles that are forecast: both ends of the 95 % interval, and the 95th percentile to plan capacity by.
pub const QUANTILES: [f64; 3] = [0.025, 0.95, 0.975];

/// One forecast, in the unit of the series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Median forecast.
    pub value: f64,
    /// The values that [`QUANTILES`] of the outcomes stay below; infinite while too few errors are known.
    pub quantiles: [f64; QUANTILES.len()],
}

/// Forecasts one series at one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecaster {
    steps: usize,
    window: Recency,
    last: Few,
    phases: Phases,
    mean: f32,
    errors: Sorted,
    is_started: bool,
    /// Forecasts that wait for their outcome, in a ring.
    pending: Vec<Pending>,
    oldest: usize,
    losses: [f32; EXPERTS],
    scale: f32,
    levels: [f64; QUANTILES.len()],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Pending {
    experts: [f32; EXPERTS],
    /// What the experts say together, before the nearest value is taken.
    center: f32,
    quantiles: [f64; QUANTILES.len()],
}

impl Forecaster {
    /// Forecasts `steps` samples ahead; `period` is the number of samples after which things tend to repeat (an hour).
    pub fn new(steps: usize, period: usize) -> Self {
        Forecaster {
            steps: steps.max(1),
            window: Recency::new(),
            last: Few::new(LAST),
            phases: Phases::new(period),
            mean: 0.0,
            errors: Sorted::default(),
            is_started: false,
            pending: Vec::with_capacity(steps.max(1)),
            oldest: 0,
            losses: [0.0; EXPERTS],
            scale: 0.0,
            levels: QUANTILES,
        }
    }

    /// Takes one sample in and forecasts the one `steps` later; `None` where it is not finite.
    pub fn push(&mut self, value: f64) -> Option<Forecast> {
        let value = value as f32;
        if !value.is_finite() {
            return None;
        }
        let is_due = self.pending.len() == self.steps;
        if is_due {
            self.answer(value);
        }
        self.window.push(value);
        self.last.push(value);
        self.phases.push(value);
        self.mean = if self.is_started { self.mean + MEAN * (value - self.mean) } else { value };
        self.is_started = true;
        let experts = self.experts(value);
        let center = self.combine(&experts);
        let forecast = Forecast {
            value: f64::from(self.window.nearest(center)),
            quantiles: self.quantiles(f64::from(center)),
        };
        let pending = Pending { experts, center, quantiles: forecast.quantiles };
        if is_due {
            self.pending[self.oldest] = pending;
            self.oldest = if self.oldest + 1 == self.steps { 0 } else { self.oldest + 1 };
        } else {
            self.pending.push(pending);
        }
        Some(forecast)
    }

    /// Learns from the outcome of the forecast made `steps` ago.
    fn answer(&mut self, value: f32) {
        let past = self.pending[self.oldest];
        let usual = (value - past.experts[USUAL]).abs();
        self.scale += if self.scale == 0.0 { usual } else { 0.02 * (usual - self.scale) };
        let unit = self.scale.max(1e-6 * value.abs()).max(f32::MIN_POSITIVE);
        let error = value - past.center;
        let side = if error == 0.0 { 0.0 } else { LEARNING[1].copysign(-error) };
        let (by_error, by_side) = (LEARNING[0] / unit, side / unit);
        for (loss, expert) in self.losses.iter_mut().zip(past.experts) {
            *loss = KEPT * *loss + by_error * (value - expert).abs() + by_side * (expert - past.center);
        }
        let least = least(&self.losses);
        self.losses.iter_mut().for_each(|loss| *loss -= least);
        self.errors.push(error);
        for (i, target) in QUANTILES.into_iter().enumerate().filter(|q| past.quantiles[q.0].is_finite()) {
            let below = f64::from(u8::from(f64::from(value) <= past.quantiles[i]));
            self.levels[i] = (self.levels[i] + LEVEL_STEP * (target - below)).clamp(-0.5, 1.5);
        }
    }

    fn experts(&self, last: f32) -> [f32; EXPERTS] {
        let mut out = [last; EXPERTS];
        out[1..=MEMORIES].copy_from_slice(&self.window.medians());
        let [raw, smooth] = self.phases.ahead(self.steps);
        out[MEMORIES + 1] = raw.unwrap_or(last);
        out[MEMORIES + 2] = smooth.unwrap_or(last);
        out[MEMORIES + 3] = self.mean;
        out[MEMORIES + 4] = self.last.median().unwrap_or(last);
        out
    }

    /// Half way between the weighted mean and the weighted median of the experts.
    fn combine(&self, experts: &[f32; EXPERTS]) -> f32 {
        let weights = self.losses.map(weight);
        let total: f32 = weights.iter().sum();
        let mean = experts.iter().zip(&weights).map(|(e, w)| e * w).sum::<f32>() / total;
        0.5 * (mean + weighted_median(experts, &weights, total))
    }

    fn quantiles(&self, center: f64) -> [f64; QUANTILES.len()] {
        let known = self.errors.len() >= 20;
        let quantile = |level: f64| center + self.errors.quantile(level);
        let mut quantiles = self.levels.map(|level| if known { quantile(level) } else { f64::INFINITY });
        if !known {
            quantiles[0] = f64::NEG_INFINITY;
        }
        quantiles
    }
}

/// `(1 + loss / 16)^-16`, close to `e^-loss` and the same on every machine.
fn weight(loss: f32) -> f32 {
    let once = 1.0 / (1.0 + loss / 16.0);
    let fourth = (once * once) * (once * once);
    (fourth * fourth) * (fourth * fourth)
}

/// The least value at which half of the weight is reached; without an order, as there are few.
fn weighted_median(values: &[f32; EXPERTS], weights: &[f32; EXPERTS], total: f32) -> f32 {
    let mut sums = [0.0; EXPERTS];
    for (one, weight) in values.iter().zip(weights) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += f32::from_bits(weight.to_bits() & mask(one <= value));
        }
    }
    let half = 0.5 * total;
    least(&core::array::from_fn(|i| if sums[i] >= half { values[i] } else { f32::INFINITY }))
}

/// All bits, or none: a branch would be guessed wrong half of the time.
fn mask(is: bool) -> u32 {
    0u32.wrapping_sub(u32::from(is))
}

/// The least of values that are numbers.
fn least(values: &[f32; EXPERTS]) -> f32 {
    let less = |one: f32, other: f32| if one < other { one } else { other };
    // By halves: four steps wait for each other in place of eight.
    let half: [f32; EXPERTS / 2] = core::array::from_fn(|i| less(values[i], values[i + EXPERTS / 2]));
    half.into_iter().fold(f32::INFINITY, less)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn an_hourly_spike_is_forecast() {
        let mut forecaster = Forecaster::new(1, 12);
        let mut errors = 0.0;
        for i in 0..600 {
            let forecast = forecaster.push(if i % 12 == 0 { 80.0 } else { 5.0 }).unwrap();
            let next = if (i + 1) % 12 == 0 { 80.0 } else { 5.0 };
            errors += if i > 300 { (forecast.value - next).abs() } else { 0.0 };
        }
        assert!(errors / 300.0 < 1.0, "{errors}");
    }

    #[test]
    fn intervals_cover_what_they_promise_on_noise_and_on_a_random_walk() {
        for walk in [0.0, 1.0] {
            for steps in [1, 6] {
                let (mut rng, mut forecaster, mut level) = (Rng::new(9), Forecaster::new(steps, 12), 0.0);
                let mut made: Vec<Forecast> = Vec::new();
                let mut inside = 0;
                for i in 0..20_000 {
                    let value = walk * level + rng.normal();
                    level += rng.normal();
                    if i >= 1000 {
                        let past = made[i - steps];
                        inside += usize::from(value >= past.quantiles[0] && value <= past.quantiles[2]);
                    }
                    made.push(forecaster.push(value).unwrap());
                }
                let covered = inside as f64 / 19_000.0;
                assert!((0.94..0.96).contains(&covered), "walk {walk} steps {steps}: {covered}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_not_taken_in() {
        let mut forecaster = Forecaster::new(1, 12);
        forecaster.push(1.0);
        let before = forecaster.clone();
        assert_eq!(forecaster.push(f64::NAN), None);
        assert_eq!(forecaster, before);
    }
}
