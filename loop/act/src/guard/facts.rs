//! What the guard reads of a process.
use std::collections::BTreeSet;

use kernfs::cgroup::unit_of;

use crate::machine::Machine;

/// Length at which the kernel cuts the name of a process. Unit: bytes.
const COMM_BYTES: usize = 15;

/// Deepest chain of parents followed; a reused parent pid must not turn us in circles.
const CHAIN_MAX: usize = 1024;

/// All that a verdict on a process depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) pid: u32,
    pub(crate) start_ticks: u64,
    pub(crate) is_kernel: bool,
    /// Base name of its program where we may read it, else the name the kernel shows.
    pub(crate) name: String,
    /// systemd unit by its cgroup.
    pub(crate) unit: Option<String>,
}

impl Facts {
    /// Reads them; `None` if there is no such process.
    pub(crate) fn read(machine: &mut Machine<'_>, pid: u32) -> Option<Self> {
        let stat = machine.proc.stat(pid).ok()?;
        let comm = stat.comm.to_string();
        let program = machine.proc.exe(pid).ok().map(|path| String::from_utf8_lossy(path).into_owned());
        let unit = machine.proc.cgroups(pid).ok().and_then(|paths| {
            let path = paths.v2().filter(|path| *path != b"/").or_else(|| paths.v1("name=systemd"))?;
            unit_of(path).map(|unit| unit.name)
        });
        Some(Self {
            pid,
            start_ticks: stat.start_ticks,
            is_kernel: stat.is_kernel_thread(),
            name: name(comm, program.as_deref()),
            unit,
        })
    }
}

/// The name to judge by. A process may call itself what it likes, so the program counts where it can be read; but a
/// multi-call program (busybox, systemd's) goes by the name it was started under, so a name that the program begins
/// with or that begins with it is kept when it is the longer one.
fn name(comm: String, program: Option<&str>) -> String {
    let Some(program) = program else { return comm };
    let path = program.trim_end_matches(" (deleted)");
    let base = path.rsplit('/').next().unwrap_or(path);
    let is_multi_call = matches!(base, "busybox" | "toybox");
    if is_multi_call || base.is_empty() { comm } else { base.to_owned() }
}

/// Adds a process, its ancestors, and the leaders of all their sessions with theirs.
pub(super) fn carriers(machine: &mut Machine<'_>, root: u32, carriers: &mut BTreeSet<u32>) {
    let mut open = vec![root];
    for _ in 0..CHAIN_MAX {
        let Some(pid) = open.pop() else { return };
        let Ok(stat) = machine.proc.stat(pid) else { continue };
        if !carriers.insert(pid) {
            continue;
        }
        let session = u32::try_from(stat.session).unwrap_or(0);
        open.extend([stat.ppid, session].into_iter().filter(|pid| *pid != 0));
    }
}

/// The processes of a session.
pub(super) fn session_members(machine: &mut Machine<'_>, session: u32) -> Vec<u32> {
    let mut pids = Vec::new();
    let _ = machine.proc.pids(&mut pids);
    let is_in =
        |pid: &u32| machine.proc.stat(*pid).is_ok_and(|stat| u32::try_from(stat.session) == Ok(session));
    pids.into_iter().filter(is_in).collect()
}

/// Whether a name, perhaps cut by the kernel, is this one.
pub(super) fn is_name(name: &str, wanted: &str) -> bool {
    name == wanted || (name.len() == COMM_BYTES && wanted.len() > COMM_BYTES && wanted.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_counts_not_what_a_process_calls_itself() {
        assert_eq!(name("sshd".into(), Some("/usr/bin/python3.13")), "python3.13");
        assert_eq!(name("udhcpc".into(), Some("/bin/busybox")), "udhcpc");
        assert_eq!(name("sshd".into(), Some("/usr/sbin/sshd (deleted)")), "sshd");
        assert_eq!(name("sshd".into(), None), "sshd");
    }

    #[test]
    fn a_cut_name_is_recognised() {
        assert!(is_name("systemd-journal", "systemd-journald"));
        assert!(is_name("sshd", "sshd"));
        assert!(!is_name("systemd", "systemd-journald"));
    }
}
