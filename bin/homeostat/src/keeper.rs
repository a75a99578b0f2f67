//! The keeper: parent of the daemon and of the services; one thread, no SQL, no model.
//!
//! It starts the daemon again when it dies, supervises services, and takes leased effects back when nobody
//! else can. Read [`Keeper::run`] first.
mod child;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use act::{Ring, RingError, ServiceStatus, Services};
use child::{Daemon, ended_child, signal, start_daemon};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use supervisor::{Happening, Supervisor};

use crate::error::{UserError, words};
use crate::legacy::Legacy;
use crate::link::descriptor;
use crate::paths::Paths;
use crate::signals::Signals;
use crate::wire::{self, Answer, RING_ENV, Request, Told, ToldKind};

/// A daemon that ran for so long is forgiven its earlier deaths.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// Longest wait before the daemon is started again.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Program text that a turn used is given back before the next sleep, but no more often than this: it costs about
/// as much as the turn.
const TRIM_EVERY: Duration = Duration::from_secs(1);

/// A daemon that was asked to end is killed after so long.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Happenings kept for a daemon that does not ask; older ones are dropped.
const TOLD_MAX: usize = 96;

/// The keeper.
struct Keeper {
    ring: Ring,
    signals: Signals,
    supervisor: Supervisor,
    daemon: Option<Daemon>,
    told: VecDeque<Told>,
    deaths: u32,
    start_at: Option<Instant>,
    /// Since when everything is to end.
    ending: Option<Instant>,
    exit: u8,
    legacy: Legacy,
    /// Whether the services of a keeper that was killed were looked for.
    has_adopted: bool,
    /// Readable for the daemon when there is something to ask for: without news neither wakes the other.
    news: OwnedFd,
    /// Changes of the services that the daemon was told of.
    told_changes: u64,
    /// When memory is given back next; `None` before the first daemon has come up.
    trim_at: Option<Instant>,
    /// What is given back, found once.
    trimmed: Vec<(usize, usize)>,
}

/// Keeps a daemon with the arguments of this process until it ends or is told to.
///
/// # Errors
/// There is no memory for the ring, or no way to start a process.
pub fn run(paths: &Paths) -> Result<ExitCode, UserError> {
    let cannot = |what: &str, error: &dyn std::fmt::Display| {
        UserError::new(format!("cannot {what}: {error}"), "`homeostat doctor` shows what this machine allows")
    };
    if !Path::new("/proc/self/stat").exists() {
        return Err(UserError::new("there is no /proc to read", "mount it: `mount -t proc proc /proc`"));
    }
    // The daemon tells where it cannot be had.
    let _ = crate::paging::take();
    act::ring::sweep();
    let ring = open_ring(paths).map_err(|error| cannot("set up the intent ring", &error))?;
    let signals = Signals::take().map_err(|error| cannot("receive signals", &words(&error)))?;
    let news = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
    // Orphans of our services come to us, so that none is lost.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let mut keeper = Keeper {
        ring,
        signals,
        supervisor: Supervisor::new(supervisor_options()),
        daemon: None,
        told: VecDeque::new(),
        deaths: 0,
        start_at: Some(Instant::now()),
        ending: None,
        exit: 0,
        legacy: Legacy::new(&paths.state_dir),
        has_adopted: false,
        news: news.map_err(|error| cannot("count news", &words(&error.into())))?,
        told_changes: 0,
        trim_at: None,
        trimmed: Vec::new(),
    };
    keeper.run().map_err(|error| cannot("keep the daemon", &words(&error)))?;
    // A run that ends by itself leaves no memory behind in which nothing stands.
    keeper.ring.discard_if_unused();
    Ok(ExitCode::from(keeper.exit))
}

/// The ring that a daemon handed on which became this keeper, else the one of that name, else memory of our own.
fn open_ring(paths: &Paths) -> Result<Ring, RingError> {
    let inherited = descriptor(RING_ENV);
    // SAFETY: this process has one thread yet. What is started from here on is told anew or not at all.
    unsafe { std::env::remove_var(RING_ENV) };
    if let Some(ring) = inherited.and_then(|fd| Ring::from_file(fd.into()).ok()) {
        return Ok(ring);
    }
    Ring::open_default(&paths.ring_name(), &paths.state_dir).or_else(|_| Ring::memfd())
}

/// Prefix of the cgroups below which our services live; the keeper's pid follows.
const CGROUP: &str = "homeostat-";

fn supervisor_options() -> supervisor::Options {
    let cgroup_roots = cgroup_roots();
    sweep(&cgroup_roots);
    supervisor::Options {
        tracer_pid: Some(std::process::id()),
        cgroup: Some(format!("{CGROUP}{}", std::process::id())),
        cgroup_roots,
    }
}

/// Removes the empty cgroups of keepers that were killed.
fn sweep(roots: &[PathBuf]) {
    for root in roots {
        for entry in std::fs::read_dir(root).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name();
            let pid = name
                .to_str()
                .and_then(|name| name.strip_prefix(CGROUP))
                .and_then(|pid| pid.parse::<u32>().ok());
            if pid.is_none_or(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists()) {
                continue;
            }
            // rmdir refuses one that still holds a process; such a service lives on without us.
            for child in std::fs::read_dir(entry.path()).into_iter().flatten().filter_map(Result::ok) {
                let _ = std::fs::remove_dir(child.path());
            }
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

fn cgroup_roots() -> Vec<PathBuf> {
    let roots = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = roots.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let is_ours = |fields: &Vec<&str>| match fields.get(2) {
        Some(&"cgroup2") => true,
        // Of version 1 only the controllers we act through.
        Some(&"cgroup") => fields.get(3).is_some_and(|options| {
            options.split(',').any(|one| matches!(one, "cpu" | "memory" | "freezer" | "cpuacct"))
        }),
        _ => false,
    };
    mounts.filter(is_ours).filter_map(|fields| fields.get(1).map(PathBuf::from)).collect()
}

impl Keeper {
    /// Waits, then does what is due, until everything has ended.
    fn run(&mut self) -> io::Result<()> {
        while !self.is_over() {
            self.wait()?;
            let now = Instant::now();
            self.obey_signals(now);
            self.answer(now);
            self.bury(now);
            self.tell(now);
            self.reap_orphans();
            self.leave_word();
            self.announce();
            self.guard_leases();
            self.raise(now)?;
            self.end(now);
        }
        self.legacy.end();
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.ending.is_some() && self.daemon.is_none() && self.supervisor.is_idle()
    }

    /// Gives memory back before a sleep, or lets the sleep end when it is time for it.
    fn rest(&mut self) -> Option<Instant> {
        let due = self.trim_at?;
        if Instant::now() < due {
            return Some(due);
        }
        if self.trimmed.is_empty() {
            self.trimmed = crate::trim::trim();
        } else {
            crate::trim::unmap(&self.trimmed);
        }
        self.trim_at = Some(Instant::now() + TRIM_EVERY);
        None
    }

    /// Sleeps until a descriptor or a deadline calls.
    fn wait(&mut self) -> io::Result<()> {
        let trim_at = self.rest();
        let mut fds = self.supervisor.poll_fds();
        fds.push(self.signals.fd());
        if let Some(daemon) = &self.daemon {
            fds.push(daemon.pidfd.as_fd());
            fds.push(daemon.socket.as_fd());
        }
        let mut fds =
            fds.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect::<Vec<_>>();
        let deadline = [
            self.supervisor.next_deadline(),
            self.start_at,
            self.lease_check_at(),
            self.end_check_at(),
            trim_at,
        ];
        let wait =
            deadline.into_iter().flatten().min().map(|at| at.saturating_duration_since(Instant::now()));
        // Rounded up, so that a deadline is past when we wake.
        let wait = wait.map(|wait| wait + Duration::from_millis(1));
        let wait = wait.map(|wait| Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        });
        match poll(&mut fds, wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Without a daemon the leases are ours to watch.
    fn lease_check_at(&self) -> Option<Instant> {
        let is_alone = self.daemon.as_ref().is_none_or(|daemon| !daemon.is_ready);
        let stands = is_alone && self.ring.slots().next().is_some();
        stands.then(|| Instant::now() + Duration::from_millis(500))
    }

    fn end_check_at(&self) -> Option<Instant> {
        self.ending.map(|_| Instant::now() + Duration::from_millis(200))
    }

    fn obey_signals(&mut self, now: Instant) {
        if self.signals.is_asked_to_end() && self.ending.is_none() {
            self.begin_to_end(now);
        }
    }

    fn begin_to_end(&mut self, now: Instant) {
        self.ending = Some(now);
        self.start_at = None;
        if let Some(daemon) = &self.daemon {
            signal(&daemon.child, libc::SIGTERM);
        } else {
            self.supervisor.stop_all(now);
        }
    }

    fn answer(&mut self, now: Instant) {
        let Some(mut daemon) = self.daemon.take() else { return };
        while let Ok(Some(request)) = wire::take::<Request>(&daemon.socket, 0) {
            if request == Request::Ready {
                daemon.is_ready = true;
                self.adopt(now);
                self.trim_at = Some(now);
            }
            let answer = self.obey(request, now);
            // A daemon that does not read has died or will be found stuck; either way there is nobody to tell.
            let _ = wire::put(&daemon.socket, &answer);
        }
        self.daemon = Some(daemon);
    }

    fn obey(&mut self, request: Request, now: Instant) -> Answer {
        let done = match request {
            Request::Ready => Ok(()),
            Request::Look => {
                return Answer::Services(self.supervisor.status(now), self.told.drain(..).collect());
            }
            Request::List => return Answer::Services(self.supervisor.status(now), Vec::new()),
            Request::Lines(name) => match self.supervisor.lines(&name) {
                Ok(lines) => return Answer::Lines(lines),
                Err(refused) => Err(refused),
            },
            Request::Start(config) => self.supervisor.start(*config),
            Request::Stop(name) => self.supervisor.stop(&name, now),
            Request::Restart(name) => self.supervisor.restart(&name, now),
            Request::SetBackOffMin(name, seconds) => self.supervisor.set_back_off_min(&name, seconds, now),
        };
        done.map_or_else(|refused| Answer::Refused(refused.to_string()), |()| Answer::Done)
    }

    /// Sees whether the daemon has died.
    fn bury(&mut self, now: Instant) {
        let Some(daemon) = &mut self.daemon else { return };
        let Ok(Some(status)) = daemon.child.try_wait() else {
            self.kill_if_late(now);
            return;
        };
        let (was_ready, ran) = (daemon.is_ready, now.duration_since(daemon.started));
        self.daemon = None;
        if status.success() || !was_ready {
            // It ended by itself, or never came up: what is wrong stands on the terminal already.
            self.exit = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2);
            self.ending = Some(self.ending.unwrap_or(now));
        }
        if self.ending.is_some() {
            self.supervisor.stop_all(now);
            return;
        }
        self.deaths = if ran > FORGIVEN_AFTER { 1 } else { self.deaths + 1 };
        let wait = Duration::from_millis(100).saturating_mul(1 << self.deaths.min(16)).min(WAIT_MAX);
        eprintln!(
            "homeostat: the daemon died ({status}); it is started again in {:.1} s",
            wait.as_secs_f64()
        );
        self.start_at = Some(now + wait);
    }

    fn kill_if_late(&self, now: Instant) {
        if let (Some(since), Some(daemon)) = (self.ending, &self.daemon)
            && now.duration_since(since) > END_TIMEOUT
        {
            signal(&daemon.child, libc::SIGKILL);
        }
    }

    /// Lets the supervisor work and notes what happened.
    fn tell(&mut self, now: Instant) {
        for happening in self.supervisor.turn(now) {
            let (service, what) = match happening {
                Happening::Started { name, pid } => (name, ToldKind::Started(pid)),
                Happening::Ended { name, exit, is_failure } => {
                    (name, ToldKind::Ended { code: exit.code, signal: exit.signal, is_failure })
                }
                Happening::Refused { name, because } => (name, ToldKind::Refused(because)),
                Happening::Line { name, text } => (name, ToldKind::Line(text)),
            };
            if self.told.len() >= TOLD_MAX {
                self.told.pop_front();
            }
            self.told.push_back(Told { boot_ns: act::boot_ns(), service, what });
        }
    }

    /// Takes up the services of a keeper that was killed. Only now: a daemon that came up is the only one here.
    fn adopt(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.has_adopted, true) {
            self.supervisor.adopt(self.legacy.take(), now);
        }
    }

    /// Writes down what the next keeper needs if this one is killed, when it has changed.
    fn leave_word(&mut self) {
        if self.has_adopted {
            self.legacy.leave(&self.supervisor);
        }
    }

    /// Lets the daemon know that there is something to ask for.
    fn announce(&mut self) {
        let changes = self.supervisor.changes();
        if !self.told.is_empty() || changes != self.told_changes {
            self.told_changes = changes;
            // A counter that is full is readable all the same.
            let _ = rustix::io::write(&self.news, &1_u64.to_ne_bytes());
        }
    }

    /// Orphans of services come to us, for we are their reaper; ours are left to whoever waits for them.
    fn reap_orphans(&self) {
        while let Some(pid) = ended_child() {
            let is_daemon = self.daemon.as_ref().is_some_and(|daemon| daemon.child.id() == pid);
            if is_daemon || self.supervisor.waits_for(pid) {
                return;
            }
            // SAFETY: waitpid(2) on a child that has ended and that nobody else here waits for.
            unsafe { libc::waitpid(pid as i32, std::ptr::null_mut(), libc::WNOHANG) };
        }
    }

    /// Takes back what has outlived its lease while no daemon watches.
    fn guard_leases(&mut self) {
        if self.lease_check_at().is_none() {
            return;
        }
        let mut services = Own(&mut self.supervisor);
        // While a daemon that is just starting holds the lock, it settles them itself.
        let ended = act::undo_expired(&self.ring, act::boot_ns(), &mut services);
        for one in ended.into_iter().flatten() {
            eprintln!("homeostat: action {}: {}", one.record.intent.action_id, one.because);
        }
    }

    /// Starts the daemon when it is due.
    fn raise(&mut self, now: Instant) -> io::Result<()> {
        if self.daemon.is_some() || self.start_at.is_none_or(|at| at > now) {
            return Ok(());
        }
        self.start_at = None;
        self.daemon = Some(start_daemon(&self.ring, &self.news)?);
        Ok(())
    }

    /// At the very end, takes back what has not proved itself and what asks for it.
    fn end(&mut self, _: Instant) {
        if !self.is_over() {
            return;
        }
        let mut services = Own(&mut self.supervisor);
        if let Err(error) = act::undo_all(&self.ring, act::Scope::OnDeath, &mut services) {
            eprintln!("homeostat: effects could not be taken back: {error}; try `homeostat undo --all`");
        }
    }
}

/// Our own supervisor, as act wants it.
struct Own<'a>(&'a mut Supervisor);

impl Services for Own<'_> {
    fn status(&mut self, name: &str) -> io::Result<Option<ServiceStatus>> {
        let all = self.0.status(Instant::now());
        Ok(all.iter().find(|one| one.name == name).map(|one| ServiceStatus {
            main: None,
            starts: one.starts,
            back_off_min_s: one.back_off_min_s,
        }))
    }

    fn restart(&mut self, name: &str) -> io::Result<()> {
        self.0.restart(name, Instant::now()).map_err(io::Error::other)
    }

    fn set_back_off_min(&mut self, name: &str, seconds: f64) -> io::Result<()> {
        self.0.set_back_off_min(name, seconds, Instant::now()).map_err(io::Error::other)
    }
}
