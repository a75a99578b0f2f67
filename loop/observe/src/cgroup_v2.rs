//! What the v2 hierarchy says of one group.
use kernfs::cgroup::{CgroupDir, Limit, V2};
use vocab::Entity;
use vocab::sample::{CgroupSample, PressureSample};

use crate::cgroup_file::CgroupFile;
use crate::pressure::{RESOURCES, sample};

/// Buffers that are kept from group to group.
#[derive(Default)]
pub(crate) struct Scratch {
    group: V2,
    pub(crate) file: CgroupFile,
}

impl Scratch {
    /// The stall times of the group that was read last.
    pub(crate) fn pressures(&self, entity: impl Fn() -> Entity) -> impl Iterator<Item = PressureSample> {
        let read = [&self.group.cpu_pressure, &self.group.memory_pressure, &self.group.io_pressure];
        let found = RESOURCES.into_iter().zip(read);
        found.filter_map(move |((resource, _), one)| Some(sample(entity(), resource, one.as_ref()?)))
    }
}

/// Reads a group into `row`.
pub(crate) fn read(dir: &mut CgroupDir, scratch: &mut Scratch, row: &mut CgroupSample) -> kernfs::Result<()> {
    dir.read_v2(&mut scratch.group)?;
    let group = &scratch.group;
    row.cpu_us = group.cpu.and_then(|cpu| cpu.usage_us);
    row.throttled_periods = group.cpu.and_then(|cpu| cpu.nr_throttled);
    row.cpu_weight = group.cpu_weight;
    row.memory_bytes = group.memory_current_bytes;
    row.memory_high_bytes = limit(group.memory_high);
    row.memory_max_bytes = limit(group.memory_max);
    row.oom_kills = group.memory_events.and_then(|events| events.oom_kill);
    let io = group.io.iter();
    let sum = |(read, written): (u64, u64), one: &kernfs::cgroup::IoUse| {
        (read.saturating_add(one.read_bytes), written.saturating_add(one.write_bytes))
    };
    row.io_bytes = (!group.io.is_empty()).then(|| io.fold((0, 0), sum));
    row.is_frozen = group.is_frozen;
    row.anon_bytes = scratch.file.number(dir, c"memory.stat", b"anon ");
    (row.threads, row.threads_max) = scratch.file.threads(dir).unzip();
    Ok(())
}

/// The bytes of a limit; `None` where none is set.
pub(crate) fn limit(limit: Option<Limit>) -> Option<u64> {
    match limit? {
        Limit::At(bytes) => Some(bytes),
        Limit::Max => None,
    }
}
