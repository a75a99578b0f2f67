//! Keeping a recording, and thinking it through again.
use std::io::{Read, Write};

use decide::LoadedRule;
use vocab::Timestamp;
use vocab::capability::Capabilities;
use vocab::decision::Decision;
use vocab::onnx::OnnxWishes;
use vocab::probe::Probe;
use vocab::sample::Sample;

use crate::cycle::{Cycle, Turn};
use crate::mind::Mind;
use crate::recording::{Header, Reader, Record, Recorded, RecordingError, Thought, Writer};
use crate::start::Start;
use crate::world::{Command, Deeds, Recheck, World};
use act::Order;

/// A world that is written down as it is seen.
#[derive(Debug)]
pub struct Recorder<W, T> {
    /// The world itself.
    pub inner: W,
    writer: Writer<T>,
    now: Record,
}

impl<W: World, T: Write> Recorder<W, T> {
    /// Begins a recording of `inner` under `start`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(inner: W, to: T, start: &Start) -> Result<Self, RecordingError> {
        let header = Header { start: start.clone(), capabilities: inner.capabilities(), mind: None };
        Ok(Self { inner, writer: Writer::new(to, &header)?, now: Record::default() })
    }

    /// Writes the turn that was just thought.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&mut self, turn: &Turn) -> Result<(), RecordingError> {
        self.now.thought = Thought::of(&turn.change);
        self.writer.write(&self.now)
    }
}

impl<W: World, T: Write> World for Recorder<W, T> {
    fn look(&mut self, turn: u64, probes: &[Probe]) -> Option<Sample> {
        self.now = Record { sample: self.inner.look(turn, probes)?, ..Record::default() };
        Some(self.now.sample.clone())
    }

    fn wish(&mut self, wishes: &OnnxWishes) {
        self.inner.wish(wishes);
    }

    fn commands(&mut self) -> Vec<Command> {
        self.now.commands = self.inner.commands();
        self.now.commands.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn change(
        &mut self,
        now: Timestamp,
        orders: Vec<Order>,
        decisions: &[Decision],
        recheck: Recheck<'_>,
    ) -> Deeds {
        self.now.deeds = self.inner.change(now, orders, decisions, recheck);
        self.now.deeds.clone()
    }
}

/// What came of a replay.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Turns thought through.
    pub turns: u64,
    /// Time that passed in the recording. Unit: s.
    pub recorded_s: f64,
    /// What the stages said, of every turn in which they said something: then, and now.
    pub thoughts: Vec<(u64, Thought, Thought)>,
    /// Why the recording ended early, if it did.
    pub trouble: Option<RecordingError>,
}

impl Replayed {
    /// Turns in which the stages said something else than then.
    pub fn differences(&self) -> impl Iterator<Item = &(u64, Thought, Thought)> {
        self.thoughts.iter().filter(|(_, then, now)| then != now)
    }
}

fn no_mind() -> RecordingError {
    let what = "what the loop knew at its begin is not what this Homeostat knows; the one that wrote it can replay it";
    RecordingError::Damaged { turn: 0, what: what.to_owned() }
}

/// Thinks a recording through, under its own rules or under `rules`.
///
/// # Errors
/// The recording cannot be read from its beginning, or the machine has no memory for the SQL engine.
pub fn replay<R: Read>(from: R, rules: Option<Vec<LoadedRule>>) -> Result<Replayed, RecordingError> {
    let (reader, header) = Reader::new(from)?;
    let mut start = header.start;
    if let Some(rules) = rules {
        start.rules = rules;
    }
    let world = Recorded::new(reader, header.capabilities);
    let cycle = match header.mind {
        Some(packed) => Cycle::resume(world, start, Mind::unpack(&packed).ok_or_else(no_mind)?),
        None => Cycle::new(world, start),
    };
    let mut cycle = cycle.map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut replayed = Replayed::default();
    let mut first = None;
    while let Some(turn) = cycle.turn() {
        replayed.turns += 1;
        let first = *first.get_or_insert(turn.snapshot.at);
        replayed.recorded_s = turn.snapshot.at.seconds_since(first);
        let (then, now) = (cycle.world.thought().clone(), Thought::of(&turn.change));
        if then != Thought::default() || now != Thought::default() {
            replayed.thoughts.push((turn.snapshot.turn, then, now));
        }
    }
    replayed.trouble = cycle.world.trouble.take();
    Ok(replayed)
}
