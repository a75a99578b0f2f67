//! Snapshots and outcomes to what is normal on this machine, and to what differs from it. Pure.
//!
//! Read [`Learn::run`] first. [`Baselines`], which the detectors use, are learnt slowly (every five seconds) and only
//! from processes past their start. [`watch`] scores every series every turn, [`outlook`] tells what will be used up,
//! [`lines`] learns kinds of log lines, [`behaviour`] the order of system calls, [`feedback`] what people said. Nothing is
//! learnt from whoever is in an open incident, or while a repair has just failed: trouble must not become normal.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod again;
mod behaviour;
mod feedback;
mod habit;
mod known;
mod lines;
mod model;
mod onnx;
pub mod outlook;
mod parcel;
mod quantity;
mod running;
#[cfg(test)]
mod tests;
mod tiers;
mod watch;
mod words;

use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use vocab::baseline::{Baselines, Metric};
use vocab::event::Event;
use vocab::learnt::{Learnt, Told};
use vocab::onnx::OnnxWishes;
use vocab::outcome::{Outcome, OutcomeKind};
use vocab::rows::{ModelRow, Process};
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp};

pub use behaviour::METRIC as CALLS;
pub use feedback::{Judgement, Opinion};
use outlook::Outlook;
pub use parcel::{Loss, Parcel};
use quantity::{Key, Kind};

/// Time between two samples of the same process. Unit: s.
const EVERY_S: f64 = 5.0;
/// Age before which a process is still starting. Unit: s.
const SETTLED_S: f64 = 60.0;
/// How long nothing is learnt after a repair that failed. Unit: s.
const PAUSE_S: f64 = 60.0;
/// Baselines kept at most; the one that rests on the fewest samples makes room.
pub const BASELINES_MAX: usize = 4_000;

/// Turns between two makings of the rows of `models`.
const MODEL_ROWS_EVERY: u64 = 60;

/// What was learnt beyond baselines, as it is saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Models {
    watch: watch::Watch,
    lines: lines::Lines,
    feedback: feedback::Feedback,
    behaviours: behaviour::Behaviours,
    /// Times it was saved.
    version: u64,
}

/// The last saving: version, size and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Saved {
    bytes: u64,
    crc: u32,
}

/// Learnt state: goes in with [`Learn::new`], out with [`Learn::baselines`] and [`Learn::models`].
///
/// Serialised it is without the models, which are larger than everything else that the loop knows: from there on
/// [`Learn::follow`] goes on, not [`Learn::run`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Learn {
    baselines: Baselines,
    #[serde(with = "feedback::alone")]
    models: Models,
    #[serde(skip)]
    outlook: Outlook,
    #[serde(skip)]
    foreign: onnx::Foreign,
    learnt: Learnt,
    #[serde(skip)]
    saved: Option<Saved>,
    learnt_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
}

impl Learn {
    /// Goes on from what was learnt before.
    pub fn new(baselines: Baselines, models: Models) -> Self {
        let mut learn = Self { baselines, models, ..Self::default() };
        learn.learnt.feedback = Arc::new(learn.models.feedback.rows().to_vec());
        learn.learnt.log_templates = Arc::new(learn.models.lines.rows());
        learn.learnt.behaviour = Arc::new(learn.models.behaviours.rows());
        learn
    }

    /// What was learnt beyond baselines, to be saved.
    pub const fn models(&self) -> &Models {
        &self.models
    }

    /// The tables of what was learnt, as of the last turn.
    pub const fn learnt(&self) -> &Learnt {
        &self.learnt
    }

    /// What is wished of models in the ONNX format with the last turn.
    pub const fn wishes(&self) -> &OnnxWishes {
        self.foreign.wishes()
    }

    /// Notes that the models are about to be saved as a new version.
    pub const fn begin_version(&mut self) {
        self.models.version += 1;
    }

    /// Notes what that version became: bytes and CRC-32.
    pub fn note_saved(&mut self, bytes: u64, crc: u32) {
        self.saved = Some(Saved { bytes, crc });
        self.learnt.models = Arc::new(self.model_rows());
    }

    /// Takes in what a person said of an incident.
    pub fn judge(&mut self, judgement: &Judgement) {
        self.models.feedback.take(judgement);
        if judgement.opinion == Opinion::Dismiss {
            self.models.behaviours.accept(&judgement.name);
            self.learnt.behaviour = Arc::new(self.models.behaviours.rows());
        }
        let name: Arc<str> = Arc::from(&*judgement.name);
        for kind in [Kind::Service, Kind::Program] {
            let key = (kind, name.clone());
            match judgement.opinion {
                Opinion::Dismiss => self.models.watch.accept(&key),
                Opinion::Confirm => {
                    self.models.watch.distrust(&key);
                }
            }
        }
        self.learnt.feedback = Arc::new(self.models.feedback.rows().to_vec());
    }

    /// What is known of the entities of this name, or of all, to be taken to another machine; calls to one of this
    /// architecture.
    pub fn parcel(&self, name: Option<&str>, architecture: &str) -> Parcel {
        Parcel::of(&self.models.watch.known, &self.models.behaviours, name, architecture)
    }

    /// Takes in what `source` knows, in place of what is known of the same entities here.
    pub fn take_in(&mut self, parcel: &Parcel, source: &str, turn: u64) {
        self.models.watch.take_in(parcel, source, turn);
        parcel.calls.iter().for_each(|calls| self.models.behaviours.take_in(calls, source));
        self.learnt.behaviour = Arc::new(self.models.behaviours.rows());
        self.learnt.models = Arc::new(self.model_rows());
    }

    /// What is normal, as learnt so far.
    pub const fn baselines(&self) -> &Baselines {
        &self.baselines
    }

    /// One turn: scores every series, then learns from what is in no trouble. Returns what is news: who began to
    /// differ, what crept.
    ///
    /// `in_trouble` are the culprits and victims of open incidents; `outcomes` those of this turn.
    pub fn run(&mut self, snapshot: &Snapshot, outcomes: &[Outcome], in_trouble: &[Entity]) -> Vec<Event> {
        self.take_baselines(snapshot, outcomes, in_trouble);
        // In the first turn no rate is known.
        if snapshot.interval_s <= 0.0 {
            return Vec::new();
        }
        let short = tiers::shortage(snapshot);
        let has_changed = self.foreign.run(snapshot, &mut self.models.watch.known, short);
        let (mut anomalies, mut news) = self.models.watch.run(snapshot, &keys_of(snapshot, in_trouble));
        let (changed, strange) = self.models.behaviours.run(snapshot, |process| is_in(in_trouble, process));
        if changed {
            self.learnt.behaviour = Arc::new(self.models.behaviours.rows());
        }
        news.extend(strange);
        anomalies.extend(self.models.behaviours.anomalies(snapshot));
        if !(anomalies.is_empty() && self.learnt.anomalies.is_empty()) {
            self.learnt.anomalies = Arc::new(anomalies);
        }
        if let Some(rows) = self.outlook.run(snapshot) {
            self.learnt.forecasts = Arc::new(rows);
        }
        if self.models.lines.run(snapshot) {
            self.learnt.log_templates = Arc::new(self.models.lines.rows());
        }
        let is_news = has_changed || self.learnt.models.is_empty() || self.models.watch.tiers.has_changed;
        if is_news || snapshot.turn.is_multiple_of(MODEL_ROWS_EVERY) {
            self.learnt.models = Arc::new(self.model_rows());
        }
        news
    }

    /// One turn without models: baselines are learnt, the rest is what was `told` when the models were there.
    pub fn follow(&mut self, snapshot: &Snapshot, outcomes: &[Outcome], in_trouble: &[Entity], told: Told) {
        self.take_baselines(snapshot, outcomes, in_trouble);
        told.apply(&mut self.learnt);
    }

    fn model_rows(&self) -> Vec<ModelRow> {
        let known = &self.models.watch.known;
        let series: usize = known.values().map(|one| one.model.series.len()).sum();
        let behaviours = &self.models.behaviours;
        let held: usize = known.values().map(|one| one.model.bytes()).sum::<usize>() + behaviours.bytes();
        let all = ModelRow {
            name: "all".to_string(),
            entity: Entity::Machine,
            metric: None,
            tier: 0,
            state: "loaded".to_string(),
            version: self.models.version,
            samples: known.values().map(|one| one.model.samples).sum(),
            size_bytes: self.saved.map_or(held as u64, |one| one.bytes),
            checksum: self.saved.map(|one| alloc::format!("{:08x}", one.crc)),
            low: None,
            high: None,
            source: None,
            reason: alloc::format!(
                "{series} series of {} entities, {} kinds of log lines and the calls of {} programs hold {}",
                known.len(),
                self.models.lines.kinds(),
                behaviours.len(),
                words::bytes(held as f64)
            ),
        };
        let foreign = self.foreign.rows(&all);
        let tiers = self.models.watch.tiers.rows(known);
        core::iter::once(all).chain(tiers).chain(behaviours.models()).chain(foreign).collect()
    }

    /// Takes a sample of every settled process that is in no trouble into the baselines.
    fn take_baselines(&mut self, snapshot: &Snapshot, outcomes: &[Outcome], in_trouble: &[Entity]) {
        let failed = |one: &Outcome| matches!(one.kind, OutcomeKind::Unchanged | OutcomeKind::Relapsed);
        if outcomes.iter().any(failed) {
            self.failed_at = Some(snapshot.at);
        }
        let within = |at: Option<Timestamp>, seconds: f64| {
            at.is_some_and(|at| (0.0..seconds).contains(&snapshot.at.seconds_since(at)))
        };
        let is_too_soon = within(self.learnt_at, EVERY_S - 0.5);
        if is_too_soon || within(self.failed_at, PAUSE_S) || snapshot.interval_s <= 0.0 {
            return;
        }
        self.learnt_at = Some(snapshot.at);
        let is_sound = |one: &&Process| {
            let is_watched = !one.is_kernel && !matches!(one.state.as_str(), "Z" | "X" | "T");
            is_watched && one.age_s >= SETTLED_S && &**one.key() != "?" && !is_in(in_trouble, one)
        };
        for process in snapshot.processes.iter().filter(is_sound) {
            self.learn(process);
        }
    }

    fn learn(&mut self, process: &Process) {
        let count = |value: u64| value as f64;
        let samples = [
            (Metric::CpuPercent, process.cpu_pct),
            (Metric::AnonBytes, process.anon_bytes.map(count)),
            (Metric::Descriptors, process.descriptors.map(count)),
            (Metric::RunDelayPercent, process.run_delay_pct),
        ];
        for (metric, value) in samples {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                self.take(process.key(), metric, value);
            }
        }
    }

    fn take(&mut self, key: &Arc<str>, metric: Metric, value: f64) {
        let key = (key.clone(), metric);
        if !self.baselines.0.contains_key(&key) && self.baselines.0.len() >= BASELINES_MAX {
            let weakest =
                self.baselines.0.iter().min_by_key(|(_, one)| one.samples).map(|(key, _)| key.clone());
            weakest.and_then(|weakest| self.baselines.0.remove(&weakest));
        }
        running::take(self.baselines.0.entry(key).or_default(), metric, value);
    }
}

/// The keys under which the models of these entities stand. While anyone is in trouble the machine is too.
fn keys_of(snapshot: &Snapshot, in_trouble: &[Entity]) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for entity in in_trouble {
        let name = match entity {
            Entity::Service(name) => Some((Kind::Service, Arc::from(&**name))),
            Entity::Process(id) => snapshot.process(*id).map(|one| match &one.service {
                Some(service) => (Kind::Service, service.clone()),
                None => (Kind::Program, one.program.clone()),
            }),
            Entity::Cgroup(path) => Some((Kind::Cgroup, Arc::from(&**path))),
            Entity::Program(name) => Some((Kind::Program, Arc::from(&**name))),
            Entity::Disk(name) => Some((Kind::Disk, Arc::from(&**name))),
            Entity::Interface(name) => Some((Kind::Interface, Arc::from(&**name))),
            Entity::Machine | Entity::Filesystem(_) | Entity::Collector(_) => None,
        };
        keys.extend(name);
        if !matches!(entity, Entity::Filesystem(_) | Entity::Collector(_)) {
            keys.insert((Kind::Machine, Arc::from("machine")));
        }
    }
    keys
}

/// Whether a process, or the service it belongs to, is among them.
fn is_in(entities: &[Entity], process: &Process) -> bool {
    entities.iter().any(|entity| match entity {
        Entity::Process(id) => *id == process.id(),
        Entity::Service(name) => process.service.as_deref() == Some(name.as_str()),
        _ => false,
    })
}
