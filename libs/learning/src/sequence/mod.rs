//! Behaviour of a program: how its event sequences run on, and which kinds of events they use.
pub mod kinds;
pub mod levels;
pub mod ngram;
pub mod stream;
pub mod threshold;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::ranks::Ranks;
use kinds::KindMemory;
use ngram::Ngrams;
use threshold::Threshold;

/// Parts into which training is cut, so that every sequence is scored by a model that has not seen it.
const FOLDS: usize = 5;

/// A trained model of normal behaviour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    ngrams: Ngrams,
    kinds: KindMemory,
    flow: Ranks,
    company: Ranks,
    joint: Ranks,
}

impl Behaviour {
    /// Learns from normal sequences only, and calibrates itself on them by cross-validation.
    pub fn train(sequences: &[Vec<u32>]) -> Self {
        let (mut ngrams, kinds) = (Ngrams::new(), KindMemory::train(sequences));
        sequences.iter().for_each(|events| ngrams.learn(events));
        let surprises = held_out_surprises(sequences);
        let distances: Vec<f64> =
            sequences.iter().enumerate().map(|(i, s)| kinds.distance(s, Some(i))).collect();
        let (flow, company) = (Ranks::new(surprises.clone()), Ranks::new(distances.clone()));
        let joint = surprises.iter().zip(&distances).map(|(s, d)| flow.surprise(*s) + company.surprise(*d));
        let joint = Ranks::new(joint.collect());
        Behaviour { ngrams, kinds, flow, company, joint }
    }

    /// How unusual a sequence is: the sum of two surprises in nats (Fisher's combination).
    pub fn score(&self, events: &[u32]) -> f64 {
        let flow = self.flow.surprise(self.ngrams.mean_surprise(events));
        flow + self.company.surprise(self.kinds.distance(events, None))
    }

    /// Takes a sequence in that is held to be normal; the calibration stays.
    pub fn learn(&mut self, events: &[u32]) {
        self.ngrams.learn(events);
        self.kinds.learn(events);
    }

    /// A threshold that promises alarms on a share `rate` of normal sequences and keeps the promise under drift.
    pub fn threshold(&self, rate: f64) -> Threshold {
        let start = self.joint.quantile(rate);
        let spread = start - self.joint.quantile(0.5);
        Threshold::new(rate, start, 0.25 * spread)
    }

    /// The threshold that training alone would set: what a detector without recalibration uses.
    pub fn fixed_threshold(&self, rate: f64) -> f64 {
        self.joint.quantile(rate)
    }
}

fn held_out_surprises(sequences: &[Vec<u32>]) -> Vec<f64> {
    let mut out = alloc::vec![0.0; sequences.len()];
    for fold in 0..FOLDS {
        let mut model: Ngrams = Ngrams::new();
        sequences.iter().enumerate().filter(|(i, _)| i % FOLDS != fold).for_each(|(_, s)| model.learn(s));
        for (i, events) in sequences.iter().enumerate().filter(|(i, _)| i % FOLDS == fold) {
            out[i] = model.mean_surprise(events);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn normal(rng: &mut Rng) -> Vec<u32> {
        let mut out = alloc::vec![5, 6, 3];
        (0..20 + rng.next_u64() % 20)
            .for_each(|_| out.extend([[3, 4, 91], [3, 4, 197]][(rng.next_u64() % 2) as usize]));
        out
    }

    #[test]
    fn a_new_order_and_a_new_company_score_above_normal() {
        let mut rng = Rng::new(11);
        let train: Vec<Vec<u32>> = (0..200).map(|_| normal(&mut rng)).collect();
        let model = Behaviour::train(&train);
        let cut = model.fixed_threshold(0.05);
        let false_alarms = (0..400).filter(|_| model.score(&normal(&mut rng)) > cut).count();
        assert!(false_alarms < 50, "{false_alarms}");
        assert!(model.score(&[4, 3, 91, 91, 4, 4, 3, 197, 6, 5]) > cut);
        assert!(model.score(&[11, 102, 102, 102, 6]) > cut);
    }
}
