//! The daemon's line to its keeper.
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex};

use act::ServiceStatus;
use observe::ServiceSource;
use supervisor::{State, Status};
use vocab::event::{Event, EventKind};
use vocab::sample::{ServiceExit, ServiceSample, ServiceState};
use vocab::{Entity, ProcessId, Timestamp};

use crate::door::{self, ServiceControl, ServiceOp};
use crate::wire::{self, Answer, NEWS_ENV, Request, Told, ToldKind};

/// An answer later than this is none: the keeper waits for nothing, so it is dead or stopped. Unit: ms.
const ANSWER_MS: i32 = 500;
/// The same of an order: whoever starts a program waits until that has a turn on a crowded CPU. Unit: ms.
const ORDER_MS: i32 = 4_000;

/// The line; cloned for whoever speaks over it.
#[derive(Clone, Debug)]
pub struct Link(Arc<Mutex<Line>>);

#[derive(Debug)]
struct Line {
    socket: OwnedFd,
    /// Answers that are still to come; one that did not come in time comes before any other.
    owed: u32,
    /// What happened, by those of them that came since.
    told: Vec<Told>,
}

impl Link {
    /// The line whose descriptor the keeper named in the environment variable.
    pub fn from_env(name: &str) -> Option<Self> {
        descriptor(name).map(Self::over)
    }

    fn over(socket: OwnedFd) -> Self {
        Self(Arc::new(Mutex::new(Line { socket, owed: 0, told: Vec::new() })))
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The keeper does not answer in time ([`io::ErrorKind::TimedOut`]), or is gone.
    pub fn ask(&self, request: &Request) -> io::Result<Answer> {
        self.ask_within(ANSWER_MS, request)
    }

    fn ask_within(&self, timeout_ms: i32, request: &Request) -> io::Result<Answer> {
        let mut line = self.0.lock().map_err(|_| io::Error::other("the line to the keeper is broken"))?;
        wire::put(line.socket.as_fd(), request)?;
        line.owed += 1;
        loop {
            let late = || io::Error::new(io::ErrorKind::TimedOut, "the keeper does not answer");
            let answer = wire::take(&line.socket, timeout_ms)?.ok_or_else(late)?;
            line.owed -= 1;
            match answer {
                Answer::Services(_, told) if line.owed > 0 => line.told.extend(told),
                _ if line.owed > 0 => {}
                Answer::Services(services, told) if *request == Request::Look => {
                    let all = std::mem::take(&mut line.told).into_iter().chain(told);
                    return Ok(Answer::Services(services, all.collect()));
                }
                answer => return Ok(answer),
            }
        }
    }

    fn order(&self, request: &Request) -> io::Result<()> {
        match self.ask_within(ORDER_MS, request)? {
            Answer::Refused(because) => Err(io::Error::other(because)),
            _ => Ok(()),
        }
    }

    fn peek(&self) -> io::Result<Vec<Status>> {
        match self.ask(&Request::List)? {
            Answer::Services(services, _) => Ok(services),
            other => Err(unexpected(&other)),
        }
    }

    fn lines(&self, name: &str, count: usize) -> Result<Vec<String>, String> {
        match self.ask(&Request::Lines(name.to_owned())).map_err(|error| error.to_string())? {
            Answer::Lines(mut lines) => {
                let excess = lines.len().saturating_sub(count);
                lines.drain(..excess);
                Ok(lines)
            }
            Answer::Refused(because) => Err(because),
            other => Err(unexpected(&other).to_string()),
        }
    }

    fn look(&self) -> io::Result<(Vec<Status>, Vec<Told>)> {
        match self.ask(&Request::Look)? {
            Answer::Services(services, told) => Ok((services, told)),
            other => Err(unexpected(&other)),
        }
    }
}

fn unexpected(answer: &Answer) -> io::Error {
    io::Error::other(format!("unexpected answer of the keeper: {answer:?}"))
}

/// The descriptor that a parent left open and named in the environment.
pub fn descriptor(name: &str) -> Option<OwnedFd> {
    let fd = std::env::var(name).ok()?.parse::<RawFd>().ok()?;
    // SAFETY: fcntl(2) on a plain number; a number that is no descriptor of ours is refused.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
        return None;
    }
    // SAFETY: the parent left this descriptor to us and nobody else in this process knows of it.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What observe asks every tick.
pub struct Source {
    link: Link,
    /// Readable when there is something to ask for.
    news: Option<OwnedFd>,
    started_at: Timestamp,
    events: Vec<Event>,
    services: Vec<ServiceSample>,
    is_stale: bool,
}

impl Source {
    /// A source over `link`; `started_at` and the boot clock then fix its times.
    pub fn new(link: Link, started_at: Timestamp) -> Self {
        let news = descriptor(NEWS_ENV);
        Self { link, news, started_at, events: Vec::new(), services: Vec::new(), is_stale: true }
    }

    fn has_news(&self) -> bool {
        let mut count = [0_u8; 8];
        self.news.as_ref().is_none_or(|news| rustix::io::read(news, &mut count).is_ok())
    }
}

impl ServiceSource for Source {
    fn services(&mut self) -> Vec<ServiceSample> {
        if !self.has_news() && !self.is_stale {
            return self.services.clone();
        }
        let looked = self.link.look();
        self.is_stale = looked.is_err();
        let (services, told) = match looked {
            Ok(found) => found,
            // Late on a crowded machine: they go on as they were.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return self.services.clone(),
            Err(_) => return Vec::new(),
        };
        let (now, now_boot_ns) = (crate::clock::now(self.started_at), act::boot_ns());
        self.events.extend(told.into_iter().map(|one| event(one, now, now_boot_ns)));
        self.services = services.into_iter().map(|status| sample(status, now)).collect();
        self.services.clone()
    }

    fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

fn event(told: Told, now: Timestamp, now_boot_ns: u64) -> Event {
    let (kind, level, message) = match told.what {
        ToldKind::Started(pid) => (EventKind::ServiceStart, 6, format!("started as process {pid}")),
        ToldKind::Ended { code, signal, is_failure } => {
            let how = exit_words(code, signal);
            (EventKind::ServiceExit, if is_failure { 4 } else { 6 }, format!("ended {how}"))
        }
        ToldKind::Refused(because) => (EventKind::ServiceExit, 3, because),
        ToldKind::Line(text) => (EventKind::ServiceLog, 6, text),
    };
    let at = wire::wall(told.boot_ns, now, now_boot_ns);
    Event { at, kind, entity: Entity::Service(told.service), level: Some(level), message }
}

fn exit_words(code: Option<i32>, signal: Option<i32>) -> String {
    match (code, signal) {
        (Some(code), _) => format!("with exit code {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "for a reason nobody knows".to_owned(),
    }
}

fn sample(status: Status, now: Timestamp) -> ServiceSample {
    let last_exit = status.last_exit.map(|exit| ServiceExit {
        at: now.plus_seconds(-exit.age_s),
        code: exit.code,
        signal: exit.signal,
        ran_s: exit.ran_s,
    });
    ServiceSample {
        main: status.pid.and_then(identity),
        name: status.name.into(),
        state: state_of(status.state),
        cgroup: status.cgroup.map(Into::into),
        starts: status.starts,
        failures: status.failures,
        last_exit,
        back_off_s: status.back_off_s,
        is_healthy: status.is_healthy,
    }
}

/// The identity of a live process; `None` if it is gone.
pub fn identity(pid: u32) -> Option<ProcessId> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks; fields are counted from behind it. Start time is field 22.
    let start_ticks = text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    Some(ProcessId { pid, start_ticks })
}

impl act::Services for Link {
    fn status(&mut self, name: &str) -> io::Result<Option<ServiceStatus>> {
        let services = self.peek()?;
        Ok(services.into_iter().find(|one| one.name == name).map(|one| ServiceStatus {
            main: one.pid.and_then(identity),
            starts: one.starts,
            back_off_min_s: one.back_off_min_s,
        }))
    }

    fn restart(&mut self, name: &str) -> io::Result<()> {
        self.order(&Request::Restart(name.to_owned()))
    }

    fn set_back_off_min(&mut self, name: &str, seconds: f64) -> io::Result<()> {
        self.order(&Request::SetBackOffMin(name.to_owned(), seconds))
    }
}

impl ServiceControl for Link {
    fn control(&self, op: ServiceOp) -> Result<Vec<door::ServiceStatus>, String> {
        let mut log = Vec::new();
        let name = match op {
            ServiceOp::List => None,
            ServiceOp::Start { files } => {
                for file in files {
                    for config in crate::service_file::parse(&file.path, &file.text)? {
                        self.order(&Request::Start(Box::new(config))).map_err(|error| error.to_string())?;
                    }
                }
                None
            }
            ServiceOp::Stop { name } => {
                self.order(&Request::Stop(name.clone())).map_err(|error| error.to_string())?;
                Some(name)
            }
            ServiceOp::Restart { name } => {
                self.order(&Request::Restart(name.clone())).map_err(|error| error.to_string())?;
                Some(name)
            }
            ServiceOp::Logs { name, lines } => {
                log = self.lines(&name, lines as usize)?;
                Some(name)
            }
        };
        let services = self.peek().map_err(|error| error.to_string())?;
        let chosen = services.into_iter().filter(|one| name.as_ref().is_none_or(|name| *name == one.name));
        Ok(chosen.map(|one| shown(one, log.clone())).collect())
    }
}

fn shown(status: Status, log: Vec<String>) -> door::ServiceStatus {
    door::ServiceStatus {
        name: status.name,
        state: state_of(status.state).as_str().to_owned(),
        pid: status.pid,
        up_s: None,
        starts: status.starts,
        failures: status.failures,
        last_exit: status.last_exit.map(|exit| exit_words(exit.code, exit.signal)),
        back_off_s: status.back_off_s,
        is_healthy: status.is_healthy,
        log,
    }
}

const fn state_of(state: State) -> ServiceState {
    match state {
        State::Running => ServiceState::Running,
        State::BackingOff => ServiceState::BackingOff,
        State::Stopped => ServiceState::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    /// A keeper that answers each request after so long, and says that a line was written each time.
    fn keeper(delays_ms: &'static [u64]) -> Source {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        std::thread::spawn(move || {
            for delay_ms in delays_ms {
                let request = wire::take::<Request>(&theirs, 10_000).unwrap().unwrap();
                std::thread::sleep(std::time::Duration::from_millis(*delay_ms));
                let what = ToldKind::Line(format!("after {delay_ms} ms"));
                let told = Told { boot_ns: 0, service: "web".to_owned(), what };
                let answer = match request {
                    Request::Look => Answer::Services(vec![web()], vec![told]),
                    _ => Answer::Done,
                };
                wire::put(theirs.as_fd(), &answer).unwrap();
            }
        });
        let link = Link::over(ours);
        Source {
            link,
            news: None,
            started_at: Timestamp::default(),
            events: Vec::new(),
            services: Vec::new(),
            is_stale: true,
        }
    }

    fn web() -> Status {
        Status {
            name: "web".to_owned(),
            state: State::Running,
            pid: None,
            cgroup: None,
            starts: 1,
            failures: 0,
            last_exit: None,
            back_off_s: 1.0,
            back_off_min_s: 0.0,
            is_healthy: None,
        }
    }

    #[test]
    fn services_of_a_keeper_that_is_late_go_on_and_nothing_that_happened_is_lost() {
        let mut source = keeper(&[0, 700, 0]);
        let mut look = || {
            let services = source.services().len();
            (services, source.events().into_iter().map(|one| one.message).collect::<Vec<_>>())
        };
        assert_eq!(look(), (1, vec!["after 0 ms".to_owned()]));
        assert_eq!(look(), (1, vec![]), "it is late");
        assert_eq!(look(), (1, vec!["after 700 ms".to_owned(), "after 0 ms".to_owned()]));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(look().0, 0, "it is gone");
    }

    #[test]
    fn an_order_may_take_longer_than_a_look() {
        let source = keeper(&[900]);
        assert!(source.link.order(&Request::Stop("web".to_owned())).is_ok());
    }
}
