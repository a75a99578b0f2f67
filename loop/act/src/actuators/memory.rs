//! `throttle_memory`: sets `memory.high` of a cgroup, above which its processes are slowed and reclaimed from, never
//! killed. Amount: times what it uses now, 0.5 to 4; default 1.05. v2 only: v1 has no such limit.
use vocab::action::Intent;

use super::Change;
use super::cgroup::own_cgroup;
use super::cgroup_file::CgroupFile;
use crate::machine::Machine;
use crate::trouble::Trouble;

pub(super) fn plan(intent: &Intent, machine: &mut Machine<'_>) -> Result<Change, Trouble> {
    let factor = super::amount(intent, 1.05, 0.5..=4.0)?;
    let none = || Trouble::Refused("it is in no v2 cgroup of its own with the memory controller".to_owned());
    let (cgroup, _) = own_cgroup(intent, machine, &[""])?.ok_or_else(none)?;
    let used = cgroup.read("memory.current").ok().flatten().and_then(|text| text.parse::<u64>().ok());
    let used = used.ok_or_else(none)?;
    let page_bytes = machine.proc.page_bytes();
    // The kernel rounds down to pages; what stands there is compared with this later.
    let high = ((used as f64 * factor) as u64 / page_bytes).max(1) * page_bytes;
    let change = CgroupFile::to(cgroup, "memory.high", high.to_string(), machine).ok_or_else(none)?;
    match change.prior.parse::<u64>() {
        Ok(prior) if prior <= high => Err(Trouble::Refused(format!("its memory.high is {prior} already"))),
        _ => Ok(Change::CgroupFile(change)),
    }
}
