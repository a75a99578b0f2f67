//! A sample taken right before an action: all cheap counters, and all there is of the entities in question.
use std::collections::BTreeSet;

use kernfs::ProcFs;
use vocab::Entity;
use vocab::sample::Sample;

use crate::config::Bounds;
use crate::ledger::Report;
use crate::live::read_process;
use crate::processes::Processes;
use crate::tracked::process_stat;

/// Adds every process to `sample`, with details and infos of those that `entities` name.
///
/// What the next tick remembers is not touched: what is delivered here is delivered there again. It reads the
/// processes that `entities` name even if they do not run until then, for they are about to be changed.
pub(crate) fn read(
    proc: &mut ProcFs,
    processes: &mut Processes,
    bounds: &Bounds,
    entities: &[Entity],
    sample: &mut Sample,
    report: &mut Report,
) {
    let mut pids = Vec::new();
    if report.take(proc.pids(&mut pids)).is_none() {
        return;
    }
    pids.sort_unstable();
    report.dropped += pids.len().saturating_sub(bounds.processes) as u64;
    pids.truncate(bounds.processes);
    let named = named_pids(processes, entities);
    named.iter().for_each(|pid| processes.expect_change(*pid));
    for pid in pids {
        let is_new = processes.get(pid).is_none();
        if !is_new && !named.contains(&pid) {
            if let Ok(stat) = proc.stat(pid) {
                sample.processes.push(process_stat(&stat));
            }
            continue;
        }
        let Some(mut live) = read_process(proc, pid) else { continue };
        let known = processes.get(pid).filter(|one| one.stat.id() == live.stat.id());
        live.info.service = known.and_then(|one| one.info.service.clone());
        sample.processes.push(live.stat);
        sample.process_infos.push(live.info);
        sample.process_details.extend(live.detail);
    }
    report.rows = sample.processes.len();
}

/// The processes that the entities name: themselves, or those of a service, unit or cgroup.
fn named_pids(processes: &mut Processes, entities: &[Entity]) -> BTreeSet<u32> {
    let is_named = |one: &crate::tracked::Tracked| {
        entities.iter().any(|entity| match entity {
            Entity::Process(id) => *id == one.stat.id(),
            Entity::Service(name) => {
                let names = [one.info.service.as_deref(), one.info.unit.as_deref()];
                names.contains(&Some(name.as_str()))
            }
            Entity::Cgroup(path) => one.info.cgroup.as_deref() == Some(path.as_str()),
            _ => false,
        })
    };
    processes.all().iter().filter(|one| is_named(one)).map(|one| one.stat.pid).collect()
}
