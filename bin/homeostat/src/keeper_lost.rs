//! A daemon whose keeper was killed becomes the next keeper: it executes this program anew, with the ring in hand.
//!
//! The new keeper takes up the services, starts a daemon, and that settles the ring: one way for every start.
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, getppid};

use crate::error::{UserError, cannot};
use crate::wire::{NEWS_ENV, RING_ENV, SOCKET_ENV};

/// The keeper as it was at the start.
#[derive(Clone, Copy, Debug)]
pub struct Parent(Option<Pid>);

impl Parent {
    /// The parent of this process.
    pub fn now() -> Self {
        Self(getppid())
    }

    /// Whether it is gone: an orphan gets another parent.
    pub fn is_gone(self) -> bool {
        getppid() != self.0
    }
}

/// Becomes the keeper; does not return unless that fails.
pub fn succeed(ring: Option<&OwnedFd>) -> UserError {
    eprintln!("homeostat: the keeper is gone; this process takes its place");
    crate::urgency::give_back();
    let mut command = Command::new("/proc/self/exe");
    let name = std::env::args_os().next().unwrap_or_else(|| "homeostat".into());
    command
        .arg0(name)
        .args(std::env::args_os().skip(1))
        .env_remove(SOCKET_ENV)
        .env_remove(RING_ENV)
        .env_remove(NEWS_ENV);
    if let Some(ring) = ring {
        // SAFETY: fcntl(2) on a descriptor that is open; it is to outlive the call of exec.
        unsafe { libc::fcntl(ring.as_raw_fd(), libc::F_SETFD, 0) };
        command.env(RING_ENV, ring.as_raw_fd().to_string());
    }
    cannot("take the place of the keeper", &command.exec())
}
