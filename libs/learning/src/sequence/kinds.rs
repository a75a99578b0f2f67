//! Which kinds of events a sequence uses, against the nearest sequence known to be normal.
//!
//! An attack often uses few kinds of calls, each of them normal, in a company that no normal run keeps; so what is
//! absent counts more than what is extra. Sets are bit masks, the distance is a few population counts.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Events are folded into this many kinds.
const KINDS: usize = 512;
/// Neighbours whose mean distance is taken.
const NEIGHBOURS: usize = 10;
/// Weight of the share of the sequence's kinds that the neighbour lacks; the share of the neighbour's kinds that the
/// sequence lacks has weight 1.
const EXTRA: f64 = 0.3;
/// Sets remembered at most; beyond, new ones are counted only.
const MAX_SETS: usize = 4096;

/// The kinds used by one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KindSet([u64; KINDS / 64]);

impl KindSet {
    /// Kinds of the events.
    pub fn of(events: &[u32]) -> Self {
        let mut bits = [0; KINDS / 64];
        for &event in events {
            let kind = event as usize % KINDS;
            bits[kind / 64] |= 1 << (kind % 64);
        }
        KindSet(bits)
    }

    fn len(&self) -> f64 {
        f64::from(self.0.iter().map(|b| b.count_ones()).sum::<u32>())
    }

    fn shared(&self, other: &KindSet) -> f64 {
        f64::from(self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones()).sum::<u32>())
    }

    /// 0 for equal sets.
    pub fn distance(&self, normal: &KindSet) -> f64 {
        let shared = self.shared(normal);
        EXTRA * (1.0 - shared / self.len().max(1.0)) + (1.0 - shared / normal.len().max(1.0))
    }
}

/// Sets of the normal sequences, with repetitions: how common a set is matters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KindMemory {
    sets: Vec<KindSet>,
}

impl KindMemory {
    /// Remembers one normal sequence.
    pub fn learn(&mut self, events: &[u32]) {
        if self.sets.len() < MAX_SETS {
            self.sets.push(KindSet::of(events));
        }
    }

    /// Mean distance to the nearest remembered sets; `skip` leaves one out, for calibration. 0 with nothing to compare.
    pub fn distance(&self, events: &[u32], skip: Option<usize>) -> f64 {
        let set = KindSet::of(events);
        let mut nearest = [f64::INFINITY; NEIGHBOURS];
        for (_, known) in self.sets.iter().enumerate().filter(|(i, _)| Some(*i) != skip) {
            let distance = set.distance(known);
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
        let normal = KindSet::of(&[1, 2, 3, 4]);
        assert_eq!(KindSet::of(&[4, 3, 2, 1, 1]).distance(&normal), 0.0);
        assert_eq!(KindSet::of(&[1, 2]).distance(&normal), 0.5);
        assert!((KindSet::of(&[1, 2, 3, 4, 5, 6, 7, 8]).distance(&normal) - 0.15).abs() < 1e-12);
    }

    #[test]
    fn the_left_out_set_is_not_its_own_neighbour() {
        let mut memory = KindMemory::default();
        memory.learn(&[1, 2]);
        memory.learn(&[7, 8]);
        assert_eq!(memory.distance(&[1, 2], None), 0.65);
        assert_eq!(memory.distance(&[1, 2], Some(0)), 1.3);
    }
}
