//! Families of processes whose members all sleep where only one of them could wake them: a part of `stalled`.
//!
//! A family is a process and those that come from it and run the same program. It stands still if every member sleeps
//! without end at a lock, at a semaphore, at a pipe that is full, or for one of its children; if two of them do so at
//! different places, not at one queue that is empty; and if they worked before. Such locks name no owner, so no
//! circle is claimed. Quiet twins: a pool whose workers wait for orders (one of them reads or sleeps, or all wait at one
//! semaphore), two instances that somebody else started.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Finding, FindingKind, Severity};
use vocab::probe::{FULL_PIPE, Probe, SEMAPHORE, ThreadProbe};
use vocab::rows::Process;
use vocab::{Entity, ProcessId, Value};

use crate::calls::{self, Waits};
use crate::looks::Pair;
use crate::memory::{Track, is_watched};
use crate::ring::Point;
use crate::{Context, Detected, say};

/// How long no member may have taken a step. Unit: s.
const STANDS_S: f64 = 15.0;
/// How long a process must have slept before it is worth a look, and the least time between two. Unit: s.
const SLEPT_S: f64 = 4.0;
const ASK_S: f64 = 10.0;
/// Members that must wait at different places.
const PLACES_MIN: usize = 2;
/// Parents that are followed at most.
const DEPTH_MAX: usize = 8;

/// Where a process that has one thread waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// At a futex, a semaphore, or a pipe of its own that is full.
    Lock(String),
    /// For a child.
    Child,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct Families {
    /// When each process was last asked for. Unit: s since the first snapshot.
    asked: BTreeMap<ProcessId, f64>,
    /// The eldest of families that are accused: they worked once.
    held: BTreeSet<ProcessId>,
}

impl Families {
    /// Asks for a look at one that has come to rest, and accuses the families of which nobody moves.
    pub fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let families = families(context);
        self.asked.retain(|id, _| context.memory.tracks.contains_key(id));
        self.held.retain(|id| families.contains_key(id));
        self.ask(context, &families, detected);
        for (top, members) in &families {
            let places = places(context, members, self.held.contains(top));
            let (Some(places), Some(process)) = (places, context.snapshot.process(*top)) else {
                self.held.remove(top);
                continue;
            };
            self.held.insert(*top);
            if !detected.has(&process.entity(), &[FindingKind::Deadlock, FindingKind::Stalled]) {
                detected.findings.push(finding(context, process, members.len(), places));
            }
        }
    }

    /// One a turn: the one that came to rest first and was not looked at since.
    fn ask(&mut self, context: &Context<'_>, families: &Members<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        let rests = |process: &&Process| {
            let track = context.memory.tracks.get(&process.id())?;
            let ran_s = track.fine.iter().rev().find(|point| moves(point))?.at_s;
            let asked_s = self.asked.get(&process.id()).copied().unwrap_or(f64::NEG_INFINITY);
            let is_due = now_s - ran_s >= SLEPT_S && asked_s <= ran_s && now_s - asked_s >= ASK_S;
            is_due.then_some((ran_s, process.id()))
        };
        let next = families.values().flatten().filter_map(rests);
        if let Some((_, id)) = next.min_by(|one, other| one.0.total_cmp(&other.0)) {
            self.asked.insert(id, now_s);
            detected.ask(Probe::threads(id));
        }
    }
}

type Members<'a> = BTreeMap<ProcessId, Vec<&'a Process>>;

/// Every family of two and more, by its eldest.
fn families<'a>(context: &Context<'a>) -> Members<'a> {
    let by_pid: BTreeMap<u32, &Process> =
        context.snapshot.processes.iter().filter(|one| is_watched(one)).map(|one| (one.pid, one)).collect();
    let mut families = Members::new();
    for process in by_pid.values() {
        let mut top = *process;
        for _ in 0..DEPTH_MAX {
            let parent = by_pid.get(&top.ppid).filter(|one| one.program == top.program);
            let Some(parent) = parent else { break };
            top = parent;
        }
        families.entry(top.id()).or_default().push(process);
    }
    families.retain(|_, members| members.len() >= PLACES_MIN);
    families
}

/// At how many places its members wait; `None` if one of them moves, or may be woken by somebody else.
fn places(context: &Context<'_>, members: &[&Process], mut has_worked: bool) -> Option<usize> {
    let is_member = |pid: u32| members.iter().any(|one| one.pid == pid);
    let mut strangers =
        context.snapshot.processes.iter().filter(|one| is_member(one.ppid) && !is_member(one.pid));
    if strangers.next().is_some() {
        return None;
    }
    let mut places = BTreeSet::new();
    for process in members {
        let track = context.memory.tracks.get(&process.id())?;
        let pair = context.memory.looks.of(process.id())?;
        if process.threads != 1 || !stands(pair, track, context.memory.now_s) {
            return None;
        }
        has_worked |= track.was(moves);
        match place(process.pid, pair.latest.as_ref()?.threads.first()?)? {
            Place::Lock(name) => drop(places.insert(name)),
            Place::Child => {}
        }
    }
    (has_worked && places.len() >= PLACES_MIN).then_some(places.len())
}

/// Where a thread waits without end, if only a process can wake it that shares something with it.
fn place(pid: u32, one: &ThreadProbe) -> Option<Place> {
    let class = one.waits_on.as_deref().unwrap_or("");
    if class == FULL_PIPE {
        return Some(Place::Lock(format!("{FULL_PIPE}{pid}")));
    }
    if class.starts_with(SEMAPHORE) {
        return Some(Place::Lock(class.to_string()));
    }
    match (one.wait, one.thread.system_call.map(calls::waits)) {
        (Some(wait), _) => (!wait.has_timeout).then(|| Place::Lock(format!("{:#x}", wait.address))),
        (None, Some(Waits::Child)) => Some(Place::Child),
        (None, _) => None,
    }
}

/// Whether its only thread has not taken a step since a look that is old enough.
fn stands(pair: &Pair, track: &Track, now_s: f64) -> bool {
    let Some(latest) = &pair.latest else { return false };
    let switches =
        |look: &crate::looks::Look| look.threads.first().and_then(|one| one.thread.voluntary_switches);
    let same =
        pair.before.as_ref().filter(|one| switches(one).is_some() && switches(one) == switches(latest));
    let since_s = same.map_or(latest.at_s, |one| one.at_s);
    now_s - since_s >= STANDS_S && !track.fine.iter().any(|point| point.at_s > since_s && moves(point))
}

fn moves(point: &Point) -> bool {
    point.cpu_pct > 0.0 || point.switches_per_s != Some(0.0)
}

fn finding(context: &Context<'_>, process: &Process, members: usize, places: usize) -> Finding {
    let sentence = format!(
        "{members} processes wait for each other at {places} places, and none has moved for {STANDS_S:.0} s"
    );
    let count = (Value::from(places), Some(Value::Int(0)));
    let evidence = Vec::from([
        say::cell("threads", Entity::Process(process.id()), "system_call", count, sentence.clone()),
        say::of_process(process, "cpu_pct", process.cpu_pct, None, String::from("it uses no CPU")),
    ]);
    Finding {
        at: context.snapshot.at,
        kind: FindingKind::Stalled,
        culprit: process.entity(),
        process: Some(process.id()),
        victims: Vec::from([process.entity()]),
        severity: Severity::Critical,
        confidence: 0.82,
        exhaustion_s: None,
        sentence: format!("{} is stalled: {sentence}", say::who(process)),
        evidence,
    }
}
