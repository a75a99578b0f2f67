//! Who belongs to a service that has no cgroup: processes carry a mark in their environment, which they inherit
//! whatever session or parent they choose.
//!
//! A descendant that clears its environment escapes it, as one that no cgroup holds must.
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::main_process::Identity;

/// The variable.
pub(crate) const NAME: &str = "HOMEOSTAT_SERVICE";

/// How many this process has given away: a service that is removed and made again, or one of the same name under
/// another supervisor of this process, must not be taken for it.
static GIVEN: AtomicU64 = AtomicU64::new(0);

/// A mark that no other service of this machine has: the supervising process's identity, a number and the name.
pub(crate) fn of(service: &str) -> String {
    let pid = std::process::id();
    let number = GIVEN.fetch_add(1, Ordering::Relaxed);
    let start_ticks = Identity::of(pid).map_or(0, |one| one.start_ticks);
    format!("{pid}.{start_ticks}.{number}/{service}")
}

/// Kills every process that carries the mark; how many.
pub(crate) fn kill(mark: &str) -> usize {
    let wanted = format!("{NAME}={mark}");
    let pids = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| kill_if_marked(*pid, wanted.as_bytes()).is_some()).count()
}

fn kill_if_marked(pid: i32, wanted: &[u8]) -> Option<()> {
    // Pinned before it is looked at: the signal reaches the one that was seen.
    let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    // Readable only for processes of our own user, and for root: services are of either kind.
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).any(|one| one == wanted).then_some(())?;
    pidfd_send_signal(&pidfd, Signal::KILL).ok()
}
