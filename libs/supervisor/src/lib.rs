//! Runs services: start, restart with back-off, limits, logs, health. Knows nothing of the product.
//!
//! Single-threaded: the caller polls [`Supervisor::poll_fds`] until [`Supervisor::next_deadline`] and then calls
//! [`Supervisor::turn`], which never waits. Services are leaders of sessions of their own, so they outlive
//! everything but the process that holds the supervisor.

mod cgroup;
mod config;
mod health;
mod kept;
mod logs;
mod main_process;
mod mark;
mod service;
mod spawn;
mod user;

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Instant;

pub use config::{BackOff, Health, Limits, Restart, ServiceConfig, Stop};
pub use kept::Kept;
pub use main_process::Identity;
use service::Service;
pub use service::{Exit, State, Status};

/// Services at most: each costs a process and three descriptors.
const SERVICES_MAX: usize = 256;

/// What a supervisor depends on besides its services.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Process that may read the memory of the services, with its descendants, where Yama allows only
    /// ancestors (prctl(2), PR_SET_PTRACER).
    pub tracer_pid: Option<u32>,
    /// Name of the cgroup below which each service gets one of its own; `None` makes no cgroups.
    pub cgroup: Option<String>,
    /// Folders in which cgroup hierarchies are mounted.
    pub cgroup_roots: Vec<PathBuf>,
}

/// Something that happened to a service.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// It was started.
    Started {
        /// Its name.
        name: String,
        /// Its main process.
        pid: u32,
    },
    /// Its main process ended.
    Ended {
        /// Its name.
        name: String,
        /// How.
        exit: Exit,
        /// Whether it ended by itself with an exit code other than 0 or by a signal.
        is_failure: bool,
    },
    /// It could not be started.
    Refused {
        /// Its name.
        name: String,
        /// Why.
        because: String,
    },
    /// It wrote a line to its standard output or error.
    Line {
        /// Its name.
        name: String,
        /// The line, without its end, at most 1,024 bytes.
        text: String,
    },
}

/// A request that cannot be carried out, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// The supervisor.
#[derive(Debug, Default)]
pub struct Supervisor {
    options: Options,
    services: BTreeMap<String, Service>,
    changes: u64,
}

impl Supervisor {
    /// A supervisor without services.
    pub fn new(options: Options) -> Self {
        Self { options, services: BTreeMap::new(), changes: 0 }
    }

    /// Takes up a service and starts it at the next turn; one of the same name that is stopped is replaced.
    ///
    /// # Errors
    /// The configuration is impossible, the name is taken by a service that runs, or there are too many.
    pub fn start(&mut self, config: ServiceConfig) -> Result<(), Refused> {
        config.check().map_err(Refused)?;
        if let Some(user) = &config.user {
            user::User::find(user)
                .map_err(|because| Refused(format!("service `{}`: {because}", config.name)))?;
        }
        let is_taken = self.services.get(&config.name).is_some_and(|one| !one.is_stopped());
        if is_taken {
            return Err(Refused(format!("service `{}` is already there; stop or restart it", config.name)));
        }
        if self.services.len() >= SERVICES_MAX {
            return Err(Refused(format!("there are {SERVICES_MAX} services already")));
        }
        self.services.insert(config.name.clone(), Service::new(config));
        self.changes += 1;
        Ok(())
    }

    /// Takes up services whose supervisor was killed.
    pub fn adopt(&mut self, kept: Vec<Kept>, now: Instant) {
        for one in kept.into_iter().filter(|one| one.config.check().is_ok()).take(SERVICES_MAX) {
            self.services.insert(one.config.name.clone(), Service::adopt(one, now));
        }
        self.changes += 1;
    }

    /// What a successor needs to take the services up; changes with [`Supervisor::changes`].
    pub fn kept(&self) -> Vec<Kept> {
        self.services.values().map(Service::kept).collect()
    }

    /// Counts starts, ends, orders and turns of health.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether that child is waited for here: a main process, or the command of a health check.
    pub fn waits_for(&self, pid: u32) -> bool {
        self.services.values().any(|service| service.waits_for(pid))
    }

    /// Stops a service; it stays known and is not started again.
    ///
    /// # Errors
    /// There is no such service.
    pub fn stop(&mut self, name: &str, now: Instant) -> Result<(), Refused> {
        self.find(name)?.stop(now);
        self.changes += 1;
        Ok(())
    }

    /// Stops a service if it runs, and starts it again at once, whatever its back-off.
    ///
    /// # Errors
    /// There is no such service.
    pub fn restart(&mut self, name: &str, now: Instant) -> Result<(), Refused> {
        self.find(name)?.restart(now);
        self.changes += 1;
        Ok(())
    }

    /// Sets the least wait before the next start after a failure; 0 takes it away. Unit: s.
    ///
    /// # Errors
    /// There is no such service.
    pub fn set_back_off_min(&mut self, name: &str, seconds: f64, now: Instant) -> Result<(), Refused> {
        self.find(name)?.set_back_off_min(seconds, now);
        self.changes += 1;
        Ok(())
    }

    /// The last lines a service wrote, oldest first.
    ///
    /// # Errors
    /// There is no such service.
    pub fn lines(&mut self, name: &str) -> Result<Vec<String>, Refused> {
        Ok(self.find(name)?.lines())
    }

    fn find(&mut self, name: &str) -> Result<&mut Service, Refused> {
        let known = self.services.keys().cloned().collect::<Vec<_>>().join(", ");
        self.services
            .get_mut(name)
            .ok_or_else(|| Refused(format!("there is no service `{name}`; known: {known}")))
    }

    /// State of every service, in order of name.
    pub fn status(&self, now: Instant) -> Vec<Status> {
        self.services.values().map(|service| service.status(now)).collect()
    }

    /// Descriptors that become readable when there is something to do.
    pub fn poll_fds(&self) -> Vec<BorrowedFd<'_>> {
        self.services.values().flat_map(Service::fds).collect()
    }

    /// When there is something to do even if no descriptor is ready.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.services.values().filter_map(Service::deadline).min()
    }

    /// Does all that is due now, without waiting.
    pub fn turn(&mut self, now: Instant) -> Vec<Happening> {
        let mut happenings = Vec::new();
        for service in self.services.values_mut() {
            let was_healthy = service.is_healthy();
            service.turn(&self.options, now, &mut happenings);
            self.changes += u64::from(service.is_healthy() != was_healthy);
        }
        self.changes += happenings.iter().filter(|one| !matches!(one, Happening::Line { .. })).count() as u64;
        happenings
    }

    /// Whether every service has ended.
    pub fn is_idle(&self) -> bool {
        self.services.values().all(Service::is_stopped)
    }

    /// Stops every service.
    pub fn stop_all(&mut self, now: Instant) {
        for service in self.services.values_mut() {
            service.stop(now);
        }
    }
}
