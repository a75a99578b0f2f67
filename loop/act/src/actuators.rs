//! The actuators, one file each: what each reads before, what it changes, and how it is taken back.
//!
//! To add one: a kind in `vocab::rule::ActuatorKind`, a file here with a `plan` and a type that is a [`Step`], a
//! variant of [`Change`], a line in [`plan`], and a probe in `capabilities.rs`.
mod autogroup;
mod back_off;
pub(crate) mod cgroup;
mod cgroup_file;
mod cpu_weight;
mod descriptors;
mod drop_in;
mod freeze;
#[cfg(test)]
pub(crate) use freeze::Stop;
mod memory;
mod nice;
mod restart;
mod terminate;
mod unit_property;

use serde::{Deserialize, Serialize};
use vocab::action::Intent;
use vocab::rule::ActuatorKind;
use vocab::{Entity, ProcessId};

use crate::machine::Machine;
use crate::step::Step;
use crate::trouble::Trouble;

/// A change of any kind, as it stands in the ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Change {
    Nice(nice::NiceChange),
    Autogroup(autogroup::AutogroupChange),
    CgroupFile(cgroup_file::CgroupFile),
    Stop(freeze::Stop),
    Descriptors(descriptors::LimitChange),
    BackOff(back_off::BackOffMin),
    DropIn(drop_in::DropIn),
    Restart(restart::Restart),
    Terminate(terminate::Terminate),
}

impl Change {
    /// The change behind the kind.
    pub(crate) fn step(&self) -> &dyn Step {
        match self {
            Self::Nice(change) => change,
            Self::Autogroup(change) => change,
            Self::CgroupFile(change) => change,
            Self::Stop(change) => change,
            Self::Descriptors(change) => change,
            Self::BackOff(change) => change,
            Self::DropIn(change) => change,
            Self::Restart(change) => change,
            Self::Terminate(change) => change,
        }
    }
}

/// Reads what an intent is about and works out the change. Changes nothing.
pub(crate) fn plan(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    match intent.kind {
        ActuatorKind::SetNice => nice::plan(intent, machine),
        ActuatorKind::SetCpuWeight => cpu_weight::plan(intent, machine),
        ActuatorKind::ThrottleMemory => memory::plan(intent, machine),
        ActuatorKind::Freeze => freeze::plan(intent, machine),
        ActuatorKind::RestartService => restart::plan(intent, machine),
        ActuatorKind::RaiseDescriptorLimit => descriptors::plan(intent, machine),
        ActuatorKind::BackOff => back_off::plan(intent, machine),
        ActuatorKind::Terminate => terminate::plan(intent, machine),
        ActuatorKind::Kill => terminate::plan_kill(intent, machine),
    }
}

/// Whether an actuator's effect cannot be taken back.
pub(crate) const fn is_final(kind: ActuatorKind) -> bool {
    kind.is_final()
}

/// The process an intent is about: the one it names, its target, or the main process of its service.
fn process_of(intent: &Intent, machine: &mut Machine<'_>) -> Result<ProcessId, Trouble> {
    if let Some(id) = intent.process {
        return Ok(id);
    }
    match &intent.target {
        Entity::Process(id) => Ok(*id),
        Entity::Service(name) => {
            let status = machine.services.status(name).map_err(|error| Trouble::Failed(error.to_string()))?;
            let none = || Trouble::Refused(format!("no process of `{name}` is known; name one"));
            status.and_then(|status| status.main).ok_or_else(none)
        }
        other => Err(Trouble::Refused(format!("`{other}` is no process"))),
    }
}

/// The amount of an intent, or the actuator's default, if it lies within its bounds.
fn amount(intent: &Intent, default: f64, bounds: core::ops::RangeInclusive<f64>) -> Result<f64, Trouble> {
    let amount = intent.amount.unwrap_or(default);
    if bounds.contains(&amount) {
        return Ok(amount);
    }
    let (least, most) = (bounds.start(), bounds.end());
    Err(Trouble::Refused(format!("{} takes {least} to {most}, not {amount}", intent.kind)))
}
