//! Programs that nobody supervises, or a supervisor that we do not know, seen to start and end badly over and over; so do
//! the workers of a service whose main process lives.
//!
//! Programs in the kernel tell how a process ended; without them those that lived long enough to be seen. A run counts if a
//! fault ended it (SIGSEGV, SIGABRT, …), if it killed itself, if the kernel killed it for memory, or if it failed where the
//! same parent had the program serve before, or its parent is such a server. One that says no by its exit code counts if it
//! worked for a second first or the code is that of a panic, and if it was started anew with the same arguments, with equal
//! pauses or ever longer ones, as a supervisor does; workers, which run the program of their parent, may die beside each
//! other. What fails because its child did (a script around a program) counts as its child. Quiet twins: a tool that says no
//! at once (`until grep …`), a build of which one file after the other fails, a person who tries again, a program that is
//! server and client in one and says no to a script, while its server lives and while it starts, a test that crashes on
//! purpose among others that do not, a build whose compiler was killed once, children that their parent kills, itself with
//! them or not. Known false positives: a fuzzer that crashes the same program in a row, a check that takes its time and
//! fails each time. Known misses: one that fails by its exit code at once, or while its twin of the same parent serves.
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::kernel::{Happened, KernelEvent, signal_name};
use vocab::rows::Process;
use vocab::{Entity, ProcessId, Timestamp, Value};

use super::{CALM_RUNS, CALM_S, RUN_MAX_S, SPAN_S, push};
use crate::{Context, Detected, say};

/// Bad ends that make a loop.
const ENDS_MIN: usize = 4;
/// Time over which they must go on where only an exit code tells: a client may wait for its server. Unit: s.
const SAYS_NO_S: f64 = 5.0;
/// The same where it says no by itself: bad ends in a row, how long each run lasted and worked at least. Unit: s, us.
const WORKS_MIN: usize = 5;
const WORKED_S: f64 = 1.0;
const WORKED_CPU_US: u64 = 15_000;
/// The same where it is known to a clock tick only: one at least. Unit: us.
const WORKED_TICK_US: u64 = 10_000;
/// Its share of a CPU from which it worked all the while, though it was never seen asleep. Unit: ratio.
const BUSY_MIN: f64 = 0.5;
/// The exit code of a panic: no tool answers by it.
const PANIC: i32 = 101;
/// A pause between runs is as long as the one before if it differs by no more, or so many times as long. Unit: s, ratio.
const PAUSE_SPREAD_S: f64 = 0.5;
/// The same where ends are known to a tick only. Unit: s.
const ROUGH_SPREAD_S: f64 = 1.2;
const PAUSE_GROWS: f64 = 1.3;
/// A loop is not over while its longest pause may last, as it grows.
const CALM_PAUSES: f64 = 2.5;
/// Programs remembered at most, and servers known.
const PROGRAMS_MAX: usize = 512;
const SERVERS_MAX: usize = 512;

/// Whose runs belong together: the same program under the same name, started by the same parent.
type Key = (Arc<str>, Arc<str>, u32);

/// Why a bad end counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Sort {
    /// A fault ended it, its child or itself, or the kernel for memory.
    Fault,
    /// It was to serve, and said no or was told to end.
    Server,
    /// It said that it panicked.
    Panic,
    /// It worked for a while and said no.
    Work,
}

/// One bad end.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct End {
    at_s: f64,
    at: Timestamp,
    ran_s: f64,
    signal: Option<i32>,
    code: Option<i32>,
    is_oom: bool,
    /// Its instant is known to a tick only.
    is_rough: bool,
    sort: Sort,
    /// Its parent runs the same program.
    is_worker: bool,
    /// Its arguments, where it was seen alive.
    command: Option<Arc<str>>,
}

/// The last bad ends without a good one between, and when they began. Unit: s since the first snapshot.
#[derive(Default, Serialize, Deserialize)]
struct Ends {
    since_s: Option<f64>,
    last: VecDeque<End>,
    /// Who is accused: once it is, under that name.
    culprit: Option<Entity>,
    service: Option<Arc<str>>,
    /// Its name in the table of processes, once it was seen alive.
    name: Option<Arc<str>>,
}

/// What the snapshot before told of a process that is young enough to be part of a loop.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Young {
    program: Arc<str>,
    command: Option<Arc<str>>,
    is_client: bool,
    /// It was seen to wait for something other than a CPU.
    has_slept: bool,
    cpu_us: u64,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Programs {
    ends: BTreeMap<Key, Ends>,
    /// Processes that listened in the snapshot before: name and parent.
    listening: BTreeMap<ProcessId, (Arc<str>, u32)>,
    /// What listened before it ended.
    servers: BTreeSet<Key>,
    killed: BTreeSet<ProcessId>,
    /// Of this turn: who killed itself, and why the last bad end of a parent's children counts.
    suicides: BTreeSet<ProcessId>,
    bereaved: BTreeMap<u32, Sort>,
    young: BTreeMap<ProcessId, Young>,
}

impl Programs {
    /// Notes how programs ended in this turn and accuses those that go on ending badly.
    pub(super) fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        self.killed.clear();
        self.suicides = suicides(&context.snapshot.kernel_events);
        self.bereaved.clear();
        for event in &context.snapshot.kernel_events {
            match event.what {
                Happened::OomKill { .. } => drop(self.killed.insert(event.id)),
                Happened::Exit { .. } if !is_main(context, event) => self.note(context, event),
                _ => {}
            }
        }
        let is_young = |one: &&Process| !one.is_kernel && one.age_s < RUN_MAX_S;
        let young = context.snapshot.processes.iter().filter(is_young);
        self.young = young.map(|one| (one.id(), Young::of(one, self.young.get(&one.id())))).collect();
        let listens = context.snapshot.processes.iter().filter(|one| one.listen_port.is_some());
        self.listening = listens.map(|one| (one.id(), (one.name.clone(), one.ppid))).collect();
        self.ends.retain(|_, ends| {
            ends.last.retain(|end| now_s - end.at_s <= SPAN_S);
            !ends.last.is_empty()
        });
        for (key, ends) in self.ends.iter_mut().filter(|(_, ends)| is_loop(ends, now_s)) {
            let culprit = ends.culprit.get_or_insert_with(|| match (&ends.service, &ends.name) {
                (Some(service), _) => say::service(service),
                (None, name) => Entity::Program(name.as_ref().unwrap_or(&key.0).to_string()),
            });
            if !detected.has(culprit, &[FindingKind::CrashLoop]) {
                detected.findings.push(finding(context, key, ends, now_s));
            }
        }
    }

    fn note(&mut self, context: &Context<'_>, event: &KernelEvent) {
        let now_s = context.memory.now_s;
        let Happened::Exit { code, signal, ran_s, cpu_us } = event.what else { return };
        let Some(program) = event.program.clone().filter(|path| !path.is_empty()) else { return };
        let key = (program, event.name.clone(), event.ppid);
        if self.listening.remove(&event.id).is_some() && self.servers.len() < SERVERS_MAX {
            self.servers.insert(key.clone());
        }
        let is_oom = self.killed.contains(&event.id);
        if code == Some(0) || ran_s >= RUN_MAX_S {
            self.ends.remove(&key);
            return;
        }
        let young = self.young.remove(&event.id);
        let Some(sort) = self.sort(event, &key, is_oom, young.as_ref()) else { return };
        let mut parents = context.snapshot.processes.iter().filter(|one| one.pid == event.ppid);
        let is_worker = young.as_ref().is_some_and(|one| parents.any(|parent| parent.program == one.program));
        self.bereaved.insert(event.ppid, sort);
        if self.ends.len() < PROGRAMS_MAX || self.ends.contains_key(&key) {
            let ends = self.ends.entry(key).or_default();
            ends.since_s.get_or_insert(now_s);
            ends.service.clone_from(&event.service);
            let command = young.as_ref().and_then(|one| one.command.clone());
            ends.name = young.map(|one| one.program).or(ends.name.take());
            push(
                &mut ends.last,
                End {
                    at_s: now_s,
                    at: event.at,
                    ran_s,
                    signal,
                    code,
                    is_oom,
                    is_rough: cpu_us.is_none(),
                    sort,
                    is_worker,
                    command,
                },
            );
        }
    }

    /// Why this end counts, if it does.
    fn sort(&self, event: &KernelEvent, key: &Key, is_oom: bool, young: Option<&Young>) -> Option<Sort> {
        let Happened::Exit { code, ran_s, cpu_us, .. } = event.what else { return None };
        // At its end the kernel looks at so many of its threads only.
        let worked_us = cpu_us.max(young.map(|one| one.cpu_us)).unwrap_or(0);
        let least_us = if cpu_us.is_some() { WORKED_CPU_US } else { WORKED_TICK_US };
        // On a busy machine one that fails at once lasts longer, too.
        let is_busy = worked_us as f64 >= BUSY_MIN * ran_s * 1e6;
        let lives = ran_s >= WORKED_S && (is_busy || young.is_some_and(|one| one.has_slept));
        let works = lives && worked_us >= least_us && code.is_some_and(|code| code != 0);
        if event.what.is_crash() || is_oom || self.suicides.contains(&event.id) {
            Some(Sort::Fault)
        } else if event.what.is_failure() && self.is_server(key) {
            Some(Sort::Server)
        } else if code == Some(PANIC) {
            Some(Sort::Panic)
        } else if works && young.is_some_and(|one| !one.is_client) {
            Some(Sort::Work)
        } else {
            // A script fails because what it ran has failed.
            self.bereaved.get(&event.id.pid).copied().filter(|_| event.what.is_failure())
        }
    }

    /// Whether a run of this program by this parent is to serve, as far as those before tell.
    fn is_server(&self, key: &Key) -> bool {
        let (_, name, ppid) = key;
        let mut listening = self.listening.iter();
        let is_worker = listening.clone().any(|(id, (server, _))| id.pid == *ppid && server == name);
        let serves = listening.any(|(_, (server, parent))| server == name && parent == ppid);
        is_worker || self.servers.contains(key) && !serves
    }
}

/// Who has killed itself and nobody else: what ends its group, as `timeout -s KILL` does, ends itself with it.
fn suicides(events: &[KernelEvent]) -> BTreeSet<ProcessId> {
    let kills = || {
        events.iter().filter_map(|event| match event.what {
            Happened::Signal { signal: 9, sender_pid, .. } => Some((sender_pid, event.id)),
            _ => None,
        })
    };
    let is_only = |sender: u32, target: ProcessId| kills().all(|(by, one)| by != sender || one == target);
    kills()
        .filter(|(sender, target)| *sender == target.pid && is_only(*sender, *target))
        .map(|(_, target)| target)
        .collect()
}

fn longest_s(ends: &VecDeque<End>) -> f64 {
    ends.iter().map(|end| end.ran_s).fold(0.0, f64::max)
}

/// Whether this is the main process of a service, whose supervisor tells how it ends.
fn is_main(context: &Context<'_>, event: &KernelEvent) -> bool {
    let parent = || context.snapshot.processes.iter().find(|one| one.pid == event.ppid);
    // One that was never seen alive has no service: ours are told by whoever started it.
    context.snapshot.own.keeper_pid == Some(event.ppid)
        || event.service.is_some() && parent().is_none_or(|parent| parent.service != event.service)
}

impl Young {
    fn of(process: &Process, before: Option<&Self>) -> Self {
        let is_client = process.listen_port.is_none() && process.established.unwrap_or(0) > 0;
        let has_slept = process.state == "S" || before.is_some_and(|one| one.has_slept);
        let cpu_us = (process.cpu_time_s.max(0.0) * 1e6) as u64;
        let (program, command) = (process.program.clone(), process.command.clone());
        Self { program, command, is_client, has_slept, cpu_us }
    }
}

fn is_loop(ends: &Ends, now_s: f64) -> bool {
    let pauses = pauses(&ends.last, ends.last.len());
    let longest_pause_s = pauses.iter().copied().fold(0.0, f64::max);
    let calm_s = CALM_S.max(CALM_RUNS * longest_s(&ends.last)).max(CALM_PAUSES * longest_pause_s);
    let count = |sorts: &[Sort]| ends.last.iter().filter(|end| sorts.contains(&end.sort)).count();
    let lasts = || ends.since_s.is_some_and(|since_s| now_s - since_s >= SAYS_NO_S);
    let is_sure = count(&[Sort::Fault]) >= ENDS_MIN
        || count(&[Sort::Fault, Sort::Server]) >= ENDS_MIN && lasts()
        // Without a good end between, what was a loop is one.
        || ends.culprit.is_some()
        || is_started_anew(&ends.last);
    is_sure && ends.last.back().is_some_and(|last| now_s - last.at_s <= calm_s)
}

/// How long it was not there between each of the last runs and the next. Unit: s.
fn pauses(ends: &VecDeque<End>, count: usize) -> Vec<f64> {
    let last = || ends.iter().skip(ends.len().saturating_sub(count));
    last().zip(last().skip(1)).map(|(end, next)| next.at.seconds_since(end.at) - next.ran_s).collect()
}

/// Whether the last runs had the same arguments, as far as they are known, and followed each other as a supervisor has
/// them follow.
fn is_started_anew(ends: &VecDeque<End>) -> bool {
    let last = || ends.iter().rev().take(WORKS_MIN);
    let command = last().find_map(|end| end.command.as_ref());
    let is_other = |end: &End| match &end.command {
        Some(_) => end.command.as_ref() != command,
        None => !matches!(end.sort, Sort::Fault | Sort::Panic),
    };
    if ends.len() < WORKS_MIN || last().any(is_other) {
        return false;
    }
    if last().all(|end| end.is_worker && end.sort == Sort::Work) {
        return true;
    }
    let pauses = pauses(ends, WORKS_MIN);
    let is_rough = ends.iter().any(|end| end.is_rough);
    let spread_s = if is_rough { ROUGH_SPREAD_S } else { PAUSE_SPREAD_S };
    let follows = |one: f64, next: f64| (next - one).abs() <= spread_s || next >= PAUSE_GROWS * one;
    // Runs beside each other are no run after another.
    pauses.iter().all(|pause| *pause > -spread_s)
        && pauses.iter().zip(pauses.iter().skip(1)).all(|(one, next)| follows(*one, *next))
}

fn finding(context: &Context<'_>, key: &Key, Ends { last: ends, culprit, .. }: &Ends, now_s: f64) -> Finding {
    let (program, name, ppid) = key;
    let entity = culprit.clone().unwrap_or_else(|| Entity::Program(program.to_string()));
    let who = match &entity {
        Entity::Program(who) | Entity::Service(who) => who.clone(),
        _ => program.to_string(),
    };
    let is_alive = |one: &&Process| one.ppid == *ppid && one.name == *name && one.age_s < RUN_MAX_S;
    let process = context.snapshot.processes.iter().find(is_alive).map(Process::id);
    let span_s = now_s - ends.front().map_or(now_s, |end| end.at_s);
    let count = ends.len();
    let counted = format!(
        "{name} ended badly {count} times in {}, never after more than {:.1} s",
        say::seconds(span_s.max(1.0)),
        longest_s(ends)
    );
    let parent = context.snapshot.processes.iter().find(|one| one.pid == *ppid);
    let by = parent.map_or_else(|| format!("process {ppid}"), say::who);
    let mut evidence = Vec::from([say::cell(
        "exits",
        entity.clone(),
        "ran_s",
        (Value::from(longest_s(ends)), None),
        counted.clone(),
    )]);
    evidence.extend(ends.back().map(|last| how(&entity, last)));
    let starts = format!("{by} starts it again and again");
    evidence.push(say::cell("exits", entity.clone(), "ppid", (Value::from(*ppid), None), starts));
    Finding {
        at: context.snapshot.at,
        kind: FindingKind::CrashLoop,
        culprit: entity.clone(),
        process,
        victims: Vec::from([entity]),
        severity: Severity::Warning,
        confidence: if count > ENDS_MIN { 0.85 } else { 0.8 },
        exhaustion_s: None,
        sentence: format!("{who} crashes again and again: {counted}"),
        evidence,
    }
}

fn how(entity: &Entity, last: &End) -> Evidence {
    let (column, value, sentence) = match (last.is_oom, last.signal, last.code) {
        (true, ..) => ("signal", Value::Int(9), "the kernel killed it for memory".to_string()),
        (_, Some(signal), _) => ("signal", Value::from(signal), format!("{} ended it", signal_name(signal))),
        (_, None, code) => {
            let code = code.unwrap_or(0);
            ("code", Value::from(code), format!("it exited with {code}"))
        }
    };
    say::cell("exits", entity.clone(), column, (value, Some(Value::Int(0))), sentence)
}
