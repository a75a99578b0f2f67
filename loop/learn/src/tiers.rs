//! Who gets a heavier model: the machine's CPU and memory always, then the suspicious; the heaviest go first when memory
//! or CPU time is short.
//!
//! Tier 1 stands on its own; tier 2 stands on the tier 1 of the same series and may come and go while that stays. Whoever
//! should have one and has not is listed as well, with what is in the way. What decides is all in the snapshot.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use learning::univariate::Tier2;
use vocab::Entity;
use vocab::budget::RSS_BYTES_MAX;
use vocab::rows::ModelRow;
use vocab::snapshot::Snapshot;

use crate::known::Known;
use crate::model::{CLAIMS_FROM, HEAVY_MAX, Heavy, Series};
use crate::parcel::Entry;
use crate::quantity::{self, Key, Kind};
use crate::words;

/// Tier 2 models at most, of those: 110 kB.
pub const DEEP_MAX: usize = 4;
/// Turns between two choices.
const CHOOSE_EVERY: u64 = 60;
/// Turns for which a heavier model is kept once it was given: it needs 512 to be worth anything.
const KEEP: u64 = 3_600;
/// Turns after which one that is not there any more loses it: a restart is shorter. Unit: turns.
const GONE: u64 = 300;
/// Mean surprise below which nobody is suspicious.
const SUSPICIOUS: f64 = 0.1;
/// Quantities of the machine that always have both.
const ALWAYS: usize = 2;

/// What must not be exceeded for a tier to be loaded, and to stay.
struct Limits {
    /// Time stalled on memory and on CPU. Unit: per cent.
    memory_stall_pct: f64,
    cpu_stall_pct: f64,
    /// Level of our own shedding.
    shed_level: u8,
    /// Our own memory. Unit: bytes.
    own_rss_bytes: u64,
}

/// Of tier 1 and tier 2: the heaviest goes long before the one below.
const LIMITS: [Limits; 2] = [
    Limits { memory_stall_pct: 10.0, cpu_stall_pct: 100.0, shed_level: 2, own_rss_bytes: RSS_BYTES_MAX },
    Limits {
        memory_stall_pct: 2.0,
        cpu_stall_pct: 60.0,
        shed_level: 0,
        own_rss_bytes: RSS_BYTES_MAX / 4 * 3,
    },
];

/// Why nothing of the heaviest kind may be loaded now.
pub fn shortage(snapshot: &Snapshot) -> Option<String> {
    LIMITS[1].exceeded(snapshot)
}

/// One that should be loaded and is not.
#[derive(Clone, Debug, PartialEq)]
struct Lack {
    key: Key,
    index: usize,
    tier: u8,
    reason: String,
}

/// Who wants a heavier model.
struct Wish {
    always: bool,
    suspicion: f64,
    key: Key,
    index: usize,
}

/// What could not be loaded, or had to go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tiers {
    lacks: Vec<Lack>,
    /// Of a mutant: whether everything is short, or nothing ever.
    #[cfg(test)]
    pub mutant: Option<bool>,
    /// Whether anything came or went in this turn.
    pub has_changed: bool,
}

impl Tiers {
    /// Chooses anew once a minute; what there is no room for any more goes at once.
    pub fn assign(&mut self, known: &mut BTreeMap<Key, Known>, snapshot: &Snapshot) {
        let (turn, before) = (snapshot.turn, count(known));
        let short = LIMITS.map(|limits| limits.exceeded(snapshot));
        #[cfg(test)]
        let short = self.mutant.map_or(short, |is_short| [(); 2].map(|()| is_short.then(String::new)));
        if let Some(why) = &short[0] {
            self.unload(known, 1, why, |series| series.heavy.as_ref().is_some_and(|heavy| !heavy.always));
        }
        if let Some(why) = &short[1] {
            self.unload(known, 2, why, has_deep);
        }
        self.choose(known, turn, &short);
        self.has_changed = count(known) != before;
    }

    /// Gives both tiers anew, once a minute, but for what is too short for them.
    pub fn choose(&mut self, known: &mut BTreeMap<Key, Known>, turn: u64, short: &[Option<String>; 2]) {
        // In the first turn no rate is known and nothing is scored.
        if turn == 2 || turn.is_multiple_of(CHOOSE_EVERY) {
            self.lacks.clear();
            retire(known, turn);
            self.load(known, turn, 1, short[0].as_deref());
            self.load(known, turn, 2, short[1].as_deref());
        }
    }

    /// Takes this tier, and what stands on it, from whoever `goes`.
    fn unload(
        &mut self,
        known: &mut BTreeMap<Key, Known>,
        tier: u8,
        why: &str,
        goes: impl Fn(&Series) -> bool,
    ) {
        for (key, one) in known.iter_mut() {
            for (index, series) in one.model.series.iter_mut().enumerate().filter(|(_, one)| goes(one)) {
                match tier {
                    1 => series.heavy = None,
                    _ => series.heavy.iter_mut().for_each(|heavy| heavy.deep = None),
                }
                self.lacks.push(Lack { key: key.clone(), index, tier, reason: format!("unloaded: {why}") });
            }
        }
    }

    /// Gives this tier to those who want it most, as far as there is room.
    fn load(&mut self, known: &mut BTreeMap<Key, Known>, turn: u64, tier: u8, short: Option<&str>) {
        let (all, held, mut wishes) = wishes(known, turn, tier);
        wishes.sort_by(|a, b| {
            let order = b.always.cmp(&a.always).then(b.suspicion.total_cmp(&a.suspicion));
            order.then_with(|| (&a.key, a.index).cmp(&(&b.key, b.index)))
        });
        let most = if tier == 1 { (all / 10).clamp(ALWAYS, HEAVY_MAX) } else { DEEP_MAX };
        let mut room = most.saturating_sub(held);
        for Wish { always, suspicion, key, index } in wishes.into_iter().take(HEAVY_MAX) {
            let why = short.filter(|_| tier == 2 || !always).map(ToString::to_string);
            let why =
                why.or_else(|| (room == 0).then(|| format!("all {most} of its tier are given to others")));
            if let Some(why) = why {
                let reason = format!("{}, but {why}", wanted(always, suspicion));
                self.lacks.push(Lack { key, index, tier, reason });
                continue;
            }
            room -= 1;
            let Some(series) = known.get_mut(&key).and_then(|one| one.model.series.get_mut(index)) else {
                continue;
            };
            match &mut series.heavy {
                Some(heavy) => heavy.deepen(turn),
                None => series.heavy = Some(Heavy::new(turn, always)),
            }
        }
    }

    /// Gives the heavy models that came with an entity, as far as there is room.
    pub fn take_in(&mut self, known: &mut BTreeMap<Key, Known>, entry: &Entry, turn: u64) {
        let mut room = HEAVY_MAX.saturating_sub(count(known).0);
        let Some(one) = known.get_mut(&entry.key) else { return };
        for history in &entry.histories {
            let index = usize::from(history.index);
            let Some(series) = one.model.series.get_mut(index) else { continue };
            if series.heavy.is_some() || room > 0 {
                room -= usize::from(series.heavy.is_none());
                series.heavy = Some(history.heavy(turn, is_always(&entry.key, index)));
            }
        }
    }

    /// The rows of `models`: those that were taken in or are loaded, then those that should be.
    pub fn rows(&self, known: &BTreeMap<Key, Known>) -> Vec<ModelRow> {
        let mut rows = Vec::new();
        for (key, one) in known {
            rows.extend(taken_in(key, one));
            for (index, series) in one.model.series.iter().enumerate() {
                let Some(heavy) = &series.heavy else { continue };
                let why = wanted(heavy.always, series.suspicion);
                let base = ModelRow { samples: heavy.samples, ..row(key, index, one, series) };
                if heavy.deep.is_some() {
                    let (size_bytes, reason) = (Tier2::BYTES as u64, format!("{why}: is it strange still?"));
                    rows.push(ModelRow { tier: 2, size_bytes, reason, ..base.clone() });
                }
                rows.push(ModelRow { tier: 1, size_bytes: Heavy::BYTES as u64, reason: why, ..base });
            }
        }
        let lack = |lack: &Lack| {
            let one = known.get(&lack.key)?;
            let series = one.model.series.get(lack.index)?;
            let (state, reason) = ("unloaded".to_string(), lack.reason.clone());
            Some(ModelRow { tier: lack.tier, state, reason, ..row(&lack.key, lack.index, one, series) })
        };
        rows.extend(self.lacks.iter().filter_map(lack));
        rows
    }
}

impl Limits {
    /// What is beyond its limit, in words.
    fn exceeded(&self, snapshot: &Snapshot) -> Option<String> {
        let stalled = |resource: &str, limit: f64| {
            let mut own = snapshot.pressures.iter().filter(|one| one.entity == Entity::Machine);
            let share = own.find(|one| one.resource == resource)?.some_pct?;
            (share >= limit).then(|| {
                format!("{share:.0} % of the time somebody waits for {resource}, {limit:.0} % is the limit")
            })
        };
        let own = snapshot.own;
        stalled("memory", self.memory_stall_pct)
            .or_else(|| stalled("cpu", self.cpu_stall_pct))
            .or_else(|| {
                let level = own.shed_level;
                (level > self.shed_level)
                    .then(|| format!("Homeostat sheds work to keep its own budget (level {level})"))
            })
            .or_else(|| {
                let (used, limit) =
                    (words::bytes(own.rss_bytes as f64), words::bytes(self.own_rss_bytes as f64));
                (own.rss_bytes > self.own_rss_bytes)
                    .then(|| format!("Homeostat holds {used}, {limit} is the limit for more"))
            })
    }
}

/// Series there are, those that have this tier, and those that want it.
fn wishes(known: &BTreeMap<Key, Known>, turn: u64, tier: u8) -> (usize, usize, Vec<Wish>) {
    let (mut all, mut held, mut wishes) = (0, 0, Vec::new());
    for (key, one) in known {
        let is_here = one.last_turn == turn;
        for (index, series) in one.model.series.iter().enumerate() {
            all += usize::from(is_here);
            let has = if tier == 1 { series.heavy.is_some() } else { has_deep(series) };
            // Who is gone may come back: until it is retired its model takes a place.
            held += usize::from(has);
            let always = is_always(key, index);
            let is_suspicious = one.model.samples >= CLAIMS_FROM && series.suspicion >= SUSPICIOUS;
            let can_bear = tier == 1 || series.heavy.as_ref().is_some_and(|heavy| heavy.is_ready());
            if is_here && !has && can_bear && (always || is_suspicious) {
                wishes.push(Wish { always, suspicion: series.suspicion, key: key.clone(), index });
            }
        }
    }
    (all, held, wishes)
}

/// Takes heavier models back that were kept long enough, and of whoever is gone; who still wants one gets it again.
fn retire(known: &mut BTreeMap<Key, Known>, turn: u64) {
    let gone = known.values_mut().filter(|one| turn.saturating_sub(one.last_turn) > GONE);
    gone.flat_map(|one| &mut one.model.series).for_each(|series| series.heavy = None);
    for series in known.values_mut().flat_map(|one| &mut one.model.series) {
        let is_old = |since: u64| turn.saturating_sub(since) > KEEP;
        if series.heavy.as_ref().is_some_and(|heavy| !heavy.always && is_old(heavy.since_turn)) {
            series.heavy = None;
        }
        if let Some(heavy) = series.heavy.as_mut().filter(|heavy| !heavy.always)
            && heavy.deep.as_ref().is_some_and(|deep| is_old(deep.since_turn))
        {
            heavy.deep = None;
        }
    }
}

fn is_always(key: &Key, index: usize) -> bool {
    key.0 == Kind::Machine && index < ALWAYS
}

fn has_deep(series: &Series) -> bool {
    series.heavy.as_ref().is_some_and(|heavy| heavy.deep.is_some())
}

/// How many of each tier are loaded.
fn count(known: &BTreeMap<Key, Known>) -> (usize, usize) {
    let all = || known.values().flat_map(|one| &one.model.series);
    (all().filter(|one| one.heavy.is_some()).count(), all().filter(|one| has_deep(one)).count())
}

fn wanted(always: bool, suspicion: f64) -> String {
    match always {
        true => "always: it says how the machine is".to_string(),
        false => format!("suspicious: mean surprise {suspicion:.2} of late"),
    }
}

/// What all rows of one series share.
fn row(key: &Key, index: usize, one: &Known, series: &Series) -> ModelRow {
    let name = key.0.quantities().get(index).map_or("?", |quantity| quantity.name);
    ModelRow {
        name: format!("{} {name}", key.1),
        entity: quantity::entity(key),
        metric: Some(String::from(name)),
        tier: 0,
        state: "loaded".to_string(),
        version: one.model.version,
        samples: 0,
        size_bytes: 0,
        checksum: None,
        low: Some(series.band.low()),
        high: Some(series.band.high()),
        source: one.model.source.clone(),
        reason: String::new(),
    }
}

/// The row of an entity that came from a file.
fn taken_in(key: &Key, one: &Known) -> Option<ModelRow> {
    let source = one.model.source.clone()?;
    Some(ModelRow {
        name: key.1.to_string(),
        metric: None,
        samples: one.model.samples,
        size_bytes: one.model.bytes() as u64,
        low: None,
        high: None,
        reason: format!("taken in from {source}; it goes on learning here"),
        ..row(key, 0, one, one.model.series.first()?)
    })
}
