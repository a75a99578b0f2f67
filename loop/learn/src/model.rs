//! What is known of one entity: a light model a quantity, one over all of them, and the last version that was good.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use learning::fdr;
use learning::multivariate::JointModel;
use learning::univariate::band::Band;
use learning::univariate::nearest::WARM_UP;
use learning::univariate::tail::Tail;
use learning::univariate::{ALARM_SURPRISE, Tier0, Tier1, Tier2};
use serde::{Deserialize, Serialize};

use crate::quantity::{Quantity, Values};

/// Samples after which an entity is known well enough for its creep to mean something: half a day of seconds.
pub const MATURE: u64 = 20_000;
/// Samples after an anomaly by which the band has found its new ends: two hours of seconds.
const SETTLES: u64 = 7_200;
/// Tier 1 models at most: half a MiB.
pub const HEAVY_MAX: usize = 16;
/// Samples before anything is claimed of an entity.
pub const CLAIMS_FROM: u64 = 300;
/// Widths of the good band by which an end may move without an anomaly having been told.
const CREEP_WIDTHS: f64 = 3.0;
/// A band narrower than so many floors is taken as that wide.
const WIDTH_FLOORS: f64 = 6.0;
/// Share by which one surprise moves the suspicion.
const SUSPICION_RATE: f64 = 0.002;
/// Chance of the recent past from which on it is still strange.
const STILL_STRANGE: f64 = 0.02;
/// No single sample makes a series more suspicious than this.
const SURPRISE_MAX: f64 = 10.0;

/// One quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    pub light: Tier0,
    pub band: Band,
    /// How surprising it has been of late: who is suspicious gets the heavy model.
    pub suspicion: f64,
    /// The heavy model, where it is worth its memory; not saved, 256 samples bring it back.
    #[serde(skip)]
    pub heavy: Option<Box<Heavy>>,
    /// What a model from outside finds of the next sample; 0 without one.
    #[serde(skip)]
    pub outside: f64,
}

/// The heavy model of one quantity, since which turn, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Heavy {
    pub model: Tier1,
    pub since_turn: u64,
    pub samples: u64,
    pub always: bool,
    /// The model on top of it, for the few of whom it is asked whether they are still strange.
    pub deep: Option<Box<Deep>>,
}

/// The heaviest model of one quantity, and since which turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Deep {
    pub model: Tier2,
    pub since_turn: u64,
    /// Whether the recent past as a whole was strange with the last sample.
    is_strange: bool,
}

/// What one sample of all quantities says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Chance of a sample this strange; never below 1 / (n + 1).
    pub probability: f64,
    /// The quantity that differs most.
    pub foremost: usize,
    /// Whether a heaviest model holds the recent past as a whole for strange.
    pub is_strange_still: bool,
}

/// What may be done with one sample.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// It may be learnt from: the entity is in no trouble.
    pub learns: bool,
    /// The entity is told to differ: what it does now is not how it usually is.
    pub is_told: bool,
}

/// The last version that was good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Good {
    series: Vec<Series>,
    tail: Tail,
}

/// What happened to a model when it was checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Checked {
    /// It goes on.
    Unchanged,
    /// It is the good version now.
    Accepted,
    /// This quantity was led away from the good version step by step: it was rolled back.
    RolledBack(usize),
}

/// The model of one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    pub series: Vec<Series>,
    joint: Option<JointModel>,
    tail: Tail,
    pub samples: u64,
    pub version: u64,
    /// At which of its samples an anomaly was last told, if that was after the good version: what changed then
    /// changed in the open.
    told_at: Option<u64>,
    /// Until which of its samples nothing is learnt after a roll-back.
    frozen_until: u64,
    good: Option<Box<Good>>,
    /// The file it was taken in from.
    pub source: Option<String>,
}

impl Model {
    /// Nothing is known yet; `is_joint`: relations between the quantities are learnt too.
    pub fn new(quantities: &[Quantity], is_joint: bool) -> Self {
        let series = |one: &Quantity| Series {
            light: Tier0::with_floor(ALARM_SURPRISE, one.floor),
            band: Band::default(),
            suspicion: 0.0,
            heavy: None,
            outside: 0.0,
        };
        Self {
            series: quantities.iter().map(series).collect(),
            joint: is_joint.then(|| JointModel::new(quantities.len())),
            tail: Tail::new(0.02),
            samples: 0,
            version: 0,
            told_at: None,
            frozen_until: 0,
            good: None,
            source: None,
        }
    }

    /// The same for another machine: what was learnt, without what happened here.
    pub fn to_go(&self) -> Self {
        let light = |one: &Series| Series { heavy: None, suspicion: 0.0, ..one.clone() };
        let series = self.series.iter().map(light).collect();
        Self { series, told_at: None, frozen_until: 0, good: None, source: None, ..self.clone() }
    }

    /// Becomes what came from `source`, as a new version.
    pub fn become_of(&mut self, other: &Self, source: &str) {
        let version = self.version.max(other.version) + 1;
        *self = Self { version, source: Some(String::from(source)), ..other.to_go() };
    }

    /// Whether it is of so many quantities and all its values are numbers that learning can reach.
    pub fn is_sound(&self, quantities: usize) -> bool {
        let series = |one: &Series| one.light.is_sound() && one.band.is_sound() && one.suspicion.is_finite();
        let counts = [self.samples, self.version, self.frozen_until, self.told_at.unwrap_or(0)];
        self.series.len() == quantities
            && self.series.iter().all(series)
            && self.joint.as_ref().is_none_or(|joint| joint.is_sound(quantities))
            && self.tail.is_sound()
            && counts.iter().all(|count| *count < 1 << 50)
    }

    /// Notes that an anomaly of it was told.
    pub const fn note_told(&mut self) {
        self.told_at = Some(self.samples);
    }

    /// Whether it is kept as it was after a roll-back.
    pub const fn is_frozen(&self) -> bool {
        self.samples < self.frozen_until
    }

    /// Reads one sample of all quantities; learns from it as far as `reader` may.
    pub fn push(&mut self, quantities: &[Quantity], values: &Values, reader: Reader) -> Verdict {
        let learns = reader.learns && !self.is_frozen();
        self.samples += 1;
        let mut chances = Vec::with_capacity(self.series.len() + 1);
        let (mut foremost, mut most) = (0, 0.0);
        for (index, (series, quantity)) in self.series.iter_mut().zip(quantities).enumerate() {
            let Some(value) = values.get(index).copied().flatten() else { continue };
            let surprise = series.push(value, quantity.floor, Reader { learns, ..reader });
            chances.push(chance(surprise));
            if surprise > most {
                (foremost, most) = (index, surprise);
            }
        }
        if learns && let Some(joint) = &mut self.joint {
            let all: Vec<f64> = values.iter().take(self.series.len()).map(|one| one.unwrap_or(0.0)).collect();
            if let Some(reading) = joint.push(&all).filter(|one| one.surprise > 0.0) {
                chances.push(chance(reading.surprise));
                if reading.surprise > most {
                    (foremost, most) = (reading.foremost, reading.surprise);
                }
            }
        }
        // Nothing is surprising in most samples: the combination is then known without its arithmetic.
        let joined = if most > 0.0 { -libm::log10(fdr::combine(&chances)) } else { 0.0 };
        let joined = joined.max(0.0);
        let surprise = if learns { self.tail.push(joined) } else { self.tail.surprise(joined) };
        let speaks = self.samples > CLAIMS_FROM && surprise > 0.0;
        let probability = if speaks { self.tail.probability(surprise) } else { 1.0 };
        let mut deep = self.series.iter().filter_map(|one| one.heavy.as_ref()?.deep.as_ref());
        Verdict { probability, foremost, is_strange_still: deep.any(|one| one.is_strange) }
    }

    /// Samples its claims rest on.
    pub fn seen(&self) -> u64 {
        self.tail.seen() as u64
    }

    /// Compares it with its good version: accepts what changed in the open, takes back what crept.
    pub fn check(&mut self, quantities: &[Quantity], freeze: u64) -> Checked {
        let Some(good) = &self.good else {
            return if self.samples >= MATURE { self.accept() } else { Checked::Unchanged };
        };
        if let Some(told_at) = self.told_at {
            let is_settled = !self.is_frozen() && self.samples - told_at >= SETTLES;
            return if is_settled { self.accept() } else { Checked::Unchanged };
        }
        let crept =
            self.series.iter().zip(&good.series).zip(quantities).position(|((now, then), quantity)| {
                now.band.crept_from(&then.band, WIDTH_FLOORS * quantity.floor) > CREEP_WIDTHS
            });
        match crept {
            Some(index) => {
                self.restore(freeze);
                Checked::RolledBack(index)
            }
            None => Checked::Unchanged,
        }
    }

    /// Takes it as good as it is.
    pub fn accept(&mut self) -> Checked {
        let light = |one: &Series| Series { heavy: None, ..one.clone() };
        let series = self.series.iter().map(light).collect();
        self.good = Some(Box::new(Good { series, tail: self.tail.clone() }));
        self.version += 1;
        self.told_at = None;
        self.frozen_until = 0;
        Checked::Accepted
    }

    /// Goes back to the good version, if there is one, and learns nothing for `freeze` samples.
    pub fn restore(&mut self, freeze: u64) -> bool {
        let Some(good) = &self.good else { return false };
        for (series, then) in self.series.iter_mut().zip(&good.series) {
            *series = Series { heavy: series.heavy.take(), ..then.clone() };
        }
        self.tail = good.tail.clone();
        self.frozen_until = self.samples + freeze;
        true
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        let heavy: usize =
            self.series.iter().filter_map(|one| one.heavy.as_ref()).map(|one| one.bytes()).sum();
        let versions = 1 + usize::from(self.good.is_some());
        size_of::<Self>() + versions * self.series.len() * size_of::<Series>() + heavy
    }
}

impl Heavy {
    /// Bytes of one heavy model, its history included.
    pub const BYTES: usize = 31 * 1024;

    /// A heavy model that begins now.
    pub fn new(turn: u64, always: bool) -> Box<Self> {
        Box::new(Self { model: Tier1::new(ALARM_SURPRISE), since_turn: turn, samples: 0, always, deep: None })
    }

    /// Samples after which it is listened to.
    pub const READY_AFTER: usize = 2 * WARM_UP;

    /// Whether it has seen enough to be listened to, and to bear a heavier one.
    pub const fn is_ready(&self) -> bool {
        self.samples > Self::READY_AFTER as u64
    }

    /// Puts the heaviest model on top.
    pub fn deepen(&mut self, turn: u64) {
        let deep = Deep { model: Tier2::default(), since_turn: turn, is_strange: false };
        self.deep = Some(Box::new(deep));
    }

    fn bytes(&self) -> usize {
        Self::BYTES + usize::from(self.deep.is_some()) * Tier2::BYTES
    }

    /// How surprising a value is, in floors of the quantity; 0 until it is ready.
    pub fn push(&mut self, value: f64, is_told: bool) -> f64 {
        self.samples += 1;
        let Some(reading) = self.model.push(value) else { return 0.0 };
        if let Some(deep) = &mut self.deep {
            deep.is_strange = deep.model.weigh(&self.model, &reading, !is_told).probability <= STILL_STRANGE;
        }
        if self.is_ready() { reading.surprise } else { 0.0 }
    }
}

impl Series {
    /// How surprising a value is. The heavy model also sees odd shapes inside the usual range; as its readings come in
    /// bursts, half of its surprise counts.
    fn push(&mut self, value: f64, floor: f64, reader: Reader) -> f64 {
        let outside = core::mem::take(&mut self.outside);
        if !reader.learns {
            return self.light.surprise(value);
        }
        let light = self.light.push(value).map_or(0.0, |one| one.surprise);
        self.band.push(value, floor);
        let heavy = self.heavy.as_mut().map_or(0.0, |heavy| heavy.push(value / floor, reader.is_told));
        let surprise = light.max(0.5 * heavy).max(outside);
        self.suspicion += SUSPICION_RATE * (light.min(SURPRISE_MAX) - self.suspicion);
        surprise
    }
}

/// The chance that goes with a surprise. What does not surprise says nothing either way: one half.
fn chance(surprise: f64) -> f64 {
    if surprise > 0.31 { libm::pow(10.0, -surprise) } else { 0.5 }
}
