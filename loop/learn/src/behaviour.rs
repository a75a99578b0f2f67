//! In which order each program calls the kernel, learnt from looks at its processes: who begins to do it otherwise.
//!
//! Each look is ranked among those before ([`Stream`]). One look in twenty is strange by chance, so a strange one only
//! makes suspicious: it is set aside, and the program is looked at again. Four of five tell; then nothing more is learnt,
//! until it is as before, or for a day: what a program does for a day is how it now is. An anomaly and evidence, never
//! an incident.
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use learning::sequence::stream::{Stream, Verdict};
use serde::{Deserialize, Serialize};
use vocab::event::Event;
use vocab::kernel::CallsSample;
use vocab::rows::{AnomalyRow, BehaviourRow, ModelRow, Process};
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp};

use crate::{watch, words};

/// Name of the quantity among anomalies and models.
pub const METRIC: &str = "call_surprise";
/// Memory of all models at most; the program that was looked at longest ago makes room. Unit: bytes.
pub const MEMORY_MAX: usize = 768 << 10;
/// Calls of a look below which it says nothing.
const CALLS_MIN: usize = 8;
/// Chance from which on a look is strange.
const STRANGE: f64 = 0.05;
/// Surprise above the usual that means something. Unit: nats.
const FLOOR: f64 = 0.1;
/// Strange ones of the last five looks that tell, and at which it is over.
const TELL: u32 = 4;
const OVER: u32 = 1;
const LAST_FIVE: u8 = 0x1F;
/// How long a program is strange before it is learnt anew as it is. Unit: s.
const STRANGE_S: f64 = 86_400.0;
/// Names of calls known; the kernel has fewer.
const NAMES_MAX: usize = 512;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Strange,
    Suspicious,
    #[default]
    Learning,
    Ready,
}

/// What was seen in the last look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Last {
    at: Timestamp,
    pid: u32,
    /// Its service, else its program.
    entity: Entity,
    name: Arc<str>,
    surprise: f64,
    /// `None` if nothing had been seen before.
    probability: Option<f64>,
    strangest: Vec<Arc<str>>,
    chance: f64,
}

/// The calls of one look, by thread.
type Bout = Vec<Vec<u32>>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    model: Stream,
    last: Last,
    state: State,
    since: Timestamp,
    /// Whether each of the last looks was strange, the last one lowest.
    recent: u8,
    /// Strange looks that are learnt if the next one is not.
    aside: Vec<(Bout, f64)>,
}

/// The models of all programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Behaviours {
    names: Vec<Arc<str>>,
    programs: BTreeMap<Arc<str>, Known>,
}

impl Behaviours {
    /// Takes the look of this turn in, if there was one; from a program in trouble nothing is learnt. Whether the rows
    /// changed, and what is news.
    pub fn run(
        &mut self,
        snapshot: &Snapshot,
        is_troubled: impl Fn(&Process) -> bool,
    ) -> (bool, Option<Event>) {
        let Some((look, process)) = snapshot.watched_calls() else { return (false, None) };
        let bout = self.bout(look);
        if bout.iter().map(Vec::len).sum::<usize>() < CALLS_MIN {
            return (false, None);
        }
        let before = self.programs.remove(&process.program);
        let mut known = before.unwrap_or_else(|| Known::new(process, snapshot.at));
        let Some(verdict) = known.model.judge(&bout) else { return (false, None) };
        let name = |number: &u32| self.names.get(*number as usize).cloned();
        known.last = Last {
            surprise: verdict.surprise,
            probability: (known.model.bouts() > 0).then_some(verdict.probability),
            strangest: verdict.strangest.iter().filter_map(name).collect(),
            chance: verdict.chance,
            ..Last::of(process, snapshot.at)
        };
        let begins = known.take(bout, &verdict, !is_troubled(process));
        let news = begins
            .then(|| watch::notice(snapshot.at, known.last.entity.clone(), known.sentence(&process.program)));
        self.programs.insert(process.program.clone(), known);
        self.make_room();
        (true, news)
    }

    /// The look in the numbers under which calls are known here.
    fn bout(&mut self, look: &CallsSample) -> Bout {
        let mut number = |name: &Arc<str>| {
            let known = self.names.iter().position(|one| one == name);
            let place = known.unwrap_or_else(|| {
                if self.names.len() < NAMES_MAX {
                    self.names.push(name.clone());
                }
                self.names.len() - 1
            });
            u32::try_from(place).unwrap_or_default()
        };
        let numbers: Vec<u32> = look.names.iter().map(&mut number).collect();
        let numbered = |calls: &Vec<u16>| -> Vec<u32> {
            calls.iter().filter_map(|place| numbers.get(usize::from(*place)).copied()).collect()
        };
        look.sequences.iter().map(numbered).collect()
    }

    /// Drops the models of whoever was looked at longest ago until the others have room.
    fn make_room(&mut self) {
        while self.bytes() > MEMORY_MAX && self.programs.len() > 1 {
            let oldest = self.programs.iter().min_by_key(|(_, one)| one.last.at).map(|(key, _)| key.clone());
            oldest.iter().for_each(|key| drop(self.programs.remove(key)));
        }
    }

    /// A person said that what `name` did was a false alarm: if its calls were strange, they are learnt anew as they are.
    pub fn accept(&mut self, name: &str) {
        let of_name = |key: &str, one: &Known| key == name || &*one.last.name == name;
        for (key, one) in &mut self.programs {
            if one.state == State::Strange && of_name(key, one) {
                one.begin_anew();
            }
        }
    }

    /// Memory of all models. Unit: bytes.
    pub fn bytes(&self) -> usize {
        self.programs.values().map(Known::bytes).sum()
    }

    /// Programs that are known.
    pub fn len(&self) -> usize {
        self.programs.len()
    }

    /// The rows of `behaviour`: the strange ones first.
    pub fn rows(&self) -> Vec<BehaviourRow> {
        let states = [State::Strange, State::Suspicious, State::Ready, State::Learning];
        let of = |state: State| self.programs.iter().filter(move |(_, one)| one.state == state);
        states.into_iter().flat_map(of).map(|(program, one)| one.row(program)).collect()
    }

    /// Who is strange now, as anomalies: programs of which a process lives.
    pub fn anomalies(&self, snapshot: &Snapshot) -> Vec<AnomalyRow> {
        let strange = self.programs.iter().filter(|(_, one)| one.state == State::Strange);
        let lives = |program: &Arc<str>| snapshot.processes.iter().any(|one| one.program == *program);
        strange.filter(|(program, _)| lives(program)).map(|(program, one)| one.anomaly(program)).collect()
    }

    /// The rows of `models`.
    pub fn models(&self) -> impl Iterator<Item = ModelRow> {
        self.programs.iter().map(|(program, one)| one.model_row(program))
    }
}

impl Last {
    /// A look at this process in which nothing was seen.
    fn of(process: &Process, at: Timestamp) -> Self {
        let entity = match &process.service {
            Some(service) => Entity::Service(String::from(&**service)),
            None => Entity::Program(String::from(&*process.program)),
        };
        let (name, strangest) = (process.key().clone(), Vec::new());
        Self { at, pid: process.pid, entity, name, surprise: 0.0, probability: None, strangest, chance: 1.0 }
    }
}

impl Known {
    fn new(process: &Process, at: Timestamp) -> Self {
        let (model, last, state) = (Stream::default(), Last::of(process, at), State::Learning);
        Self { model, last, state, since: at, recent: 0, aside: Vec::new() }
    }

    /// Takes one look in; whether it begins to be strange with it.
    fn take(&mut self, bout: Bout, verdict: &Verdict, learns: bool) -> bool {
        let is_strange = self.model.least() <= STRANGE
            && verdict.probability <= STRANGE
            && verdict.surprise > self.model.usual(STRANGE) + FLOOR;
        self.recent = self.recent << 1 | u8::from(is_strange);
        let strange = (self.recent & LAST_FIVE).count_ones();
        let was_strange = self.state == State::Strange;
        if was_strange && is_strange {
            if self.last.at.seconds_since(self.since) >= STRANGE_S {
                self.begin_anew();
            }
            return false;
        }
        let tells = !was_strange && is_strange && strange >= TELL;
        let is_told = tells || was_strange && strange > OVER;
        if is_told || !learns {
            self.aside.clear();
        } else if is_strange {
            self.aside.push((bout, verdict.surprise));
        } else {
            core::mem::take(&mut self.aside)
                .iter()
                .for_each(|(bout, surprise)| self.model.learn(bout, *surprise));
            self.model.learn(&bout, verdict.surprise);
        }
        let next = match (is_told, is_strange) {
            (true, _) => State::Strange,
            (_, true) => State::Suspicious,
            _ if self.model.least() <= STRANGE => State::Ready,
            _ => State::Learning,
        };
        if next != self.state {
            (self.state, self.since) = (next, self.last.at);
        }
        tells
    }

    fn begin_anew(&mut self) {
        self.model = Stream::default();
        (self.state, self.since, self.recent) = (State::Learning, self.last.at, 0);
        self.aside.clear();
    }

    fn bytes(&self) -> usize {
        let aside: usize = self.aside.iter().flat_map(|(bout, _)| bout).map(|calls| 4 * calls.len()).sum();
        self.model.bytes() + size_of::<Self>() + aside
    }

    fn sentence(&self, program: &str) -> String {
        match self.state {
            State::Learning => words::calls_learning(program, self.model.bouts(), Stream::bouts_for(STRANGE)),
            State::Ready => words::calls_as_usual(program),
            State::Suspicious => words::calls_odd(program, &self.last.strangest, self.last.chance),
            State::Strange => words::calls_strange(program, &self.last.strangest, self.last.chance),
        }
    }

    fn row(&self, program: &Arc<str>) -> BehaviourRow {
        BehaviourRow {
            program: String::from(&**program),
            pid: self.last.pid,
            at: self.last.at,
            state: String::from(self.state.word()),
            since: self.since,
            looks: self.model.bouts(),
            calls: self.model.events(),
            probability: self.last.probability,
            surprise: self.last.surprise,
            usual: self.model.usual(STRANGE),
            strangest: (!self.last.strangest.is_empty()).then(|| self.last.strangest.join(", ")),
            size_bytes: self.bytes() as u64,
            sentence: self.sentence(program),
        }
    }

    fn anomaly(&self, program: &Arc<str>) -> AnomalyRow {
        AnomalyRow {
            entity: self.last.entity.clone(),
            name: String::from(&*self.last.name),
            metric: String::from(METRIC),
            value: self.last.surprise,
            low: self.model.usual(0.995),
            high: self.model.usual(0.005),
            probability: self.last.probability.unwrap_or(1.0),
            samples: self.model.bouts(),
            since: self.since,
            sentence: self.sentence(program),
        }
    }

    fn model_row(&self, program: &Arc<str>) -> ModelRow {
        ModelRow {
            name: alloc::format!("{program} {METRIC}"),
            entity: self.last.entity.clone(),
            metric: Some(String::from(METRIC)),
            tier: 0,
            state: String::from("loaded"),
            version: 0,
            samples: self.model.bouts(),
            size_bytes: self.bytes() as u64,
            checksum: None,
            low: Some(self.model.usual(0.995)),
            high: Some(self.model.usual(0.005)),
            source: None,
            reason: alloc::format!(
                "the order of {} system calls in {} looks",
                self.model.events(),
                self.model.bouts()
            ),
        }
    }
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Learning => "learning",
            Self::Ready => "ready",
            Self::Suspicious => "suspicious",
            Self::Strange => "strange",
        }
    }
}
