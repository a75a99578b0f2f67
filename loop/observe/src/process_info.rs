//! What seldom changes about a process: name, program, command line, owner, cgroup, limits.
use std::sync::Arc;

use kernfs::{CgroupPaths, ProcFs, Status};
use vocab::ProcessId;
use vocab::sample::ProcessInfo;

use crate::mask::mask_arguments;
use crate::unit::unit_of;

/// Bytes of a command line that are looked at; those beyond carry no meaning for a person.
const COMMAND_READ_BYTES: usize = 4_096;

/// How much of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What says who it is: the rest can wait, for most that are born live for less than a second.
    Newborn,
    /// What others may change while it runs.
    Usual,
    /// The command line and the executable as well.
    Whole,
}

/// A process of which only its identity is known.
pub(crate) fn unknown(id: ProcessId, is_kernel: bool) -> ProcessInfo {
    ProcessInfo {
        id,
        name: Arc::from(""),
        exe: None,
        command: None,
        uid: 0,
        cgroup: None,
        unit: None,
        service: None,
        is_kernel,
        descriptor_limits: None,
    }
}

/// What is known of its cgroups.
pub(crate) enum Cgroups<'a> {
    /// They are those of the last time.
    AsBefore,
    /// They were read.
    Read(CgroupPaths<'a>),
    /// Nothing yet.
    Ask,
}

/// What the caller already has.
pub(crate) struct Told<'a> {
    pub(crate) status: Option<&'a Status>,
    pub(crate) cgroups: Cgroups<'a>,
    pub(crate) limits: Option<(u64, u64)>,
}

/// Reads what seldom changes into `info`; true if anything did. Nothing is allocated for what did not. What vanished or
/// may not be read is `None`.
pub(crate) fn refresh(
    proc: &mut ProcFs,
    comm: &[u8],
    told: Told<'_>,
    extent: Extent,
    info: &mut ProcessInfo,
) -> bool {
    let pid = info.id.pid;
    let mut changed = set(&mut info.name, comm);
    if let Some(status) = told.status {
        changed |= info.uid != status.euid;
        info.uid = status.euid;
    }
    // A thread of the kernel has no program, no limits, and lives in the root group but for rare exceptions.
    if info.is_kernel {
        return changed;
    }
    changed |= match told.cgroups {
        Cgroups::AsBefore => false,
        Cgroups::Read(cgroups) => set_cgroup(info, cgroups),
        Cgroups::Ask => proc.cgroups(pid).is_ok_and(|cgroups| set_cgroup(info, cgroups)),
    };
    if extent != Extent::Usual {
        changed |= set_option(&mut info.exe, proc.exe(pid).ok());
        let command = proc.cmdline(pid).ok().and_then(masked);
        changed |= set_option(&mut info.command, command.as_deref().map(str::as_bytes));
    }
    if extent == Extent::Newborn && told.limits.is_none() {
        return changed;
    }
    let limits = told.limits.or_else(|| {
        let limits = proc.descriptor_limit(pid).ok()?;
        Some((limits.soft.unwrap_or(u64::MAX), limits.hard.unwrap_or(u64::MAX)))
    });
    changed |= info.descriptor_limits != limits;
    info.descriptor_limits = limits;
    changed
}

/// The command line with its secrets masked; `None` for an empty one.
fn masked(cmdline: &[u8]) -> Option<String> {
    let text = cmdline.get(..COMMAND_READ_BYTES).unwrap_or(cmdline);
    let arguments: Vec<_> = kernfs::arguments(text).map(String::from_utf8_lossy).collect();
    (!arguments.is_empty()).then(|| mask_arguments(&arguments))
}

fn set_cgroup(info: &mut ProcessInfo, cgroups: CgroupPaths<'_>) -> bool {
    let path = chosen_path(cgroups);
    if !set_option(&mut info.cgroup, path) {
        return false;
    }
    // A v1 machine with systemd keeps the units in systemd's own hierarchy.
    let named = cgroups.v1("name=systemd").map(String::from_utf8_lossy);
    let unit = info.cgroup.as_deref().and_then(unit_of);
    info.unit = unit.or_else(|| named.as_deref().and_then(unit_of)).map(Arc::from);
    true
}

/// The path in the v2 hierarchy where it is not the root, else the deepest of the v1 ones.
fn chosen_path(cgroups: CgroupPaths<'_>) -> Option<&[u8]> {
    let depth = |path: &[u8]| path.split(|b| *b == b'/').filter(|part| !part.is_empty()).count();
    let v2 = cgroups.v2();
    if let Some(path) = v2.filter(|path| depth(path) > 0) {
        return Some(path);
    }
    let v1 = cgroups.iter().filter(|one| one.hierarchy != 0).map(|one| one.path);
    v1.fold(v2, |best, path| match best {
        Some(best) if depth(best) >= depth(path) => Some(best),
        _ => Some(path),
    })
}

fn set(slot: &mut Arc<str>, bytes: &[u8]) -> bool {
    let is_same = slot.as_bytes() == bytes || **slot == *String::from_utf8_lossy(bytes);
    if !is_same {
        *slot = Arc::from(&*String::from_utf8_lossy(bytes));
    }
    !is_same
}

fn set_option(slot: &mut Option<Arc<str>>, bytes: Option<&[u8]>) -> bool {
    match (slot.as_mut(), bytes) {
        (Some(slot), Some(bytes)) => set(slot, bytes),
        (None, Some(bytes)) => {
            *slot = Some(Arc::from(&*String::from_utf8_lossy(bytes)));
            true
        }
        (had, None) => {
            let had = had.is_some();
            *slot = None;
            had
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Option<String> {
        chosen_path(CgroupPaths::new(text.as_bytes())).map(|p| String::from_utf8_lossy(p).into_owned())
    }

    #[test]
    fn the_unified_path_wins_unless_it_is_the_root() {
        assert_eq!(
            path("4:memory:/deep/er\n0::/system.slice/a.service\n").unwrap(),
            "/system.slice/a.service"
        );
        assert_eq!(path("9:name=systemd:/\n4:memory:/a/b\n1:cpu:/a\n0::/\n").unwrap(), "/a/b");
        assert_eq!(path("1:cpu:/\n0::/\n").unwrap(), "/");
        assert_eq!(path(""), None);
    }

    #[test]
    fn a_text_is_replaced_only_when_it_differs() {
        let mut slot = Some(Arc::from("a\u{fffd}"));
        assert!(!set_option(&mut slot, Some(b"a\xff")));
        assert!(set_option(&mut slot, Some(b"b")));
        assert!(set_option(&mut slot, None));
        assert!(!set_option(&mut slot, None));
    }
}
