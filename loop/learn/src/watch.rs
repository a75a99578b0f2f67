//! Every series scored every turn: who differs from normal, with the false ones held down across all entities.
//!
//! The quantities of one entity are combined first, then entities are compared with each other (Benjamini and
//! Hochberg); one alone must be seldom besides. An entity differs once it was found in half of the last ten turns, and
//! until it was not for thirty and no heaviest model holds its recent past for strange.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use learning::fdr;
use serde::{Deserialize, Serialize};
use vocab::event::Event;
use vocab::rows::AnomalyRow;
use vocab::snapshot::Snapshot;

use crate::known::{ENTITIES_MAX, Known, Scored};
use crate::model::{Checked, Reader};
use crate::parcel::Parcel;
use crate::quantity::{self, Key};
use crate::tiers::Tiers;
use crate::words;

/// Share of the entities found in one turn that may be found by chance.
const FALSE_RATE: f64 = 0.05;
/// Chance above which nobody is found, however few entities there are: nobody is told within the first hour.
const SELDOM: f64 = 3e-4;
/// Turns between two comparisons with the good version.
const CHECK_EVERY: u64 = 600;
/// Samples for which a model that was rolled back learns nothing: a person has a day to see it.
const FREEZE: u64 = 86_400;
/// Anomalies listed at most, the least likely first.
const ROWS_MAX: usize = 100;

/// The models of all entities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    pub known: BTreeMap<Key, Known>,
    #[serde(skip)]
    pub tiers: Tiers,
}

impl Watch {
    /// Scores one turn. From those in `troubled` nothing is learnt. Returns the rows and what is news.
    pub fn run(&mut self, snapshot: &Snapshot, troubled: &BTreeSet<Key>) -> (Vec<AnomalyRow>, Vec<Event>) {
        let scored = self.score(snapshot, troubled);
        let chances: Vec<f64> = scored.iter().map(|one| one.verdict.probability).collect();
        let found = fdr::discoveries(&chances, FALSE_RATE).into_iter();
        let found: BTreeSet<usize> = found.filter(|index| chances[*index] <= SELDOM).collect();
        let (mut rows, mut news) = (Vec::new(), Vec::new());
        for (index, one) in scored.iter().enumerate() {
            let Some(known) = self.known.get_mut(&one.subject.key) else { continue };
            let is_news = known.note(one, found.contains(&index), snapshot.at);
            if known.since.is_none() || known.is_habit {
                continue;
            }
            rows.extend(row(one, known));
            if is_news && let Some(row) = rows.last() {
                news.push(words::notice(snapshot.at, row.entity.clone(), row.sentence.clone()));
            }
        }
        rows.sort_by(|a, b| a.probability.total_cmp(&b.probability).then_with(|| a.name.cmp(&b.name)));
        rows.truncate(ROWS_MAX);
        if snapshot.turn.is_multiple_of(CHECK_EVERY) {
            self.check(snapshot, &scored, &mut news);
        }
        self.tiers.assign(&mut self.known, snapshot);
        (rows, news)
    }

    fn score(&mut self, snapshot: &Snapshot, troubled: &BTreeSet<Key>) -> Vec<Scored> {
        let mut scored = Vec::new();
        quantity::each(snapshot, |subject| {
            let Some(known) = self.known_of(&subject.key, snapshot.turn) else { return };
            let learns = !troubled.contains(&subject.key);
            let reader = Reader { learns, is_told: known.since.is_some() };
            let verdict = known.model.push(subject.key.0.quantities(), &subject.values, reader);
            scored.push(Scored { subject, verdict });
        });
        scored
    }

    /// The model of that key, made if there is room.
    fn known_of(&mut self, key: &Key, turn: u64) -> Option<&mut Known> {
        if !self.known.contains_key(key) {
            if self.known.len() >= ENTITIES_MAX {
                let oldest = self.known.iter().min_by_key(|(_, one)| (one.last_turn, one.model.samples));
                let oldest =
                    oldest.filter(|(_, one)| one.last_turn + 1 < turn).map(|(key, _)| key.clone())?;
                self.known.remove(&oldest);
            }
            self.known.insert(key.clone(), Known::new(key.0, turn));
        }
        let known = self.known.get_mut(key)?;
        known.last_turn = turn;
        Some(known)
    }

    /// Compares the models with their good versions; what crept away from its own is told.
    fn check(&mut self, snapshot: &Snapshot, scored: &[Scored], news: &mut Vec<Event>) {
        for one in scored {
            let Some(known) = self.known.get_mut(&one.subject.key) else { continue };
            let quantities = one.subject.key.0.quantities();
            let before: Vec<(f64, f64)> =
                known.model.series.iter().map(|one| (one.band.low(), one.band.high())).collect();
            if known.since.is_some() {
                continue;
            }
            if let Checked::RolledBack(index) = known.model.check(quantities, FREEZE)
                && let (Some(quantity), Some(crept), Some(series)) =
                    (quantities.get(index), before.get(index), known.model.series.get(index))
            {
                let entity = quantity::entity(&one.subject.key);
                let good = (series.band.low(), series.band.high());
                let name = words::who(&entity);
                news.push(words::notice(
                    snapshot.at,
                    entity,
                    words::crept(&name, quantity.name, good, *crept),
                ));
            }
        }
    }

    /// Takes in what a parcel knows, in place of what is known here; who finds no room is left out.
    pub fn take_in(&mut self, parcel: &Parcel, source: &str, turn: u64) {
        for entry in &parcel.entries {
            let Some(known) = self.known_of(&entry.key, turn) else { continue };
            known.calm();
            known.model.become_of(&entry.model, source);
            self.tiers.take_in(&mut self.known, entry, turn);
        }
    }

    /// A person said that what `key` did was a false alarm: it is normal as it is.
    pub fn accept(&mut self, key: &Key) {
        if let Some(known) = self.known.get_mut(key) {
            known.model.accept();
            known.calm();
        }
    }

    /// A person said that what `key` did was true: what was learnt meanwhile is taken back.
    pub fn distrust(&mut self, key: &Key) -> bool {
        self.known.get_mut(key).is_some_and(|known| {
            known.habits.forget();
            known.model.restore(0)
        })
    }
}

fn row(one: &Scored, known: &Known) -> Option<AnomalyRow> {
    let quantity = one.subject.key.0.quantities().get(one.verdict.foremost)?;
    let series = known.model.series.get(one.verdict.foremost)?;
    let value = one.subject.values.get(one.verdict.foremost).copied().flatten()?;
    let entity = quantity::entity(&one.subject.key);
    let (low, high) = (series.band.low(), series.band.high());
    let name = words::who(&entity);
    Some(AnomalyRow {
        sentence: words::differs(&name, quantity.name, value, (low, high)),
        entity,
        name: String::from(&*one.subject.key.1),
        metric: String::from(quantity.name),
        value,
        low,
        high,
        probability: one.verdict.probability,
        samples: known.model.seen(),
        since: known.since?,
    })
}
