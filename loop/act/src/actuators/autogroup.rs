//! The autogroup of a session: the scheduler's own group for each session that has no CPU cgroup of its own.
//!
//! Its nice value may be set to 0..=19 both ways by its owner without privilege. Undo: the value it had.
//! Needs sched_autogroup_enabled. Source: sched(7), kernel/sched/autogroup.c.
use std::fs;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vocab::ProcessId;
use vocab::action::Intent;

use super::{Change, cgroup};
use crate::machine::Machine;
use crate::step::{Standing, Step, Touches};
use crate::trouble::Trouble;

/// The kernel lets users without CAP_SYS_ADMIN write one such value every 100 ms, all of them together.
const TRIES: u32 = 8;
const TRY_AGAIN: Duration = Duration::from_millis(60);

/// The nice value of the autogroup of one session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AutogroupChange {
    /// A process of the session.
    process: ProcessId,
    /// Its session.
    session: u32,
    /// Number of the autogroup: the identity of this incarnation.
    group: u64,
    prior: i8,
    new: i8,
}

pub(super) fn plan(intent: &Intent, weight: f64, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let process = super::process_of(intent, machine)?;
    let none = || {
        Trouble::Refused(format!(
            "process {} is in no cgroup of its own and in no session whose weight counts",
            process.pid
        ))
    };
    let stat =
        machine.stat(process).ok_or_else(|| Trouble::Failed(format!("process {} is gone", process.pid)))?;
    let session = u32::try_from(stat.session).ok().filter(|session| *session > 0).ok_or_else(none)?;
    if !counts(machine, process.pid) {
        return Err(none());
    }
    let (group, prior) = read(process.pid).ok_or_else(none)?;
    for pid in members(machine, session) {
        if !cgroup::descends(machine, pid, process) {
            return Err(Trouble::Refused(format!(
                "process {pid} shares the session of process {}",
                process.pid
            )));
        }
    }
    let new = nice_for(weight);
    if prior < 0 || prior >= new {
        return Err(Trouble::Refused(format!("its session has autogroup nice {prior} already")));
    }
    Ok(Change::Autogroup(AutogroupChange { process, session, group, prior, new }))
}

/// The nice value whose weight is the nearest: each step is a factor of 1.25. Source: sched_prio_to_weight.
fn nice_for(weight: f64) -> i8 {
    ((100.0 / weight).ln() / 1.25_f64.ln()).round().clamp(1.0, 19.0) as i8
}

/// Whether autogroups are on and the process is in the root group of the CPU controller, where they count.
fn counts(machine: &mut Machine<'_>, pid: u32) -> bool {
    let is_on =
        fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled").is_ok_and(|text| text.trim() == "1");
    let v2_cpu = machine.layout().v2.as_ref().is_some_and(|v2| {
        fs::read_to_string(v2.mount_point.join("cgroup.subtree_control"))
            .is_ok_and(|text| text.split_whitespace().any(|one| one == "cpu"))
    });
    let Ok(paths) = machine.proc.cgroups(pid) else { return false };
    let path = paths.v1("cpu").or(if v2_cpu { paths.v2() } else { None });
    is_on && path.is_none_or(|path| path == b"/")
}

/// Number and nice value of a process's autogroup.
fn read(pid: u32) -> Option<(u64, i8)> {
    let text = fs::read_to_string(format!("/proc/{pid}/autogroup")).ok()?;
    let (group, nice) = text.trim().strip_prefix("/autogroup-")?.split_once(" nice ")?;
    Some((group.parse().ok()?, nice.parse().ok()?))
}

fn members(machine: &mut Machine<'_>, session: u32) -> Vec<u32> {
    let mut pids = Vec::new();
    let _ = machine.proc.pids(&mut pids);
    let in_session =
        |pid: &u32| machine.proc.stat(*pid).is_ok_and(|stat| u32::try_from(stat.session) == Ok(session));
    pids.into_iter().filter(in_session).collect()
}

impl AutogroupChange {
    /// Half of the way, nearer to the new value.
    const fn half(&self) -> i8 {
        self.new - (self.new - self.prior) / 2
    }

    /// A process through which that very autogroup can be reached, and its nice value.
    fn reach(&self, machine: &mut Machine<'_>) -> Option<(u32, i8)> {
        let through =
            |pid: u32| read(pid).filter(|(group, _)| *group == self.group).map(|(_, nice)| (pid, nice));
        if let Some(found) = through(self.process.pid) {
            return Some(found);
        }
        // The process is gone; children of it may have stayed in the session.
        members(machine, self.session).into_iter().find_map(through)
    }

    fn write(&self, machine: &mut Machine<'_>, nice: i8) -> Result<(), String> {
        let (pid, _) = self.reach(machine).ok_or_else(|| format!("session {} is gone", self.session))?;
        let file = format!("/proc/{pid}/autogroup");
        for _ in 0..TRIES {
            match fs::write(&file, nice.to_string()) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => std::thread::sleep(TRY_AGAIN),
                done => return done.map_err(|error| format!("{file}: {error}")),
            }
        }
        Err(format!("{file}: the kernel lets nobody write so often"))
    }
}

impl Step for AutogroupChange {
    fn before(&self) -> String {
        format!("autogroup nice {}", self.prior)
    }

    fn after(&self) -> String {
        format!("autogroup nice {}", self.new)
    }

    fn touches(&self) -> Touches {
        Touches { processes: vec![self.process], session: Some(self.session), ..Touches::default() }
    }

    fn apply(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        self.write(machine, self.new)
    }

    fn standing(&self, machine: &mut Machine<'_>) -> Result<Standing, String> {
        Ok(match self.reach(machine) {
            None => Standing::Gone(format!("session {} is gone", self.session)),
            Some((_, nice)) if nice == self.prior => Standing::Prior,
            Some((_, nice)) if nice == self.new => Standing::New,
            Some((_, nice)) if nice == self.half() => Standing::Mixed,
            Some((_, nice)) => Standing::Other(format!("autogroup nice {nice}")),
        })
    }

    fn halve(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        self.write(machine, self.half())
    }

    fn undo(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        self.write(machine, self.prior)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_nice_value_has_the_wanted_weight() {
        // sched_prio_to_weight: 1024 at 0, 110 at 10, 49 at 14, 15 at 19.
        assert_eq!(super::nice_for(10.7), 10);
        assert_eq!(super::nice_for(5.0), 13);
        assert_eq!(super::nice_for(1.0), 19);
        assert_eq!(super::nice_for(99.0), 1);
    }
}
