//! A child of our own on which an actuator is tried without harm: it waits, and ends with us.

use crate::limits;
use crate::machine::raw_pid;

/// A child that does nothing; killed and reaped when dropped.
pub(crate) struct ProbeChild {
    pub(crate) pid: u32,
}

impl ProbeChild {
    /// Makes the child.
    pub(crate) fn spawn() -> std::io::Result<Self> {
        let parent = std::process::id().cast_signed();
        // SAFETY: the child makes only calls that are safe after a fork of a process with threads.
        match unsafe { libc::fork() } {
            -1 => Err(std::io::Error::last_os_error()),
            0 => wait_for_ever(parent),
            pid => Ok(Self { pid: pid.cast_unsigned() }),
        }
    }
}

fn wait_for_ever(parent: i32) -> ! {
    // SAFETY: prctl, setsid, getppid, pause and _exit may be called after a fork. A parent that died before prctl is seen
    // by getppid.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::setsid();
        while libc::getppid() == parent {
            libc::pause();
        }
        libc::_exit(0)
    }
}

impl Drop for ProbeChild {
    fn drop(&mut self) {
        let pid = self.pid.cast_signed();
        // SAFETY: our own child, which nobody else reaps; its number cannot be another's before waitpid.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
    }
}

/// Whether we may lower a nice value whatever the target's RLIMIT_NICE: tried on a child whose limit is zero.
pub(crate) fn can_lower_any_nice() -> bool {
    let Ok(child) = ProbeChild::spawn() else { return false };
    let Some(pid) = raw_pid(child.pid) else { return false };
    let before = rustix::process::getpriority_process(Some(pid)).unwrap_or(0);
    let no_room = limits::exchange(child.pid, libc::RLIMIT_NICE, Some((0, 0))).is_ok();
    no_room
        && before < 19
        && rustix::process::setpriority_process(Some(pid), before + 1).is_ok()
        && rustix::process::setpriority_process(Some(pid), before).is_ok()
}
