//! Asking a service how it is, without waiting for the answer.
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::Health;

/// The health check of one service.
#[derive(Debug, Default)]
pub(crate) struct Check {
    asked: Option<(Instant, Question)>,
    next_at: Option<Instant>,
    /// Outcome of the last check that ended.
    pub is_healthy: Option<bool>,
}

/// A check under way.
#[derive(Debug)]
enum Question {
    Connection(OwnedFd),
    Command(Child),
    Refused,
}

impl Check {
    /// Begins anew: a service that was just started has a whole period before its first check.
    pub(crate) fn reset(&mut self, health: Option<&Health>, now: Instant) {
        self.give_up();
        self.is_healthy = None;
        self.next_at = health.map(|health| now + Duration::from_secs_f64(health.every_s));
    }

    /// Ends a check under way.
    pub(crate) fn give_up(&mut self) {
        if let Some((_, Question::Command(mut child))) = self.asked.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.next_at = None;
    }

    /// When there is something to do.
    pub(crate) fn deadline(&self, health: Option<&Health>) -> Option<Instant> {
        let timeout = Duration::from_secs_f64(health?.timeout_s);
        match &self.asked {
            // A command has no descriptor to wait for; look at it twenty times a second.
            Some((_, Question::Command(_))) => Some(Instant::now() + Duration::from_millis(50)),
            Some((at, _)) => Some(*at + timeout),
            None => self.next_at,
        }
    }

    /// Descriptor that becomes ready with the answer.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.asked {
            Some((_, Question::Connection(socket))) => Some(socket.as_fd()),
            _ => None,
        }
    }

    /// The command that is asked, if it is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        match &self.asked {
            Some((_, Question::Command(child))) => Some(child.id()),
            _ => None,
        }
    }

    /// Does what is due.
    pub(crate) fn turn(&mut self, health: &Health, now: Instant) {
        if let Some((at, question)) = &mut self.asked {
            let is_late = now.duration_since(*at).as_secs_f64() > health.timeout_s;
            let answer = question.answer().or(is_late.then_some(false));
            if let Some(answer) = answer {
                self.give_up();
                self.is_healthy = Some(answer);
                self.next_at = Some(now + Duration::from_secs_f64(health.every_s));
            }
        } else if self.next_at.is_some_and(|at| at <= now) {
            self.asked = Some((now, ask(health)));
        }
    }
}

impl Question {
    /// The answer, if there is one yet.
    fn answer(&mut self) -> Option<bool> {
        match self {
            Self::Refused => Some(false),
            Self::Command(child) => match child.try_wait() {
                Ok(status) => status.map(|status| status.success()),
                Err(_) => Some(false),
            },
            Self::Connection(socket) => {
                let mut fds = [PollFd::new(socket, PollFlags::OUT)];
                let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
                match poll(&mut fds, Some(&at_once)) {
                    Ok(0) => None,
                    Ok(_) => Some(matches!(rustix::net::sockopt::socket_error(&*socket), Ok(Ok(())))),
                    Err(_) => Some(false),
                }
            }
        }
    }
}

fn ask(health: &Health) -> Question {
    match health.tcp_port {
        Some(port) => connect(port),
        None => run(&health.command),
    }
}

fn connect(port: u16) -> Question {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let Ok(socket) = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None) else {
        return Question::Refused;
    };
    match rustix::net::connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(()) => Question::Connection(socket),
        Err(error) if error.kind() == ErrorKind::WouldBlock || error == rustix::io::Errno::INPROGRESS => {
            Question::Connection(socket)
        }
        Err(_) => Question::Refused,
    }
}

fn run(command: &[String]) -> Question {
    let Some((program, arguments)) = command.split_first() else { return Question::Refused };
    let quiet = || Stdio::null();
    let child = Command::new(program).args(arguments).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    child.map_or(Question::Refused, Question::Command)
}
