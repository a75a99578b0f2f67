//! `restart_service`: restarts a service of our supervisor, or a systemd unit. No amount. Final.
//!
//! The order is given and accepted, not waited for: whether the service came up is seen in later samples.
use serde::{Deserialize, Serialize};
use vocab::action::Intent;
use vocab::{Entity, ProcessId};

use super::Change;
use crate::machine::Machine;
use crate::step::{Standing, Step, Touches};
use crate::systemd;
use crate::trouble::Trouble;

/// Who restarts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Manager {
    Own,
    Systemd,
}

/// A restart, and how to tell whether it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Restart {
    service: String,
    manager: Manager,
    main: Option<ProcessId>,
    /// Own services: how often it was started.
    starts: u64,
    /// systemd: the id of this run of the unit.
    invocation: String,
    /// Folder of the unit's cgroup, whose every member the guard looks at.
    cgroup: Option<super::cgroup::CgroupRef>,
}

pub(super) fn plan(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let Entity::Service(name) = &intent.target else {
        return Err(Trouble::Refused(format!("`{}` is no service", intent.target)));
    };
    let service = name.clone();
    let status = machine.services.status(name).map_err(|error| Trouble::Failed(error.to_string()))?;
    if let Some(status) = status {
        let (main, starts) = (status.main, status.starts);
        let (manager, invocation) = (Manager::Own, String::new());
        return Ok(Change::Restart(Restart { service, manager, main, starts, invocation, cgroup: None }));
    }
    let state = systemd::show(name)?;
    let main = state.main_pid.and_then(|pid| machine.identify(pid));
    let cgroup = state.cgroup.as_deref().and_then(|path| super::cgroup::of_unit(path, machine));
    let (manager, invocation) = (Manager::Systemd, state.invocation);
    Ok(Change::Restart(Restart { service, manager, main, starts: 0, invocation, cgroup }))
}

impl Step for Restart {
    fn before(&self) -> String {
        self.main.map_or_else(|| "not running".to_owned(), |main| format!("main process {}", main.pid))
    }

    fn after(&self) -> String {
        "restart ordered".to_owned()
    }

    fn touches(&self) -> Touches {
        Touches {
            processes: self.main.into_iter().collect(),
            cgroup: self.cgroup.clone(),
            service: Some(self.service.clone()),
            session: None,
        }
    }

    fn apply(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        match self.manager {
            Manager::Own => machine.services.restart(&self.service).map_err(|error| error.to_string()),
            Manager::Systemd => systemd::restart(&self.service),
        }
    }

    /// New if it has been started since, Mixed while systemd has the order queued, Prior while it is the same run.
    fn standing(&self, machine: &mut Machine<'_>) -> Result<Standing, String> {
        if self.manager == Manager::Systemd {
            let state = systemd::show(&self.service).map_err(Trouble::into_sentence)?;
            return Ok(match state.invocation == self.invocation {
                true if state.has_job => Standing::Mixed,
                true => Standing::Prior,
                false => Standing::New,
            });
        }
        let status = machine.services.status(&self.service).map_err(|error| error.to_string())?;
        Ok(match status {
            None => Standing::Gone(format!("service `{}` is gone", self.service)),
            Some(now) if now.main == self.main && now.starts == self.starts => Standing::Prior,
            Some(_) => Standing::New,
        })
    }

    fn undo(&self, _: &mut Machine<'_>) -> Result<(), String> {
        Err("a restart cannot be taken back".to_owned())
    }

    fn is_final(&self) -> bool {
        true
    }
}
