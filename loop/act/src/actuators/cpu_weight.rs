//! `set_cpu_weight`: lets a service have less of the CPU while others want it. Amount: the weight, 1 to 99 of the
//! usual 100; default 10.
//!
//! By `cpu.weight` (v2) or `cpu.shares` (v1) of a cgroup that holds the target and nobody else; where there is none,
//! by the autogroup of the target's session, which an ordinary user may change both ways. Idle CPU is not affected.
use vocab::Entity;
use vocab::action::Intent;

use super::cgroup::own_cgroup;
use super::cgroup_file::CgroupFile;
use super::{Change, autogroup};
use crate::machine::Machine;
use crate::trouble::Trouble;

/// Shares that stand for weight 100. Source: Documentation/admin-guide/cgroup-v1, cpu.shares.
const SHARES_OF_100: f64 = 1024.0;

pub(super) fn plan(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let weight = super::amount(intent, 10.0, 1.0..=99.0)?;
    // A cgroup may stand in the v2 tree while the controller is one of v1: then its file is missing there.
    let v2 = own_cgroup(intent, machine, &[""])?
        .and_then(|(cgroup, _)| CgroupFile::to(cgroup, "cpu.weight", format!("{weight:.0}"), machine));
    let planned = match v2 {
        Some(change) => Some(change),
        // The kernel's least value is 2.
        None => own_cgroup(intent, machine, &["cpu"])?.and_then(|(cgroup, _)| {
            let shares = (weight / 100.0 * SHARES_OF_100).round().max(2.0);
            CgroupFile::to(cgroup, "cpu.shares", format!("{shares:.0}"), machine)
        }),
    };
    let Some(change) = planned else {
        if matches!(intent.target, Entity::Cgroup(_)) && intent.process.is_none() {
            let remedy = "`systemctl set-property --runtime UNIT CPUWeight=100` switches it on";
            return Err(Trouble::Refused(format!("the CPU controller is off in it; {remedy}")));
        }
        return autogroup::plan(intent, weight, machine);
    };
    let is_lower =
        |prior: &str| prior.parse::<u64>().is_ok_and(|prior| prior > change.new.parse().unwrap_or(0));
    if is_lower(&change.prior) {
        return Ok(Change::CgroupFile(change));
    }
    Err(Trouble::Refused(format!("its {} is {} already", change.file, change.prior)))
}
