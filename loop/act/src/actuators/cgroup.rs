//! Which cgroup may be changed for a target: one that holds it and nobody else.
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use kernfs::cgroup::CgroupDir;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use vocab::action::Intent;
use vocab::{Entity, ProcessId};

use crate::machine::Machine;
use crate::trouble::Trouble;

/// Deepest nesting looked at; deeper cgroups are refused.
const DEPTH_MAX: u32 = 16;

/// A cgroup by the folder it had and the inode it has: the identity of this incarnation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CgroupRef {
    /// Folder, with the mount point.
    pub(crate) folder: String,
    pub(crate) inode: u64,
}

impl CgroupRef {
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let inode = CgroupDir::open(folder).ok()?.inode().ok()?;
        Some(Self { folder: folder.to_str()?.to_owned(), inode })
    }

    /// Opens a file of that very cgroup; `None` if the cgroup is gone.
    fn file(&self, name: &str, flags: OFlags) -> Option<Result<OwnedFd, String>> {
        let dir = CgroupDir::open(Path::new(&self.folder)).ok()?;
        if dir.inode().ok()? != self.inode {
            return None;
        }
        let opened = rustix::fs::openat(dir.fd(), name, flags | OFlags::CLOEXEC, Mode::empty());
        Some(opened.map_err(|errno| format!("{}/{name}: {errno}", self.folder)))
    }

    /// Text of one of its files; `None` if the cgroup is gone.
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, String> {
        let Some(file) = self.file(name, OFlags::RDONLY).transpose()? else { return Ok(None) };
        let mut bytes = [0; 256];
        match rustix::io::read(&file, &mut bytes) {
            Ok(length) => Ok(Some(String::from_utf8_lossy(&bytes[..length]).trim().to_owned())),
            Err(rustix::io::Errno::NODEV) => Ok(None),
            Err(errno) => Err(format!("{}/{name}: {errno}", self.folder)),
        }
    }

    /// Writes one of its files. Does not wait for memory to be reclaimed where the kernel lets the writer choose.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let file = self.file(name, OFlags::WRONLY | OFlags::NONBLOCK);
        let file = file.unwrap_or_else(|| Err(format!("cgroup {} is gone", self.folder)))?;
        let written = rustix::io::write(&file, text.as_bytes());
        written.map(drop).map_err(|errno| format!("{}/{name}: {errno}", self.folder))
    }

    /// The processes in it and below it.
    pub(crate) fn members(&self) -> Result<Vec<u32>, String> {
        let mut pids = Vec::new();
        collect(Path::new(&self.folder), 0, &mut pids)?;
        Ok(pids)
    }
}

fn collect(folder: &Path, depth: u32, pids: &mut Vec<u32>) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", folder.display());
    if depth > DEPTH_MAX {
        return Err(format!("{}: nested too deeply", folder.display()));
    }
    let text = match fs::read_to_string(folder.join("cgroup.procs")) {
        // A cgroup that went away holds nobody: systemd removes that of a unit between two starts.
        Err(error) if is_gone(&error) => return Ok(()),
        text => text.map_err(said)?,
    };
    pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    let entries = match fs::read_dir(folder) {
        Err(error) if is_gone(&error) => return Ok(()),
        entries => entries.map_err(said)?,
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), depth + 1, pids)?;
        }
    }
    Ok(())
}

fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

/// The cgroup of a systemd unit, by the path that systemd gives.
pub(super) fn of_unit(path: &str, machine: &Machine<'_>) -> Option<CgroupRef> {
    let systemd = machine.layout().v1_of("name=systemd").or(machine.layout().v2.as_ref())?;
    CgroupRef::of(&systemd.dir_of(path.as_bytes())?)
}

/// The cgroup of an intent's target in the first of these hierarchies where it holds the target and nobody else:
/// a v1 controller by name, `""` for v2. `None` where there is none.
pub(super) fn own_cgroup(
    intent: &Intent,
    machine: &mut Machine<'_>,
    hierarchies: &[&'static str],
) -> Result<Option<(CgroupRef, &'static str)>, Trouble> {
    for hierarchy in hierarchies {
        let Some((folder, depth)) = folder_of(intent, machine, hierarchy)? else { continue };
        // The root of a hierarchy holds everybody.
        if depth == 0 {
            continue;
        }
        let Some(cgroup) = CgroupRef::of(&folder) else { continue };
        if is_named_for(&intent.target, &folder) || holds_only(intent, machine, &cgroup)? {
            return Ok(Some((cgroup, hierarchy)));
        }
    }
    Ok(None)
}

/// Folder of the target's cgroup in a hierarchy, and how deep below the root it is.
fn folder_of(
    intent: &Intent,
    machine: &mut Machine<'_>,
    hierarchy: &str,
) -> Result<Option<(PathBuf, usize)>, Trouble> {
    let mounted = if hierarchy.is_empty() {
        machine.layout().v2.clone()
    } else {
        machine.layout().v1_of(hierarchy).cloned()
    };
    let Some(mounted) = mounted else { return Ok(None) };
    let path = if let Entity::Cgroup(path) = &intent.target {
        path.clone()
    } else {
        let process = super::process_of(intent, machine)?;
        let gone = |_| Trouble::Failed(format!("process {} is gone", process.pid));
        let paths = machine.proc.cgroups(process.pid).map_err(gone)?;
        let path = if hierarchy.is_empty() { paths.v2() } else { paths.v1(hierarchy) };
        let Some(path) = path else { return Ok(None) };
        cut_at_name(&String::from_utf8_lossy(path), &intent.target)
    };
    let depth = path.split('/').filter(|part| !part.is_empty()).count();
    Ok(mounted.dir_of(path.as_bytes()).filter(|folder| folder.is_dir()).map(|folder| (folder, depth)))
}

/// The part of a path up to the one that bears the service's name; the whole path if none does.
fn cut_at_name(path: &str, target: &Entity) -> String {
    let Entity::Service(name) = target else { return path.to_owned() };
    let parts: Vec<_> = path.split('/').collect();
    let end = parts.iter().position(|part| part == name).map_or(parts.len(), |at| at + 1);
    parts[..end].join("/")
}

fn is_named_for(target: &Entity, folder: &Path) -> bool {
    match target {
        Entity::Service(name) => folder.file_name().is_some_and(|last| last == name.as_str()),
        // A person who names a cgroup means it; the guard still looks at everybody in it.
        Entity::Cgroup(_) => true,
        _ => false,
    }
}

/// Whether every process of a cgroup is the intent's process or descends from it.
fn holds_only(intent: &Intent, machine: &mut Machine<'_>, cgroup: &CgroupRef) -> Result<bool, Trouble> {
    let process = super::process_of(intent, machine)?;
    let members = cgroup.members().map_err(Trouble::Failed)?;
    Ok(!members.is_empty() && members.iter().all(|pid| descends(machine, *pid, process)))
}

/// Whether a process is `ancestor` or descends from it.
pub(super) fn descends(machine: &mut Machine<'_>, pid: u32, ancestor: ProcessId) -> bool {
    let mut pid = pid;
    // No process tree is deeper than the number of pids; a bound keeps a reused parent from turning us in circles.
    for _ in 0..1024 {
        let Ok(stat) = machine.proc.stat(pid) else { return false };
        if pid == ancestor.pid {
            return stat.start_ticks == ancestor.start_ticks;
        }
        if stat.ppid == 0 {
            return false;
        }
        pid = stat.ppid;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::CgroupRef;

    #[test]
    fn a_cgroup_that_went_away_holds_nobody() {
        let gone = CgroupRef { folder: "/sys/fs/cgroup/homeostat-never-made".to_owned(), inode: 1 };
        assert_eq!(gone.members(), Ok(Vec::new()));
    }
}
