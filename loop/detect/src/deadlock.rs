//! Detector `deadlock`: threads wait for locks of each other in a circle.
//!
//! Symptom: the owner of the mutex a thread waits for waits itself, and so on back to the first; two looks at
//! least a second apart show the same circle and nobody in it ran in between. Quiet twins: a condition variable
//! whose neighbouring word equals a thread id, a busy lock that changes hands, a wait that ends by itself, a second
//! instance that waits for the lock file of the first.
//! Locks of files name the process that holds them.
//! Known blind spot: locks that name no owner (Rust, Go, Java, C++ with other libraries) are left to `stalled`.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::probe::{FILE_LOCK, Probe};
use vocab::rows::Process;
use vocab::{Entity, ProcessId, Value};

use crate::looks::{Look, Pair};
use crate::memory::{Track, is_watched};
use crate::{Context, Detected, Detector, futex, say};

/// Least time between the two looks that prove a circle. Unit: s.
const CONFIRM_S: f64 = 0.9;
/// Least time between two looks at a process: one that hangs by all appearance, any other. Unit: s.
const URGENT_S: f64 = 2.0;
const PAUSE_S: f64 = 5.0;
/// The same for one that has not run since, by the clock ticks: a run shorter than one may be missed. And for one
/// that is busy.
const RESTED_S: f64 = 10.0;
const BUSY_S: f64 = 20.0;
/// The same for one of a single thread that has not given up a CPU once since: it waits where it waited.
const SLEPT_S: f64 = 60.0;
/// CPU use from which it is. Unit: per cent of one core.
const BUSY_PCT: f64 = 50.0;
/// Before the next look at a process that could not be looked at. Unit: s.
const UNREADABLE_S: f64 = 60.0;
/// A proof counts for so long. Unit: s.
const PROOF_S: f64 = 15.0;
/// Looks older than this are not joined with newer ones. Unit: s.
const JOIN_S: f64 = 6.0;
/// Processes of one thread, which may share a lock with another of the same program, are looked at in one of so
/// many turns.
const LONERS_EVERY: u64 = 2;
/// Looks asked for in one turn at most.
const LOOKS_A_TURN: usize = 3;

/// One wait for a mutex, or for the lock of a file (address 0): who, where, for whom, and how often it had slept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Wait {
    process: ProcessId,
    tid: u32,
    address: u64,
    owner: u32,
    switches: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Proof {
    circle: Vec<Wait>,
    seen_s: f64,
    since_s: f64,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct Deadlock {
    asked: BTreeMap<ProcessId, f64>,
    proofs: BTreeMap<ProcessId, Proof>,
}

impl Detector for Deadlock {
    fn kind(&self) -> FindingKind {
        FindingKind::Deadlock
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        let has_news = context.memory.looks.iter().any(|(_, pair)| pair.answered_s >= now_s);
        if has_news && !context.snapshot.answers.is_empty() {
            self.judge(context, detected);
        }
        let alive = |id: ProcessId| context.snapshot.process(id).is_some();
        self.proofs.retain(|id, proof| alive(*id) && now_s - proof.seen_s <= PROOF_S);
        self.asked.retain(|id, _| alive(*id));
        self.ask(context, detected);
        for (id, proof) in &self.proofs {
            let Some(process) = context.snapshot.process(*id) else { continue };
            let finding = finding(context, process, proof);
            if !detected.findings.iter().any(|one| one.kind == finding.kind && one.culprit == finding.culprit)
            {
                detected.findings.push(finding);
            }
        }
    }
}

impl Deadlock {
    /// Looks for circles among the fresh looks; what is no circle any more is no finding any more.
    fn judge(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        let mut waits = BTreeMap::new();
        for (id, pair) in context.memory.looks.iter() {
            let Some(look) = pair.latest.as_ref().filter(|look| now_s - look.at_s <= JOIN_S) else {
                continue;
            };
            waits.extend(waits_in(*id, look).map(|wait| (wait.tid, wait)));
            if pair.answered_s >= now_s {
                self.proofs.remove_entry(id).into_iter().for_each(|(id, proof)| self.keep(id, proof, look));
            }
        }
        for circle in circles(&waits) {
            let Some(first) = circle.first().copied() else { continue };
            if circle
                .iter()
                .all(|wait| context.memory.looks.of(wait.process).is_some_and(|one| stood(one, wait)))
            {
                let since_s = self.proofs.get(&first.process).map_or(now_s, |proof| proof.since_s);
                self.proofs.insert(first.process, Proof { circle, seen_s: now_s, since_s });
            } else {
                for wait in &circle {
                    detected.ask(Probe::threads(wait.process));
                    detected.suspect(wait.process, FindingKind::Deadlock);
                }
            }
        }
        // A lock may be shared between processes: follow it to the owner.
        for wait in waits.values().filter(|wait| !waits.contains_key(&wait.owner)) {
            let owner = context.snapshot.processes.iter().find(|one| one.pid == wait.owner);
            if let Some(owner) = owner.filter(|one| one.id() != wait.process) {
                self.asked.entry(owner.id()).or_insert(f64::NEG_INFINITY);
                if now_s - self.asked[&owner.id()] >= URGENT_S {
                    self.asked.insert(owner.id(), now_s);
                    detected.ask(Probe::threads(owner.id()));
                }
            }
        }
    }

    /// Puts a proof back if the latest look still shows its part of the circle.
    fn keep(&mut self, id: ProcessId, proof: Proof, look: &Look) {
        let mut mine = proof.circle.iter().filter(|wait| wait.process == id);
        if mine.all(|wait| waits_in(id, look).any(|now| now == *wait)) {
            self.proofs.insert(id, proof);
        }
    }

    /// Whether it has not run since it was last looked at: no circle can have formed.
    fn rested(&self, track: &Track, id: ProcessId) -> bool {
        let asked_s = self.asked.get(&id).copied().unwrap_or(f64::NEG_INFINITY);
        let is_held = self.proofs.contains_key(&id);
        !is_held
            && track.fine.iter().rev().take_while(|one| one.at_s >= asked_s).all(|one| one.cpu_pct <= 0.0)
    }

    /// Whether it is known not to have run since it was last looked at.
    fn slept(&self, track: &Track, id: ProcessId) -> bool {
        let Some(asked_s) = self.asked.get(&id).filter(|_| !self.proofs.contains_key(&id)) else {
            return false;
        };
        let mut since = track.fine.iter().rev().take_while(|one| one.at_s >= *asked_s);
        since.all(|one| one.cpu_pct <= 0.0 && one.switches_per_s == Some(0.0))
    }

    /// Whose threads to look at next: what hangs by all appearance first, then services in turn, then the rest, and
    /// now and then one of those that have a single thread.
    fn ask(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        let mut best: [Option<(f64, ProcessId)>; 4] = [None; 4];
        let programs = programs(context);
        let is_pair = |one: &Process| programs.get(&*one.program).is_some_and(|count| *count >= 2);
        let can_circle = |one: &&Process| is_watched(one) && (one.threads >= 2 || is_pair(one));
        for process in context.snapshot.processes.iter().filter(can_circle) {
            let id = process.id();
            let Some(track) = context.memory.tracks.get(&id) else { continue };
            let hangs = hangs(track) || self.proofs.contains_key(&id);
            let serves = process.service.is_some() || process.listen_port.is_some();
            let tier = if process.threads < 2 {
                3
            } else if hangs {
                0
            } else if serves {
                1
            } else {
                2
            };
            let failed_s = context.memory.looks.of(id).and_then(|pair| pair.failed_s);
            let pause_s = match failed_s {
                Some(_) => UNREADABLE_S,
                None if hangs && !self.proofs.contains_key(&id) => URGENT_S,
                None if tier == 3 && self.slept(track, id) => SLEPT_S,
                None if self.rested(track, id) => RESTED_S,
                None if tier > 0 && process.cpu_pct > Some(BUSY_PCT) => BUSY_S,
                None => PAUSE_S,
            };
            // One that was never looked at waits from its first turn on: newcomers do not push in.
            let asked_s = self.asked.get(&id).copied().unwrap_or(track.first_s);
            let is_older = best[tier].is_none_or(|(other_s, _)| asked_s < other_s);
            if now_s - asked_s >= pause_s && is_older {
                best[tier] = Some((asked_s, id));
            }
        }
        let is_turn_of_loners = context.snapshot.turn.is_multiple_of(LONERS_EVERY);
        let [hanging, serving, other, loner] = best;
        let (last, next) = if is_turn_of_loners { (loner, other) } else { (other, None) };
        for (_, id) in [hanging, serving, last, next].into_iter().flatten().take(LOOKS_A_TURN) {
            self.asked.insert(id, now_s);
            detected.ask(Probe::threads(id));
        }
    }
}

/// How many processes of one thread each program has, of those with more than an instance.
fn programs<'a>(context: &Context<'a>) -> BTreeMap<&'a str, u32> {
    let mut programs = BTreeMap::new();
    for one in context.snapshot.processes.iter().filter(|one| is_watched(one) && one.threads == 1) {
        *programs.entry(&*one.program).or_insert(0) += 1;
    }
    programs
}

/// Whether it used to work and does not any more, or leaves work waiting.
fn hangs(track: &Track) -> bool {
    let cpu = |point: &crate::ring::Point| f64::from(point.cpu_pct);
    let Some(now_s) = track.fine.last().map(|point| point.at_s) else { return false };
    let waits = track.fine.iter().rev().take(3).all(|point| point.waiting > 0);
    let now = track.mean(3.0, cpu).unwrap_or(0.0);
    let stopped =
        track.mean_before(now_s - 3.0, cpu).is_some_and(|(before, _)| before >= 0.5 && now < 0.2 * before);
    (waits && now < 5.0) || stopped
}

/// The waits for mutexes and for locks of files in one look.
fn waits_in(process: ProcessId, look: &Look) -> impl Iterator<Item = Wait> {
    let is_alone = look.threads.len() == 1;
    look.threads.iter().filter_map(move |one| {
        let (address, owner) = match &one.wait {
            Some(wait) => (wait.address, futex::owner(wait)?),
            // The lock is the process's: another thread of it could give it back.
            None => (0, one.waits_on.as_ref()?.strip_prefix(FILE_LOCK).filter(|_| is_alone)?.parse().ok()?),
        };
        let switches = one.thread.voluntary_switches;
        Some(Wait { process, tid: one.thread.tid, address, owner, switches })
    })
}

/// Whether the look before, long enough ago, shows the same wait without a step in between.
fn stood(pair: &Pair, wait: &Wait) -> bool {
    let (Some(latest), Some(before)) = (&pair.latest, &pair.before) else { return false };
    latest.at_s - before.at_s >= CONFIRM_S && waits_in(wait.process, before).any(|one| one == *wait)
}

/// Every circle among the waits, each once, beginning with its lowest thread.
fn circles(waits: &BTreeMap<u32, Wait>) -> Vec<Vec<Wait>> {
    let mut circles = Vec::new();
    let mut done = BTreeSet::new();
    for start in waits.keys() {
        let mut path: Vec<Wait> = Vec::new();
        let mut next = *start;
        while let Some(wait) = waits.get(&next).filter(|_| done.insert(next)) {
            path.push(*wait);
            next = wait.owner;
        }
        if let Some(entry) = path.iter().position(|wait| wait.tid == next) {
            let mut circle = path.split_off(entry);
            let lowest = circle.iter().enumerate().min_by_key(|(_, wait)| wait.tid).map_or(0, |(at, _)| at);
            circle.rotate_left(lowest);
            circles.push(circle);
        }
    }
    circles
}

fn finding(context: &Context<'_>, process: &Process, proof: &Proof) -> Finding {
    let lasted_s = context.memory.now_s - proof.since_s;
    let evidence = proof.circle.iter().take(16).map(waits_for).collect();
    let threads: Vec<_> = proof.circle.iter().map(|wait| wait.tid.to_string()).collect();
    let sentence = match threads.as_slice() {
        [one] => format!("{} is deadlocked: thread {one} waits for a lock that it holds", say::who(process)),
        all => format!("{} is deadlocked: threads {} wait for each other", say::who(process), all.join(", ")),
    };
    Finding {
        at: context.snapshot.at,
        kind: FindingKind::Deadlock,
        culprit: process.entity(),
        process: Some(process.id()),
        victims: Vec::from([process.entity()]),
        severity: Severity::Critical,
        confidence: (0.95 + lasted_s / 1_000.0).min(0.99),
        exhaustion_s: None,
        sentence,
        evidence,
    }
}

fn waits_for(wait: &Wait) -> Evidence {
    let sentence = match wait.address {
        0 => format!("process {} waits for the lock of a file, held by process {}", wait.tid, wait.owner),
        at => format!("thread {} waits for the lock at {at:#x}, held by thread {}", wait.tid, wait.owner),
    };
    let owner = (Value::from(wait.owner), None);
    say::cell("threads", Entity::Process(wait.process), "futex_owner", owner, sentence)
}
