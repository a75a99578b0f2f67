//! `freeze`: stops a target from running until undone. No amount.
//!
//! By `cgroup.freeze` (v2) or `freezer.state` (v1) of a cgroup that holds the target and nobody else, else by
//! SIGSTOP to the one process. A frozen service serves nobody: this contains, it never repairs.
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use vocab::ProcessId;
use vocab::action::Intent;

use super::Change;
use super::cgroup::own_cgroup;
use super::cgroup_file::CgroupFile;
use crate::machine::Machine;
use crate::step::{Standing, Step, Touches};
use crate::trouble::Trouble;

/// Time given to a process to stop or go on after its signal. Unit: ms. A thread in an uninterruptible sleep takes longer;
/// it stops when it wakes.
const SETTLE_MS: u32 = 100;

pub(super) fn plan(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let planned = match own_cgroup(intent, machine, &["", "freezer"])? {
        Some((cgroup, "")) => CgroupFile::to(cgroup, "cgroup.freeze", "1".to_owned(), machine),
        Some((cgroup, _)) => CgroupFile::to(cgroup, "freezer.state", "FROZEN".to_owned(), machine),
        None => None,
    };
    match planned {
        Some(change) if change.prior == change.new => {
            Err(Trouble::Refused("it is frozen already".to_owned()))
        }
        Some(change) => Ok(Change::CgroupFile(change)),
        None => stop(intent, machine),
    }
}

fn stop(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let process = super::process_of(intent, machine)?;
    let gone = || Trouble::Failed(format!("process {} is gone", process.pid));
    match machine.stat(process).ok_or_else(gone)?.state {
        b'T' | b't' => Err(Trouble::Refused(format!("process {} is stopped already", process.pid))),
        _ => Ok(Change::Stop(Stop { process })),
    }
}

/// One process that is stopped by SIGSTOP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stop {
    pub(crate) process: ProcessId,
}

impl Stop {
    fn is_stopped(&self, machine: &mut Machine<'_>) -> Option<bool> {
        machine.stat(self.process).map(|stat| stat.state == b'T')
    }

    fn signal_until(&self, machine: &mut Machine<'_>, signal: Signal, stopped: bool) -> Result<(), String> {
        let pinned = machine.pin(self.process)?;
        pinned.signal(signal)?;
        for _ in 0..SETTLE_MS {
            if self.is_stopped(machine).is_none_or(|is| is == stopped) || pinned.wait_end(1) {
                break;
            }
        }
        Ok(())
    }
}

impl Step for Stop {
    fn before(&self) -> String {
        "running".to_owned()
    }

    fn after(&self) -> String {
        "stopped by SIGSTOP".to_owned()
    }

    fn touches(&self) -> Touches {
        Touches { processes: vec![self.process], ..Touches::default() }
    }

    fn apply(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        self.signal_until(machine, Signal::STOP, true)
    }

    /// A process that does not stand still may have the signal under way: that is [`Standing::Mixed`], never
    /// [`Standing::Prior`], so that undo sends SIGCONT, which also takes a pending SIGSTOP away.
    fn standing(&self, machine: &mut Machine<'_>) -> Result<Standing, String> {
        Ok(match self.is_stopped(machine) {
            None => Standing::Gone(format!("process {} ended", self.process.pid)),
            Some(true) => Standing::New,
            Some(false) => Standing::Mixed,
        })
    }

    fn undo(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        self.signal_until(machine, Signal::CONT, false)
    }
}
