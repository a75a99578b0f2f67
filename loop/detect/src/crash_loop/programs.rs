//! Programs that nobody supervises, or a supervisor that we do not know, seen to start and end badly over and over.
//!
//! Needs programs in the kernel: only they tell how a process ended. A run counts if a fault ended it (SIGSEGV,
//! SIGABRT, …), if the kernel killed it for memory, or if it failed where the same parent had the program serve before, or
//! its parent is such a server. Quiet twins: a tool that says no by its exit code (`until grep …`), a program that is
//! server and client in one and says no to a script, while its server lives and while it starts, a test that crashes on
//! purpose among others that do not, a build whose compiler was killed once. Known false positive: a fuzzer that crashes
//! the same program in a row. Known miss: one that fails by its exit code while its twin of the same parent serves.
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::kernel::{Happened, KernelEvent, signal_name};
use vocab::{Entity, ProcessId, Value};

use super::{CALM_RUNS, CALM_S, RUN_MAX_S, SPAN_S, push};
use crate::{Context, Detected, say};

/// Bad ends that make a loop.
const ENDS_MIN: usize = 4;
/// Time over which they must go on where only an exit code tells: a client may wait for its server. Unit: s.
const SAYS_NO_S: f64 = 5.0;
/// Programs remembered at most, and servers known.
const PROGRAMS_MAX: usize = 512;
const SERVERS_MAX: usize = 512;

/// Whose runs belong together: the same program under the same name, started by the same parent.
type Key = (Arc<str>, Arc<str>, u32);

/// One bad end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct End {
    at_s: f64,
    ran_s: f64,
    signal: Option<i32>,
    code: Option<i32>,
    is_oom: bool,
    /// A fault ended it, or the kernel for memory; else it said no, or was told to end.
    is_fault: bool,
}

/// The last bad ends without a good one between, and when they began. Unit: s since the first snapshot.
#[derive(Default, Serialize, Deserialize)]
struct Ends {
    since_s: Option<f64>,
    last: VecDeque<End>,
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
}

impl Programs {
    /// Notes how programs ended in this turn and accuses those that go on ending badly.
    pub(super) fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        self.killed.clear();
        for event in &context.snapshot.kernel_events {
            match event.what {
                Happened::OomKill { .. } => drop(self.killed.insert(event.id)),
                Happened::Exit { .. } if event.service.is_none() => self.note(event, now_s),
                _ => {}
            }
        }
        let listens = context.snapshot.processes.iter().filter(|one| one.listen_port.is_some());
        self.listening = listens.map(|one| (one.id(), (one.name.clone(), one.ppid))).collect();
        self.ends.retain(|_, ends| {
            ends.last.retain(|end| now_s - end.at_s <= SPAN_S);
            !ends.last.is_empty()
        });
        for (key, ends) in self.ends.iter().filter(|(_, ends)| is_loop(ends, now_s)) {
            detected.findings.push(finding(context, key, ends, now_s));
        }
    }

    fn note(&mut self, event: &KernelEvent, now_s: f64) {
        let Happened::Exit { code, signal, ran_s, .. } = event.what else { return };
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
        let is_fault = event.what.is_crash() || is_oom;
        let is_bad = is_fault || self.is_server(&key) && event.what.is_failure();
        if is_bad && (self.ends.len() < PROGRAMS_MAX || self.ends.contains_key(&key)) {
            let ends = self.ends.entry(key).or_default();
            ends.since_s.get_or_insert(now_s);
            push(&mut ends.last, End { at_s: now_s, ran_s, signal, code, is_oom, is_fault });
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

fn longest_s(ends: &VecDeque<End>) -> f64 {
    ends.iter().map(|end| end.ran_s).fold(0.0, f64::max)
}

fn is_loop(ends: &Ends, now_s: f64) -> bool {
    let calm_s = CALM_S.max(CALM_RUNS * longest_s(&ends.last));
    let is_sure = ends.last.iter().filter(|end| end.is_fault).count() >= ENDS_MIN;
    let goes_on = is_sure || ends.since_s.is_some_and(|since_s| now_s - since_s >= SAYS_NO_S);
    ends.last.len() >= ENDS_MIN && goes_on && ends.last.back().is_some_and(|last| now_s - last.at_s <= calm_s)
}

fn finding(context: &Context<'_>, key: &Key, Ends { last: ends, .. }: &Ends, now_s: f64) -> Finding {
    let (program, name, ppid) = key;
    let entity = Entity::Program(program.to_string());
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
        process: None,
        victims: Vec::from([entity]),
        severity: Severity::Warning,
        confidence: if count > ENDS_MIN { 0.85 } else { 0.8 },
        exhaustion_s: None,
        sentence: format!("{program} crashes again and again: {counted}"),
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
