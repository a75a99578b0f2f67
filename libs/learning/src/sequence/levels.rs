//! Which rank among past scores comes as often as promised, while what is normal drifts.
//!
//! Adaptive conformal inference (Gibbs and Candes, 2021) at a few levels at once: whenever a rank lies within what a level
//! takes for its share, that share shrinks; whenever not, it grows a little, in the ratio that balances at the level
//! whatever the scores do. Between the levels a chance is interpolated.
use serde::{Deserialize, Serialize};

/// Chances that are kept true.
const LEVELS: [f64; 6] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
/// How much one score moves a share. From 0.002 to 0.02 the realised rates are the same.
const STEP: f64 = 0.005;

/// For each level the rank up to which a score is that unlikely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    shares: [f64; LEVELS.len()],
}

impl Default for Levels {
    fn default() -> Self {
        Self { shares: LEVELS }
    }
}

impl Levels {
    /// The chance of a score of this rank, a share of the past ones in (0, 1].
    pub fn chance(&self, rank: f64) -> f64 {
        let (mut share, mut level) = (0.0, 0.0);
        for (next_share, next_level) in self.shares.iter().zip(LEVELS).chain([(&1.0, 1.0)]) {
            // A rarer level may have come to take more than the next one: the rarest that takes it has the word.
            if rank <= *next_share {
                let way = if *next_share > share { (rank - share) / (next_share - share) } else { 1.0 };
                return level + way * (next_level - level);
            }
            if *next_share > share {
                (share, level) = (*next_share, next_level);
            } else {
                level = next_level;
            }
        }
        1.0
    }

    /// Follows the rank of one more normal score; levels below `least`, the least rank there can be now, wait.
    pub fn push(&mut self, rank: f64, least: f64) {
        for (share, level) in self.shares.iter_mut().zip(LEVELS).filter(|(_, level)| *level >= least) {
            *share += STEP * (level - f64::from(u8::from(rank <= *share)));
        }
    }

    /// Whether all of it are numbers that learning can reach.
    pub fn is_sound(&self) -> bool {
        self.shares.iter().all(|share| (-1.0..=2.0).contains(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn at_first_a_chance_is_the_rank() {
        let levels = Levels::default();
        for rank in [0.001, 0.005, 0.0123, 0.05, 0.3, 1.0] {
            assert!((levels.chance(rank) - rank).abs() < 1e-12, "{rank}");
        }
    }

    #[test]
    fn ranks_that_are_too_low_too_often_get_their_rate_back() {
        let (mut rng, mut levels, mut counts) = (Rng::new(4), Levels::default(), [(0, 0); 3]);
        for at in 0..12_000 {
            // Cubes of even numbers: at most 0.01 in 0.21 of the cases.
            let even = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            let rank = even * even * even;
            if at >= 2_000 {
                for (count, level) in counts.iter_mut().zip([0.05, 0.02, 0.01]) {
                    count.0 += u32::from(levels.chance(rank) <= level);
                    count.1 += u32::from(rank <= level);
                }
            }
            levels.push(rank, 0.0);
        }
        for ((kept, plain), level) in counts.into_iter().zip([0.05, 0.02, 0.01]) {
            let ratio = f64::from(kept) / 10_000.0 / level;
            assert!((1.0 / 1.5..1.5).contains(&ratio), "{level} became {ratio} times that");
            assert!(f64::from(plain) / 10_000.0 > 5.0 * level, "without it: {plain}");
        }
    }

    #[test]
    fn chances_rise_with_ranks_whatever_the_shares_became() {
        let (mut rng, mut levels) = (Rng::new(5), Levels::default());
        for _ in 0..5_000 {
            levels.push(if rng.next_u64() % 3 == 0 { 0.0025 } else { 1.0 }, 0.0025);
            let chances = (0..=400).map(|at| levels.chance(f64::from(at) / 400.0));
            assert!(
                chances.clone().zip(chances.clone().skip(1)).all(|(one, next)| one <= next),
                "{levels:?}"
            );
            assert!(levels.is_sound() && chances.clone().all(|one| (0.0..=1.0).contains(&one)));
        }
    }
}
