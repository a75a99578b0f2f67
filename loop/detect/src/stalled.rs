//! Detector `stalled`: work waits, nothing moves, and every thread that could do it sleeps on a lock.
//!
//! Symptom: connections wait to be accepted, read or closed for five seconds, or the service's own health check
//! fails, or threads wait at several locks that are taken and that nobody who runs could give back, while the process
//! uses no CPU, or every thread of one that worked before waits at a lock that only its own threads can open, or for one
//! of them to end, or stacks tell that threads enter locks of a run-time (`runtime_locks`), or an event loop answers nobody
//! (`unanswered`); two looks show the same threads in the same endless waits and not one step in between. No circle is
//! claimed: locks of Rust, Go and Java do not name their owner. Quiet twins: an idle service (nothing waits), a busy lock
//! (its threads move), a service that waits for data from another one (a thread sits in read or receive on a connection),
//! one that waits for events (a notice at most, unless clients wait at its door meanwhile), a pool without work whose main
//! thread waits to be ended. A thread that waits for orders, on a datagram socket say, excuses nobody.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::probe::{Probe, ThreadProbe};
use vocab::rows::Process;
use vocab::{Entity, ProcessId, Value};

use crate::calls::{self, Waits};
use crate::families::Families;
use crate::looks::{Look, Pair};
use crate::memory::{Track, is_watched};
use crate::ring::Point;
use crate::runtime_locks::RuntimeLocks;
use crate::standing::{LOCKS_MIN, is_for_orders, rests, stands_still, waits_endlessly};
use crate::unanswered::{LEFT_MIN, Unanswered};
use crate::{Context, Detected, Detector, say};

/// How long work must wait. Unit: s.
const WAITS_S: f64 = 5.0;
/// CPU use below which a process does nothing: two clock ticks in [`WAITS_S`]. Unit: per cent of one core.
const IDLE_PCT: f64 = 0.5;
/// Least time between the looks that prove it. Unit: s.
const CONFIRM_S: f64 = 0.9;
/// Least time between two requests for a look. Unit: s.
const ASK_S: f64 = 2.0;
/// A proof counts for so long. Unit: s.
const PROOF_S: f64 = 10.0;
/// CPU time and calls beside those before, of a process that has stopped serving.
const STOPPED_RATIO: f64 = 0.25;
/// CPU time, and reads and writes, that it would have needed meanwhile, from which that can be told. Unit: s, calls.
const SERVED_CPU_S: f64 = 0.03;
const SERVED_CALLS: f64 = 12.0;
/// How long taken locks must not be given back where no work is seen to wait. Unit: s.
const LOCKED_S: f64 = 8.0;
/// The same where all that is known is that nobody is awake who could open one: a signal may yet come. Unit: s.
const SEALED_S: f64 = 15.0;
/// `FUTEX_PRIVATE_FLAG`: no other process knows this futex.
const PRIVATE: u32 = 128;
/// What the word of a lock of three states says when it is taken and waited for.
const TAKEN: u32 = 2;

/// From which confidence on it is more than a notice.
const SURE: f64 = 0.8;

/// Column of the evidence that locks are taken.
const LOCKED: &str = "futex";
/// Threads that must hang beside one that waits for orders: one alone may be meant to sleep.
const WORKERS_MIN: usize = 2;

/// What two looks say together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Stuck {
    threads: usize,
    all: usize,
    confidence: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Proof {
    seen_s: f64,
    since_s: f64,
    stuck: Stuck,
    work: Evidence,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct Stalled {
    asked: BTreeMap<ProcessId, f64>,
    proofs: BTreeMap<ProcessId, Proof>,
    /// From when on threads that wait at locks are stalled, if they still do. Unit: s since the first snapshot.
    locked: BTreeMap<ProcessId, f64>,
    families: Families,
    runtime_locks: RuntimeLocks,
    unanswered: Unanswered,
}

impl Detector for Stalled {
    fn kind(&self) -> FindingKind {
        FindingKind::Stalled
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        self.runtime_locks.remember(context.snapshot);
        self.unanswered.remember(context.snapshot);
        for process in context.snapshot.processes.iter().filter(|one| is_watched(one) && one.state != "T") {
            let id = process.id();
            let Some(track) = context.memory.tracks.get(&id) else { continue };
            let known = self
                .proofs
                .get(&id)
                .map(|proof| proof.work.clone())
                .filter(|_| still_waits(context, process));
            let locked = self.locked_out(context, process, track, detected);
            let work = work_waits(context, process, track).or(known).or(locked);
            let Some(work) = work.filter(|_| is_idle(track)) else {
                self.proofs.remove(&id);
                continue;
            };
            if self.asked.get(&id).is_none_or(|asked_s| now_s - asked_s >= ASK_S) {
                self.asked.insert(id, now_s);
                detected.ask(Probe::threads(id));
            }
            let Some(pair) = context.memory.looks.of(id).filter(|pair| pair.answered_s >= now_s) else {
                continue;
            };
            detected.suspect(id, FindingKind::Stalled);
            // What was proven once stays proven while the same threads hang and the work still waits.
            let known = self.proofs.get(&id);
            if work.column == LOCKED && self.locked.get(&id).is_none_or(|sure_s| now_s < *sure_s) {
                continue;
            }
            let has_stopped = known.is_some() || has_stopped(track, now_s);
            let is_left = || has_stopped && work.column == "close_wait" && left(&work) >= LEFT_MIN;
            let deaf = |latest: &Look| {
                let is_deaf = is_left() && self.unanswered.is_deaf(id, latest, now_s, detected);
                is_deaf.then_some(Stuck { threads: 0, all: latest.threads.len(), confidence: 0.82 })
            };
            let stuck = stuck(pair, has_stopped, &work.column);
            let stuck = stuck
                .filter(|one| one.confidence >= SURE)
                .or_else(|| pair.latest.as_ref().and_then(deaf))
                .or(stuck);
            match stuck {
                Some(mut stuck) => {
                    stuck.confidence =
                        known.map_or(0.0, |proof| proof.stuck.confidence).max(stuck.confidence);
                    let since_s = known.map_or(now_s, |proof| proof.since_s);
                    self.proofs.insert(id, Proof { seen_s: now_s, since_s, stuck, work });
                }
                None if pair.failed_s.is_none() => drop(self.proofs.remove(&id)),
                None => {}
            }
        }
        let alive = |id: &ProcessId| context.snapshot.process(*id).is_some();
        self.asked.retain(|id, _| alive(id));
        self.locked.retain(|id, _| alive(id));
        self.proofs.retain(|id, proof| alive(id) && now_s - proof.seen_s <= PROOF_S);
        self.report(context, detected);
        self.families.run(context, detected);
    }
}

impl Stalled {
    /// Threads that wait at taken locks of a process in which nobody runs who could give them back, or all threads of
    /// one at locks that only they could open.
    fn locked_out(
        &mut self,
        context: &Context<'_>,
        process: &Process,
        track: &Track,
        detected: &mut Detected,
    ) -> Option<Evidence> {
        let id = process.id();
        let looks = context.memory.looks.of(id)?;
        let looks = looks.latest.as_ref().zip(looks.before.as_ref())?;
        let locks = taken_locks(looks);
        let has_worked = self.locked.contains_key(&id) || track.was(|point| point.cpu_pct > 0.0);
        let (least_s, count, sentence) = if locks >= LOCKS_MIN {
            (LOCKED_S, locks, format!("threads wait at {locks} locks that are taken and not given back"))
        } else if has_worked && is_sealed(looks) {
            let all = looks.0.threads.len();
            (SEALED_S, all, format!("all {all} threads wait at locks that only they could open"))
        } else if has_worked
            && is_idle(track)
            && let Some((least_s, threads)) = self.runtime_locks.entered(context, id, looks, detected)
        {
            let sentence =
                format!("{threads} threads wait to enter locks of their run-time, which nobody leaves");
            (least_s, threads, sentence)
        } else {
            self.locked.remove(&id);
            return None;
        };
        self.locked.entry(id).or_insert(context.memory.now_s + least_s);
        let count = (Value::from(count), Some(Value::Int(0)));
        Some(say::cell("threads", Entity::Process(id), LOCKED, count, sentence))
    }

    /// One finding a culprit, and none where a circle is proven: that one says more.
    fn report(&self, context: &Context<'_>, detected: &mut Detected) {
        for (id, proof) in &self.proofs {
            let Some(process) = context.snapshot.process(*id) else { continue };
            let culprit = process.entity();
            if !detected.has(&culprit, &[FindingKind::Deadlock, FindingKind::Stalled]) {
                detected.findings.push(finding(context, process, proof));
            }
        }
    }
}

/// The work that has waited throughout the last seconds, and where that is written.
fn work_waits(context: &Context<'_>, process: &Process, track: &Track) -> Option<Evidence> {
    let now_s = context.memory.now_s;
    let recent = || track.fine.iter().filter(|point| now_s - point.at_s <= WAITS_S);
    let has_span = track.fine.first().is_some_and(|first| now_s - first.at_s >= WAITS_S);
    let (oldest, last) = (recent().next()?, track.fine.last()?);
    if !has_span {
        return None;
    }
    if recent().all(|point| point.waiting > 0) && last.waiting >= oldest.waiting {
        let backlog = process.accept_backlog.unwrap_or(0);
        let (column, count, verb) = if backlog > 0 {
            ("accept_backlog", backlog, "be accepted")
        } else {
            ("unread_connections", process.unread_connections.unwrap_or(0), "be read")
        };
        let sentence = format!("{count} connections wait to {verb}, and have for {WAITS_S:.0} s");
        return Some(say::of_process(process, column, count, Some(Value::Int(0)), sentence));
    }
    let before =
        track.mean_before(now_s - WAITS_S, |point| f64::from(point.close_wait)).map_or(0.0, |one| one.0);
    let is_left = recent().all(|point| f64::from(point.close_wait) >= before + 1.0);
    if is_left && last.close_wait >= oldest.close_wait.max(2) {
        let sentence = format!("{} clients have given up waiting for it", last.close_wait);
        return Some(say::of_process(
            process,
            "close_wait",
            last.close_wait,
            Some(Value::from(before)),
            sentence,
        ));
    }
    let service = process.service.as_deref().and_then(|name| context.snapshot.service(name))?;
    (service.is_healthy == Some(false) && service.main_pid == Some(process.pid)).then(|| {
        let entity = say::service(&service.name);
        let healthy = (Value::from(false), Some(Value::from(true)));
        say::cell("services", entity, "is_healthy", healthy, "its own health check fails".to_string())
    })
}

/// How many clients have left.
fn left(work: &Evidence) -> f64 {
    work.value.as_f64().unwrap_or(0.0)
}

/// Whether any of the work is left that waited when the stall was proven.
fn still_waits(context: &Context<'_>, process: &Process) -> bool {
    let connections = [process.accept_backlog, process.unread_connections, process.close_wait];
    let service = process.service.as_deref().and_then(|name| context.snapshot.service(name));
    connections.into_iter().flatten().any(|count| count > 0)
        || service.is_some_and(|one| one.is_healthy == Some(false))
}

fn is_idle(track: &Track) -> bool {
    track.mean(WAITS_S, |point| f64::from(point.cpu_pct)).is_some_and(|cpu| cpu < IDLE_PCT)
}

/// Whether it served before its clients began to leave, or to wait, and does not any more.
fn has_stopped(track: &Track, now_s: f64) -> bool {
    let is_calm = |point: &&Point| point.close_wait == 0 && point.waiting == 0;
    let calm = track.fine.iter().rev().find(is_calm).map(|point| point.at_s);
    // Without such a time: what is remembered, but for the last seconds.
    let until_s = calm.unwrap_or(now_s).min(now_s - WAITS_S);
    let lasts_s = now_s - until_s;
    let served_s = track.served_s();
    let fell = |of: fn(&Point) -> f64, least: f64| {
        let before = track.mean_between(served_s, until_s, of);
        let (Some(now), Some(before)) = (track.mean(lasts_s, of), before) else { return false };
        before * lasts_s >= least && now <= STOPPED_RATIO * before
    };
    fell(|point| f64::from(point.cpu_pct) / 100.0, SERVED_CPU_S)
        || fell(|point| f64::from(point.io_calls_per_s.unwrap_or(0.0)), SERVED_CALLS)
}

/// Whether two looks show threads that sleep on locks for ever, and no thread that waits for someone else.
///
/// One that waits for events may wait for another service: it is sure only if more threads hang each time, if
/// clients wait at the door and do not wake it, or if they leave and nobody closes behind them, as an event loop
/// would; a notice if it has stopped serving, and nothing otherwise. `work` is the column of the work that waits.
fn stuck(pair: &Pair, has_stopped: bool, work: &str) -> Option<Stuck> {
    let (latest, before) = (pair.latest.as_ref()?, pair.before.as_ref()?);
    if latest.at_s - before.at_s < CONFIRM_S {
        return None;
    }
    let stuck = |one: &&ThreadProbe| stands_still(one, before);
    let threads = latest.threads.iter().filter(stuck).count();
    let others = latest.threads.iter().filter(|one| !stands_still(one, before));
    let (mut waits_for_events, mut waits_for_orders, mut works) = (false, false, false);
    for one in others {
        match one.thread.system_call.map(calls::waits) {
            Some(Waits::Lock) if one.wait.is_none_or(|wait| wait.has_timeout) => {}
            Some(Waits::Clients | Waits::Time | Waits::Child) => {}
            // A lock it got to only after the look before: one more that hangs, unless it had been there.
            Some(Waits::Lock) => works |= moved(one, before),
            Some(Waits::Events) if work == "accept_backlog" && rests(one, before) => waits_for_orders = true,
            Some(Waits::Events) => waits_for_events = true,
            Some(Waits::Other) if is_for_orders(one) => waits_for_orders = true,
            Some(Waits::Other) | None => works = true,
        }
    }
    // Clients that leave also leave one behind who only forgets to close, and has a thread that never wakes.
    let is_vague = waits_for_orders || work == LOCKED || (work == "close_wait" && !has_stopped);
    if works || threads < if is_vague { WORKERS_MIN } else { 1 } {
        return None;
    }
    let endless = |look: &Look| look.threads.iter().filter(|one| waits_endlessly(one)).count();
    let grows = endless(latest) > endless(before);
    let confidence = match (waits_for_events, grows) {
        _ if work == LOCKED => 0.82,
        (false, _) if waits_for_orders => 0.85,
        (false, _) => 0.9,
        (true, true) => 0.82,
        (true, false) if has_stopped && work == "close_wait" && threads >= WORKERS_MIN => 0.82,
        (true, false) if has_stopped => 0.6,
        (true, false) => return None,
    };
    Some(Stuck { threads, all: latest.threads.len(), confidence })
}

/// At how many taken locks threads stand still; 0 if somebody runs, or sleeps through, who may hold them.
fn taken_locks((latest, before): (&Look, &Look)) -> usize {
    if latest.at_s - before.at_s < CONFIRM_S {
        return 0;
    }
    let may_hold = |one: &ThreadProbe| match one.thread.system_call.map(calls::waits) {
        Some(Waits::Lock | Waits::Clients | Waits::Events) => false,
        Some(Waits::Time | Waits::Child) => rests(one, before),
        Some(Waits::Other) => !is_for_orders(one),
        None => true,
    };
    let is_taken = |one: &&ThreadProbe| {
        stands_still(one, before)
            && one.wait.is_some_and(|wait| {
                wait.expected == TAKEN && wait.words.is_some_and(|words| words[0] == TAKEN)
            })
    };
    if latest.threads.iter().any(may_hold) {
        return 0;
    }
    let locks = latest.threads.iter().filter(is_taken).filter_map(|one| one.wait.map(|wait| wait.address));
    locks.collect::<BTreeSet<_>>().len()
}

/// Whether every thread stands still at a futex of this process alone, and one waits for another to end: it does not
/// rest on purpose, as a pool without work does until a signal ends it.
fn is_sealed((latest, before): (&Look, &Look)) -> bool {
    let is_thread = |tid: u32| latest.threads.iter().any(|one| one.thread.tid == tid);
    let joins = |one: &ThreadProbe| {
        one.wait.is_some_and(|wait| wait.operation & PRIVATE == 0 && is_thread(wait.expected))
    };
    let is_own = |one: &ThreadProbe| joins(one) || one.wait.is_some_and(|wait| wait.operation & PRIVATE != 0);
    latest.at_s - before.at_s >= CONFIRM_S
        && latest.threads.len() >= WORKERS_MIN
        && latest.threads.iter().any(joins)
        && latest.threads.iter().all(|one| is_own(one) && stands_still(one, before))
}

/// Whether a thread was there in the look before and has run since.
fn moved(one: &ThreadProbe, before: &Look) -> bool {
    before.threads.iter().any(|then| then.thread.tid == one.thread.tid)
}

fn finding(context: &Context<'_>, process: &Process, proof: &Proof) -> Finding {
    let lasted_s = context.memory.now_s - proof.since_s;
    let Stuck { threads, all, confidence } = proof.stuck;
    let is_sure = confidence >= SURE;
    let sleeps = match threads {
        0 => "it waits for events, asks nobody, and works a fraction of what it did".to_string(),
        _ => format!("{threads} of its {all} threads sleep on locks and did not move between two looks"),
    };
    let still = if threads == 0 { "it answers nobody" } else { "no thread moves" };
    let count = (Value::from(threads), Some(Value::Int(0)));
    let entity = Entity::Process(process.id());
    let evidence = Vec::from([
        proof.work.clone(),
        say::cell("threads", entity, "futex", count, sleeps),
        say::of_process(process, "cpu_pct", process.cpu_pct, None, String::from("it uses no CPU")),
    ]);
    Finding {
        at: context.snapshot.at,
        kind: FindingKind::Stalled,
        culprit: process.entity(),
        process: Some(process.id()),
        victims: Vec::from([process.entity()]),
        severity: if is_sure { Severity::Critical } else { Severity::Notice },
        confidence: if is_sure { (confidence + lasted_s / 500.0).min(0.95) } else { confidence },
        exhaustion_s: None,
        sentence: format!("{} is stalled: {}, and {still}", say::who(process), proof.work.sentence),
        evidence,
    }
}
