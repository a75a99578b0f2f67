//! Where a score stands among scores known to be normal: exact ranks inside, an exponential tail beyond.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Share of the known scores that lie in the tail.
const TAIL: f64 = 0.05;

/// Sorted normal scores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranks {
    sorted: Vec<f64>,
    cut: f64,
    excess: f64,
}

impl Ranks {
    /// Ranks among these scores; order does not matter.
    pub fn new(mut scores: Vec<f64>) -> Self {
        scores.sort_by(f64::total_cmp);
        let start = (scores.len() as f64 * (1.0 - TAIL)) as usize;
        let tail = &scores[start.min(scores.len())..];
        let cut = tail.first().copied().unwrap_or(0.0);
        let excess = tail.iter().map(|s| s - cut).sum::<f64>() / tail.len().max(1) as f64;
        Ranks { cut, excess: excess.max(1e-9), sorted: scores }
    }

    /// -ln of the chance that a normal score is as high; grows beyond the highest one seen, to rank by.
    pub fn surprise(&self, score: f64) -> f64 {
        if score > self.cut {
            return -libm::log(TAIL) + (score - self.cut) / self.excess;
        }
        let as_high = self.sorted.len() - self.sorted.partition_point(|s| *s < score);
        let chance = (as_high as f64 + 1.0) / (self.sorted.len() as f64 + 1.0);
        -libm::log(chance.max(TAIL))
    }

    /// The score that a share `rate` of the known ones exceeds.
    pub fn quantile(&self, rate: f64) -> f64 {
        let at = (self.sorted.len() as f64 * (1.0 - rate)) as usize;
        self.sorted.get(at.min(self.sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_inside_and_a_growing_tail_outside() {
        let ranks = Ranks::new((0..1000).map(f64::from).collect());
        assert!((ranks.surprise(500.0) - (1001.0f64 / 501.0).ln()).abs() < 1e-9);
        assert!(ranks.surprise(2000.0) > ranks.surprise(1500.0));
        assert_eq!(ranks.quantile(0.05), 950.0);
    }
}
