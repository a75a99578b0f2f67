//! Tier 2: whether the recent past as a whole is still strange. For the few series of whom that is asked.
use super::forest::Forest;
use super::tail::Tail;
use super::{Reading, Tier1};

/// Share by which one sample moves the recent rarity: about a minute of seconds.
const CALM: f64 = 0.02;
/// Share of the samples in the tail of the range score.
const TAIL: f64 = 0.02;

/// Stands on a [`Tier1`], whose history its trees grow from: it may come and go while that stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier2 {
    forest: Forest,
    weighed: f64,
    usual: f64,
    recent: f64,
    tail: Tail,
}

impl Default for Tier2 {
    fn default() -> Self {
        Self { forest: Forest::default(), weighed: 0.0, usual: 0.0, recent: 0.0, tail: Tail::new(TAIL) }
    }
}

impl Tier2 {
    /// Bytes it holds at most, beside the tier below.
    pub const BYTES: usize = size_of::<Self>() + Forest::BYTES;

    /// The range score of tier 1's last reading, sharpened by how rare the shapes of the last minute are, and its
    /// surprise; where `learns` is false that is not taken for usual. What tier 1 said of the sample itself stands.
    pub fn weigh(&mut self, below: &Tier1, reading: &Reading, learns: bool) -> Reading {
        let Some(rarity) = self.forest.rarity(below.history()) else { return *reading };
        self.weighed += 1.0;
        self.usual += (1.0 / self.weighed).max(0.0003) * (rarity - self.usual);
        let ratio = libm::log(rarity / self.usual.max(1e-9) + 0.2);
        self.recent += (1.0 / self.weighed).max(CALM) * (ratio - self.recent);
        let range = reading.range + self.recent;
        let surprise = if learns { self.tail.push(range) } else { self.tail.surprise(range) };
        Reading { surprise, probability: self.tail.probability(surprise), range, ..*reading }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::univariate::ALARM_SURPRISE;

    fn read(one: &mut Tier1, two: &mut Tier2, value: f64, learns: bool) -> Reading {
        let reading = one.push(value).unwrap_or_default();
        two.weigh(one, &reading, learns)
    }

    fn ready(rng: &mut Rng) -> (Tier1, Tier2) {
        let (mut one, mut two) = (Tier1::new(ALARM_SURPRISE), Tier2::default());
        (0..6_000).for_each(|_| {
            read(&mut one, &mut two, 10.0 + rng.normal(), true);
        });
        (one, two)
    }

    #[test]
    fn a_stretch_is_strange_while_it_lasts_and_no_longer() {
        let mut rng = Rng::new(3);
        let (mut one, mut two) = ready(&mut rng);
        let strange =
            (0..600).filter(|_| read(&mut one, &mut two, 30.0 + rng.normal(), false).probability < 0.02);
        assert!(strange.count() > 300, "half of ten minutes at least");
        (0..300).for_each(|_| {
            read(&mut one, &mut two, 10.0 + rng.normal(), false);
        });
        let still =
            (0..300).filter(|_| read(&mut one, &mut two, 10.0 + rng.normal(), false).probability < 0.02);
        assert!(still.count() < 60);
    }

    #[test]
    fn its_chances_are_kept_and_none_is_below_one_over_n_plus_one() {
        let mut rng = Rng::new(4);
        let (mut one, mut two) = ready(&mut rng);
        let (mut seen, mut below) = (0, 0);
        for n in 0..60_000 {
            let reading = read(&mut one, &mut two, 10.0 + rng.normal(), true);
            assert!(reading.probability >= 1.0 / f64::from(n + 6_002));
            seen += 1;
            below += u32::from(reading.probability < 0.01);
        }
        let ratio = f64::from(below) / f64::from(seen) / 0.01;
        assert!((0.5..2.0).contains(&ratio), "of one in a hundred came {ratio} times that");
    }
}
