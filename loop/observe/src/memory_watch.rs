//! Memory of the machine and of limited cgroups, read between ticks by whoever must not wait for one.
//!
//! Reads only, with files held open: a look at a cgroup is one or two reads.
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernfs::ProcFs;
use kernfs::cgroup::Layout;
use vocab::sample::CgroupSample;
use vocab::{Entity, ProcessId};

/// Cgroups with a limit that are watched at most.
const LIMITED_MAX: usize = 64;
/// A limit below this is no service's. Unit: bytes.
const LIMIT_MIN_BYTES: u64 = 16 << 20;
/// Processes of one cgroup that are looked at.
const MEMBERS_MAX: usize = 4_096;

/// A cgroup with a memory limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Path below the root of its hierarchy.
    pub path: Arc<str>,
    /// Its limit. Unit: bytes.
    pub limit_bytes: u64,
}

/// The cgroups with a limit among these, in order of path.
pub fn limited(cgroups: &[CgroupSample]) -> Vec<Limited> {
    let has_limit = |one: &CgroupSample| {
        let limit_bytes = one.memory_max_bytes.filter(|limit| *limit >= LIMIT_MIN_BYTES)?;
        (one.path.len() > 1).then(|| Limited { path: one.path.clone(), limit_bytes })
    };
    cgroups.iter().filter_map(has_limit).take(LIMITED_MAX).collect()
}

/// Where memory can run out.
pub struct Domain {
    /// The machine, or a cgroup.
    pub entity: Entity,
    /// Kernel's file for stall triggers, where there is one.
    pub pressure: Option<PathBuf>,
    source: Source,
}

enum Source {
    Machine,
    Cgroup { folder: PathBuf, usage: File, stat: File, limit_bytes: u64, swap: Option<Vec<SwapLimit>> },
}

/// What a cgroup may swap, and how much of that it does.
struct SwapLimit {
    max: File,
    used: File,
}

/// One who holds memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// Which process.
    pub id: ProcessId,
    /// Its name (comm).
    pub name: Arc<str>,
    /// Memory, resident and swapped. Unit: bytes.
    pub held_bytes: u64,
}

/// Reads domains.
pub struct MemoryWatch {
    proc: ProcFs,
    layout: Layout,
    text: Vec<u8>,
}

impl MemoryWatch {
    /// Opens /proc and finds the cgroup hierarchies.
    ///
    /// # Errors
    /// There is no /proc.
    pub fn open() -> Result<Self, kernfs::Error> {
        let mut proc = ProcFs::open(Path::new("/proc"))?;
        let mut mounts = Vec::new();
        // Without mounts there are no cgroups to watch.
        let _ = proc.mounts(&mut mounts);
        Ok(Self { proc, layout: Layout::detect(&mounts, Path::new("/sys")), text: vec![0; 8_192] })
    }

    /// The machine as a domain.
    pub fn machine(&self) -> Domain {
        Domain {
            entity: Entity::Machine,
            pressure: Some("/proc/pressure/memory".into()),
            source: Source::Machine,
        }
    }

    /// A cgroup as a domain; `None` if it is gone or its files cannot be read.
    pub fn cgroup(&self, limited: &Limited) -> Option<Domain> {
        let v2 = self.layout.v2.as_ref().map(|one| (one, "memory.current"));
        let v1 = self.layout.v1_of("memory").map(|one| (one, "memory.usage_in_bytes"));
        let (folder, usage) = v2.into_iter().chain(v1).find_map(|(hierarchy, file)| {
            let folder = hierarchy.dir_of(limited.path.as_bytes())?;
            Some((folder.clone(), File::open(folder.join(file)).ok()?))
        })?;
        let stat = File::open(folder.join("memory.stat")).ok()?;
        let pressure = Some(folder.join("memory.pressure")).filter(|file| file.exists());
        let swap = swap_limits(&folder);
        let source = Source::Cgroup { folder, usage, stat, limit_bytes: limited.limit_bytes, swap };
        Some(Domain { entity: Entity::Cgroup(limited.path.to_string()), pressure, source })
    }

    /// Memory that can still be had and memory in all; `None` if it cannot be read. What can still be swapped counts as
    /// memory that can be had, up to as much as there is in all. Unit: bytes.
    pub fn headroom(&mut self, domain: &Domain) -> Option<(u64, u64)> {
        match &domain.source {
            Source::Machine => {
                let memory = self.proc.meminfo().ok()?;
                let (total, swap) = (memory.total_bytes?, memory.swap_free_bytes.unwrap_or(0));
                Some((memory.available_bytes?.saturating_add(swap).min(total), total))
            }
            Source::Cgroup { usage, stat, limit_bytes, swap, .. } => {
                let used: u64 = text(&mut self.text, usage)?.trim().parse().ok()?;
                let free = limit_bytes.saturating_sub(used);
                // Files can be given back, others swapped; while there is room nobody needs to know how many.
                if free * 2 > *limit_bytes {
                    return Some((free, *limit_bytes));
                }
                let files = cached(text(&mut self.text, stat)?);
                let swap = swap.as_ref().map_or(0, |limits| self.can_be_swapped(limits));
                Some(((free + files).saturating_add(swap).min(*limit_bytes), *limit_bytes))
            }
        }
    }

    /// What the machine can still swap, within these limits. Unit: bytes.
    fn can_be_swapped(&mut self, limits: &[SwapLimit]) -> u64 {
        let free = self.proc.meminfo().ok().and_then(|memory| memory.swap_free_bytes).unwrap_or(0);
        let mut left = |one: &SwapLimit| {
            let max = text(&mut self.text, &one.max)?.trim().parse::<u64>().ok()?;
            Some(max.saturating_sub(text(&mut self.text, &one.used)?.trim().parse().ok()?))
        };
        // No number is no limit: `max`.
        if free == 0 { 0 } else { limits.iter().filter_map(&mut left).fold(free, u64::min) }
    }

    /// Who holds memory there, kernel threads left out.
    pub fn holders(&mut self, domain: &Domain) -> Vec<Holder> {
        let mut pids = Vec::new();
        match &domain.source {
            // A list that cannot be read is an empty one: nobody yields.
            Source::Machine => drop(self.proc.pids(&mut pids)),
            Source::Cgroup { folder, .. } => members(folder, 0, &mut pids),
        }
        let memory = self.proc.meminfo().unwrap_or_default();
        // Where nothing is swapped, nobody has to be asked.
        let is_swapped = memory.swap_total_bytes > memory.swap_free_bytes;
        let holder = |pid: &u32| {
            let stat = self.proc.stat(*pid).ok().filter(|stat| !stat.is_kernel_thread())?;
            let id = ProcessId { pid: *pid, start_ticks: stat.start_ticks };
            let (name, resident) = (Arc::from(stat.comm.to_string()), stat.rss_bytes);
            let status = is_swapped.then(|| self.proc.status(*pid).ok()).flatten();
            let held_bytes = resident.saturating_add(status.and_then(|one| one.swap_bytes).unwrap_or(0));
            (held_bytes > 0).then_some(Holder { id, name, held_bytes })
        };
        pids.iter().filter_map(holder).collect()
    }

    /// Anonymous memory, resident and swapped, and `oom_score_adj` of a process; `None` if it ended.
    pub fn closer(&mut self, pid: u32) -> Option<(u64, i16)> {
        let status = self.proc.status(pid).ok()?;
        let anon = status.rss_anon_bytes?.saturating_add(status.swap_bytes.unwrap_or(0));
        let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).ok()?;
        Some((anon, text.trim().parse().ok()?))
    }
}

/// What holders grew by since an earlier look.
pub fn growth(before: &[Holder], now: &[Holder]) -> BTreeMap<ProcessId, u64> {
    let old: BTreeMap<ProcessId, u64> = before.iter().map(|one| (one.id, one.held_bytes)).collect();
    // One that is new took all it has.
    let grown = |one: &Holder| one.held_bytes.saturating_sub(old.get(&one.id).copied().unwrap_or(0));
    now.iter().map(|one| (one.id, grown(one))).collect()
}

/// The limits of swap of a cgroup and of those above it; `None` where they are not told by themselves (version 1).
fn swap_limits(folder: &Path) -> Option<Vec<SwapLimit>> {
    let limit = |folder: &Path| {
        let open = |name: &str| File::open(folder.join(name)).ok();
        Some(SwapLimit { max: open("memory.swap.max")?, used: open("memory.swap.current")? })
    };
    // The root has none.
    let limits: Vec<_> = folder.ancestors().map_while(limit).collect();
    (!limits.is_empty()).then_some(limits)
}

fn text<'a>(buffer: &'a mut [u8], file: &File) -> Option<&'a str> {
    let length = file.read_at(buffer, 0).ok()?;
    std::str::from_utf8(buffer.get(..length)?).ok()
}

/// Pages of files in `memory.stat`: v2 and v1 with everything below.
fn cached(stat: &str) -> u64 {
    let value = |key: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.and_then(|number| number.parse::<u64>().ok())
    };
    let file = |kind: &str| value(&format!("total_{kind}")).or_else(|| value(kind)).unwrap_or(0);
    file("inactive_file") + file("active_file")
}

fn members(folder: &Path, depth: u32, pids: &mut Vec<u32>) {
    let text = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    pids.truncate(MEMBERS_MAX);
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if depth < 16 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            members(&entry.path(), depth + 1, pids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_both_versions_are_summed() {
        assert_eq!(cached("anon 5\nfile 9\ninactive_file 3\nactive_file 4\n"), 7);
        assert_eq!(cached("active_file 1\ntotal_inactive_file 30\ntotal_active_file 40\n"), 70);
    }

    #[test]
    fn the_machine_has_room_and_this_test_holds_some_of_it() {
        let mut watch = MemoryWatch::open().unwrap();
        let machine = watch.machine();
        let (available, total) = watch.headroom(&machine).unwrap();
        assert!(available > 0 && available < total);
        let holders = watch.holders(&machine);
        let own = holders.iter().find(|one| one.id.pid == std::process::id()).unwrap();
        let (anon, _) = watch.closer(own.id.pid).unwrap();
        assert!(anon > 0 && anon <= own.held_bytes + (64 << 20));
        assert_eq!(growth(&holders, &holders)[&own.id], 0);
        assert_eq!(growth(&[], &holders)[&own.id], own.held_bytes);
    }
}
