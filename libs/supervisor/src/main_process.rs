//! The main process of a service: a child of ours, or one that outlived the supervisor that started it.
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

/// A process in one boot: its pid may be another's later, both together may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Pid.
    pub pid: u32,
    /// Start time after boot. Unit: clock ticks. Source: field 22 of proc_pid_stat(5).
    pub start_ticks: u64,
}

impl Identity {
    /// That of a pid as of now, zombies included; `None` if there is no such process.
    pub fn of(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold blanks; fields are counted from behind it.
        let start_ticks = text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
        Some(Self { pid, start_ticks })
    }
}

impl Identity {
    /// Whether that very process has not ended; a zombie has.
    pub fn lives(self) -> bool {
        Main::adopt(self).is_some()
    }
}

/// The main process, held by a pidfd.
#[derive(Debug)]
pub(crate) struct Main {
    pub identity: Identity,
    pidfd: OwnedFd,
    /// `None` if it is not our child: then nobody tells us how it ended.
    child: Option<Child>,
}

impl Main {
    /// A child that was just started.
    pub(crate) fn of_child(child: Child) -> std::io::Result<Self> {
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let identity =
            Identity::of(child.id()).ok_or_else(|| std::io::Error::other("it has no /proc entry"))?;
        Ok(Self { identity, pidfd, child: Some(child) })
    }

    /// That very process, if it has not ended.
    pub(crate) fn adopt(identity: Identity) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(identity.pid).ok()?)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let main = Self { identity, pidfd, child: None };
        // Read after the pidfd was opened: whoever has pid and start time now is behind the pidfd.
        (Identity::of(identity.pid) == Some(identity) && !main.has_ended()).then_some(main)
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.identity.pid
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether it has ended; a child stays a zombie.
    pub(crate) fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut fds, Some(&at_once)), Ok(1..))
    }

    /// How it ended, after it has; `None` if that cannot be known.
    pub(crate) fn reap(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.wait().ok())
    }

    /// Signals it and every process of its group. A child that is not reaped has its pid to itself; one that is no
    /// child must be seen alive.
    pub(crate) fn signal_group(&self, signal: i32) {
        if self.child.is_none() && self.has_ended() {
            return;
        }
        if let Ok(pid) = i32::try_from(self.identity.pid) {
            // SAFETY: kill(2) takes plain integers.
            unsafe { libc::kill(-pid, signal) };
        }
    }
}
