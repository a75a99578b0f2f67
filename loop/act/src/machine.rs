//! The machine as actuators see it: proc, the cgroup hierarchies, our own services; and a process that is pinned.
use std::cell::OnceCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use kernfs::cgroup::Layout;
use kernfs::{ProcFs, Stat};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use vocab::ProcessId;

use crate::services::Services;

const PROC: &str = "/proc";

/// What actuators read and change the machine through.
pub(crate) struct Machine<'a> {
    pub(crate) proc: ProcFs,
    layout: OnceCell<Layout>,
    pub(crate) services: &'a mut dyn Services,
}

impl<'a> Machine<'a> {
    /// Opens proc.
    pub(crate) fn open(services: &'a mut dyn Services) -> io::Result<Self> {
        let proc = ProcFs::open(Path::new(PROC)).map_err(io::Error::other)?;
        Ok(Self { proc, layout: OnceCell::new(), services })
    }

    /// The cgroup hierarchies. Found when they are asked for: most turns change nothing.
    pub(crate) fn layout(&self) -> &Layout {
        self.layout.get_or_init(|| {
            let mut mounts = Vec::new();
            // Without mounts there are no cgroups to change; everything else still works.
            let _ = ProcFs::open(Path::new(PROC)).and_then(|mut proc| proc.mounts(&mut mounts));
            Layout::detect(&mounts, Path::new("/sys"))
        })
    }

    /// What stat says of that very process; `None` if it is gone, a zombie included.
    pub(crate) fn stat(&mut self, id: ProcessId) -> Option<Stat> {
        let stat = self.proc.stat(id.pid).ok()?;
        (stat.start_ticks == id.start_ticks && !matches!(stat.state, b'Z' | b'X')).then_some(stat)
    }

    /// The identity of a pid as of now.
    pub(crate) fn identify(&mut self, pid: u32) -> Option<ProcessId> {
        self.proc.stat(pid).ok().map(|stat| ProcessId { pid, start_ticks: stat.start_ticks })
    }

    /// Pins a process, so that no call can hit a later one of the same pid unseen.
    pub(crate) fn pin(&mut self, id: ProcessId) -> Result<Pinned, String> {
        let gone = || format!("process {} is gone", id.pid);
        let pid = raw_pid(id.pid).ok_or_else(gone)?;
        let fd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
        // Read after the pidfd was opened: whoever has the pid and this start time is the one behind the pidfd.
        self.stat(id).ok_or_else(gone)?;
        Ok(Pinned { id, fd })
    }
}

/// A process held by a pidfd whose identity was checked.
pub(crate) struct Pinned {
    pub(crate) id: ProcessId,
    fd: OwnedFd,
}

impl Pinned {
    /// Whether it has not ended. While it has not, nobody else can have its pid.
    pub(crate) fn is_alive(&self) -> bool {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(rustix::event::poll(&mut fds, Some(&now)), Ok(0))
    }

    /// Waits for its end, at most so long; whether it ended.
    pub(crate) fn wait_end(&self, limit_ms: u32) -> bool {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        let limit =
            Timespec { tv_sec: i64::from(limit_ms / 1000), tv_nsec: i64::from(limit_ms % 1000) * 1_000_000 };
        matches!(rustix::event::poll(&mut fds, Some(&limit)), Ok(1..))
    }

    /// Sends a signal to it and nobody else.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        rustix::process::pidfd_send_signal(self.fd.as_fd(), signal)
            .map_err(|errno| format!("process {}: {errno}", self.id.pid))
    }
}

/// A pid as rustix takes it.
pub(crate) fn raw_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}
