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

use crate::words;

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

/// The calls of one look, by thread: each call is the number that its name gives.
type Bout = Vec<Vec<u32>>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    model: Stream,
    origin: Origin,
    last: Last,
    state: State,
    since: Timestamp,
    /// Whether each of the last looks was strange, the last one lowest.
    recent: u8,
    /// Strange looks that are learnt if the next one is not.
    aside: Vec<(Bout, f64)>,
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Origin {
    /// The file it was taken in from.
    source: Option<String>,
    /// Raised whenever it is.
    version: u64,
}

/// What is known of the calls of one program, to be taken to another machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    pub program: Arc<str>,
    /// Its service, else the program.
    entity: Entity,
    pub model: Stream,
}

/// What was taken in of a program at which no look was taken here since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Brought {
    calls: Calls,
    origin: Origin,
}

/// The models of all programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Behaviours {
    programs: BTreeMap<Arc<str>, Known>,
    brought: BTreeMap<Arc<str>, Brought>,
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
        let (numbers, bout) = numbered(look);
        if bout.iter().map(Vec::len).sum::<usize>() < CALLS_MIN {
            return (false, None);
        }
        let brought = self.brought.remove(&process.program);
        let before = self.programs.remove(&process.program);
        let mut known = before.unwrap_or_else(|| Known::new(process, snapshot.at, brought));
        let Some(verdict) = known.model.judge(&bout) else { return (false, None) };
        let name = |number: &u32| {
            let place = numbers.iter().position(|one| one == number)?;
            look.names.get(place).cloned()
        };
        known.last = Last {
            surprise: verdict.surprise,
            probability: (known.model.bouts() > 0).then_some(verdict.probability),
            strangest: verdict.strangest.iter().filter_map(name).collect(),
            chance: verdict.chance,
            ..Last::of(process, snapshot.at)
        };
        let begins = known.take(bout, &verdict, !is_troubled(process));
        let news = begins
            .then(|| words::notice(snapshot.at, known.last.entity.clone(), known.sentence(&process.program)));
        self.programs.insert(process.program.clone(), known);
        self.make_room();
        (true, news)
    }

    /// Drops the models of whoever was looked at longest ago until the others have room.
    fn make_room(&mut self) {
        while self.bytes() > MEMORY_MAX && self.brought.pop_first().is_some() {}
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

    /// What is known of the programs of this name, or of the service of this name, or of all.
    pub fn parcel(&self, name: Option<&str>) -> Vec<Calls> {
        let is_wanted = |(program, one): &(&Arc<str>, &Known)| {
            name.is_none_or(|name| name == &***program || name == &*one.last.name)
        };
        let calls = |(program, one): (&Arc<str>, &Known)| Calls {
            program: program.clone(),
            entity: one.last.entity.clone(),
            model: one.model.clone(),
        };
        self.programs.iter().filter(is_wanted).map(calls).collect()
    }

    /// Takes in what `source` knows of the calls of a program, in place of what is known here.
    pub fn take_in(&mut self, calls: &Calls, source: &str) {
        let before = self.programs.remove(&calls.program).map(|one| one.origin);
        let before = self.brought.remove(&calls.program).map(|one| one.origin).or(before);
        let version = before.unwrap_or_default().version + 1;
        let origin = Origin { source: Some(String::from(source)), version };
        self.brought.insert(calls.program.clone(), Brought { calls: calls.clone(), origin });
        self.make_room();
    }

    /// Memory of all models. Unit: bytes.
    pub fn bytes(&self) -> usize {
        let brought = self.brought.values().map(|one| one.calls.model.bytes());
        self.programs.values().map(Known::bytes).chain(brought).sum()
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
        let known = self.programs.iter().map(|(program, one)| one.model_row(program));
        known.chain(self.brought.values().map(Brought::model_row))
    }
}

/// The numbers of the names of a look, and the look in them. A number is made of the name alone, so it means the same
/// on every machine.
fn numbered(look: &CallsSample) -> (Vec<u32>, Bout) {
    let fold = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let numbers: Vec<u32> = look.names.iter().map(|name| name.bytes().fold(0x811c_9dc5, fold)).collect();
    let number = |calls: &Vec<u16>| -> Vec<u32> {
        calls.iter().filter_map(|place| numbers.get(usize::from(*place)).copied()).collect()
    };
    let bout = look.sequences.iter().map(number).collect();
    (numbers, bout)
}

impl Calls {
    /// Whether it can have been learnt.
    pub fn is_sound(&self) -> bool {
        let is_name = |name: &str| !name.is_empty() && name.len() <= 512;
        let is_entity = match &self.entity {
            Entity::Service(name) | Entity::Program(name) => is_name(name),
            _ => false,
        };
        is_entity && is_name(&self.program) && self.model.is_sound()
    }
}

impl Brought {
    fn model_row(&self) -> ModelRow {
        let source = self.origin.source.clone().unwrap_or_default();
        let reason = alloc::format!(
            "the order of {} system calls, taken in from {source}; no look at it here since",
            self.calls.model.events()
        );
        model_row(&self.calls.program, self.calls.entity.clone(), &self.calls.model, &self.origin, reason)
    }
}

/// A row of `models`.
fn model_row(program: &str, entity: Entity, model: &Stream, origin: &Origin, reason: String) -> ModelRow {
    ModelRow {
        name: alloc::format!("{program} {METRIC}"),
        entity,
        metric: Some(String::from(METRIC)),
        tier: 0,
        state: String::from("loaded"),
        version: origin.version,
        samples: model.bouts(),
        size_bytes: model.bytes() as u64,
        checksum: None,
        low: Some(model.usual(0.995)),
        high: Some(model.usual(0.005)),
        source: origin.source.clone(),
        reason,
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
    /// Knows nothing, or what was brought.
    fn new(process: &Process, at: Timestamp, brought: Option<Brought>) -> Self {
        let (model, origin) = brought.map(|one| (one.calls.model, one.origin)).unwrap_or_default();
        let (last, state) = (Last::of(process, at), State::Learning);
        Self { model, origin, last, state, since: at, recent: 0, aside: Vec::new() }
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
        (self.model, self.origin.source) = (Stream::default(), None);
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
        let (events, looks) = (self.model.events(), self.model.bouts());
        let reason = alloc::format!("the order of {events} system calls in {looks} looks");
        let row = model_row(program, self.last.entity.clone(), &self.model, &self.origin, reason);
        ModelRow { size_bytes: self.bytes() as u64, ..row }
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
