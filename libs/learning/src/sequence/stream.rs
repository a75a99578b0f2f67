//! Behaviour learnt on line, within a bound: a bout of sequences is scored by what came before it, ranked among the scores
//! before, then learnt.
//!
//! Every score is that of a model which has not seen the bout, so the ranks need no held-out data. The model improves as it
//! learns, so of the scores only the later two thirds rank, and of them the last [`RANKED`]. Behaviour that drifts is
//! stranger than the past, again and again: [`Levels`] learns which rank comes as often as promised.
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::levels::Levels;
use super::ngram::{Ngrams, ORDER};

/// Scores that new ones are ranked among.
pub const RANKED: usize = 400;
/// Slots of the table of n-grams at most: 64 KiB.
const SLOTS_MAX: usize = 4096;

/// A model of one program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    ngrams: Ngrams<SLOTS_MAX>,
    scores: VecDeque<f32>,
    levels: Levels,
    bouts: u64,
    events: u64,
}

/// What a model says of one bout.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Mean surprise of its events. Unit: nats.
    pub surprise: f64,
    /// Chance of a bout as surprising; never below 1 in the bouts that it was ranked among and one.
    pub probability: f64,
    /// The event that surprised most, after those before it, at most as many as the model looks back on.
    pub strangest: Vec<u32>,
    /// Chance that the model gave to that event.
    pub chance: f64,
}

impl Stream {
    /// What is to be said of a bout, the sequences of one look; `None` if it is empty. Nothing is learnt.
    pub fn judge(&self, bout: &[Vec<u32>]) -> Option<Verdict> {
        let (mut sum, mut events) = (0.0, 0usize);
        let (mut chance, mut strangest) = (f64::INFINITY, &[] as &[u32]);
        for sequence in bout {
            for at in 0..sequence.len() {
                let probability = self.ngrams.probability(sequence, at);
                sum -= libm::log(probability);
                // The first events lack what came before the look.
                if probability < chance && at + 1 >= ORDER.min(sequence.len()) {
                    chance = probability;
                    strangest = sequence.get((at + 1).saturating_sub(ORDER)..=at).unwrap_or_default();
                }
            }
            events += sequence.len();
        }
        let surprise = (events > 0).then(|| sum / events as f64)?;
        Some(Verdict {
            surprise,
            probability: self.probability(surprise),
            strangest: strangest.to_vec(),
            chance,
        })
    }

    /// Takes a bout in that is held to be normal, with the surprise that [`Stream::judge`] found.
    pub fn learn(&mut self, bout: &[Vec<u32>], surprise: f64) {
        self.levels.push(self.rank(surprise), self.least());
        for sequence in bout {
            self.ngrams.learn(sequence);
            self.events += sequence.len() as u64;
        }
        self.bouts += 1;
        self.scores.push_back(surprise as f32);
        let ripe = ripe(self.bouts).min(RANKED as u64);
        if self.scores.len() as u64 > ripe {
            self.scores.pop_front();
        }
    }

    /// Bouts learnt from.
    pub fn bouts(&self) -> u64 {
        self.bouts
    }

    /// Events learnt from.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Bouts from which on this probability can be claimed.
    pub fn bouts_for(probability: f64) -> u64 {
        let ranked = libm::ceil(1.0 / probability) as u64 - 1;
        (1..).find(|bouts| ripe(*bouts) >= ranked).unwrap_or(u64::MAX)
    }

    /// The least probability that it can claim now.
    pub fn least(&self) -> f64 {
        1.0 / (self.scores.len() as f64 + 1.0)
    }

    /// The surprise that a share `rate` of the ranked bouts exceeds. Unit: nats.
    pub fn usual(&self, rate: f64) -> f64 {
        let mut sorted: Vec<f32> = self.scores.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        let at = (sorted.len() as f64 * (1.0 - rate)) as usize;
        sorted.get(at.min(sorted.len().saturating_sub(1))).copied().map_or(0.0, f64::from)
    }

    /// Whether all of it is what learning can reach, as far as a look at it shows.
    pub fn is_sound(&self) -> bool {
        let most = self.bouts.min(RANKED as u64) as usize;
        self.ngrams.is_sound()
            && self.levels.is_sound()
            && self.scores.len() <= most
            && self.scores.iter().all(|score| (0.0..1e6).contains(score))
            && self.bouts < 1 << 50
            && self.events < 1 << 50
    }

    /// Memory that it holds. Unit: bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.ngrams.bytes() + self.scores.capacity() * size_of::<f32>()
    }

    fn probability(&self, surprise: f64) -> f64 {
        self.levels.chance(self.rank(surprise)).max(self.least())
    }

    /// Share of the ranked scores that are as high, this one included.
    fn rank(&self, surprise: f64) -> f64 {
        let as_high = self.scores.iter().filter(|one| **one >= surprise as f32).count();
        (as_high as f64 + 1.0) * self.least()
    }
}

/// Scores that rank after so many bouts: the first third is of a model that knew little.
const fn ripe(bouts: u64) -> u64 {
    (2 * bouts).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// A server: accepts, reads, answers, now and then looks at the time.
    fn normal(rng: &mut Rng) -> Vec<Vec<u32>> {
        let mut calls = Vec::new();
        (0..4 + rng.next_u64() % 12).for_each(|_| match rng.next_u64() % 8 {
            0 => calls.extend([7, 43, 45, 44, 3]),
            1 => calls.extend([7, 96, 7]),
            2 => calls.extend([7, rng.next_u64() as u32 % 300]),
            _ => calls.extend([7, 43, 45, 0, 1, 44, 3]),
        });
        Vec::from([calls])
    }

    /// Share of normal bouts at most as likely as `rate`, of a model that learns from them all.
    fn realised(rate: f64, seed: u64) -> f64 {
        let (mut rng, mut model, mut alarms) = (Rng::new(seed), Stream::default(), 0);
        for at in 0..4_500 {
            let bout = normal(&mut rng);
            let verdict = model.judge(&bout).expect("a bout");
            alarms += u32::from(at >= 500 && verdict.probability <= rate);
            model.learn(&bout, verdict.surprise);
        }
        f64::from(alarms) / 4_000.0
    }

    #[test]
    fn of_normal_bouts_the_promised_share_alarms() {
        for (seed, rate) in [(1, 0.05), (2, 0.05), (3, 0.02), (4, 0.02), (5, 0.1)] {
            let ratio = realised(rate, seed) / rate;
            assert!((1.0 / 1.5..1.5).contains(&ratio), "{rate} became {ratio} times that");
        }
    }

    #[test]
    fn no_probability_below_one_in_the_bouts_and_one() {
        let (mut rng, mut model) = (Rng::new(7), Stream::default());
        for bouts in 0..900_u32 {
            let bout = Vec::from([Vec::from([100 + bouts % 400; 30])]);
            let verdict = model.judge(&bout).expect("a bout");
            assert!(
                verdict.probability >= 1.0 / f64::from(bouts.min(RANKED as u32) + 1),
                "{bouts}: {verdict:?}"
            );
            let bout = normal(&mut rng);
            let surprise = model.judge(&bout).expect("a bout").surprise;
            model.learn(&bout, surprise);
        }
        assert_eq!((model.bouts(), model.judge(&[])), (900, None));
        assert_eq!((Stream::bouts_for(0.05), Stream::bouts_for(0.5)), (28, 1));
    }

    #[test]
    fn another_order_of_the_same_calls_is_unlikely_and_is_named() {
        let (mut rng, mut model) = (Rng::new(8), Stream::default());
        for _ in 0..200 {
            let bout = normal(&mut rng);
            let surprise = model.judge(&bout).expect("a bout").surprise;
            model.learn(&bout, surprise);
        }
        let usual =
            model.judge(&[Vec::from([7, 43, 45, 0, 1, 44, 3, 7, 43, 45, 0, 1, 44, 3])]).expect("a bout");
        let other =
            model.judge(&[Vec::from([3, 44, 1, 0, 45, 43, 7, 3, 44, 1, 0, 45, 43, 7])]).expect("a bout");
        assert!(usual.probability > 0.2 && other.probability < 0.02, "{usual:?} {other:?}");
        assert_eq!(model.rank(other.surprise), model.least());
        assert!(other.surprise > 2.0 * model.usual(0.05));
        let named = model.judge(&[Vec::from([7, 43, 45, 0, 1, 59, 3, 7, 43])]).expect("a bout");
        assert_eq!(named.strangest, [7, 43, 45, 0, 1, 59]);
        assert!(named.chance < 0.01);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut rng, mut model) = (Rng::new(9), Stream::default());
        for _ in 0..600 {
            let bout = Vec::from([(0..500).map(|_| rng.next_u64() as u32 % 400).collect::<Vec<u32>>()]);
            model.learn(&bout, 1.0);
        }
        assert!((60_000..70_000).contains(&model.bytes()), "{}", model.bytes());
    }
}
