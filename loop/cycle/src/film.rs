//! The film of an incident: the last half minute of the world before it opened, and what followed, as a recording.
//!
//! A [`Filmed`] world keeps the last turns encoded in memory, in two parts, each with what the loop knew before its first
//! turn ([`Mind`]). When an incident opens, the parts in memory and the turns that follow go to whoever writes the file: a
//! recording like any other, replayed by the same code, to the same incidents and decisions. The models of learn are
//! larger than all of that and left out: each turn says what they told.
use std::collections::VecDeque;

use act::Order;
use serde::Serialize;
use vocab::Timestamp;
use vocab::capability::Capabilities;
use vocab::decision::Decision;
use vocab::learnt::{Learnt, Told};
use vocab::onnx::OnnxWishes;
use vocab::probe::Probe;
use vocab::sample::Sample;

use crate::book::Change;
use crate::cycle::Turn;
use crate::mind::Mind;
use crate::packing;
use crate::recording;
use crate::world::{Command, Deeds, Recheck, World};

/// Turns of a part; two are kept.
const PART_TURNS: usize = 20;
/// Bytes of the parts in memory; beyond, the older one goes early.
const MEMORY_MAX: usize = 512 << 10;
/// Turns that a film goes on after the last incident that opened in it.
const AFTER_TURNS: u32 = 120;
/// Turns of one film in all.
const FILM_TURNS_MAX: u32 = 600;

/// What is to be written, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Reel {
    /// A film of this incident begins.
    Begin(Begin),
    /// The film under way is also that of this incident.
    Also(u64),
    /// One more turn of the film under way: its frame.
    More(Vec<u8>),
    /// It is over.
    End,
}

/// How a film begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Begin {
    /// Whose film it is.
    pub incident: u64,
    /// What was known before its first turn.
    pub mind: Vec<u8>,
    /// The frames of the turns before.
    pub frames: Vec<u8>,
}

/// A world whose last turns are kept.
#[derive(Debug)]
pub struct Filmed<W> {
    /// The world itself.
    pub inner: W,
    parts: VecDeque<Part>,
    /// The turn under way, encoded as far as it has come.
    record: Vec<u8>,
    /// What learn had told up to the turn before.
    learnt: Learnt,
    next_incident: u64,
    running: Option<Running>,
}

/// Some turns, and what was known before the first of them.
#[derive(Debug)]
struct Part {
    mind: Vec<u8>,
    frames: Vec<u8>,
    turns: usize,
}

impl Part {
    fn bytes(&self) -> usize {
        self.mind.len() + self.frames.len()
    }
}

/// A film under way.
#[derive(Debug)]
struct Running {
    turns: u32,
    left: u32,
}

impl<W: World> Filmed<W> {
    /// Keeps the last turns of `inner`; `next_incident` is the number of the next one.
    pub fn new(inner: W, next_incident: u64) -> Self {
        Self {
            inner,
            parts: VecDeque::new(),
            record: Vec::new(),
            learnt: Learnt::default(),
            next_incident,
            running: None,
        }
    }

    /// Before each turn: takes down what is known where a part begins.
    pub fn begin(&mut self, mind: &Mind) {
        let is_full = |part: &Part| part.turns >= PART_TURNS || part.frames.len() > MEMORY_MAX / 2;
        if self.parts.back().is_none_or(is_full) {
            self.parts.drain(..self.parts.len().saturating_sub(1));
            self.learnt = mind.learn.learnt().clone();
            self.parts.push_back(Part { mind: mind.pack(), frames: Vec::new(), turns: 0 });
        }
    }

    /// Ends the turn that was just thought; what is to be written of it.
    pub fn keep(&mut self, turn: &Turn) -> Vec<Reel> {
        // What is written of it is a thought, its fields one after the other.
        let Change { incidents, decisions, outcomes, events, .. } = &turn.change;
        encode(&mut self.record, &(incidents, decisions, outcomes, events));
        encode(&mut self.record, &Some(Told::between(&self.learnt, &turn.learnt)));
        self.learnt.clone_from(&turn.learnt);
        let frame = recording::frame(&self.record);
        let mut reels = Vec::new();
        for id in turn.change.incidents.iter().map(|one| one.id) {
            if id < self.next_incident {
                continue;
            }
            self.next_incident = id + 1;
            match &mut self.running {
                Some(running) => {
                    running.left = AFTER_TURNS;
                    reels.push(Reel::Also(id));
                }
                None => reels.extend(self.begin_film(id)),
            }
        }
        self.put(&frame);
        self.go_on(frame, &mut reels);
        reels
    }

    /// A film that begins with the parts in memory.
    fn begin_film(&mut self, incident: u64) -> Option<Reel> {
        let first = self.parts.front()?;
        let frames = self.parts.iter().map(|part| part.frames.as_slice()).collect::<Vec<_>>().concat();
        self.running = Some(Running { turns: 0, left: AFTER_TURNS });
        Some(Reel::Begin(Begin { incident, mind: first.mind.clone(), frames }))
    }

    /// Adds a frame to the parts in memory.
    fn put(&mut self, frame: &[u8]) {
        if let Some(part) = self.parts.back_mut() {
            part.frames.extend_from_slice(frame);
            part.turns += 1;
        }
        if self.parts.len() > 1 && self.parts.iter().map(Part::bytes).sum::<usize>() > MEMORY_MAX {
            self.parts.pop_front();
        }
    }

    fn go_on(&mut self, frame: Vec<u8>, reels: &mut Vec<Reel>) {
        let Some(running) = &mut self.running else { return };
        reels.push(Reel::More(frame));
        running.turns += 1;
        running.left = running.left.saturating_sub(1);
        if running.left == 0 || running.turns >= FILM_TURNS_MAX {
            self.running = None;
            reels.push(Reel::End);
        }
    }
}

/// Appends a value as postcard writes it: fields one after the other are the struct of them.
fn encode(to: &mut Vec<u8>, value: &impl Serialize) {
    let written = packing::append(value, std::mem::take(to));
    // Plain data always serialises; what does not leaves a frame that a reader refuses.
    *to = written.unwrap_or_default();
}

impl<W: World> World for Filmed<W> {
    fn look(&mut self, turn: u64, probes: &[Probe]) -> Option<Sample> {
        let sample = self.inner.look(turn, probes)?;
        self.record.clear();
        encode(&mut self.record, &sample);
        Some(sample)
    }

    fn wish(&mut self, wishes: &OnnxWishes) {
        self.inner.wish(wishes);
    }

    fn commands(&mut self) -> Vec<Command> {
        let commands = self.inner.commands();
        encode(&mut self.record, &commands);
        commands
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
        let deeds = self.inner.change(now, orders, decisions, recheck);
        encode(&mut self.record, &deeds);
        deeds
    }
}
