//! One service: a small state machine.
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cgroup::Place;
use crate::health::Check;
use crate::kept::Kept;
use crate::logs::Logs;
use crate::main_process::Main;
use crate::mark;
use crate::spawn::spawn;
use crate::{Happening, Options, Restart, ServiceConfig};

/// How a main process ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Signal; `None` if it exited.
    pub signal: Option<i32>,
    /// How long it had run. Unit: s.
    pub ran_s: f64,
    /// How long ago it ended. Unit: s.
    pub age_s: f64,
}

/// What a service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Its main process is alive.
    Running,
    /// It waits for its next start.
    BackingOff,
    /// It is not started again.
    Stopped,
}

/// One service, as the outside sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// Its main process, while it runs.
    pub pid: Option<u32>,
    /// Path of its cgroup below the root of each hierarchy, where it has one.
    pub cgroup: Option<String>,
    /// Times it was started.
    pub starts: u64,
    /// Times it ended by itself with a failure.
    pub failures: u64,
    /// How it ended last.
    pub last_exit: Option<Exit>,
    /// Wait before its next start after a failure. Unit: s.
    pub back_off_s: f64,
    /// Least wait set from outside. Unit: s.
    pub back_off_min_s: f64,
    /// Outcome of its own health check.
    pub is_healthy: Option<bool>,
}

/// Rounds of killing what has no cgroup: a fork bomb outruns any number.
const KILL_ROUNDS_MAX: u32 = 8;

/// A main process that is alive.
#[derive(Debug)]
struct Running {
    main: Main,
    started: Instant,
    /// Asked to end: since when, and whether killed already.
    stopping: Option<(Instant, bool)>,
}

/// What to do when the main process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Run,
    Stop,
}

/// One service.
#[derive(Debug)]
pub(crate) struct Service {
    config: ServiceConfig,
    mark: String,
    place: Place,
    running: Option<Running>,
    wish: Wish,
    start_at: Option<Instant>,
    back_off_s: f64,
    back_off_min_s: f64,
    starts: u64,
    failures: u64,
    last_exit: Option<(Instant, Exit)>,
    logs: Logs,
    check: Check,
}

impl Service {
    /// A service that is started at its first turn.
    pub(crate) fn new(config: ServiceConfig) -> Self {
        let back_off_s = config.back_off.start_s;
        Self {
            mark: mark::of(&config.name),
            config,
            place: Place::default(),
            running: None,
            wish: Wish::Run,
            start_at: Some(Instant::now()),
            back_off_s,
            back_off_min_s: 0.0,
            starts: 0,
            failures: 0,
            last_exit: None,
            logs: Logs::default(),
            check: Check::default(),
        }
    }

    pub(crate) const fn is_stopped(&self) -> bool {
        self.running.is_none() && self.start_at.is_none()
    }

    pub(crate) const fn is_healthy(&self) -> Option<bool> {
        self.check.is_healthy
    }

    pub(crate) fn waits_for(&self, pid: u32) -> bool {
        self.running.as_ref().is_some_and(|running| running.main.pid() == pid)
            || self.check.pid() == Some(pid)
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        self.wish = Wish::Stop;
        self.start_at = None;
        self.ask_to_end(now);
        self.clean_up();
    }

    pub(crate) fn restart(&mut self, now: Instant) {
        self.wish = Wish::Run;
        if self.running.is_some() {
            self.ask_to_end(now);
        } else {
            self.start_at = Some(now);
        }
    }

    /// A wait that is under way is lengthened, or shortened when the minimum is taken away.
    pub(crate) fn set_back_off_min(&mut self, seconds: f64, now: Instant) {
        self.back_off_min_s = if seconds.is_finite() { seconds.clamp(0.0, 86_400.0) } else { 0.0 };
        if self.running.is_none() && self.start_at.is_some() {
            self.start_at = Some(now + Duration::from_secs_f64(self.wait_s()));
        }
    }

    fn wait_s(&self) -> f64 {
        self.back_off_s.max(self.back_off_min_s)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.logs.lines()
    }

    pub(crate) fn status(&self, now: Instant) -> Status {
        let state = match (&self.running, self.start_at) {
            (Some(_), _) => State::Running,
            (None, Some(_)) => State::BackingOff,
            (None, None) => State::Stopped,
        };
        let age = |(at, exit): (Instant, Exit)| Exit { age_s: now.duration_since(at).as_secs_f64(), ..exit };
        Status {
            name: self.config.name.clone(),
            state,
            pid: self.running.as_ref().map(|running| running.main.pid()),
            cgroup: self.place.exists().then(|| self.place.path.clone()),
            starts: self.starts,
            failures: self.failures,
            last_exit: self.last_exit.map(age),
            back_off_s: self.wait_s(),
            back_off_min_s: self.back_off_min_s,
            is_healthy: self.check.is_healthy,
        }
    }

    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let main = self.running.as_ref().map(|running| running.main.fd());
        let pipes = self.logs.streams.iter().map(|stream| stream.pipe.as_fd());
        main.into_iter().chain(pipes).chain(self.check.fd())
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timeout = Duration::from_secs_f64(self.config.stop.timeout_s);
        let kill_at = self.running.as_ref().and_then(|running| match running.stopping {
            Some((since, false)) => Some(since + timeout),
            _ => None,
        });
        let check_at = self.running.as_ref().and_then(|_| self.check.deadline(self.config.health.as_ref()));
        [self.start_at.filter(|_| self.running.is_none()), kill_at, check_at].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn turn(&mut self, options: &Options, now: Instant, to: &mut Vec<Happening>) {
        let name = &self.config.name;
        to.extend(self.logs.read().into_iter().map(|text| Happening::Line { name: name.clone(), text }));
        self.reap(now, to);
        self.kill_if_late(now);
        if self.running.is_none() && self.start_at.is_some_and(|at| at <= now) {
            self.launch(options, now, to);
        }
        if let (Some(_), Some(health)) = (&self.running, &self.config.health) {
            self.check.turn(health, now);
        }
    }

    fn reap(&mut self, now: Instant, to: &mut Vec<Happening>) {
        let Some(running) = &mut self.running else { return };
        if !running.main.has_ended() {
            return;
        }
        // While it is a zombie its pid is its own: what it left behind in its session can still be named.
        running.main.signal_group(libc::SIGKILL);
        let status = running.main.reap();
        let was_asked = running.stopping.is_some();
        let ran = now.duration_since(running.started);
        let exit = exit_of(status, ran);
        // How one ended that is no child of ours nobody tells: then it counts as a failure.
        let is_failure = !was_asked && !status.is_some_and(|status| status.success());
        self.running = None;
        self.last_exit = Some((now, exit));
        self.check.reset(None, now);
        self.kill_rest();
        if is_failure {
            self.failures += 1;
        }
        to.push(Happening::Ended { name: self.config.name.clone(), exit, is_failure });
        self.plan_next(now, ran, was_asked, is_failure);
    }

    /// When to start again, if at all.
    fn plan_next(&mut self, now: Instant, ran: Duration, was_asked: bool, is_failure: bool) {
        let starts_again = match (self.wish, self.config.restart) {
            (Wish::Stop, _) => false,
            (Wish::Run, Restart::Always) => true,
            (Wish::Run, Restart::OnFailure) => is_failure || was_asked,
            (Wish::Run, Restart::Never) => was_asked,
        };
        if !starts_again {
            self.start_at = None;
            self.clean_up();
            return;
        }
        let back_off = self.config.back_off;
        if ran.as_secs_f64() >= back_off.reset_after_s || was_asked {
            self.back_off_s = back_off.start_s;
        }
        let wait_s = if was_asked { 0.0 } else { self.wait_s() };
        self.start_at = Some(now + Duration::from_secs_f64(wait_s));
        if is_failure {
            self.back_off_s = (self.back_off_s * 2.0).min(back_off.max_s).max(back_off.start_s);
        }
    }

    fn launch(&mut self, options: &Options, now: Instant, to: &mut Vec<Happening>) {
        let name = self.config.name.clone();
        if !self.place.exists() {
            self.place = Place::make(options, &self.config);
        }
        match spawn(&self.config, options, &self.place, &self.mark) {
            Ok(spawned) => {
                self.starts += 1;
                self.start_at = None;
                to.push(Happening::Started { name, pid: spawned.main.pid() });
                self.logs.attach(spawned.pipes);
                self.check.reset(self.config.health.as_ref(), now);
                self.running = Some(Running { main: spawned.main, started: now, stopping: None });
            }
            Err(error) => {
                self.failures += 1;
                let because = format!("`{}` cannot be started: {error}", self.config.command.join(" "));
                to.push(Happening::Refused { name, because });
                self.plan_next(now, Duration::ZERO, false, true);
            }
        }
    }

    fn ask_to_end(&mut self, now: Instant) {
        let Some(running) = &mut self.running else { return };
        if running.stopping.is_none() {
            running.stopping = Some((now, false));
            self.place.thaw();
            running.main.signal_group(self.config.stop.signal);
            // A stopped process sees no other signal until it is continued.
            running.main.signal_group(libc::SIGCONT);
        }
    }

    fn kill_if_late(&mut self, now: Instant) {
        let timeout = self.config.stop.timeout_s;
        let Some(running) = &mut self.running else { return };
        if let Some((since, false)) = running.stopping
            && now.duration_since(since).as_secs_f64() >= timeout
        {
            running.stopping = Some((since, true));
            self.place.thaw();
            running.main.signal_group(libc::SIGKILL);
            self.place.kill();
        }
    }

    /// Kills what the main process left behind in its cgroup, and, where it has none, in sessions of their own.
    fn kill_rest(&mut self) {
        if !self.place.exists() {
            // A process may start another while we look; each round kills all that the last one started.
            for _ in 0..KILL_ROUNDS_MAX {
                if mark::kill(&self.mark) == 0 {
                    break;
                }
            }
        } else if self.place.is_populated() {
            self.place.kill();
        }
    }

    /// What is needed to take it up again.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            config: self.config.clone(),
            main: self.running.as_ref().map(|running| running.main.identity),
            mark: self.mark.clone(),
            cgroup: self.place.path.clone(),
            folders: self.place.folders.clone(),
            is_wanted: self.wish == Wish::Run && !self.is_stopped(),
            starts: self.starts,
            failures: self.failures,
            back_off_min_s: self.back_off_min_s,
        }
    }

    /// Takes up a service whose supervisor was killed. If its main process has ended meanwhile, it failed.
    pub(crate) fn adopt(kept: Kept, now: Instant) -> Self {
        let main = kept.main.and_then(Main::adopt);
        let mut service = Self::new(kept.config);
        service.mark = kept.mark;
        let folders = kept.folders.into_iter().filter(|folder| folder.exists()).collect();
        service.place = Place { path: kept.cgroup, folders };
        (service.starts, service.failures) = (kept.starts, kept.failures);
        service.back_off_min_s = kept.back_off_min_s;
        service.start_at = None;
        if !kept.is_wanted {
            service.wish = Wish::Stop;
        }
        match main {
            Some(main) => {
                service.logs.attach(pipes_of(main.pid()));
                service.check.reset(service.config.health.as_ref(), now);
                service.running = Some(Running { main, started: now, stopping: None });
            }
            None => {
                service.kill_rest();
                let has_failed = kept.main.is_some();
                service.failures += u64::from(has_failed);
                service.plan_next(now, Duration::ZERO, false, has_failed || kept.is_wanted);
            }
        }
        service
    }

    /// Removes the cgroup of a service that is not started again.
    fn clean_up(&mut self) {
        if self.running.is_none() {
            self.place.remove();
        }
    }
}

fn exit_of(status: Option<ExitStatus>, ran: Duration) -> Exit {
    let code = status.and_then(|status| status.code());
    let signal = status.and_then(|status| status.signal());
    Exit { code, signal, ran_s: ran.as_secs_f64(), age_s: 0.0 }
}

/// The ends of the pipes that a process writes its log to, opened anew: the ones we had ended with our predecessor.
fn pipes_of(pid: u32) -> Vec<File> {
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let is_pipe =
        |path: &String| std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("pipe:"));
    let paths = [1, 2].map(|fd| format!("/proc/{pid}/fd/{fd}"));
    paths.iter().filter(|path| is_pipe(path)).filter_map(|path| options.open(path).ok()).collect()
}

impl Drop for Service {
    /// A supervisor that is dropped takes its services along.
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            self.place.thaw();
            running.main.signal_group(libc::SIGKILL);
            self.place.kill();
            let _ = running.main.reap();
        }
        self.check.give_up();
        self.place.remove();
    }
}
