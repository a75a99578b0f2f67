//! Scores of one entity thought again from its past: what was said of it, or would have been.
//!
//! A model that knows nothing goes through the past of the entity and ends up where the live one was, as far as it
//! learns from so long ago. What it cannot know: with whom its quantities vied for heavy models, and in which second of
//! the minute they were given.
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use vocab::Entity;

use crate::known::Known;
use crate::model::Reader;
use crate::quantity::{Key, Kind, QUANTITIES_MAX};
use crate::tiers::Tiers;

/// What is said of one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Chance of a sample this strange, all quantities together; never below 1 in samples.
    pub probability: f64,
    /// The quantity that differs most.
    pub metric: &'static str,
    /// Its value.
    pub value: Option<f64>,
    /// Ends of its learnt band.
    pub band: (f64, f64),
    /// Samples that rests on.
    pub samples: u64,
}

/// The model of one entity, on its way through the past.
#[derive(Clone, Debug)]
pub struct Again {
    kind: Kind,
    /// The one.
    known: BTreeMap<Key, Known>,
    tiers: Tiers,
    turn: u64,
}

impl Again {
    /// Begins with nothing known; `None` for what has no scores of its own.
    pub fn new(entity: &Entity) -> Option<Self> {
        let kind = match entity {
            Entity::Machine => Kind::Machine,
            Entity::Service(_) => Kind::Service,
            Entity::Cgroup(_) => Kind::Cgroup,
            Entity::Disk(_) => Kind::Disk,
            Entity::Interface(_) => Kind::Interface,
            Entity::Program(_) => Kind::Program,
            Entity::Process(_) | Entity::Filesystem(_) | Entity::Collector(_) => return None,
        };
        // The first turn of a run scores nothing.
        let known = BTreeMap::from([((kind, Arc::from("")), Known::new(kind, 1))]);
        Some(Self { kind, known, tiers: Tiers::default(), turn: 1 })
    }

    /// Names of its quantities, in the order in which [`Again::push`] takes them.
    pub fn quantities(&self) -> impl Iterator<Item = &'static str> {
        self.kind.quantities().iter().map(|one| one.name)
    }

    /// Scores the next instant, and learns from it if `learns`.
    pub fn push(&mut self, values: &[Option<f64>], learns: bool) -> Option<Score> {
        let mut all = [None; QUANTITIES_MAX];
        all.iter_mut().zip(values).for_each(|(place, value)| *place = value.filter(|one| one.is_finite()));
        self.turn += 1;
        let quantities = self.kind.quantities();
        let known = self.known.values_mut().next()?;
        known.last_turn = self.turn;
        let verdict = known.model.push(quantities, &all, Reader { learns, is_told: false });
        let series = known.model.series.get(verdict.foremost)?;
        let score = Score {
            probability: verdict.probability,
            metric: quantities.get(verdict.foremost)?.name,
            value: all.get(verdict.foremost).copied().flatten(),
            band: (series.band.low(), series.band.high()),
            samples: known.model.seen(),
        };
        self.tiers.choose(&mut self.known, self.turn, &[None, None]);
        Some(score)
    }
}
