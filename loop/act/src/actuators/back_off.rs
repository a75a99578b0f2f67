//! `back_off`: a failing service waits longer before its next start. Amount: the least wait in s, 1 to 3,600; default 60.
//!
//! Own services: a setting of the supervisor, gone with the keeper. systemd units: a drop-in below /run, see
//! [`super::drop_in`].
use serde::{Deserialize, Serialize};
use vocab::Entity;
use vocab::action::Intent;

use super::{Change, drop_in};
use crate::machine::Machine;
use crate::step::{Standing, Step, Touches};
use crate::trouble::Trouble;

/// The least wait before the next start of one of our own services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BackOffMin {
    service: String,
    prior_s: f64,
    new_s: f64,
}

pub(super) fn plan(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let new_s = super::amount(intent, 60.0, 1.0..=3600.0)?;
    let Entity::Service(name) = &intent.target else {
        return Err(Trouble::Refused(format!("`{}` is no service", intent.target)));
    };
    let status = machine.services.status(name).map_err(|error| Trouble::Failed(error.to_string()))?;
    let Some(status) = status else { return drop_in::plan(intent, name, new_s, machine) };
    if status.back_off_min_s >= new_s {
        let standing_s = status.back_off_min_s;
        return Err(Trouble::Refused(format!("`{name}` waits {standing_s} s or more already")));
    }
    Ok(Change::BackOff(BackOffMin { service: name.clone(), prior_s: status.back_off_min_s, new_s }))
}

impl Step for BackOffMin {
    fn before(&self) -> String {
        format!("least wait {} s", self.prior_s)
    }

    fn after(&self) -> String {
        format!("least wait {} s", self.new_s)
    }

    fn touches(&self) -> Touches {
        Touches { service: Some(self.service.clone()), ..Touches::default() }
    }

    fn apply(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        let set = machine.services.set_back_off_min(&self.service, self.new_s);
        set.map_err(|error| format!("service `{}`: {error}", self.service))
    }

    fn standing(&self, machine: &mut Machine<'_>) -> Result<Standing, String> {
        let status = machine.services.status(&self.service).map_err(|error| error.to_string())?;
        Ok(match status.map(|status| status.back_off_min_s) {
            None => Standing::Gone(format!("service `{}` is gone", self.service)),
            Some(now_s) if now_s == self.prior_s => Standing::Prior,
            Some(now_s) if now_s == self.new_s => Standing::New,
            Some(now_s) => Standing::Other(format!("least wait {now_s} s")),
        })
    }

    fn undo(&self, machine: &mut Machine<'_>) -> Result<(), String> {
        let set = machine.services.set_back_off_min(&self.service, self.prior_s);
        set.map_err(|error| format!("service `{}`: {error}", self.service))
    }
}
