//! Locks of language run-times, which name nobody and look to the kernel like a queue that is empty: a part of `stalled`.
//!
//! What a thread waits for is told by its stack: the functions by which the run-times of Java and Python enter a lock,
//! where a pool without work waits in others. Asked for once when at least two threads of a process have come to rest
//! and nobody is seen who could open a lock. Known blind spots: the locks of java.util.concurrent, which wait as queues
//! do; a monitor of Java at which one thread waits alone, for HotSpot has that one wake each second to look again.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::ProcessId;
use vocab::probe::{Probe, ProbeKind, ProbeResult, ProfileKind, ProfileProbe, ThreadProbe};
use vocab::snapshot::Snapshot;

use crate::calls::{self, Waits};
use crate::looks::Look;
use crate::standing::{LOCKS_MIN, rests, stands_still};
use crate::{Context, Detected};

/// Least time between two questions to one process: at first, and at most, for it doubles. Unit: s.
const SOON_S: f64 = 8.0;
const AGAIN_S: f64 = 300.0;
/// How long nobody may have given a lock back; the same where a thread wakes now and then, which could be its holder. Unit: s.
const STANDS_S: f64 = 15.0;
const STANDS_BESIDE_S: f64 = 30.0;

/// Java enters a monitor by these, HotSpot's, and sleeps by those.
const JAVA_ENTERS: [&str; 3] = ["ObjectMonitor::enter", "ObjectMonitor::EnterI", "ObjectMonitor::ReenterI"];
const JAVA_SLEEPS: [&str; 2] = ["JavaThread::sleep", "JVM_Sleep"];
/// CPython waits for any lock by this one…
const PYTHON_WAITS: &str = "PyThread_acquire_lock_timed";
/// …for one that its holder must give back itself by that one, whoever calls…
const PYTHON_REENTRANT: &str = "rlock_acquire";
/// …and enters one by a `with` if the interpreter calls it so, where the wait of a condition or a queue is a method.
const PYTHON_ENTERS: &str = "_PyObject_MakeTpCall";
/// A program's own function that calls `acquire` by hand; its library waits so, too.
const PYTHON_BY_HAND: &str = "lock_PyThread_acquire_lock";
const PYTHON_FUNCTION: &str = "py::";
const PYTHON_INTERPRETER: &str = "_PyEval_EvalFrame";

/// What stacks said of a process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Told {
    /// Threads that wait to enter a lock.
    enter: BTreeSet<u32>,
    /// Threads that sleep for a time, where the kernel sees a lock.
    sleep: BTreeSet<u32>,
}

/// A question, and who stood still when it was put: thread and voluntary switches.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asked {
    at_s: f64,
    /// Before the next one. Unit: s.
    pause_s: f64,
    stood: Vec<(u32, Option<u64>)>,
    told: Option<Told>,
}

/// See the head of this file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RuntimeLocks(BTreeMap<ProcessId, Asked>);

impl RuntimeLocks {
    /// Takes the answers of this turn and forgets who is gone.
    pub fn remember(&mut self, snapshot: &Snapshot) {
        for answer in &snapshot.answers {
            let (vocab::Entity::Process(id), ProbeKind::Profile(ProfileKind::Waiting)) =
                (&answer.probe.entity, answer.probe.kind)
            else {
                continue;
            };
            let Some(asked) = self.0.get_mut(id) else { continue };
            match &answer.result {
                Ok(ProbeResult::Profile(profile)) => asked.told = Some(told(profile)),
                // Too many are asked now.
                _ if asked.told.is_none() => {
                    asked.stood.clear();
                    asked.pause_s = SOON_S;
                }
                _ => {}
            }
        }
        self.0.retain(|id, _| snapshot.process(*id).is_some());
    }

    /// How many threads stand at locks that nobody seems able to open, and for how long they must have to be sure;
    /// asks for their stacks once.
    pub fn entered(
        &mut self,
        context: &Context<'_>,
        id: ProcessId,
        (latest, before): (&Look, &Look),
        detected: &mut Detected,
    ) -> Option<(f64, usize)> {
        let standing: Vec<_> = latest.threads.iter().filter(|one| stands_still(one, before)).collect();
        if standing.len() < LOCKS_MIN || latest.threads.iter().any(|one| may_open(one, before)) {
            return None;
        }
        let now_s = context.memory.now_s;
        let stood: Vec<_> = standing.iter().map(|one| mark(one)).collect();
        let asked = self.0.get(&id);
        if let Some(found) = asked.and_then(|asked| asked.entered(latest, before, &standing)) {
            return Some(found);
        }
        let is_news = asked.is_none_or(|asked| stood.iter().any(|one| !asked.stood.contains(one)));
        let pause_s = asked.map_or(0.0, |asked| asked.pause_s);
        let is_due = asked.is_none_or(|asked| now_s - asked.at_s >= pause_s);
        if is_news && is_due && self.0.values().all(|asked| asked.at_s < now_s) {
            let pause_s = (2.0 * pause_s).clamp(SOON_S, AGAIN_S);
            self.0.insert(id, Asked { at_s: now_s, pause_s, stood, told: None });
            detected.ask(Probe::profile(id, ProfileKind::Waiting));
        }
        None
    }
}

impl Asked {
    /// The same of what was told, as far as it still holds.
    fn entered(&self, latest: &Look, before: &Look, standing: &[&ThreadProbe]) -> Option<(f64, usize)> {
        let told = self.told.as_ref()?;
        let sleeps = |one: &&ThreadProbe| told.sleep.contains(&one.thread.tid) || is_timed(one);
        let sleepers: Vec<_> = latest.threads.iter().filter(sleeps).collect();
        if sleepers.iter().any(|one| rests(one, before)) {
            return None;
        }
        let enters =
            |one: &&&ThreadProbe| told.enter.contains(&one.thread.tid) && self.stood.contains(&mark(one));
        let locks = standing.iter().filter(enters).filter_map(|one| one.wait.map(|wait| wait.address));
        let locks: BTreeSet<_> = locks.collect();
        let least_s = if sleepers.is_empty() { STANDS_S } else { STANDS_BESIDE_S };
        (locks.len() >= LOCKS_MIN).then_some((least_s, locks.len()))
    }
}

const fn mark(one: &ThreadProbe) -> (u32, Option<u64>) {
    (one.thread.tid, one.thread.voluntary_switches)
}

/// Whether a thread runs, or waits for something from outside that could end a lock, or sleeps through.
fn may_open(one: &ThreadProbe, before: &Look) -> bool {
    match one.thread.system_call.map(calls::waits) {
        Some(Waits::Lock) => one.wait.is_none_or(|wait| !wait.has_timeout) && !stands_still(one, before),
        Some(Waits::Time) => rests(one, before),
        _ => true,
    }
}

fn is_timed(one: &ThreadProbe) -> bool {
    one.thread.system_call.map(calls::waits) == Some(Waits::Time)
}

fn told(profile: &ProfileProbe) -> Told {
    let mut told = Told::default();
    for stack in &profile.stacks {
        let threads = stack.threads.iter().copied();
        if enters(&stack.stack) {
            told.enter.extend(threads);
        } else if stack.stack.split(';').any(|name| JAVA_SLEEPS.contains(&name)) {
            told.sleep.extend(threads);
        }
    }
    told
}

/// Whether a stack, outermost function first, ends in a run-time that enters a lock.
fn enters(stack: &str) -> bool {
    let mut inner = stack.rsplit(';');
    if stack.split(';').any(|name| JAVA_ENTERS.contains(&name)) {
        return true;
    }
    if !inner.any(|name| name == PYTHON_WAITS) {
        return false;
    }
    let (mut caller, mut is_by_hand) = ("", false);
    for name in inner.by_ref().take_while(|name| !name.starts_with(PYTHON_INTERPRETER)) {
        if name.starts_with(PYTHON_REENTRANT) {
            return true;
        }
        is_by_hand |= name.starts_with(PYTHON_BY_HAND);
        caller = name;
    }
    let is_its_own = inner.next().is_some_and(|function| function.starts_with(PYTHON_FUNCTION));
    caller == PYTHON_ENTERS || is_by_hand && is_its_own
}

#[cfg(test)]
mod tests {
    use super::enters;

    #[test]
    fn a_lock_is_told_from_a_queue_by_who_waits() {
        for stack in [
            "[unknown];ObjectMonitor::enter;ObjectMonitor::EnterI;os::PlatformEvent::park;[kernel futex]",
            "_PyEval_EvalFrameDefault;_PyObject_MakeTpCall;cfunction_call;PyThread_acquire_lock_timed;[kernel futex]",
            "py::move:a.py;_PyEval_EvalFrameDefault;PyObject_Vectorcall;lock_PyThread_acquire_lock;PyThread_acquire_lock_timed;x",
            "_PyEval_EvalFrameDefault;PyObject_Vectorcall;rlock_acquire;PyThread_acquire_lock_timed;[kernel futex]",
        ] {
            assert!(enters(stack), "{stack}");
        }
        for stack in [
            "start_thread;Unsafe_Park;Parker::park;pthread_cond_wait;[kernel futex]",
            "ObjectMonitor::wait;os::PlatformEvent::park;[kernel futex]",
            "_PyEval_EvalFrameDefault;PyObject_Vectorcall;method_vectorcall;PyThread_acquire_lock_timed;[kernel futex]",
            "[python wait:threading.py];_PyEval_EvalFrameDefault;PyObject_Vectorcall;lock_PyThread_acquire_lock;PyThread_acquire_lock_timed;x",
            "py::take:a.py;_PyEval_EvalFrameDefault;PyObject_Vectorcall;_queue_SimpleQueue_get;PyThread_acquire_lock_timed;x",
            "_PyObject_MakeTpCall;_PyEval_EvalFrameDefault;PyObject_Vectorcall;PyThread_acquire_lock_timed;x",
            "_PyEval_EvalFrameDefault;_PyObject_MakeTpCall;sem_wait;[kernel futex]",
            "",
        ] {
            assert!(!enters(stack), "{stack}");
        }
    }
}
