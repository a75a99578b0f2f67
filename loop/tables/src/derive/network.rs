//! The rows of `tcp_sockets`: what sockets say of processes, and what programs in the kernel counted by cgroup.
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vocab::Entity;
use vocab::kernel::NetSample;
use vocab::rows::TcpSockets;
use vocab::sample::{Sample, SocketSample, TcpSample};
use vocab::snapshot::Snapshot;

/// The root of every hierarchy: what lies there belongs to no cgroup of its own.
const ROOT: &str = "/";

/// Keeps the sockets as last read and, without programs in the kernel, the counters of the machine.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct NetworkDeriver {
    sockets: Vec<SocketSample>,
    machine: Option<TcpSample>,
}

impl NetworkDeriver {
    /// The rows of this sample, in order of owner; the processes, services and cgroups of `snapshot` stand already.
    pub fn rows(&mut self, sample: &Sample, snapshot: &Snapshot) -> Vec<TcpSockets> {
        if let Some(sockets) = &sample.sockets {
            self.sockets.clone_from(sockets);
        }
        let mut rows = BTreeMap::new();
        for one in self.sockets.iter().filter(|one| one.established > 0) {
            let Some(process) = snapshot.process(one.id) else { continue };
            let owner = process.service.as_ref().map_or_else(
                || of_cgroup(process.cgroup.as_ref(), snapshot),
                |service| Entity::Service(service.to_string()),
            );
            let row = row_of(&mut rows, owner);
            row.established = row.established.saturating_add(one.established);
            row.rtt_us = row.rtt_us.max(one.rtt_us);
        }
        for one in sample.kernel.iter().flat_map(|kernel| &kernel.net) {
            let path = snapshot.cgroups.iter().find(|row| row.version == 2 && row.inode == one.cgroup);
            let owner = of_cgroup(path.map(|row| &row.path), snapshot);
            count(row_of(&mut rows, owner), one);
        }
        self.count_machine(sample, &mut rows);
        rows.into_values().collect()
    }

    fn count_machine(&mut self, sample: &Sample, rows: &mut BTreeMap<Entity, TcpSockets>) {
        let Some(now) = sample.machine.tcp else { return };
        if let Some(before) = self.machine.replace(now) {
            let row = row_of(rows, Entity::Machine);
            row.retransmits = now.retransmits.checked_sub(before.retransmits);
            row.resets_sent = now.resets_sent.checked_sub(before.resets_sent);
        }
    }
}

/// The service that has this cgroup, else the cgroup; the machine for the root, or one that is not known (any more).
fn of_cgroup(path: Option<&Arc<str>>, snapshot: &Snapshot) -> Entity {
    let Some(path) = path.filter(|path| &***path != ROOT) else { return Entity::Machine };
    let service = snapshot.services.iter().find(|one| one.cgroup.as_ref() == Some(path));
    service.map_or_else(|| Entity::Cgroup(path.to_string()), |one| Entity::Service(one.name.to_string()))
}

fn row_of(rows: &mut BTreeMap<Entity, TcpSockets>, owner: Entity) -> &mut TcpSockets {
    rows.entry(owner.clone()).or_insert_with(|| TcpSockets {
        owner,
        established: 0,
        rtt_us: None,
        retransmits: None,
        resets_sent: None,
        resets_received: None,
        closed: None,
        closed_p50_us: None,
        closed_p99_us: None,
        histogram: None,
    })
}

/// Adds what was counted for one cgroup to the row of its owner.
fn count(row: &mut TcpSockets, one: &NetSample) {
    let add = |to: &mut Option<u64>, count: u64| *to = Some(to.unwrap_or(0).saturating_add(count));
    add(&mut row.retransmits, one.retransmits);
    add(&mut row.resets_sent, one.resets_sent);
    add(&mut row.resets_received, one.resets_received);
    add(&mut row.closed, one.closed);
    let ended = row.histogram.get_or_insert_default();
    ended.merge(&one.round_trip);
    let micros = |percent: f64| ended.percentile(percent).map(|ns| ns / 1e3);
    (row.closed_p50_us, row.closed_p99_us) = (micros(50.0), micros(99.0));
}

#[cfg(test)]
mod tests;
