//! Who may never be touched, and how much may be done: checked last, right before a change and right after it.
//!
//! Deliberately plain: no rule, policy or table can alter it. [`Facts`] is what is read of a process; the verdict on it
//! is a pure function. What is read may be forged in one direction only: a process can give itself a protected name and
//! thereby be left alone.
mod facts;
mod names;
mod pace;

use std::collections::BTreeSet;

use vocab::ProcessId;
use vocab::Timestamp;

use crate::machine::Machine;
use crate::step::Touches;
pub(crate) use facts::Facts;
pub(crate) use pace::Pace;

/// Most processes of one target that are looked at; a larger target is refused.
const MEMBERS_MAX: usize = 4096;

/// What the guard is told from outside.
#[derive(Clone, Debug)]
pub struct GuardConfig {
    /// Processes of Homeostat other than this one and its ancestors: the keeper, if it is not the parent.
    pub own: Vec<ProcessId>,
    /// Processes on whose behalf orders come; what carries their session is protected, too.
    pub callers: Vec<ProcessId>,
    /// Programs, services and units that the user lists, by name.
    pub protected: Vec<String>,
    /// Actions within a minute, undo not counted.
    pub actions_per_minute: u32,
}

impl Default for GuardConfig {
    /// Nobody but ourselves and our ancestors, and ten actions a minute: a person can follow one every six seconds.
    fn default() -> Self {
        Self { own: Vec::new(), callers: Vec::new(), protected: Vec::new(), actions_per_minute: 10 }
    }
}

/// The guard. `mutant` exists in tests only: the suite must fail with each.
pub(crate) struct Guard {
    config: GuardConfig,
    pace: Pace,
    #[cfg(test)]
    pub(crate) mutant: Option<bool>,
}

/// A sentence that says why not.
pub(crate) type Refusal = String;

impl Guard {
    pub(crate) const fn new(config: GuardConfig) -> Self {
        let pace = Pace::new(config.actions_per_minute);
        Self {
            config,
            pace,
            #[cfg(test)]
            mutant: None,
        }
    }

    /// Whether one more action may be done now; it is counted if so.
    pub(crate) fn pace(&mut self, now: Timestamp) -> Result<(), Refusal> {
        #[cfg(test)]
        if let Some(allow) = self.mutant {
            return if allow { Ok(()) } else { Err("mutant".to_owned()) };
        }
        self.pace.take(now)
    }

    /// Protects what carries a caller's session from now on.
    pub(crate) fn protect_caller(&mut self, caller: ProcessId) {
        if !self.config.callers.contains(&caller) {
            self.config.callers.push(caller);
        }
    }

    /// Whether all that a change touches may be touched.
    pub(crate) fn check(&self, touches: &Touches, machine: &mut Machine<'_>) -> Result<(), Refusal> {
        #[cfg(test)]
        if let Some(allow) = self.mutant {
            return if allow { Ok(()) } else { Err("mutant".to_owned()) };
        }
        if let Some(service) = &touches.service {
            names::target(service, &self.config.protected)?;
        }
        let ours = self.ours(machine);
        for id in &touches.processes {
            let facts = Facts::read(machine, id.pid).ok_or_else(|| format!("process {} is gone", id.pid))?;
            if facts.start_ticks != id.start_ticks {
                return Err(format!("process {} is another one by now", id.pid));
            }
            self.verdict(&facts, &ours)?;
        }
        for pid in members(touches, machine)? {
            // One that ended meanwhile cannot be touched.
            if let Some(facts) = Facts::read(machine, pid) {
                self.verdict(&facts, &ours)?;
            }
        }
        Ok(())
    }

    /// Whether this process may be touched.
    pub(crate) fn verdict(&self, facts: &Facts, ours: &BTreeSet<u32>) -> Result<(), Refusal> {
        let refuse = |what: &str| Err(format!("process {} ({}) is protected: {what}", facts.pid, facts.name));
        if facts.pid == 1 {
            return refuse("it is pid 1");
        }
        if facts.is_kernel {
            return refuse("it is a thread of the kernel");
        }
        if ours.contains(&facts.pid) {
            return refuse("it is Homeostat, or carries it or the caller's session");
        }
        if let Some(role) = names::role(&facts.name) {
            return refuse(role);
        }
        if let Some(unit) = &facts.unit {
            names::unit(unit, &self.config.protected)?;
        }
        if self.config.protected.contains(&facts.name) {
            return refuse("the configuration lists it");
        }
        Ok(())
    }

    /// Ourselves, whoever calls, the keeper, and what carries each: ancestors, and the leaders of their sessions.
    fn ours(&self, machine: &mut Machine<'_>) -> BTreeSet<u32> {
        let mut ours = BTreeSet::new();
        let known: Vec<ProcessId> = self.config.own.iter().chain(&self.config.callers).copied().collect();
        let alive = known.into_iter().filter(|id| machine.stat(*id).is_some()).map(|id| id.pid);
        let roots: Vec<u32> = alive.chain([std::process::id()]).collect();
        for root in roots {
            facts::carriers(machine, root, &mut ours);
        }
        ours
    }
}

/// The processes behind a cgroup or a session that is touched as a whole.
fn members(touches: &Touches, machine: &mut Machine<'_>) -> Result<Vec<u32>, Refusal> {
    let mut pids = match &touches.cgroup {
        Some(cgroup) => cgroup.members()?,
        None => Vec::new(),
    };
    if let Some(session) = touches.session {
        pids.extend(facts::session_members(machine, session));
    }
    if pids.len() > MEMBERS_MAX {
        return Err(format!("it would touch {} processes, more than {MEMBERS_MAX}", pids.len()));
    }
    Ok(pids)
}

#[cfg(test)]
#[path = "guard/tests.rs"]
mod tests;
