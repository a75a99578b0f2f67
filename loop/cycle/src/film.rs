//! The film of an incident: the last minute of the world before it opened, and what followed, as a recording.
//!
//! A [`Filmed`] world keeps the last turns encoded in memory. Sections that are not read in every tick are put whole into
//! the first frame of a part, so that a film can begin there. When an incident opens, the parts in memory and the turns
//! that follow go to whoever writes the file: a recording like any other, replayed by the same code. It begins in the
//! middle of a run, so a replay may differ where a stage knew more than the film shows.
use std::collections::{BTreeMap, VecDeque};

use act::Order;
use serde::Serialize;
use vocab::capability::Capabilities;
use vocab::decision::Decision;
use vocab::probe::Probe;
use vocab::sample::{
    CgroupSample, DiskSample, FilesystemSample, InterfaceSample, ProcessDetail, ProcessInfo, Sample,
    SocketSample,
};
use vocab::{ProcessId, Timestamp};

use crate::cycle::Turn;
use crate::recording::{self, Thought};
use crate::world::{Command, Deeds, Recheck, World};

/// Turns of a part; two are kept.
const PART_TURNS: usize = 20;
/// Bytes of the parts in memory, packed; beyond, the older one goes early.
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
    /// Numbers of the next incident, decision and action at its first turn.
    pub next_ids: [u64; 3],
    /// The frames of the turns before.
    pub frames: Vec<u8>,
}

/// A world whose last turns are kept.
#[derive(Debug)]
pub struct Filmed<W> {
    /// The world itself.
    pub inner: W,
    latest: Latest,
    parts: VecDeque<Part>,
    /// The turn under way, encoded as far as it has come.
    record: Vec<u8>,
    next_ids: [u64; 3],
    running: Option<Running>,
}

/// Some turns, the first of which needs nothing before it.
#[derive(Debug)]
struct Part {
    next_ids: [u64; 3],
    /// Each packed by itself, its length before it: they wait for an incident that mostly never comes.
    packed: Vec<u8>,
    turns: usize,
}

impl Part {
    fn push(&mut self, frame: &[u8]) {
        let packed = lz4_flex::block::compress_prepend_size(frame);
        self.packed.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        self.packed.extend_from_slice(&packed);
        self.turns += 1;
    }

    /// Adds the frames as they came.
    fn unpack(&self, to: &mut Vec<u8>) {
        let mut rest = &self.packed[..];
        while let Some((length, behind)) = rest.split_first_chunk() {
            let Some((packed, later)) = behind.split_at_checked(u32::from_le_bytes(*length) as usize) else {
                break;
            };
            // What was packed here unpacks; a frame less is what a reader would make of anything else.
            to.extend(lz4_flex::block::decompress_size_prepended(packed).unwrap_or_default());
            rest = later;
        }
    }
}

/// A film under way.
#[derive(Debug)]
struct Running {
    turns: u32,
    left: u32,
}

/// The last of every section that is not read in every tick.
#[derive(Debug, Default)]
struct Latest {
    infos: BTreeMap<ProcessId, ProcessInfo>,
    details: BTreeMap<ProcessId, ProcessDetail>,
    cgroups: Option<Vec<CgroupSample>>,
    disks: Option<Vec<DiskSample>>,
    filesystems: Option<Vec<FilesystemSample>>,
    interfaces: Option<Vec<InterfaceSample>>,
    sockets: Option<Vec<SocketSample>>,
}

impl Latest {
    fn take(&mut self, sample: &Sample) {
        self.infos.extend(sample.process_infos.iter().map(|one| (one.id, one.clone())));
        self.details.extend(sample.process_details.iter().map(|one| (one.id, *one)));
        let alive = |id: &ProcessId| {
            let found = sample.processes.binary_search_by_key(&id.pid, |one| one.pid).ok();
            found.and_then(|at| sample.processes.get(at)).is_some_and(|one| one.start_ticks == id.start_ticks)
        };
        if self.infos.len() > sample.processes.len() {
            self.infos.retain(|id, _| alive(id));
            self.details.retain(|id, _| alive(id));
        }
        keep(&mut self.cgroups, &sample.cgroups);
        keep(&mut self.disks, &sample.disks);
        keep(&mut self.filesystems, &sample.filesystems);
        keep(&mut self.interfaces, &sample.interfaces);
        keep(&mut self.sockets, &sample.sockets);
    }

    /// The sample with every section.
    fn whole(&self, sample: &Sample) -> Sample {
        Sample {
            process_infos: self.infos.values().cloned().collect(),
            process_details: self.details.values().copied().collect(),
            cgroups: self.cgroups.clone(),
            disks: self.disks.clone(),
            filesystems: self.filesystems.clone(),
            interfaces: self.interfaces.clone(),
            sockets: self.sockets.clone(),
            ..sample.clone()
        }
    }
}

fn keep<T: Clone>(latest: &mut Option<Vec<T>>, now: &Option<Vec<T>>) {
    if let Some(now) = now {
        match latest {
            Some(latest) => latest.clone_from(now),
            None => *latest = Some(now.clone()),
        }
    }
}

impl<W: World> Filmed<W> {
    /// Keeps the last turns of `inner`; `next_ids` are those of the first turn.
    pub fn new(inner: W, next_ids: [u64; 3]) -> Self {
        Self {
            inner,
            latest: Latest::default(),
            parts: VecDeque::new(),
            record: Vec::new(),
            next_ids,
            running: None,
        }
    }

    /// Ends the turn that was just thought; what is to be written of it.
    pub fn keep(&mut self, turn: &Turn) -> Vec<Reel> {
        encode(&mut self.record, &Thought::of(turn));
        let mut frame = Vec::with_capacity(self.record.len() + 8);
        recording::push_frame(&mut frame, &self.record);
        let mut reels = Vec::new();
        let is_new = |id: u64| id >= self.next_ids[0];
        for id in turn.change.incidents.iter().map(|one| one.id).filter(|id| is_new(*id)) {
            match &mut self.running {
                Some(running) => {
                    running.left = AFTER_TURNS;
                    reels.push(Reel::Also(id));
                }
                None => {
                    let mut frames = Vec::new();
                    self.parts.iter().for_each(|part| part.unpack(&mut frames));
                    let next_ids = self.parts.front().map_or(self.next_ids, |part| part.next_ids);
                    self.running = Some(Running { turns: 0, left: AFTER_TURNS });
                    reels.push(Reel::Begin(Begin { incident: id, next_ids, frames }));
                }
            }
        }
        self.put(&frame);
        self.next_ids = ids_after(turn, self.next_ids);
        self.go_on(frame, &mut reels);
        reels
    }

    /// Adds a frame to the parts in memory.
    fn put(&mut self, frame: &[u8]) {
        if self.is_part_begin() {
            let recycled = (self.parts.len() > 1).then(|| self.parts.pop_front()).flatten();
            let mut packed = recycled.map(|part| part.packed).unwrap_or_default();
            packed.clear();
            self.parts.push_back(Part { next_ids: self.next_ids, packed, turns: 0 });
        }
        if let Some(part) = self.parts.back_mut() {
            part.push(frame);
        }
        let bytes: usize = self.parts.iter().map(|part| part.packed.len()).sum();
        if bytes > MEMORY_MAX && self.parts.len() > 1 {
            self.parts.pop_front();
        }
    }

    /// Whether the next frame begins a part.
    fn is_part_begin(&self) -> bool {
        self.parts.back().is_none_or(|part| part.turns >= PART_TURNS || part.packed.len() > MEMORY_MAX / 2)
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

fn ids_after(turn: &Turn, before: [u64; 3]) -> [u64; 3] {
    let change = &turn.change;
    let last = [
        change.incidents.iter().map(|one| one.id).max(),
        change.decisions.iter().map(|one| one.id).max(),
        change.effects.iter().map(|one| one.action_id).max(),
    ];
    std::array::from_fn(|n| before[n].max(last[n].map_or(0, |id| id.saturating_add(1))))
}

/// Appends a value as postcard writes it: fields one after the other are the struct of them.
fn encode(to: &mut Vec<u8>, value: &impl Serialize) {
    let written = postcard::to_extend(value, std::mem::take(to));
    // Plain data always serialises; what does not leaves a frame that a reader refuses.
    *to = written.unwrap_or_default();
}

impl<W: World> World for Filmed<W> {
    fn look(&mut self, turn: u64, probes: &[Probe]) -> Option<Sample> {
        let sample = self.inner.look(turn, probes)?;
        self.latest.take(&sample);
        self.record.clear();
        if self.is_part_begin() {
            let whole = self.latest.whole(&sample);
            encode(&mut self.record, &whole);
        } else {
            encode(&mut self.record, &sample);
        }
        Some(sample)
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
