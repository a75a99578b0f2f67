//! Detectors of one series: three tiers, the same reading. Causal, bounded, one configuration for every series.
pub mod alarm;
pub mod band;
mod forest;
pub mod level;
pub mod nearest;
pub mod tail;
mod tier2;

use serde::{Deserialize, Serialize};

use alarm::Refractory;
use level::Level;
use nearest::{Nearest, SCALE_COUNT, WARM_UP};
use tail::Tail;
pub use tier2::Tier2;

/// Surprise from which a sample may raise an alarm: a chance of one in 1,000.
pub const ALARM_SURPRISE: f64 = 3.0;
/// Samples without a second alarm.
pub const SILENCE: u32 = 60;

/// What a detector says about one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// -log10 of the chance of a sample this strange; not capped, to rank by.
    pub surprise: f64,
    /// The same as a probability, never below 1 / (n + 1) after n samples.
    pub probability: f64,
    /// Whether this sample raises an alarm.
    pub alarm: bool,
    /// How strange the recent past as a whole is, smoothed: to rank ranges by, no unit.
    pub range: f64,
}

/// Tier 0: for every series; under 200 bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tier0 {
    level: Level,
    tail: Tail,
    refractory: Refractory,
    range: f64,
    alarm_surprise: f64,
    is_floored: bool,
}

impl Tier0 {
    /// A detector that alarms from a surprise on, [`ALARM_SURPRISE`] unless there is a reason.
    pub fn new(alarm_surprise: f64) -> Self {
        Self::with_floor(alarm_surprise, 0.0)
    }

    /// The same for a quantity whose differences below `floor` mean nothing.
    pub fn with_floor(alarm_surprise: f64, floor: f64) -> Self {
        let refractory = Refractory::new(SILENCE);
        Tier0 {
            level: Level::with_floor(floor),
            tail: Tail::new(0.02),
            refractory,
            range: 0.0,
            alarm_surprise,
            is_floored: floor > 0.0,
        }
    }

    /// Reads one sample; `None` where it is not finite.
    pub fn push(&mut self, value: f64) -> Option<Reading> {
        if !value.is_finite() {
            return None;
        }
        let score = self.level.push(value);
        let surprise = self.tail.push(score);
        let surprise = self.bounded(surprise, score);
        self.range += 0.02 * (score - self.range);
        let alarm = self.refractory.push(surprise >= self.alarm_surprise);
        Some(Reading { surprise, probability: self.tail.probability(surprise), alarm, range: self.range })
    }

    /// How surprising a value would be; nothing is learnt.
    pub fn surprise(&self, value: f64) -> f64 {
        if !value.is_finite() {
            return 0.0;
        }
        let score = self.level.score(value);
        self.bounded(self.tail.surprise(score), score)
    }

    /// Where differences below a floor mean nothing, no sample is stranger than its distance would be under a normal
    /// distribution: a series that never moved has no tail to judge by. Less than one in ten is then no surprise.
    fn bounded(&self, surprise: f64, score: f64) -> f64 {
        let normal = 0.5 * core::f64::consts::LOG10_E * score * score;
        match surprise.min(normal) {
            _ if !self.is_floored => surprise,
            bounded if bounded < 1.0 => 0.0,
            bounded => bounded,
        }
    }

    /// Whether it can be of a detector that learnt.
    pub fn is_sound(&self) -> bool {
        let values = [self.range, self.alarm_surprise];
        self.level.is_sound() && self.tail.is_sound() && values.iter().all(|value| value.is_finite())
    }

    /// Slow mean and standard deviation.
    pub fn level(&self) -> &Level {
        &self.level
    }
}

/// Tier 1: for the series that matter; under 32 KiB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tier1 {
    nearest: Nearest,
    seen: f64,
    usual: [f64; SCALE_COUNT],
    tails: [Tail; SCALE_COUNT],
    joint: Tail,
    refractory: Refractory,
    alarm_surprise: f64,
}

impl Tier1 {
    /// A detector that alarms from a surprise on, [`ALARM_SURPRISE`] unless there is a reason.
    pub fn new(alarm_surprise: f64) -> Self {
        Tier1 {
            nearest: Nearest::new(),
            seen: 0.0,
            usual: [0.0; SCALE_COUNT],
            tails: core::array::from_fn(|_| Tail::single(0.01)),
            joint: Tail::new(0.005),
            refractory: Refractory::new(SILENCE),
            alarm_surprise,
        }
    }

    /// Reads one sample; `None` where it is not finite. Until [`WARM_UP`] samples are known nothing is claimed.
    pub fn push(&mut self, value: f64) -> Option<Reading> {
        if !value.is_finite() {
            return None;
        }
        let distances = self.nearest.push(value);
        self.seen += 1.0;
        let floor = 1e-6 * value.abs() + 1e-9;
        let mut ratios = [0.0; SCALE_COUNT];
        let mut evidence = 0.0;
        for (i, distance) in distances.into_iter().enumerate() {
            self.usual[i] += (1.0 / self.seen).max(0.0003) * (distance - self.usual[i]);
            ratios[i] = libm::log(distance / (self.usual[i] + floor) + 0.2);
            evidence += self.tails[i].push(ratios[i]);
        }
        let surprise = self.joint.push(evidence);
        if self.seen <= WARM_UP as f64 {
            return Some(Reading { surprise: 0.0, probability: 1.0, alarm: false, range: -10.0 });
        }
        let alarm = self.refractory.push(surprise >= self.alarm_surprise);
        let range = ratios[SCALE_COUNT - 2] + ratios[SCALE_COUNT - 1];
        Some(Reading { surprise, probability: self.joint.probability(surprise), alarm, range })
    }

    /// The values it remembers.
    pub fn history(&self) -> &Nearest {
        &self.nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_with_a_floor_is_not_astonished_by_a_small_step() {
        let (mut bare, mut floored) = (Tier0::new(3.0), Tier0::with_floor(3.0, 4.0));
        (0..5_000).for_each(|_| {
            bare.push(12.0);
            floored.push(12.0);
        });
        assert!(floored.surprise(16.0) < 1.0, "one floor: {}", floored.surprise(16.0));
        assert!(floored.surprise(40.0) > 6.0, "seven floors: {}", floored.surprise(40.0));
        assert!(bare.surprise(16.0) > 6.0, "without a floor any step is new");
    }
}
