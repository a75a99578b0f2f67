//! Forecasts of one series a few steps ahead, with intervals whose coverage is corrected as the answers come in.
//!
//! Experts (the last value, medians of four memories, two medians of the same phase) are weighted by their own past
//! absolute errors (Hedge); the forecast is the value seen lately that is nearest to their combination, as the median of a
//! quantity that takes few values is one of them. An interval is the combination plus quantiles of its own past errors, at levels that adaptive
//! conformal inference moves until the promised share is covered.
pub mod exhaustion;
pub mod recency;
pub mod sorted;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use recency::{MEMORIES, Recency};
use sorted::Sorted;

/// Experts: last value, one median a memory, two seasonal medians.
const EXPERTS: usize = MEMORIES.len() + 3;
/// Periods that the two seasonal medians look back.
const PHASES: [usize; 2] = [3, 12];
/// Learning rate of the expert weights, per typical error.
const LEARNING: f64 = 0.1;
/// How far one answer moves an interval's level.
const LEVEL_STEP: f64 = 0.01;
/// Errors that an interval is made of.
const ERRORS: usize = 128;
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
    period: usize,
    window: Recency,
    errors: Sorted,
    history: Vec<f32>,
    seen: usize,
    pending: Vec<Pending>,
    losses: [f64; EXPERTS],
    scale: f64,
    levels: [f64; QUANTILES.len()],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Pending {
    experts: [f32; EXPERTS],
    /// What the experts say together, before the nearest value is taken.
    center: f64,
    quantiles: [f64; QUANTILES.len()],
}

impl Forecaster {
    /// Forecasts `steps` samples ahead; `period` is the number of samples after which things tend to repeat (an hour).
    pub fn new(steps: usize, period: usize) -> Self {
        let (steps, period) = (steps.max(1), period.max(1));
        let longest = PHASES[1] * period + 1;
        Forecaster {
            steps,
            period,
            window: Recency::new(),
            errors: Sorted::new(ERRORS),
            history: alloc::vec![0.0; longest],
            seen: 0,
            pending: alloc::vec![Pending::default(); steps],
            losses: [0.0; EXPERTS],
            scale: 0.0,
            levels: QUANTILES,
        }
    }

    /// Takes one sample in and forecasts the one `steps` later; `None` where it is not finite.
    pub fn push(&mut self, value: f64) -> Option<Forecast> {
        if !value.is_finite() {
            return None;
        }
        if self.seen >= self.steps {
            self.answer(value);
        }
        self.window.push(value as f32);
        let slot = self.seen % self.history.len();
        self.history[slot] = value as f32;
        self.seen += 1;
        let experts = self.experts(value as f32);
        let center = self.combine(&experts);
        let value = f64::from(self.window.nearest(center as f32));
        let forecast = Forecast { value, quantiles: self.quantiles(center) };
        let pending = Pending { experts, center, quantiles: forecast.quantiles };
        let slot = (self.seen - 1) % self.steps;
        self.pending[slot] = pending;
        Some(forecast)
    }

    /// Learns from the outcome of the forecast made `steps` ago.
    fn answer(&mut self, value: f64) {
        let past = self.pending[self.seen % self.steps];
        let usual = (value - f64::from(past.experts[2])).abs();
        self.scale += if self.scale == 0.0 { usual } else { 0.02 * (usual - self.scale) };
        let unit = self.scale.max(1e-6 * value.abs()).max(1e-12);
        for (loss, expert) in self.losses.iter_mut().zip(past.experts) {
            *loss += LEARNING * (value - f64::from(expert)).abs() / unit;
        }
        self.errors.push((value - past.center) as f32);
        for (i, target) in QUANTILES.into_iter().enumerate().filter(|q| past.quantiles[q.0].is_finite()) {
            let below = f64::from(u8::from(value <= past.quantiles[i]));
            self.levels[i] = (self.levels[i] + LEVEL_STEP * (target - below)).clamp(-0.5, 1.5);
        }
    }

    fn experts(&self, last: f32) -> [f32; EXPERTS] {
        let mut out = [last; EXPERTS];
        out[1..=MEMORIES.len()].copy_from_slice(&self.window.medians());
        for (i, count) in PHASES.into_iter().enumerate() {
            out[MEMORIES.len() + 1 + i] = self.same_phase(count).unwrap_or(last);
        }
        out
    }

    /// Median of the values one to `count` periods before the time that is forecast.
    fn same_phase(&self, count: usize) -> Option<f32> {
        let mut found = [0.0; PHASES[1]];
        let mut filled = 0;
        for back in (1..=count).map(|j| j * self.period).filter(|b| *b >= self.steps) {
            let Some(at) = (self.seen + self.steps - 1).checked_sub(back) else { break };
            if self.seen > at + self.history.len() {
                break;
            }
            let value = self.history[at % self.history.len()];
            let place = found[..filled].partition_point(|f| *f < value);
            found[place..=filled].rotate_right(1);
            found[place] = value;
            filled += 1;
        }
        (filled > 0).then(|| found[(filled - 1) / 2])
    }

    /// Half way between the weighted mean and the weighted median of the experts.
    fn combine(&self, experts: &[f32; EXPERTS]) -> f64 {
        let least = self.losses.iter().copied().fold(f64::INFINITY, f64::min);
        let weights = self.losses.map(|l| libm::exp(least - l));
        let total: f64 = weights.iter().sum();
        let mean = experts.iter().zip(&weights).map(|(e, w)| f64::from(*e) * w).sum::<f64>() / total;
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

fn weighted_median(values: &[f32; EXPERTS], weights: &[f64; EXPERTS], total: f64) -> f64 {
    let mut order: [usize; EXPERTS] = core::array::from_fn(|i| i);
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut sum = 0.0;
    for i in order {
        sum += weights[i];
        if sum >= 0.5 * total {
            return f64::from(values[i]);
        }
    }
    f64::from(values[order[EXPERTS - 1]])
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
