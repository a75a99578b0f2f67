//! Collector `cgroups`: every control group, its counters merged over the hierarchies by path.
//!
//! On a machine with both versions a group has one row: what its v2 folder says, else what v1 says.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kernfs::ProcFs;
use kernfs::cgroup::{CgroupDir, Layout, Walk, walk};
use vocab::Entity;
use vocab::sample::{CgroupSample, PressureSample};

use crate::cgroup_v1;
use crate::cgroup_v2;
use crate::ledger::Report;
use crate::unit::unit_of;

/// Groups deeper than this are left out; the kernel itself has no bound.
const DEPTH_MAX: u32 = 24;

/// The mounted hierarchies, their roots held open.
pub(crate) struct Cgroups {
    v2: Option<CgroupDir>,
    /// Each v1 hierarchy with its controllers.
    v1: Vec<(Vec<String>, CgroupDir)>,
    found: Walk,
    scratch: cgroup_v2::Scratch,
}

impl Cgroups {
    /// Finds the hierarchies; those that may not be opened are left out.
    pub(crate) fn open(proc: &mut ProcFs, sys_root: &Path) -> Self {
        let mut mounts = Vec::new();
        // Without a list of mounts there are no hierarchies: a capability, no error.
        let _ = proc.mounts(&mut mounts);
        let layout = Layout::detect(&mounts, sys_root);
        let v2 = layout.v2.and_then(|one| CgroupDir::open(&one.mount_point).ok());
        let open =
            |one: kernfs::cgroup::Hierarchy| Some((one.controllers, CgroupDir::open(&one.mount_point).ok()?));
        let is_read = |one: &kernfs::cgroup::Hierarchy| {
            // Without v2, systemd's own hierarchy still tells which groups there are.
            let names = |name: &str| one.controllers.iter().any(|controller| controller == name);
            cgroup_v1::CONTROLLERS.iter().any(|name| names(name)) || (v2.is_none() && names("name=systemd"))
        };
        let v1 = layout.v1.into_iter().filter(is_read).filter_map(open).collect();
        Self { v2, v1, found: Walk::default(), scratch: cgroup_v2::Scratch::default() }
    }

    /// Versions of the hierarchies that can be read: v1, v2.
    pub(crate) fn versions(&self) -> (bool, bool) {
        (!self.v1.is_empty(), self.v2.is_some())
    }

    /// Reads every group, at most `bound`; the stall times of v2 groups go to `pressures`.
    ///
    /// `members` is how many processes each path holds directly.
    pub(crate) fn read(
        &mut self,
        bound: usize,
        members: &BTreeMap<Arc<str>, u32>,
        pressures: &mut Vec<PressureSample>,
        report: &mut Report,
    ) -> Option<Vec<CgroupSample>> {
        if self.v2.is_none() && self.v1.is_empty() {
            return None;
        }
        let mut rows: BTreeMap<String, CgroupSample> = BTreeMap::new();
        self.read_v2(bound, &mut rows, pressures, report);
        self.read_v1(bound, &mut rows, report);
        let mut rows: Vec<_> = rows.into_values().collect();
        for row in &mut rows {
            row.unit = unit_of(&row.path).map(Arc::from);
            row.processes = Some(members.get(&row.path).copied().unwrap_or(0));
        }
        report.rows = rows.len();
        Some(rows)
    }

    fn read_v2(
        &mut self,
        bound: usize,
        rows: &mut BTreeMap<String, CgroupSample>,
        pressures: &mut Vec<PressureSample>,
        report: &mut Report,
    ) {
        let Some(root) = &self.v2 else { return };
        if report.take(walk(root, bound, DEPTH_MAX, &mut self.found)).is_none() {
            return;
        }
        report.dropped += u64::from(self.found.is_cut);
        for group in &self.found.groups {
            // A group that went away since the walk is no error.
            let Ok(mut dir) = root.child(&group.path) else { continue };
            let path = String::from_utf8_lossy(&group.path).into_owned();
            let mut row = sample(&path, group.inode, 2);
            if cgroup_v2::read(&mut dir, &mut self.scratch, &mut row).is_err() {
                continue;
            }
            if group.depth > 0 {
                let entity = || Entity::Cgroup(path.clone());
                pressures.extend(self.scratch.pressures(entity));
            }
            rows.insert(path, row);
        }
    }

    fn read_v1(&mut self, bound: usize, rows: &mut BTreeMap<String, CgroupSample>, report: &mut Report) {
        for (controllers, root) in &self.v1 {
            if report.take(walk(root, bound, DEPTH_MAX, &mut self.found)).is_none() {
                continue;
            }
            report.dropped += u64::from(self.found.is_cut);
            for group in &self.found.groups {
                let path = String::from_utf8_lossy(&group.path);
                if !rows.contains_key(&*path) && rows.len() >= bound {
                    report.dropped += 1;
                    continue;
                }
                let Ok(mut dir) = root.child(&group.path) else { continue };
                let row = rows.entry(path.to_string()).or_insert_with(|| sample(&path, group.inode, 1));
                cgroup_v1::read(&mut dir, controllers, &mut self.scratch.file, row);
            }
        }
    }
}

fn sample(path: &str, inode: u64, version: u8) -> CgroupSample {
    CgroupSample { path: Arc::from(path), inode, version, ..CgroupSample::default() }
}
