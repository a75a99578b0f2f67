//! The daemon as the keeper's child: starting it, signalling it, and children that have ended.
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Instant;

use act::Ring;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::wire::{NEWS_ENV, RING_ENV, SOCKET_ENV};

/// A daemon that is alive.
pub(super) struct Daemon {
    pub child: Child,
    pub pidfd: OwnedFd,
    pub socket: OwnedFd,
    pub started: Instant,
    pub is_ready: bool,
}

/// A child that has ended and was not waited for, which it goes on being.
pub(super) fn ended_child() -> Option<u32> {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: waitid(2) fills a structure on our stack; the pid in it is 0 if nobody has ended.
    let pid = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        if libc::waitid(libc::P_ALL, 0, &raw mut info, options) != 0 {
            return None;
        }
        info.si_pid()
    };
    u32::try_from(pid).ok().filter(|pid| *pid != 0)
}

pub(super) fn signal(child: &Child, signal: i32) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // SAFETY: kill(2) takes plain integers; the child is not reaped, so its pid is its own.
        unsafe { libc::kill(pid, signal) };
    }
}

/// Starts this program again as the daemon, with its end of a socket, the ring and the counter of news.
pub(super) fn start_daemon(ring: &Ring, news: &OwnedFd) -> io::Result<Daemon> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let ring = ring.file().as_raw_fd();
    let (socket, news) = (theirs.as_raw_fd(), news.as_raw_fd());
    let mut command = Command::new("/proc/self/exe");
    command
        .args(std::env::args_os().skip(1))
        .env(SOCKET_ENV, socket.to_string())
        .env(RING_ENV, ring.to_string())
        .env(NEWS_ENV, news.to_string());
    let name = std::env::args_os().next().unwrap_or_else(|| "homeostat".into());
    command.arg0(name);
    let keep = move || {
        for fd in [socket, ring, news] {
            // SAFETY: fcntl(2) on descriptors that the parent holds open across the fork.
            unsafe { libc::fcntl(fd, libc::F_SETFD, 0) };
        }
        crate::signals::unblock();
        Ok(())
    };
    // SAFETY: the closure makes only async-signal-safe system calls.
    unsafe { command.pre_exec(keep) };
    let child = command.spawn()?;
    let pid = rustix::process::Pid::from_child(&child);
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    Ok(Daemon { child, pidfd, socket: ours, started: Instant::now(), is_ready: false })
}
