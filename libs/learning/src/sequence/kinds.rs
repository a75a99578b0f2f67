//! Which kinds of events a sequence uses, against the nearest sequences known to be normal.
//!
//! An attack often uses few kinds of calls, each of them normal, in a company that no normal run keeps; so what is
//! absent counts more than what is extra. A kind weighs by the variance of its presence among normal sequences: one that
//! all of them use, or hardly any, tells normal sequences apart no better than chance.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Events are folded into this many kinds.
const KINDS: usize = 512;
/// Neighbours whose mean distance is taken.
const NEIGHBOURS: usize = 10;
/// Weight of the share of the sequence's kinds that the neighbour lacks; the share of the neighbour's kinds that the
/// sequence lacks has weight 1.
const EXTRA: f64 = 0.1;
/// Sets remembered at most; beyond, new ones are counted only.
const MAX_SETS: usize = 4096;

/// The kinds used by one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KindSet([u64; KINDS / 64]);

impl KindSet {
    fn of(events: &[u32]) -> Self {
        let mut bits = [0; KINDS / 64];
        for &event in events {
            let kind = event as usize % KINDS;
            bits[kind / 64] |= 1 << (kind % 64);
        }
        KindSet(bits)
    }

    fn shared(&self, other: &KindSet) -> KindSet {
        KindSet(core::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    fn kinds(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(i, word)| {
            let ones = core::iter::successors(Some(*word), |w| Some(w & w.wrapping_sub(1)));
            ones.take_while(|w| *w != 0).map(move |w| i * 64 + w.trailing_zeros() as usize)
        })
    }

    /// Sum of the weights of its kinds.
    fn weight(&self, weights: &[f64]) -> f64 {
        self.kinds().map(|kind| weights[kind]).sum()
    }
}

/// Sets of the normal sequences, with repetitions: how common a set is matters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindMemory {
    /// Each set with its weight.
    sets: Vec<(KindSet, f64)>,
    weights: Vec<f64>,
}

impl KindMemory {
    /// Remembers normal sequences, `MAX_SETS` at most.
    pub fn train(sequences: &[Vec<u32>]) -> Self {
        let sets = sequences.iter().take(MAX_SETS).map(|s| (KindSet::of(s), 0.0)).collect();
        let mut memory = KindMemory { sets, weights: Vec::new() };
        memory.weigh();
        memory
    }

    /// Remembers one more normal sequence.
    pub fn learn(&mut self, events: &[u32]) {
        if self.sets.len() < MAX_SETS {
            self.sets.push((KindSet::of(events), 0.0));
            self.weigh();
        }
    }

    fn weigh(&mut self) {
        let mut used = [0u32; KINDS];
        self.sets.iter().flat_map(|(set, _)| set.kinds()).for_each(|kind| used[kind] += 1);
        let presence = |n: &u32| (f64::from(*n) + 1.0) / (self.sets.len() as f64 + 2.0);
        self.weights = used.iter().map(presence).map(|p| p * (1.0 - p)).collect();
        self.sets
            .iter_mut()
            .for_each(|(set, weight)| *weight = set.weight(&self.weights).max(f64::MIN_POSITIVE));
    }

    /// Mean distance to the nearest remembered sets; `skip` leaves one out, for calibration. 0 with nothing to compare,
    /// at most 1 + `EXTRA`.
    pub fn distance(&self, events: &[u32], skip: Option<usize>) -> f64 {
        let set = KindSet::of(events);
        let weight = set.weight(&self.weights).max(f64::MIN_POSITIVE);
        let mut nearest = [f64::INFINITY; NEIGHBOURS];
        for (_, (known, known_weight)) in self.sets.iter().enumerate().filter(|(i, _)| Some(*i) != skip) {
            let at = |shared: f64| EXTRA * (1.0 - shared / weight) + (1.0 - shared / known_weight);
            // They share no more than the lighter of them weighs, which often says enough.
            if at(weight.min(*known_weight)) >= nearest[NEIGHBOURS - 1] {
                continue;
            }
            let distance = at(set.shared(known).weight(&self.weights));
            if distance < nearest[NEIGHBOURS - 1] {
                let at = nearest.partition_point(|d| *d <= distance);
                nearest[at..].rotate_right(1);
                nearest[at] = distance;
            }
        }
        let found = nearest.iter().filter(|d| d.is_finite());
        found.clone().sum::<f64>() / found.count().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_counts_more_than_what_is_extra() {
        let memory = KindMemory::train(&[alloc::vec![1, 2], alloc::vec![3, 4]]);
        // All four kinds are in one of two sets: equal weights.
        assert!((memory.distance(&[1], Some(1)) - 0.5).abs() < 1e-12);
        assert!(memory.distance(&[1, 2, 2, 1], Some(1)).abs() < 1e-12);
        // The unknown kind 9 weighs 1/4 * 3/4, each known one 1/2 * 1/2.
        let extra = 0.1 * (0.1875 / 0.6875);
        assert!((memory.distance(&[1, 2, 9], Some(1)) - extra).abs() < 1e-12);
    }

    #[test]
    fn a_kind_that_all_sets_have_tells_little() {
        let sets: Vec<Vec<u32>> = (0..100).map(|i| alloc::vec![7, 10 + i % 2, 20 + i % 2]).collect();
        let memory = KindMemory::train(&sets);
        let without_common = memory.distance(&[10, 20], None);
        let without_telling = memory.distance(&[7, 10], None);
        assert!(without_common * 5.0 < without_telling, "{without_common} {without_telling}");
    }

    #[test]
    fn the_left_out_set_is_not_its_own_neighbour() {
        let mut memory = KindMemory::train(&[alloc::vec![1, 2]]);
        memory.learn(&[7, 8]);
        assert!((memory.distance(&[1, 2], None) - 0.55).abs() < 1e-12);
        assert!((memory.distance(&[1, 2], Some(0)) - 1.1).abs() < 1e-12);
    }
}
