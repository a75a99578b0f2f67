//! When a resource that fills up reaches its limit, as an interval.
//!
//! The level is taken as a walk with drift: mean and variance come from the increments of equal blocks. At time t the
//! level lies at `level + mean t`, with variance `variance t` of the walk itself and `t^2 variance / n` because the mean
//! is known from n increments only. The interval holds the times at which the limit lies inside the 95 % band.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Blocks remembered.
const BLOCKS: usize = 60;
/// Increments below which nothing is said.
const FEWEST: usize = 8;

/// When the limit is reached, in samples from now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exhaustion {
    /// Middle estimate.
    pub expected: f64,
    /// Lower end of the 95 % interval.
    pub earliest: f64,
    /// Upper end; `None`: it may never be reached.
    pub latest: Option<f64>,
}

/// Follows the level of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filling {
    block: u32,
    count: u32,
    level: f64,
    levels: Vec<f64>,
}

impl Filling {
    /// Increments are taken over blocks of this many samples; long enough to span a collector's or a cache's saw tooth.
    pub fn new(block: u32) -> Self {
        Filling { block: block.max(1), count: 0, level: 0.0, levels: Vec::with_capacity(BLOCKS + 1) }
    }

    /// Takes one level in; what is not finite is skipped.
    pub fn push(&mut self, level: f64) {
        if !level.is_finite() {
            return;
        }
        self.level = level;
        if self.count.is_multiple_of(self.block) {
            if self.levels.len() > BLOCKS {
                self.levels.remove(0);
            }
            self.levels.push(level);
        }
        self.count = self.count.wrapping_add(1);
    }

    /// Highest level at the blocks that began before the last `blocks`; `None` if there is none.
    pub fn highest_before(&self, blocks: usize) -> Option<f64> {
        let early = self.levels.len().checked_sub(blocks)?;
        self.levels.get(..early)?.iter().copied().reduce(f64::max)
    }

    /// When `limit` is reached; `None` while too little is known, or where the level does not clearly rise.
    pub fn until(&self, limit: f64) -> Option<Exhaustion> {
        let room = limit - self.level;
        let n = self.levels.len().checked_sub(1).filter(|n| *n >= FEWEST)? as f64;
        if room <= 0.0 {
            return Some(Exhaustion { expected: 0.0, earliest: 0.0, latest: Some(0.0) });
        }
        let mean = (self.levels.last()? - self.levels.first()?) / n;
        let squares: f64 = self.levels.windows(2).map(|w| (w[1] - w[0] - mean) * (w[1] - w[0] - mean)).sum();
        let variance = squares / (n - 1.0);
        let t = student_975(n - 1.0);
        if mean <= t * libm::sqrt(variance / n) {
            return None;
        }
        let ends = band(room, mean, t * t * variance, n);
        let block = f64::from(self.block);
        let (earliest, latest) = (ends.0 * block, ends.1.map(|e| e * block));
        Some(Exhaustion { expected: room / mean * block, earliest, latest })
    }
}

/// Both roots of `(room - mean t)^2 = spread (t + t^2 / n)`; the later one is missing where the band never leaves.
fn band(room: f64, mean: f64, spread: f64, n: f64) -> (f64, Option<f64>) {
    let a = mean * mean - spread / n;
    let b = 2.0 * room * mean + spread;
    let c = room * room;
    let root = libm::sqrt((b * b - 4.0 * a * c).max(0.0));
    let earliest = 2.0 * c / (b + root);
    (earliest, (a > 0.0).then(|| (b + root) / (2.0 * a)))
}

/// The 97.5 % point of Student's distribution, by the Cornish-Fisher expansion; within 0.5 % from 7 degrees on.
fn student_975(degrees: f64) -> f64 {
    const Z: f64 = 1.959_963_985;
    let (z3, z5) = (Z * Z * Z, Z * Z * Z * Z * Z);
    Z + (z3 + Z) / (4.0 * degrees) + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * degrees * degrees)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn a_steady_leak_is_dated_exactly() {
        let mut filling = Filling::new(10);
        (0..=400).for_each(|i| filling.push(f64::from(i) * 2.0));
        let when = filling.until(1000.0).unwrap();
        assert!((when.expected - 100.0).abs() < 1e-6 && (when.earliest - 100.0).abs() < 1e-6);
        assert!((when.latest.unwrap() - 100.0).abs() < 1e-6);
    }

    #[test]
    fn noise_without_a_trend_says_nothing() {
        let (mut rng, mut said) = (Rng::new(21), 0);
        for _ in 0..1000 {
            let (mut filling, mut level) = (Filling::new(1), 0.0);
            (0..50).for_each(|_| {
                level += rng.normal();
                filling.push(level);
            });
            said += usize::from(filling.until(100.0).is_some());
        }
        assert!(said < 45, "{said} of 1000, promised 25");
    }

    #[test]
    fn the_interval_covers_its_share_of_true_crossings() {
        let (mut rng, mut inside, mut asked) = (Rng::new(33), 0, 0);
        for _ in 0..3000 {
            let (mut filling, mut level) = (Filling::new(1), 0.0);
            (0..61).for_each(|_| {
                filling.push(level);
                level += 1.0 + rng.normal();
            });
            let limit = filling.level + 200.0;
            let Some(when) = filling.until(limit) else { continue };
            let (mut level, mut steps) = (filling.level, 0.0);
            while level < limit {
                level += 1.0 + rng.normal();
                steps += 1.0;
            }
            asked += 1;
            inside += usize::from(steps >= when.earliest && when.latest.is_none_or(|l| steps <= l));
        }
        let covered = f64::from(inside as u32) / f64::from(asked);
        assert!(asked > 2900 && (0.94..0.96).contains(&covered), "{covered} of {asked}");
    }
}
