//! Joint behaviour of one entity's metrics: a streaming PCA whose residual shows what no single metric shows.
//!
//! Metrics are centred and scaled by slow estimates with a floor; the leading directions follow by candid covariance-free
//! incremental PCA (Weng and others, 2003). What the directions do not explain is the residual; its calibrated tail is
//! the surprise.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::univariate::tail::Tail;

/// Directions kept at most.
const DIRECTIONS: usize = 3;
/// Slowest forgetting.
const RATE: f64 = 0.002;
/// Samples a new entity learns before anything is claimed, per metric at least ten.
const WARM_UP: f64 = 100.0;
/// Standardised values are cut here before they are learnt, so that one outlier does not turn the directions.
const CUT: f64 = 4.0;
/// Relative spread given to a constant metric.
const FLOOR: f64 = 1e-6;

/// What the joint model says about one sample of all metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JointReading {
    /// -log10 of the chance of a residual this large; 0 while learning.
    pub surprise: f64,
    /// Never below 1 / (n + 1).
    pub probability: f64,
    /// The metric with the largest residual.
    pub foremost: usize,
    /// Its share of the squared residual, 0 to 1.
    pub share: f64,
}

/// The model of one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JointModel {
    means: Vec<f64>,
    variances: Vec<f64>,
    directions: Vec<Vec<f64>>,
    seen: f64,
    tail: Tail,
}

impl JointModel {
    /// A model of this many metrics.
    pub fn new(metrics: usize) -> Self {
        let kept = DIRECTIONS.min(metrics.saturating_sub(1));
        let (means, variances) = (alloc::vec![0.0; metrics], alloc::vec![0.0; metrics]);
        let directions = alloc::vec![alloc::vec![0.0; metrics]; kept];
        JointModel { means, variances, directions, seen: 0.0, tail: Tail::new(0.01) }
    }

    /// Reads one sample of all metrics; `None` for a wrong number of metrics or a value that is not finite.
    pub fn push(&mut self, values: &[f64]) -> Option<JointReading> {
        if values.len() != self.means.len() || values.is_empty() || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let scaled = self.scale(values);
        let residual = self.residual(&scaled);
        let total: f64 = residual.iter().map(|r| r * r).sum();
        self.learn(values, &scaled);
        let known = self.seen > WARM_UP.max(10.0 * values.len() as f64);
        let surprise = if known { self.tail.push(0.5 * libm::log(total + 1e-12)) } else { 0.0 };
        let foremost =
            (0..residual.len()).max_by(|a, b| residual[*a].abs().total_cmp(&residual[*b].abs()))?;
        let share = residual[foremost] * residual[foremost] / total.max(1e-300);
        Some(JointReading { surprise, probability: self.tail.probability(surprise), foremost, share })
    }

    /// Whether it is of so many metrics and all its values are numbers.
    pub fn is_sound(&self, metrics: usize) -> bool {
        let of_all =
            |values: &Vec<f64>| values.len() == metrics && values.iter().all(|value| value.is_finite());
        of_all(&self.means)
            && of_all(&self.variances)
            && self.variances.iter().all(|variance| *variance >= 0.0)
            && self.directions.len() <= DIRECTIONS
            && self.directions.iter().all(of_all)
            && (0.0..1e15).contains(&self.seen)
            && self.tail.is_sound()
    }

    fn scale(&self, values: &[f64]) -> Vec<f64> {
        let spread = |i: usize| libm::sqrt(self.variances[i]).max(FLOOR * self.means[i].abs()).max(1e-9);
        values
            .iter()
            .enumerate()
            .map(|(i, v)| if self.seen < 2.0 { 0.0 } else { (v - self.means[i]) / spread(i) })
            .collect()
    }

    /// A direction's length is its variance; only those that explain more than one metric's worth count (Kaiser's rule).
    fn residual(&self, scaled: &[f64]) -> Vec<f64> {
        let mut rest = scaled.to_vec();
        for direction in self.directions.iter().filter(|d| dot(d, d) > 1.0) {
            remove(&mut rest, direction);
        }
        rest
    }

    fn learn(&mut self, values: &[f64], scaled: &[f64]) {
        let rate = (1.0 / (self.seen + 1.0)).max(RATE);
        let mut rest: Vec<f64> = scaled.iter().map(|z| z.clamp(-CUT, CUT)).collect();
        for direction in &mut self.directions {
            let length = libm::sqrt(dot(direction, direction));
            let project = if length > 0.0 { dot(&rest, direction) / length } else { 1.0 };
            direction.iter_mut().zip(&rest).for_each(|(d, r)| *d = (1.0 - rate) * *d + rate * project * r);
            remove(&mut rest, direction);
        }
        for (i, value) in values.iter().enumerate() {
            let deviation = value - self.means[i];
            self.means[i] += rate * deviation;
            self.variances[i] = (1.0 - rate) * (self.variances[i] + rate * deviation * deviation);
        }
        self.seen += 1.0;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Takes the part along a direction out.
fn remove(rest: &mut [f64], direction: &[f64]) {
    let square = dot(direction, direction);
    if square > 0.0 {
        let along = dot(rest, direction) / square;
        rest.iter_mut().zip(direction).for_each(|(r, d)| *r -= along * d);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Requests drive CPU, bytes and context switches; one metric is constant.
    fn sample(rng: &mut Rng) -> [f64; 5] {
        let load = rng.normal();
        let noise = |r: &mut Rng| 0.1 * r.normal();
        [load + noise(rng), 3.0 * load + noise(rng), 7.0, 1e6 * (load + noise(rng)), -load + noise(rng)]
    }

    #[test]
    fn a_broken_relation_inside_every_single_range_is_seen() {
        let (mut rng, mut model) = (Rng::new(4), JointModel::new(5));
        let mut false_alarms = 0;
        for i in 0..20_000 {
            let reading = model.push(&sample(&mut rng)).unwrap();
            false_alarms += usize::from(i > 1000 && reading.surprise >= 3.0);
        }
        assert!(false_alarms < 40, "promised 19: {false_alarms}");
        let odd = model.push(&[1.0, 3.0, 7.0, -1e6, -1.0]).unwrap();
        assert!(odd.surprise > 3.0, "{odd:?}");
        assert_eq!(odd.foremost, 3);
    }

    #[test]
    fn a_wrong_number_of_metrics_is_refused() {
        assert_eq!(JointModel::new(3).push(&[1.0]), None);
        assert_eq!(JointModel::new(1).push(&[f64::NAN]), None);
    }
}
