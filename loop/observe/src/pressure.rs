//! Collector `pressure`: stall times of the machine. Those of cgroups come with the cgroups.
use kernfs::ProcFs;
use vocab::Entity;
use vocab::sample::{PressureSample, Resource};

use crate::ledger::Report;

/// The three resources, ours and the reader's word for each.
pub(crate) const RESOURCES: [(Resource, kernfs::Resource); 3] = [
    (Resource::Cpu, kernfs::Resource::Cpu),
    (Resource::Memory, kernfs::Resource::Memory),
    (Resource::Io, kernfs::Resource::Io),
];

/// Adds the stall times of the machine; none without PSI, which is a capability and no error.
pub(crate) fn read(proc: &mut ProcFs, into: &mut Vec<PressureSample>, report: &mut Report) {
    for (resource, file) in RESOURCES {
        match proc.pressure(file) {
            Ok(pressure) => into.push(sample(Entity::Machine, resource, &pressure)),
            // EOPNOTSUPP: built in but switched off.
            Err(kernfs::Error::Os { .. }) => {}
            Err(error) => report.error = Some(error.to_string()),
        }
    }
    report.rows = into.len();
}

/// The stall times of one entity as the kernel gave them.
pub(crate) fn sample(entity: Entity, resource: Resource, pressure: &kernfs::Pressure) -> PressureSample {
    let (some_us, full_us) = (pressure.some.total_us, pressure.full.map(|full| full.total_us));
    PressureSample { entity, resource, some_us, full_us }
}
