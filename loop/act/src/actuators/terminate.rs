//! `kill`: ends a process at once by SIGKILL, of a service, too: its manager starts it again, as after the kernel's own
//! killer. Final, no amount.
//!
//! `terminate`: ends a process that belongs to no service, by SIGTERM and, if it is still there, SIGKILL. Final.
//! Amount: time between the two in s, 0 to 5; default 2.
//!
//! It blocks for at most that time. A process of a service is refused: its manager would start it again.
use kernfs::cgroup::unit_of;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use vocab::action::Intent;
use vocab::{Entity, ProcessId};

use super::Change;
use crate::machine::Machine;
use crate::step::{Standing, Step, Touches};
use crate::trouble::Trouble;

/// Time for a killed process to be gone. Unit: ms.
const KILL_MS: u32 = 1_000;
const KILL_NOW_MS: u32 = 20;

/// The end of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terminate {
    process: ProcessId,
    /// 0: it is not asked first.
    grace_ms: u32,
}

pub(super) fn plan(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let Entity::Process(process) = intent.target else {
        return Err(Trouble::Refused(format!("`{}` is no plain process", intent.target)));
    };
    let grace_ms = (super::amount(intent, 2.0, 0.0..=5.0)? * 1000.0) as u32;
    let grace_ms = grace_ms.max(1);
    machine.pin(process).map_err(Trouble::Failed)?;
    if let Some(unit) = service_of(machine, process.pid) {
        return Err(Trouble::Refused(format!("process {} belongs to `{unit}`; restart that", process.pid)));
    }
    Ok(Change::Terminate(Terminate { process, grace_ms }))
}

/// A kill without a question.
pub(super) fn plan_kill(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let Entity::Process(process) = intent.target else {
        return Err(Trouble::Refused(format!("`{}` is no process", intent.target)));
    };
    machine.pin(process).map_err(Trouble::Failed)?;
    Ok(Change::Terminate(Terminate { process, grace_ms: 0 }))
}

/// The service unit of a process, by its cgroup. Sessions and scopes are no services.
fn service_of(machine: &mut Machine<'_>, pid: u32) -> Option<String> {
    let paths = machine.proc.cgroups(pid).ok()?;
    let path = paths.v2().filter(|path| *path != b"/").or_else(|| paths.v1("name=systemd"))?;
    let unit = unit_of(path)?;
    let name = unit.user_unit.unwrap_or(unit.name);
    name.ends_with(".service").then_some(name)
}

impl Step for Terminate {
    fn before(&self) -> String {
        format!("process {} runs", self.process.pid)
    }

    fn after(&self) -> String {
        format!("process {} ended", self.process.pid)
    }

    fn touches(&self) -> Touches {
        Touches { processes: vec![self.process], ..Touches::default() }
    }

    fn apply(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        let pinned = machine.pin(self.process)?;
        if self.grace_ms > 0 {
            pinned.signal(Signal::TERM)?;
            if pinned.wait_end(self.grace_ms) {
                return Ok(());
            }
        }
        pinned.signal(Signal::KILL)?;
        if self.grace_ms == 0 {
            // One that a v1 freezer holds ends when it is thawed, which whoever froze it does next.
            pinned.wait_end(KILL_NOW_MS);
            return Ok(());
        }
        if pinned.wait_end(KILL_MS) {
            return Ok(());
        }
        Err(format!("process {} does not end: it waits for a device", self.process.pid))
    }

    fn standing(&self, machine: &mut Machine<'_>) -> Result<Standing, String> {
        Ok(if machine.stat(self.process).is_some() { Standing::Prior } else { Standing::New })
    }

    fn undo(&self, _: &mut Machine<'_>) -> Result<(), String> {
        Err("an ended process cannot be brought back".to_owned())
    }

    fn is_final(&self) -> bool {
        true
    }
}
