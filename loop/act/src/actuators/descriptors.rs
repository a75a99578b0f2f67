//! `raise_descriptor_limit`: raises the soft limit of open descriptors of a process, at most to its hard limit.
//! Amount: times the soft limit, more than 1, at most 1,024; default 2. Undo: the limit it had; what is open stays open.
use serde::{Deserialize, Serialize};
use vocab::ProcessId;
use vocab::action::Intent;

use super::Change;
use crate::limits;
use crate::machine::Machine;
use crate::step::{Standing, Step, Touches};
use crate::trouble::Trouble;

/// The soft limit of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LimitChange {
    process: ProcessId,
    prior: u64,
    new: u64,
    hard: u64,
}

pub(super) fn plan(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let process = super::process_of(intent, machine)?;
    let factor = super::amount(intent, 2.0, 1.0..=1024.0)?;
    let pinned = machine.pin(process).map_err(Trouble::Failed)?;
    let (prior, hard) = limits::exchange(process.pid, libc::RLIMIT_NOFILE, None)
        .map_err(|error| Trouble::Failed(format!("limits of process {}: {error}", process.pid)))?;
    if !pinned.is_alive() {
        return Err(Trouble::Failed(format!("process {} is gone", process.pid)));
    }
    let new = ((prior as f64 * factor) as u64).min(hard);
    if new <= prior {
        return Err(Trouble::Refused(format!("its limit is {prior} of at most {hard} already")));
    }
    Ok(Change::Descriptors(LimitChange { process, prior, new, hard }))
}

impl LimitChange {
    /// Sets the soft limit. If the pid was another's by then, that one gets back what it had.
    fn set(&self, machine: &mut Machine<'_>, soft: u64) -> Result<(), String> {
        let pid = self.process.pid;
        let pinned = machine.pin(self.process)?;
        let said = |error| format!("limit of process {pid}: {error}");
        let before = limits::exchange(pid, libc::RLIMIT_NOFILE, Some((soft, self.hard))).map_err(said)?;
        if pinned.is_alive() {
            return Ok(());
        }
        if machine.identify(pid).is_some_and(|now| now != self.process) {
            limits::exchange(pid, libc::RLIMIT_NOFILE, Some(before)).map_err(said)?;
        }
        Err(format!("process {pid} ended meanwhile"))
    }
}

impl Step for LimitChange {
    fn before(&self) -> String {
        format!("descriptor limit {}", self.prior)
    }

    fn after(&self) -> String {
        format!("descriptor limit {}", self.new)
    }

    fn touches(&self) -> Touches {
        Touches { processes: vec![self.process], ..Touches::default() }
    }

    fn apply(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        self.set(machine, self.new)
    }

    fn standing(&self, machine: &mut Machine<'_>) -> Result<Standing, String> {
        let pid = self.process.pid;
        if machine.stat(self.process).is_none() {
            return Ok(Standing::Gone(format!("process {pid} ended")));
        }
        let (soft, _) = limits::exchange(pid, libc::RLIMIT_NOFILE, None)
            .map_err(|error| format!("limit of process {pid}: {error}"))?;
        Ok(match soft {
            soft if soft == self.prior => Standing::Prior,
            soft if soft == self.new => Standing::New,
            soft => Standing::Other(format!("descriptor limit {soft}")),
        })
    }

    fn undo(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        self.set(machine, self.prior)
    }
}
