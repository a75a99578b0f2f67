//! The rows of cgroups, pressure, disks, filesystems and interfaces.
//!
//! Each section is read at its own pace: rates are over the time between its own two reads, and its rows
//! stand until the next read.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vocab::rows::{Cgroup, Disk, Filesystem, Interface, Pressure};
use vocab::sample::{
    CgroupSample, DiskSample, FilesystemSample, InterfaceSample, PressureSample, Resource, Sample,
};
use vocab::{Entity, Timestamp};

use super::rate::{Interval, mean};

/// A pressure that was not read for so long is unknown. Unit: s. Three of the slowest reads, rounded up.
const PRESSURE_AGE_MAX_S: f64 = 35.0;

/// One section: the counters of its last read by identity, and the rows made then, in order.
#[derive(Debug, Serialize, Deserialize)]
struct Section<K: Ord, S, R> {
    at: Option<Timestamp>,
    before: BTreeMap<K, S>,
    rows: Vec<R>,
}

impl<K: Ord, S, R> Default for Section<K, S, R> {
    fn default() -> Self {
        Self { at: None, before: BTreeMap::new(), rows: Vec::new() }
    }
}

impl<K: Ord + Clone, S: Clone, R> Section<K, S, R> {
    /// Makes the rows anew from a read; `row` gets the counters of the read before, if there are any.
    fn read(
        &mut self,
        at: Timestamp,
        samples: &[S],
        key: fn(&S) -> K,
        row: fn(&S, Option<&S>, Interval) -> R,
    ) {
        let interval = Interval::between(self.at, at);
        let now: BTreeMap<K, S> = samples.iter().map(|one| (key(one), one.clone())).collect();
        self.rows = now.iter().map(|(key, one)| row(one, self.before.get(key), interval)).collect();
        self.before = now;
        self.at = Some(at);
    }
}

/// The stall times of one entity as last read.
#[derive(Debug, Serialize, Deserialize)]
struct Stall {
    at: Timestamp,
    row: Pressure,
}

/// Keeps the last read of every section.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ResourceDeriver {
    cgroups: Section<(Arc<str>, u8), CgroupSample, Cgroup>,
    disks: Section<Arc<str>, DiskSample, Disk>,
    filesystems: Section<Arc<str>, FilesystemSample, Filesystem>,
    interfaces: Section<Arc<str>, InterfaceSample, Interface>,
    stalls: BTreeMap<(Entity, Resource), Stall>,
}

impl ResourceDeriver {
    /// Takes the sections that this sample has.
    pub fn take(&mut self, sample: &Sample) {
        if let Some(cgroups) = &sample.cgroups {
            self.cgroups.read(sample.at, cgroups, |one| (one.path.clone(), one.version), cgroup);
        }
        if let Some(disks) = &sample.disks {
            self.disks.read(sample.at, disks, |one| one.name.clone(), disk);
        }
        if let Some(filesystems) = &sample.filesystems {
            self.filesystems.read(sample.at, filesystems, |one| one.mount_point.clone(), filesystem);
        }
        if let Some(interfaces) = &sample.interfaces {
            self.interfaces.read(sample.at, interfaces, |one| one.name.clone(), interface);
        }
        self.take_pressures(sample);
    }

    fn take_pressures(&mut self, sample: &Sample) {
        for now in &sample.pressures {
            let key = (now.entity.clone(), now.resource);
            let row = pressure(now, self.stalls.get(&key), sample.at);
            self.stalls.insert(key, Stall { at: sample.at, row });
        }
        let at = sample.at;
        self.stalls.retain(|_, stall| {
            Interval::between(Some(stall.at), at).seconds().unwrap_or(0.0) <= PRESSURE_AGE_MAX_S
        });
        if let Some(cgroups) = &sample.cgroups {
            let alive: BTreeSet<&str> = cgroups.iter().map(|one| &*one.path).collect();
            self.stalls.retain(|(entity, _), stall| match entity {
                Entity::Cgroup(path) => stall.at == at || alive.contains(&**path),
                _ => true,
            });
        }
    }

    /// `pressure`: the machine first, then cgroups by path.
    pub fn pressures(&self) -> Vec<Pressure> {
        self.stalls.values().map(|stall| stall.row.clone()).collect()
    }

    /// `cgroups`, in order of path.
    pub fn cgroups(&self) -> Vec<Cgroup> {
        self.cgroups.rows.clone()
    }

    /// `disks`, in order of name.
    pub fn disks(&self) -> Vec<Disk> {
        self.disks.rows.clone()
    }

    /// `filesystems`, in order of mount point.
    pub fn filesystems(&self) -> Vec<Filesystem> {
        self.filesystems.rows.clone()
    }

    /// `interfaces`, in order of name.
    pub fn interfaces(&self) -> Vec<Interface> {
        self.interfaces.rows.clone()
    }
}

fn cgroup(now: &CgroupSample, before: Option<&CgroupSample>, interval: Interval) -> Cgroup {
    // A cgroup made anew at the same path starts its counters anew.
    let before = before.filter(|before| before.inode == now.inode);
    let cpu = interval.rate_of(before.and_then(|before| before.cpu_us), now.cpu_us);
    let io = |side: fn((u64, u64)) -> u64| {
        interval.rate_of(before.and_then(|before| before.io_bytes).map(side), now.io_bytes.map(side))
    };
    Cgroup {
        path: now.path.clone(),
        inode: now.inode,
        version: now.version,
        unit: now.unit.clone(),
        processes: now.processes,
        cpu_pct: cpu.map(|us_per_s| us_per_s / 1e4),
        cpu_weight: now.cpu_weight,
        memory_bytes: now.memory_bytes,
        anon_bytes: now.anon_bytes,
        memory_high: now.memory_high_bytes,
        memory_max: now.memory_max_bytes,
        oom_kills: now.oom_kills,
        read_bytes_per_s: io(|(read, _)| read),
        write_bytes_per_s: io(|(_, write)| write),
        threads: now.threads,
        threads_max: now.threads_max,
        is_frozen: now.is_frozen,
    }
}

fn disk(now: &DiskSample, before: Option<&DiskSample>, interval: Interval) -> Disk {
    let rate = |counter: fn(&DiskSample) -> u64| {
        before.and_then(|before| interval.rate(counter(before), counter(now)))
    };
    Disk {
        name: now.name.clone(),
        reads_per_s: rate(|one| one.reads),
        read_bytes_per_s: rate(|one| one.read_bytes),
        read_ms: before.and_then(|one| mean(one.read_ms, now.read_ms, one.reads, now.reads)),
        writes_per_s: rate(|one| one.writes),
        write_bytes_per_s: rate(|one| one.write_bytes),
        write_ms: before.and_then(|one| mean(one.write_ms, now.write_ms, one.writes, now.writes)),
        in_flight: now.in_flight,
        busy_pct: before.and_then(|before| interval.busy_pct(before.busy_ms, now.busy_ms, 1e3)),
    }
}

fn filesystem(now: &FilesystemSample, _: Option<&FilesystemSample>, _: Interval) -> Filesystem {
    Filesystem {
        mount_point: now.mount_point.clone(),
        device: now.device.clone(),
        kind: now.kind.clone(),
        is_read_only: now.is_read_only,
        total_bytes: now.total_bytes,
        available_bytes: now.available_bytes,
        inodes: now.inodes,
        free_inodes: now.free_inodes,
    }
}

fn interface(now: &InterfaceSample, before: Option<&InterfaceSample>, interval: Interval) -> Interface {
    let rate = |counter: fn(&InterfaceSample) -> u64| {
        before.and_then(|before| interval.rate(counter(before), counter(now)))
    };
    Interface {
        name: now.name.clone(),
        is_up: now.is_up,
        receive_bytes_per_s: rate(|one| one.receive_bytes),
        receive_packets_per_s: rate(|one| one.receive_packets),
        receive_errors_per_s: rate(|one| one.receive_errors),
        send_bytes_per_s: rate(|one| one.send_bytes),
        send_packets_per_s: rate(|one| one.send_packets),
        send_errors_per_s: rate(|one| one.send_errors),
    }
}

fn pressure(now: &PressureSample, before: Option<&Stall>, at: Timestamp) -> Pressure {
    let interval = Interval::between(before.map(|before| before.at), at);
    let some = before.and_then(|before| interval.busy_pct(before.row.some_us, now.some_us, 1e6));
    let full = before.and_then(|before| interval.busy_pct(before.row.full_us?, now.full_us?, 1e6));
    Pressure {
        entity: now.entity.clone(),
        resource: now.resource.as_str().to_owned(),
        some_pct: some,
        full_pct: full,
        some_us: now.some_us,
        full_us: now.full_us,
    }
}
