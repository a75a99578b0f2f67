//! The collectors that are read less often than every tick, each with its cadence.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernfs::{DiskStat, NetDev, ProcFs};
use vocab::sample::Sample;

use crate::cadence::{COST_SHARE_MAX, Cadence};
use crate::cgroups::Cgroups;
use crate::config::{Bounds, ObserveConfig};
use crate::filesystems::Filesystems;
use crate::kernel::KernelSide;
use crate::ledger::Ledger;
use crate::processes::Processes;
use crate::sockets::{self, Sockets};
use crate::{disks, interfaces};

/// Cgroups, disks, file systems, interfaces and sockets.
pub(crate) struct Slow {
    sys_root: PathBuf,
    pub(crate) cgroups: Cgroups,
    pub(crate) sockets: Sockets,
    filesystems: Filesystems,
    disk_stats: Vec<DiskStat>,
    devices: Vec<NetDev>,
    every_cgroups: Cadence,
    every_disks: Cadence,
    every_filesystems: Cadence,
    every_interfaces: Cadence,
    every_sockets: Cadence,
}

impl Slow {
    /// Opens what is held open between readings.
    pub(crate) fn open(config: &ObserveConfig, proc: &mut ProcFs) -> Self {
        let ask = Arc::new(|path: &Path| kernfs::statfs(path));
        Self {
            sys_root: config.sys_root.clone(),
            cgroups: Cgroups::open(proc, &config.sys_root),
            sockets: Sockets::new(config.proc_root == Path::new("/proc")),
            filesystems: Filesystems::new(&config.proc_root, config.bounds.filesystems, ask),
            disk_stats: Vec::new(),
            devices: Vec::new(),
            // The odd phases keep the readings apart: no second has all of them.
            every_cgroups: Cadence::new(5.0, 2.0),
            every_disks: Cadence::new(2.0, 1.0),
            every_filesystems: Cadence::new(10.0, 3.0),
            every_interfaces: Cadence::new(5.0, 4.0),
            every_sockets: Cadence::new(2.0, 2.0),
        }
    }

    /// Reads what is due into `sample`.
    pub(crate) fn read(
        &mut self,
        (proc, kernel): (&mut ProcFs, Option<&mut KernelSide>),
        processes: &mut Processes,
        (bounds, stretch): (&Bounds, f64),
        sample: &mut Sample,
        ledger: &mut Ledger,
    ) {
        let at = sample.at;
        if self.every_sockets.is_due(at, stretch) {
            let sockets = &mut self.sockets;
            let cost_us = ledger.run("sockets", |report| {
                sample.sockets = sockets.read((proc, kernel), processes, (bounds, at), report);
            });
            self.every_sockets.charge(at, cost_us, sockets::COST_SHARE_MAX);
        }
        (sample.machine.ports, sample.machine.ports_max) = self.sockets.ports.held();
        if self.every_cgroups.is_due(at, stretch) {
            let members = members(processes);
            let cost_us = ledger.run("cgroups", |report| {
                let pressures = &mut sample.pressures;
                sample.cgroups = self.cgroups.read(bounds.cgroups, &members, pressures, report);
            });
            self.every_cgroups.charge(at, cost_us, COST_SHARE_MAX);
        }
        if self.every_disks.is_due(at, stretch) {
            ledger.run("disks", |report| {
                sample.disks = disks::read(proc, &self.sys_root, &mut self.disk_stats, report);
            });
        }
        if self.every_interfaces.is_due(at, stretch) {
            ledger.run("interfaces", |report| {
                sample.interfaces = interfaces::read(proc, &self.sys_root, &mut self.devices, report);
            });
        }
        let is_due = self.every_filesystems.is_due(at, stretch);
        if is_due || self.filesystems.is_busy() {
            ledger.run("filesystems", |report| {
                if is_due {
                    self.filesystems.start(report);
                }
                sample.filesystems = self.filesystems.poll(report);
            });
        }
    }
}

/// How many processes each cgroup holds directly.
pub(crate) fn members(processes: &mut Processes) -> BTreeMap<Arc<str>, u32> {
    let mut members: BTreeMap<Arc<str>, u32> = BTreeMap::new();
    for path in processes.all().iter().filter_map(|one| one.info.cgroup.as_ref()) {
        match members.get_mut(path) {
            Some(count) => *count += 1,
            None => drop(members.insert(path.clone(), 1)),
        }
    }
    members
}
