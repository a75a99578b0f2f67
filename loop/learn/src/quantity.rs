//! Which quantities of whom are watched: declared as data, and read from a snapshot.
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::sync::Arc;

use serde::{Deserialize, Serialize};
use vocab::Entity;
use vocab::rows::{Cgroup, Disk, Interface, Machine, Process, Service};
use vocab::snapshot::Snapshot;

/// Quantities of one entity at most.
pub const QUANTITIES_MAX: usize = 16;

/// One quantity: named like its column, with the difference below which it means nothing, in its unit.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    pub name: &'static str,
    pub floor: f64,
}

const fn of(name: &'static str, floor: f64) -> Quantity {
    Quantity { name, floor }
}

const MIB: f64 = 1_048_576.0;

/// What kind of entity a model is of; with the name, the key that outlives processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    Machine,
    Service,
    Program,
    Cgroup,
    Disk,
    Interface,
}

impl Kind {
    /// Its quantities, in the order in which [`Subject::values`] holds them.
    pub const fn quantities(self) -> &'static [Quantity] {
        match self {
            Self::Machine => OF_MACHINE,
            Self::Service => OF_SERVICE,
            Self::Program => OF_PROGRAM,
            Self::Cgroup => OF_CGROUP,
            Self::Disk => OF_DISK,
            Self::Interface => OF_INTERFACE,
        }
    }
}

const OF_MACHINE: &[Quantity] = &[
    of("cpu_busy_pct", 2.0),
    of("memory_available_bytes", 32.0 * MIB),
    of("cpu_iowait_pct", 1.0),
    of("context_switches_per_s", 200.0),
    of("forks_per_s", 2.0),
    of("runnable", 1.0),
    of("blocked", 1.0),
    of("anon_bytes", 32.0 * MIB),
    of("cache_bytes", 64.0 * MIB),
    of("dirty_bytes", 8.0 * MIB),
    of("swap_free_bytes", 8.0 * MIB),
    of("major_faults_per_s", 5.0),
    of("refaults_per_s", 20.0),
    of("cpu_some_pct", 1.0),
    of("memory_some_pct", 1.0),
    of("io_some_pct", 1.0),
];
const OF_SERVICE: &[Quantity] = &[
    of("cpu_pct", 1.0),
    of("anon_bytes", 4.0 * MIB),
    of("descriptors", 4.0),
    of("run_delay_pct", 1.0),
    of("processes", 1.0),
    of("accept_backlog", 1.0),
    of("unread_connections", 1.0),
];
const OF_PROGRAM: &[Quantity] = &[
    of("cpu_pct", 1.0),
    of("anon_bytes", 4.0 * MIB),
    of("threads", 2.0),
    of("descriptors", 4.0),
    of("read_bytes_per_s", 1e5),
    of("write_bytes_per_s", 1e5),
];
const OF_CGROUP: &[Quantity] = &[
    of("cpu_pct", 1.0),
    of("memory_bytes", 8.0 * MIB),
    of("read_bytes_per_s", 1e5),
    of("write_bytes_per_s", 1e5),
];
const OF_DISK: &[Quantity] = &[
    of("busy_pct", 2.0),
    of("read_bytes_per_s", 1e5),
    of("write_bytes_per_s", 1e5),
    of("read_ms", 1.0),
    of("write_ms", 1.0),
    of("in_flight", 1.0),
];
const OF_INTERFACE: &[Quantity] = &[
    of("receive_bytes_per_s", 1e4),
    of("send_bytes_per_s", 1e4),
    of("receive_packets_per_s", 20.0),
    of("send_packets_per_s", 20.0),
    of("receive_errors_per_s", 1.0),
    of("send_errors_per_s", 1.0),
];

/// The key of a model.
pub type Key = (Kind, Arc<str>);

/// Values in the order of the kind's quantities.
pub type Values = [Option<f64>; QUANTITIES_MAX];

/// One entity with what was read of it.
#[derive(Clone, Debug)]
pub struct Subject {
    pub key: Key,
    pub values: Values,
}

/// Who stands under a key, as tables name it.
pub fn entity(key: &Key) -> Entity {
    let name = key.1.to_string();
    match key.0 {
        Kind::Machine => Entity::Machine,
        Kind::Service => Entity::Service(name),
        Kind::Program => Entity::Program(name),
        Kind::Cgroup => Entity::Cgroup(name),
        Kind::Disk => Entity::Disk(name),
        Kind::Interface => Entity::Interface(name),
    }
}

/// Hands every entity of a snapshot to `visit`, the machine first.
pub fn each(snapshot: &Snapshot, mut visit: impl FnMut(Subject)) {
    let named = |kind, name: &Arc<str>, values| Subject { key: (kind, name.clone()), values };
    visit(named(Kind::Machine, &Arc::from("machine"), of_machine(snapshot)));
    snapshot.services.iter().for_each(|one| visit(named(Kind::Service, &one.name, of_service(one))));
    programs(snapshot, &mut visit);
    let is_service =
        |one: &Cgroup| snapshot.services.iter().any(|service| service.cgroup.as_ref() == Some(&one.path));
    let others = snapshot.cgroups.iter().filter(|one| one.processes != Some(0) && !is_service(one));
    others.for_each(|one| visit(named(Kind::Cgroup, &one.path, of_cgroup(one))));
    snapshot.disks.iter().for_each(|one| visit(named(Kind::Disk, &one.name, of_disk(one))));
    snapshot.interfaces.iter().for_each(|one| visit(named(Kind::Interface, &one.name, of_interface(one))));
}

/// The processes that belong to no service, summed by program.
fn programs(snapshot: &Snapshot, visit: &mut impl FnMut(Subject)) {
    let mut sums: BTreeMap<&Arc<str>, Values> = BTreeMap::new();
    let is_watched =
        |one: &&Process| !one.is_kernel && one.service.is_none() && one.state != "Z" && &*one.program != "?";
    for process in snapshot.processes.iter().filter(is_watched) {
        let sums = sums.entry(&process.program).or_insert([None; QUANTITIES_MAX]);
        for (sum, value) in sums.iter_mut().zip(of_process(process)) {
            *sum = value.map_or(*sum, |value| Some(sum.unwrap_or(0.0) + value));
        }
    }
    for (program, values) in sums {
        visit(Subject { key: (Kind::Program, program.clone()), values });
    }
}

fn filled<const N: usize>(values: [Option<f64>; N]) -> Values {
    let mut all = [None; QUANTITIES_MAX];
    all.iter_mut().zip(values).for_each(|(place, value)| *place = value.filter(|one| one.is_finite()));
    all
}

fn count(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

fn of_machine(snapshot: &Snapshot) -> Values {
    let Machine { cpu_idle_pct, runnable, blocked, .. } = snapshot.machine;
    let row = &snapshot.machine;
    let stalled = |resource: &str| {
        let mut own = snapshot.pressures.iter().filter(|one| one.entity == Entity::Machine);
        own.find(|one| one.resource == resource).and_then(|one| one.some_pct)
    };
    filled([
        cpu_idle_pct.map(|idle| 100.0 - idle),
        count(Some(row.memory_available_bytes)),
        row.cpu_iowait_pct,
        row.context_switches_per_s,
        row.forks_per_s,
        Some(f64::from(runnable)),
        Some(f64::from(blocked)),
        count(Some(row.anon_bytes)),
        count(Some(row.cache_bytes)),
        count(Some(row.dirty_bytes)),
        count((row.swap_total_bytes > 0).then_some(row.swap_free_bytes)),
        row.major_faults_per_s,
        row.refaults_per_s,
        stalled("cpu"),
        stalled("memory"),
        stalled("io"),
    ])
}

fn of_service(row: &Service) -> Values {
    filled([
        row.cpu_pct,
        count(row.anon_bytes),
        count(row.descriptors),
        row.run_delay_pct,
        Some(f64::from(row.processes)),
        row.accept_backlog.map(f64::from),
        row.unread_connections.map(f64::from),
    ])
}

fn of_process(row: &Process) -> Values {
    filled([
        row.cpu_pct,
        count(row.anon_bytes),
        Some(f64::from(row.threads)),
        count(row.descriptors),
        row.read_bytes_per_s,
        row.write_bytes_per_s,
    ])
}

fn of_cgroup(row: &Cgroup) -> Values {
    filled([row.cpu_pct, count(row.memory_bytes), row.read_bytes_per_s, row.write_bytes_per_s])
}

fn of_disk(row: &Disk) -> Values {
    filled([
        row.busy_pct,
        row.read_bytes_per_s,
        row.write_bytes_per_s,
        row.read_ms,
        row.write_ms,
        count(Some(row.in_flight)),
    ])
}

fn of_interface(row: &Interface) -> Values {
    filled([
        row.receive_bytes_per_s,
        row.send_bytes_per_s,
        row.receive_packets_per_s,
        row.send_packets_per_s,
        row.receive_errors_per_s,
        row.send_errors_per_s,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_fits_and_has_floors() {
        use Kind::{Cgroup, Disk, Interface, Machine, Program, Service};
        for kind in [Machine, Service, Program, Cgroup, Disk, Interface] {
            assert!(kind.quantities().len() <= QUANTITIES_MAX);
            assert!(kind.quantities().iter().all(|one| one.floor > 0.0), "{kind:?}");
        }
    }

    #[test]
    fn the_values_stand_in_the_order_of_the_names() {
        let mut snapshot = Snapshot::default();
        snapshot.machine.cpu_idle_pct = Some(30.0);
        snapshot.machine.cache_bytes = 77;
        let mut seen = None;
        each(&snapshot, |subject| seen = Some(subject));
        let values = seen.map(|subject| subject.values).unwrap_or_default();
        let at = |name| {
            Kind::Machine.quantities().iter().position(|one| one.name == name).and_then(|at| values[at])
        };
        assert_eq!(
            (at("cpu_busy_pct"), at("cache_bytes"), at("swap_free_bytes")),
            (Some(70.0), Some(77.0), None)
        );
    }
}
