//! Kinds of log lines, learnt as they come: which are new, which burst, which have ceased.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use learning::logs::rates::{Oddity, Rates};
use learning::logs::template::Miner;
use serde::{Deserialize, Serialize};
use vocab::event::EventKind;
use vocab::rows::LogTemplateRow;
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp};

/// Writers followed at most, and kinds of lines of each: at a kilobyte a kind, 2 MiB at worst.
const WRITERS_MAX: usize = 32;
const TEMPLATES_MAX: usize = 64;
/// Lines looked at in one turn.
const LINES_MAX: usize = 2_000;
/// Length of an interval of the rates. Unit: s.
const INTERVAL_S: f64 = 60.0;
/// -ln of the chance from which a burst or a silence is told: one in ten million intervals.
const SURPRISE: f64 = 16.0;
/// A writer must be known for so long before a kind of line is news. Unit: s.
const KNOWN_S: f64 = 3_600.0;
/// How long a kind of line stays new or in a burst. Unit: s.
const STAYS_S: f64 = 600.0;

/// What is told of one kind of line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    #[default]
    Known,
    New,
    Burst,
    Vanished,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Kind {
    lines: u64,
    first: Timestamp,
    last: Timestamp,
    state: State,
    since: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Writer {
    miner: Miner,
    rates: Rates,
    /// By template number; 0 stands for all that found no room.
    kinds: Vec<Kind>,
    first: Timestamp,
}

/// All writers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    writers: BTreeMap<Entity, Writer>,
    interval_from: Option<Timestamp>,
}

impl Lines {
    /// Takes the lines of one turn in; whether a row changed its words or state.
    pub fn run(&mut self, snapshot: &Snapshot) -> bool {
        let is_line = |kind| matches!(kind, EventKind::KernelLog | EventKind::ServiceLog);
        let lines = snapshot.events.iter().filter(|one| is_line(one.kind)).take(LINES_MAX);
        let mut changed = false;
        for event in lines {
            self.take(&event.entity, &event.message, snapshot.at);
            changed = true;
        }
        let from = *self.interval_from.get_or_insert(snapshot.at);
        if !(0.0..INTERVAL_S).contains(&snapshot.at.seconds_since(from)) {
            self.interval_from = Some(snapshot.at);
            self.writers.values_mut().for_each(|one| one.close(snapshot.at));
            changed = true;
        }
        changed
    }

    fn take(&mut self, entity: &Entity, line: &str, at: Timestamp) {
        if !self.writers.contains_key(entity) {
            if self.writers.len() >= WRITERS_MAX {
                return;
            }
            let miner = Miner::bounded(TEMPLATES_MAX);
            let writer = Writer { miner, rates: Rates::default(), kinds: Vec::new(), first: at };
            self.writers.insert(entity.clone(), writer);
        }
        if let Some(writer) = self.writers.get_mut(entity) {
            writer.take(line, at);
        }
    }

    /// Writers known.
    pub fn kinds(&self) -> u64 {
        self.writers.values().map(|one| one.miner.len() as u64).sum()
    }

    /// The rows: what is odd first, then what is frequent.
    pub fn rows(&self) -> Vec<LogTemplateRow> {
        let mut rows = Vec::new();
        for (entity, writer) in &self.writers {
            for (template, kind) in (0..).zip(&writer.kinds).filter(|(_, kind)| kind.lines > 0) {
                rows.push(LogTemplateRow {
                    entity: entity.clone(),
                    template,
                    text: writer.miner.text(template).unwrap_or_else(|| "(all that found no room)".into()),
                    lines: kind.lines,
                    first_at: kind.first,
                    last_at: kind.last,
                    lines_per_min: writer.rates.mean(template),
                    state: kind.state.word().into(),
                    since: kind.since,
                });
            }
        }
        rows.sort_by(|a, b| (a.state == "known").cmp(&(b.state == "known")).then(b.lines.cmp(&a.lines)));
        rows
    }
}

impl Writer {
    fn take(&mut self, line: &str, at: Timestamp) {
        let parsed = self.miner.parse(line);
        self.rates.count(parsed.template);
        let index = parsed.template as usize;
        if self.kinds.len() <= index {
            self.kinds.resize(index + 1, Kind::default());
        }
        let is_news = at.seconds_since(self.first) >= KNOWN_S;
        let Some(kind) = self.kinds.get_mut(index) else { return };
        if kind.lines == 0 {
            (kind.first, kind.since) = (at, at);
            kind.state = if is_news { State::New } else { State::Known };
        } else if kind.state == State::Vanished {
            (kind.state, kind.since) = (State::Known, at);
        }
        kind.lines += 1;
        kind.last = at;
    }

    fn close(&mut self, at: Timestamp) {
        for kind in &mut self.kinds {
            if matches!(kind.state, State::New | State::Burst) && at.seconds_since(kind.since) >= STAYS_S {
                (kind.state, kind.since) = (State::Known, at);
            }
        }
        for odd in self.rates.close(SURPRISE) {
            let Some(kind) = self.kinds.get_mut(odd.template as usize) else { continue };
            kind.state = match odd.oddity {
                Oddity::Burst => State::Burst,
                Oddity::Silence => State::Vanished,
            };
            kind.since = at;
        }
    }
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::New => "new",
            Self::Burst => "burst",
            Self::Vanished => "vanished",
        }
    }
}
