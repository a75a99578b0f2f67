//! What is known of some entities, to be taken to another machine.
//!
//! A heavier model travels as the history it remembers and is learnt again from that, so a file cannot bring a state that
//! no history makes. Calls travel as the counts of their order, by name, and only within one architecture: another one has
//! other calls for the same work. [`Parcel::quantize`] holds histories in a byte a value; [`Parcel::distill`] leaves them behind and
//! teaches the light model what the heavy one holds for usual. Both say what that loses, on that history.
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use learning::univariate::Tier0;
use learning::univariate::nearest::REACH;
use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviours, Calls};
use crate::known::{ENTITIES_MAX, Known};
use crate::model::{HEAVY_MAX, Heavy, Model};
use crate::quantity::{Key, Kind};

/// Surprise from which on a sample is strange: one in a hundred.
const STRANGE: f64 = 2.0;
/// Steps of a history in a byte.
const STEPS: f32 = 254.0;

/// Models of some entities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    pub(crate) entries: Vec<Entry>,
    pub(crate) calls: Vec<Calls>,
    /// Of the machine on which the calls were made, as Rust names it.
    architecture: String,
}

/// One entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub key: Key,
    pub model: Model,
    pub histories: Vec<History>,
}

/// What the heavy model of one quantity remembers, oldest first, in floors of the quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    pub index: u8,
    origin: f64,
    values: Values,
}

/// Values relative to the origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Values {
    Plain(Vec<f32>),
    Int8 { center: f32, step: f32, codes: Vec<i8> },
}

/// What making one model smaller lost, on the history it was learnt from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Entity and quantity.
    pub name: String,
    /// Samples compared.
    pub samples: usize,
    /// Size before and after. Unit: bytes.
    pub bytes: (usize, usize),
    /// Mean difference of the surprise, -log10 of a chance; `None` where the history is too short to compare.
    pub mean_difference: Option<f64>,
    /// Samples that were strange (one in a hundred) before.
    pub strange: usize,
    /// Of those, how many still are.
    pub kept: usize,
    /// Samples that are strange now only.
    pub added: usize,
}

impl Parcel {
    /// Everything known of the entities of this name, or of all of them, and of their calls.
    pub(crate) fn of(
        known: &BTreeMap<Key, Known>,
        behaviours: &Behaviours,
        name: Option<&str>,
        architecture: &str,
    ) -> Self {
        let wanted = known.iter().filter(|(key, _)| name.is_none_or(|name| *key.1 == *name));
        let entry = |(key, one): (&Key, &Known)| {
            let heavy = one.model.series.iter().enumerate();
            let heavy = heavy.filter_map(|(index, series)| Some((index, series.heavy.as_ref()?)));
            let histories = heavy.map(|(index, heavy)| History::of(index, heavy)).collect();
            Entry { key: key.clone(), model: one.model.to_go(), histories }
        };
        let (entries, calls) = (wanted.map(entry).collect(), behaviours.parcel(name));
        Self { entries, calls, architecture: String::from(architecture) }
    }

    /// Entities in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Programs whose calls are in it.
    pub fn programs(&self) -> usize {
        self.calls.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.calls.is_empty()
    }

    /// Leaves out the calls of another architecture than this one; of how many programs.
    pub fn leave_foreign_calls(&mut self, architecture: &str) -> usize {
        if self.architecture == architecture { 0 } else { core::mem::take(&mut self.calls).len() }
    }

    /// What of it makes no sense, in words; a file may say anything.
    pub fn flaw(&self) -> Option<&'static str> {
        let mut keys: Vec<&Key> = self.entries.iter().map(|one| &one.key).collect();
        keys.sort();
        keys.dedup();
        if self.entries.len() > ENTITIES_MAX || keys.len() != self.entries.len() {
            return Some("there are too many entities, or one twice");
        }
        if self.entries.iter().map(|one| one.histories.len()).sum::<usize>() > HEAVY_MAX {
            return Some("there are more histories than heavy models can be");
        }
        let mut programs: Vec<&str> = self.calls.iter().map(|one| &*one.program).collect();
        programs.sort_unstable();
        programs.dedup();
        if programs.len() != self.calls.len() || self.calls.iter().any(|one| !one.is_sound()) {
            return Some("the calls of a program cannot have been learnt, or are there twice");
        }
        self.entries.iter().find_map(Entry::flaw)
    }

    /// Holds every history in a byte a value; what that loses.
    pub fn quantize(&mut self) -> Vec<Loss> {
        let mut losses = Vec::new();
        for entry in &mut self.entries {
            for history in &mut entry.histories {
                let (before, bytes) = (history.surprises(), history.values.bytes());
                history.values = history.values.in_bytes();
                let (after, bytes) = (history.surprises(), (bytes, history.values.bytes()));
                losses.push(Loss::between(name(&entry.key, history.index), &before, &after, bytes));
            }
        }
        losses
    }

    /// Leaves every history behind; where that brings the light model nearer to the heavy one, it learns again what the
    /// heavy one holds for usual. What the light one then misses.
    pub fn distill(&mut self) -> Vec<Loss> {
        let mut losses = Vec::new();
        for entry in &mut self.entries {
            let quantities = entry.key.0.quantities();
            for history in core::mem::take(&mut entry.histories) {
                let index = usize::from(history.index);
                let (Some(series), Some(quantity)) =
                    (entry.model.series.get_mut(index), quantities.get(index))
                else {
                    continue;
                };
                let taught = history.surprises();
                let values: Vec<f64> = history.all().map(|value| value * quantity.floor).collect();
                let mut pupil = series.light.clone();
                let usual = values.iter().zip(&taught).filter(|(_, surprise)| **surprise < STRANGE);
                usual.for_each(|(value, _)| {
                    pupil.push(*value);
                });
                let loss = |light: &Tier0| {
                    let learnt: Vec<f64> = values.iter().map(|value| light.surprise(*value)).collect();
                    let bytes = (history.values.bytes() + size_of::<Tier0>(), size_of::<Tier0>());
                    Loss::between(name(&entry.key, history.index), &taught, &learnt, bytes)
                };
                let (as_is, as_taught) = (loss(&series.light), loss(&pupil));
                if as_taught
                    .mean_difference
                    .zip(as_is.mean_difference)
                    .is_some_and(|(taught, is)| taught < is)
                {
                    series.light = pupil;
                    losses.push(as_taught);
                } else {
                    losses.push(as_is);
                }
            }
        }
        losses
    }
}

impl Entry {
    fn flaw(&self) -> Option<&'static str> {
        let quantities = self.key.0.quantities().len();
        if self.key.1.is_empty() || self.key.1.len() > 512 {
            return Some("an entity has no name, or too long a one");
        }
        if self.key.0 == Kind::Machine && &*self.key.1 != "machine" {
            return Some("there is a second machine");
        }
        if !self.model.is_sound(quantities) {
            return Some("a model does not fit its entity, or has a value that is no number");
        }
        let fits = |one: &History| usize::from(one.index) < quantities && one.is_sound();
        let mut indices: Vec<u8> = self.histories.iter().map(|one| one.index).collect();
        indices.sort_unstable();
        indices.dedup();
        let is_fit = self.histories.iter().all(fits) && indices.len() == self.histories.len();
        (!is_fit).then_some("a history is too long, of no quantity, or has a value that is no number")
    }
}

impl History {
    fn of(index: usize, heavy: &Heavy) -> Self {
        let history = heavy.model.history();
        let values = (1..=history.reach()).rev().filter_map(|lag| history.past(lag)).collect();
        Self { index: index as u8, origin: history.origin(), values: Values::Plain(values) }
    }

    /// The heavy model that remembers it.
    pub fn heavy(&self, turn: u64, always: bool) -> alloc::boxed::Box<Heavy> {
        let mut heavy = Heavy::new(turn, always);
        self.all().for_each(|value| {
            heavy.push(value, false);
        });
        heavy
    }

    fn all(&self) -> impl Iterator<Item = f64> {
        (0..self.values.len()).map(|at| self.origin + f64::from(self.values.get(at)))
    }

    /// How surprising a heavy model that begins with it finds each value.
    fn surprises(&self) -> Vec<f64> {
        let mut heavy = Heavy::new(0, false);
        self.all().map(|value| heavy.push(value, false)).collect()
    }

    fn is_sound(&self) -> bool {
        let is_number = |one: f32| one.abs() < 1e30;
        let values = match &self.values {
            Values::Plain(values) => values.iter().all(|one| is_number(*one)),
            Values::Int8 { center, step, .. } => is_number(*center) && is_number(*step),
        };
        values && self.origin.abs() < 1e30 && self.values.len() <= REACH
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Plain(values) => values.len(),
            Self::Int8 { codes, .. } => codes.len(),
        }
    }

    fn get(&self, at: usize) -> f32 {
        match self {
            Self::Plain(values) => values.get(at).copied().unwrap_or_default(),
            Self::Int8 { center, step, codes } => {
                center + step * f32::from(codes.get(at).copied().unwrap_or_default())
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Plain(values) => size_of_val(values.as_slice()),
            Self::Int8 { codes, .. } => 2 * size_of::<f32>() + codes.len(),
        }
    }

    fn in_bytes(&self) -> Self {
        let Self::Plain(values) = self else { return self.clone() };
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (center, step) =
            if values.is_empty() { (0.0, 0.0) } else { (0.5 * (low + high), (high - low) / STEPS) };
        let code = |value: &f32| if step > 0.0 { libm::roundf((value - center) / step) as i8 } else { 0 };
        Self::Int8 { center, step, codes: values.iter().map(code).collect() }
    }
}

impl Loss {
    fn between(name: String, before: &[f64], after: &[f64], bytes: (usize, usize)) -> Self {
        let pairs = || before.iter().zip(after).skip(Heavy::READY_AFTER);
        let samples = pairs().count();
        let difference: f64 = pairs().map(|(a, b)| (a - b).abs()).sum();
        let count =
            |is: fn(bool, bool) -> bool| pairs().filter(|(a, b)| is(**a >= STRANGE, **b >= STRANGE)).count();
        Self {
            name,
            samples,
            bytes,
            mean_difference: (samples > 0).then(|| difference / samples as f64),
            strange: count(|before, _| before),
            kept: count(|before, after| before && after),
            added: count(|before, after| !before && after),
        }
    }
}

fn name(key: &Key, index: u8) -> String {
    let quantity = key.0.quantities().get(usize::from(index)).map_or("?", |one| one.name);
    alloc::format!("{} {quantity}", key.1)
}
