//! Runs of templates that belong together (a block, a request, an instance): is this run like the normal ones?
//!
//! Three surprises are added: how unlikely the run is as a whole under the n-gram model, its beginning and end included,
//! how far its counts of templates lie from the nearest counts of a normal run, and how much they break the relations
//! that hold between counts in normal runs. The first two know only what was seen: together they claim no less than one
//! in the runs seen, and little beyond, so that a new mixture of known parts is not condemned by them.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::logs::relations::Relations;
use crate::ranks::Ranks;
use crate::sequence::ngram::Ngrams;

/// Parts for the calibration: every run is scored by a model that has not seen it.
const FOLDS: usize = 5;
/// Different count vectors kept.
const MAX_COUNTS: usize = 1024;
/// Weight of the logarithm of a surprise beyond what the runs seen can tell.
const BEYOND: f64 = 0.2;
/// Marks around a run.
const START: u32 = u32::MAX - 1;
const END: u32 = u32::MAX - 2;

/// Templates with their counts, sorted by template.
type Counts = Vec<(u32, u32)>;

/// A trained model of normal runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    ngrams: Ngrams,
    counts: Vec<(Counts, u32)>,
    order: Ranks,
    amount: Ranks,
    relations: Relations,
    relation: Ranks,
    known_max: f64,
    joint: Ranks,
}

impl Flow {
    /// Learns from normal runs only and calibrates itself on them.
    pub fn train(runs: &[Vec<u32>]) -> Self {
        let marked: Vec<Vec<u32>> = runs.iter().map(|r| mark(r)).collect();
        let mut ngrams: Ngrams = Ngrams::new();
        marked.iter().for_each(|r| ngrams.learn(r));
        let counts = distinct(runs);
        let surprises = held_out(&marked);
        let distances: Vec<f64> = runs.iter().map(|r| nearest(&counts, &count(r), true)).collect();
        let (order, amount) = (Ranks::new(surprises.clone()), Ranks::new(distances.clone()));
        let all: Vec<Counts> = runs.iter().map(|r| count(r)).collect();
        let broken = held_out_relations(&all);
        let relation = Ranks::new(broken.clone());
        let known_max = libm::log(runs.len() as f64 + 1.0);
        let sums = surprises.iter().zip(&distances).map(|(s, d)| order.surprise(*s) + amount.surprise(*d));
        let sums = sums.zip(&broken).map(|(k, b)| known(k, known_max) + relation.surprise(*b));
        let joint = Ranks::new(sums.collect());
        Flow { ngrams, counts, order, amount, relations: Relations::train(&all), relation, known_max, joint }
    }

    /// How unusual a run is, in nats.
    pub fn score(&self, run: &[u32]) -> f64 {
        let order = self.order.surprise(total_surprise(&self.ngrams, &mark(run)));
        let counts = count(run);
        let sum = order + self.amount.surprise(nearest(&self.counts, &counts, false));
        known(sum, self.known_max) + self.relation.surprise(self.relations.score(&counts))
    }

    /// The score that a share `rate` of the normal runs exceeds.
    pub fn threshold(&self, rate: f64) -> f64 {
        self.joint.quantile(rate)
    }
}

/// What order and counts say together: beyond the least chance that can be known, hardly more.
fn known(sum: f64, most: f64) -> f64 {
    sum.min(most) + BEYOND * libm::log(1.0 + (sum - most).max(0.0))
}

fn mark(run: &[u32]) -> Vec<u32> {
    let mut out = Vec::with_capacity(run.len() + 2);
    out.push(START);
    out.extend_from_slice(run);
    out.push(END);
    out
}

fn total_surprise(ngrams: &Ngrams, marked: &[u32]) -> f64 {
    ngrams.surprise(marked, 1)
}

fn held_out(marked: &[Vec<u32>]) -> Vec<f64> {
    let mut out = alloc::vec![0.0; marked.len()];
    for fold in 0..FOLDS {
        let mut model: Ngrams = Ngrams::new();
        marked.iter().enumerate().filter(|(i, _)| i % FOLDS != fold).for_each(|(_, r)| model.learn(r));
        for (i, run) in marked.iter().enumerate().filter(|(i, _)| i % FOLDS == fold) {
            out[i] = total_surprise(&model, run);
        }
    }
    out
}

fn held_out_relations(all: &[Counts]) -> Vec<f64> {
    let mut out = alloc::vec![0.0; all.len()];
    for fold in 0..FOLDS {
        let rest: Vec<Counts> =
            all.iter().enumerate().filter(|(i, _)| i % FOLDS != fold).map(|(_, c)| c.clone()).collect();
        let model = Relations::train(&rest);
        for (i, counts) in all.iter().enumerate().filter(|(i, _)| i % FOLDS == fold) {
            out[i] = model.score(counts);
        }
    }
    out
}

fn count(run: &[u32]) -> Counts {
    let mut sorted = run.to_vec();
    sorted.sort_unstable();
    let mut out: Counts = Vec::new();
    for template in sorted {
        match out.last_mut() {
            Some(last) if last.0 == template => last.1 += 1,
            _ => out.push((template, 1)),
        }
    }
    out
}

fn distinct(runs: &[Vec<u32>]) -> Vec<(Counts, u32)> {
    let mut all: Vec<Counts> = runs.iter().map(|r| count(r)).collect();
    all.sort_unstable();
    let mut out: Vec<(Counts, u32)> = Vec::new();
    for counts in all {
        match out.last_mut() {
            Some(last) if last.0 == counts => last.1 += 1,
            _ => out.push((counts, 1)),
        }
    }
    out.truncate(MAX_COUNTS);
    out
}

/// Sum of absolute differences to the nearest known counts; with `own`, a vector seen once is not its own neighbour.
fn nearest(known: &[(Counts, u32)], counts: &Counts, own: bool) -> f64 {
    let same = known.binary_search_by(|k| k.0.cmp(counts)).ok();
    if same.is_some_and(|at| !own || known[at].1 > 1) {
        return 0.0;
    }
    let others = known.iter().enumerate().filter(|(i, _)| Some(*i) != same);
    let least = others.fold(u32::MAX, |least, (_, k)| least.min(distance(&k.0, counts, least)));
    if least == u32::MAX { 0.0 } else { f64::from(least) }
}

/// Sum of absolute differences, or any sum not below `enough`.
fn distance(a: &Counts, b: &Counts, enough: u32) -> u32 {
    let (mut i, mut j, mut sum) = (0, 0, 0);
    while (i < a.len() || j < b.len()) && sum < enough {
        let (left, right) = (a.get(i).map_or(u32::MAX, |x| x.0), b.get(j).map_or(u32::MAX, |x| x.0));
        sum += match left.cmp(&right) {
            core::cmp::Ordering::Less => a[i].1,
            core::cmp::Ordering::Greater => b[j].1,
            core::cmp::Ordering::Equal => a[i].1.abs_diff(b[j].1),
        };
        i += usize::from(left <= right);
        j += usize::from(right <= left);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_distances_by_hand() {
        assert_eq!(count(&[7, 3, 7]), [(3, 1), (7, 2)]);
        assert_eq!(distance(&count(&[7, 3, 7]), &count(&[3, 9]), u32::MAX), 3);
        assert_eq!(distance(&count(&[]), &count(&[1, 1]), u32::MAX), 2);
    }

    #[test]
    fn a_run_cut_short_and_a_run_out_of_order_stand_out() {
        let normal =
            |i: u32| -> Vec<u32> { (0..2 + i % 3).flat_map(|_| [5, 22, 11]).chain([26, 9]).collect() };
        let runs: Vec<Vec<u32>> = (0..100).map(normal).collect();
        let flow = Flow::train(&runs);
        let cut = flow.threshold(0.01);
        assert!((0..3).all(|i| flow.score(&normal(i)) <= cut));
        assert!(flow.score(&[5, 22]) > cut);
        assert!(flow.score(&[9, 26, 11, 22, 5, 11, 22, 5]) > cut);
    }
}
