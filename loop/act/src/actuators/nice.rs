//! `set_nice`: raises the nice value of every thread of a process. Amount: the nice value, 1 to 19; default 10.
//!
//! Symptom: a process takes the CPU from others of its scheduling group. Undo: every thread that still has the
//! new value gets the one it had; threads made since get that of most. Where the process's session has an
//! autogroup of its own, the nice value weighs only against that session; `set_cpu_weight` reaches further.
use serde::{Deserialize, Serialize};
use vocab::ProcessId;
use vocab::action::Intent;

use super::Change;
use crate::machine::{Machine, raw_pid};
use crate::step::{Standing, Step, Touches};
use crate::trouble::Trouble;

/// Times the threads are listed again because new ones may have been made by one not changed yet.
const ROUNDS_MAX: usize = 8;

/// The nice values of a process's threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NiceChange {
    process: ProcessId,
    new: i8,
    /// The value most threads had.
    prior: i8,
    /// Threads that had another one.
    others: Vec<(u32, i8)>,
}

pub(super) fn plan(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let process = super::process_of(intent, machine)?;
    let new = super::amount(intent, 10.0, 1.0..=19.0)? as i8;
    let gone = || Trouble::Failed(format!("process {} is gone", process.pid));
    machine.stat(process).ok_or_else(gone)?;
    let tids = threads(machine, process.pid).map_err(Trouble::Failed)?;
    let values: Vec<_> = tids.iter().filter_map(|tid| Some((*tid, nice_of(*tid)?))).collect();
    let prior = most_common(&values).ok_or_else(gone)?;
    if prior >= new {
        return Err(Trouble::Refused(format!("process {} has nice {prior} already", process.pid)));
    }
    can_lower_again(process.pid, values.iter().map(|(_, nice)| *nice).min().unwrap_or(prior))?;
    let others = values.into_iter().filter(|(_, nice)| *nice != prior).collect();
    Ok(Change::Nice(NiceChange { process, new, prior, others }))
}

impl NiceChange {
    /// The value a thread had, or would have had.
    fn prior_of(&self, tid: u32) -> i8 {
        self.others.iter().find(|(other, _)| *other == tid).map_or(self.prior, |(_, nice)| *nice)
    }

    /// Half of the way, nearer to the new value.
    const fn half(&self) -> i8 {
        self.new - (self.new - self.prior) / 2
    }

    /// Sets each thread to what `wanted` says of it and its present value, until no thread needs it any more.
    fn set_all(
        &self,
        machine: &mut Machine<'_>,
        wanted: impl Fn(u32, i8) -> Option<i8>,
    ) -> Result<(), String> {
        let pinned = machine.pin(self.process)?;
        for _ in 0..ROUNDS_MAX {
            let mut changed = false;
            for tid in threads(machine, self.process.pid)? {
                let Some(now) = nice_of(tid) else { continue };
                if let Some(nice) = wanted(tid, now).filter(|nice| *nice != now) {
                    set_one(self.process.pid, tid, nice, now)?;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        if pinned.is_alive() { Ok(()) } else { Err(format!("process {} ended meanwhile", self.process.pid)) }
    }
}

impl Step for NiceChange {
    fn before(&self) -> String {
        format!("nice {}", self.prior)
    }

    fn after(&self) -> String {
        format!("nice {}", self.new)
    }

    fn touches(&self) -> Touches {
        Touches { processes: vec![self.process], ..Touches::default() }
    }

    fn apply(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        // A thread that is nicer already stays so.
        self.set_all(machine, |_, now| (now < self.new).then_some(self.new))
    }

    fn standing(&self, machine: &mut Machine<'_>) -> Result<Standing, String> {
        if machine.stat(self.process).is_none() {
            return Ok(Standing::Gone(format!("process {} ended", self.process.pid)));
        }
        let (mut new, mut half, mut prior, mut other) = (0, 0, 0, None);
        for tid in threads(machine, self.process.pid)? {
            match nice_of(tid) {
                Some(nice) if nice == self.prior_of(tid) => prior += 1,
                Some(nice) if nice == self.new => new += 1,
                Some(nice) if nice == self.half() => half += 1,
                Some(nice) => other = Some(nice),
                None => {}
            }
        }
        Ok(match (new, prior, other) {
            _ if half > 0 => Standing::Mixed,
            (0, _, None) => Standing::Prior,
            (0, _, Some(nice)) => Standing::Other(format!("nice {nice}")),
            (_, 0, None) => Standing::New,
            _ => Standing::Mixed,
        })
    }

    fn halve(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        self.set_all(machine, |_, now| (now == self.new).then(|| self.half()))
    }

    fn undo(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        let is_ours = |nice: i8| nice == self.new || nice == self.half();
        self.set_all(machine, |tid, now| is_ours(now).then(|| self.prior_of(tid)))
    }
}

/// Sets one thread; if the thread was gone by then, and its number another's, takes that back.
fn set_one(pid: u32, tid: u32, nice: i8, before: i8) -> Result<(), String> {
    let Some(thread) = raw_pid(tid) else { return Ok(()) };
    match rustix::process::setpriority_process(Some(thread), i32::from(nice)) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(errno) => return Err(format!("nice of process {pid}: {errno}")),
        Ok(()) => {}
    }
    if std::fs::exists(format!("/proc/{pid}/task/{tid}")).is_ok_and(|exists| !exists) {
        // Either nobody has the number, or the stranger who has it gets back what it had.
        let _ = rustix::process::setpriority_process(Some(thread), i32::from(before));
    }
    Ok(())
}

fn threads(machine: &mut Machine<'_>, pid: u32) -> Result<Vec<u32>, String> {
    let mut tids = Vec::new();
    machine.proc.tids(pid, &mut tids).map_err(|error| format!("process {pid}: {error}"))?;
    Ok(tids)
}

fn nice_of(tid: u32) -> Option<i8> {
    let nice = rustix::process::getpriority_process(Some(raw_pid(tid)?)).ok()?;
    i8::try_from(nice).ok()
}

fn most_common(values: &[(u32, i8)]) -> Option<i8> {
    let count = |nice: i8| values.iter().filter(|(_, other)| *other == nice).count();
    values.iter().map(|(_, nice)| *nice).max_by_key(|nice| (count(*nice), -i16::from(*nice)))
}

/// Refuses a process whose nice value we could raise but not lower again: the kernel asks for CAP_SYS_NICE, or
/// for room in the target's own RLIMIT_NICE. Source: setpriority(2), `can_nice` in kernel/sched/syscalls.c.
fn can_lower_again(pid: u32, least: i8) -> Result<(), Trouble> {
    let room = crate::limits::get(pid, libc::RLIMIT_NICE).map_or(0, |(soft, _)| soft);
    let wanted = u64::try_from(20 - i64::from(least)).unwrap_or(u64::MAX);
    if room >= wanted || crate::probe_child::can_lower_any_nice() {
        return Ok(());
    }
    Err(Trouble::Refused(format!(
        "nice of process {pid} could be raised but not lowered again: that takes CAP_SYS_NICE or LimitNICE={wanted}"
    )))
}
