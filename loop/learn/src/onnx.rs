//! What models in the ONNX format add to the scores of their series: the heaviest tier, loaded last and unloaded first.
//!
//! A model is asked with the last values of its series once a turn. What it says comes back with a later sample, and
//! becomes a surprise by the same tail as every other score.
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use learning::univariate::tail::Tail;
use vocab::onnx::{OnnxAsk, OnnxFile, OnnxSample, OnnxWishes};
use vocab::rows::ModelRow;
use vocab::snapshot::Snapshot;

use crate::known::Known;
use crate::model::CLAIMS_FROM;
use crate::quantity::{self, Key, Kind};

/// Models loaded at most.
const LOADED_MAX: usize = 4;
/// Turns after something was short before one is loaded again: it takes time, and a process.
const RESTS: u64 = 60;
/// Tier of such a model.
const TIER: u8 = 3;

/// One model.
#[derive(Clone, Debug)]
struct One {
    file: OnnxFile,
    /// The series it is about; `None` if there is none of that name.
    series: Option<(Key, usize)>,
    window: VecDeque<f32>,
    tail: Tail,
    scores: u64,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    ones: BTreeMap<Arc<str>, One>,
    trouble: Option<String>,
    short: Option<String>,
    /// Turn before which nothing is loaded again.
    rests_until: u64,
    /// Whether there is anybody who would run them.
    is_told: bool,
    wishes: OnnxWishes,
}

impl Foreign {
    /// What is wished with this turn.
    pub const fn wishes(&self) -> &OnnxWishes {
        &self.wishes
    }

    /// Takes one turn in before it is scored: what the models said surprises their series with it. `short`: why none may
    /// be loaded now. Whether the rows changed.
    pub fn run(
        &mut self,
        snapshot: &Snapshot,
        known: &mut BTreeMap<Key, Known>,
        short: Option<String>,
    ) -> bool {
        let told = snapshot.onnx.as_ref();
        let before = self.short.is_some();
        match short {
            Some(why) => (self.short, self.rests_until) = (Some(why), snapshot.turn + RESTS),
            None if snapshot.turn >= self.rests_until => self.short = None,
            None => {}
        }
        let mut has_changed = before != self.short.is_some();
        if let Some(sample) = told.filter(|sample| sample.files.is_some()) {
            has_changed |= self.list(sample);
        }
        self.wishes = OnnxWishes::default();
        if self.ones.is_empty() {
            return has_changed;
        }
        let mut values: BTreeMap<Key, quantity::Values> = BTreeMap::new();
        let wanted: Vec<Key> =
            self.ones.values().filter_map(|one| Some(one.series.as_ref()?.0.clone())).collect();
        quantity::each(snapshot, |subject| {
            if wanted.contains(&subject.key) {
                values.insert(subject.key, subject.values);
            }
        });
        for (name, one) in &mut self.ones {
            let Some((key, index)) = &one.series else { continue };
            let value = values.get(key).and_then(|all| all.get(*index).copied().flatten());
            let said = told.and_then(|told| told.scores.iter().rfind(|score| score.name == *name));
            let floor = key.0.quantities().get(*index).map_or(1.0, |one| one.floor);
            let score =
                said.and_then(|said| one.score((said.turn, said.value), (snapshot.turn, value), floor));
            let series = known.get_mut(key).and_then(|one| one.model.series.get_mut(*index));
            if let (Some(score), Some(series)) = (score, series) {
                // Another model may be about the same series.
                series.outside = series.outside.max(one.surprise(score));
            }
            if let Some(value) = value {
                one.note(value as f32);
            }
        }
        self.wish(snapshot.turn);
        has_changed
    }

    /// Takes in which files there are; whether any of them is new or otherwise than before.
    fn list(&mut self, sample: &OnnxSample) -> bool {
        let files = sample.files.as_deref().unwrap_or_default();
        let has_changed = !self.is_told
            || self.trouble != sample.trouble
            || files.len() != self.ones.len()
            || files.iter().any(|file| self.ones.get(&file.name).is_none_or(|one| one.file != *file));
        self.is_told = true;
        self.trouble.clone_from(&sample.trouble);
        let mut before = core::mem::take(&mut self.ones);
        for file in files {
            let known = before.remove(&file.name).filter(|one| is_same(&one.file, file));
            let one = known.map_or_else(|| One::new(file), |one| One { file: file.clone(), ..one });
            self.ones.insert(file.name.clone(), one);
        }
        has_changed
    }

    fn wish(&mut self, turn: u64) {
        if self.short.is_some() {
            return;
        }
        let usable = self.ones.values().filter(|one| one.series.is_some() && one.file.refusal.is_none());
        for one in usable.take(LOADED_MAX) {
            let name = one.file.name.clone();
            self.wishes.load.push(name.clone());
            if one.file.window.is_some_and(|window| window as usize == one.window.len()) {
                let values = one.window.iter().copied().collect();
                self.wishes.ask.push(OnnxAsk { name, turn, values });
            }
        }
    }

    /// The rows of `models`; one if there is none of these.
    pub fn rows(&self, all: &ModelRow) -> Vec<ModelRow> {
        let base = ModelRow {
            name: "onnx".to_string(),
            tier: TIER,
            state: "unloaded".to_string(),
            samples: 0,
            size_bytes: 0,
            checksum: None,
            reason: "there is no file STATE/models/onnx/NAME.onnx; Homeostat's own models need none"
                .to_string(),
            ..all.clone()
        };
        if !self.is_told {
            let reason =
                "this build has no run-time for models in the ONNX format (feature `onnx`)".to_string();
            return Vec::from([ModelRow { reason, ..base }]);
        }
        if self.ones.is_empty() {
            return Vec::from([base]);
        }
        self.ones.values().map(|one| self.row(one, &base)).collect()
    }

    fn row(&self, one: &One, base: &ModelRow) -> ModelRow {
        let file = &one.file;
        let what = if file.forecasts { "forecasts" } else { "scores" };
        let (state, reason) = if let Some(why) = &file.refusal {
            ("refused", format!("refused until the file changes: {why}"))
        } else if one.series.is_none() {
            ("refused", format!("there is no series `{}`; one is `machine.cpu_busy_pct`", file.series))
        } else if let Some(window) = file.window {
            ("loaded", format!("{what} {} from its last {window} values", file.series))
        } else if let Some(why) = &self.short {
            ("unloaded", format!("unloaded: {why}"))
        } else if let Some(why) = &self.trouble {
            ("unloaded", format!("no run-time library: {why}"))
        } else if !self.wishes.load.contains(&file.name) {
            ("unloaded", format!("all {LOADED_MAX} of its tier are given to others"))
        } else {
            ("unloaded", "it is about to be loaded".to_string())
        };
        ModelRow {
            name: format!("onnx {}", file.name),
            entity: one.series.as_ref().map_or(base.entity.clone(), |(key, _)| quantity::entity(key)),
            metric: one
                .series
                .as_ref()
                .and_then(|(key, index)| Some(key.0.quantities().get(*index)?.name.to_string())),
            state: state.to_string(),
            samples: one.scores,
            size_bytes: file.size_bytes,
            source: Some(format!("{}.onnx", file.name)),
            reason,
            ..base.clone()
        }
    }
}

impl One {
    fn new(file: &OnnxFile) -> Self {
        let (series, window) = (series_of(&file.series), VecDeque::new());
        Self { file: file.clone(), series, window, tail: Tail::new(0.02), scores: 0 }
    }

    /// How strange what it said is: as it says, or by how much the value after differs from what it foretold, in floors.
    fn score(&self, (asked, said): (u64, f32), (turn, value): (u64, Option<f64>), floor: f64) -> Option<f64> {
        let said = f64::from(said);
        let score = match self.file.forecasts {
            false => said,
            // What comes late was of another value.
            true => (value.filter(|_| asked + 1 == turn)? - said).abs() / floor,
        };
        score.is_finite().then_some(score)
    }

    /// Takes a score in; how surprising it is, nothing before its tail is known. Windows overlap, so that one strange
    /// value is in as many scores as a window has values: of so many one is learnt.
    fn surprise(&mut self, score: f64) -> f64 {
        self.scores += 1;
        let window = u64::from(self.file.window.unwrap_or(0).max(1));
        let surprise = if self.scores.is_multiple_of(window) {
            self.tail.push(score)
        } else {
            self.tail.surprise(score)
        };
        if self.scores <= CLAIMS_FROM || self.tail.seen() < 50.0 { 0.0 } else { surprise }
    }

    fn note(&mut self, value: f32) {
        self.window.push_back(value);
        let most = self.file.window.unwrap_or(0) as usize;
        while self.window.len() > most {
            self.window.pop_front();
        }
    }
}

/// Whether it is the same model, loaded or not.
fn is_same(one: &OnnxFile, other: &OnnxFile) -> bool {
    let what = |file: &OnnxFile| (file.series.clone(), file.forecasts, file.size_bytes);
    what(one) == what(other)
}

/// The series of a name: `machine.QUANTITY`, or `KIND:NAME.QUANTITY`.
fn series_of(text: &str) -> Option<(Key, usize)> {
    let (who, quantity) = text.rsplit_once('.')?;
    let (kind, name) = who.split_once(':').unwrap_or((who, "machine"));
    let kind = match kind {
        "machine" if name == "machine" => Kind::Machine,
        "service" => Kind::Service,
        "program" => Kind::Program,
        "cgroup" => Kind::Cgroup,
        "disk" => Kind::Disk,
        "interface" => Kind::Interface,
        _ => return None,
    };
    let index = kind.quantities().iter().position(|one| one.name == quantity)?;
    Some(((kind, Arc::from(name)), index))
}
