//! Collector `journal`: new lines of systemd's journal, as the log of their units.
//!
//! A `journalctl` that follows: the format of journald's files is its own and compressed, their reader is a C library
//! that a fresh machine lacks, and a child that follows sleeps until there is a line. Nothing waits for it: its pipe
//! is read once a tick, and where it floods it waits in the pipe while lines beyond the bound are counted and left out.
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use vocab::event::{Event, EventKind};
use vocab::{Entity, Timestamp};

use crate::journal_export::{Entry, Parser};
use crate::ledger::{Report, monotonic_us};
use crate::mask::mask_line;

/// Bytes read in one tick: some thousand lines.
const TICK_BYTES: usize = 512 << 10;

/// Wait before a reader that ended is started again: doubled each time, back after a run of the longest wait.
const WAIT_MIN: Duration = Duration::from_secs(10);
const WAIT_MAX: Duration = Duration::from_secs(600);

/// New lines only, and of each only what is used.
const ARGUMENTS: [&str; 6] = [
    "--follow",
    "--lines=0",
    "--quiet",
    "--no-pager",
    "--output=export",
    "--output-fields=MESSAGE,PRIORITY,_TRANSPORT,_SYSTEMD_UNIT,UNIT,_PID",
];

/// The journal, followed.
pub(crate) struct Journal {
    program: String,
    reader: Option<(Child, ChildStdout)>,
    parser: Parser,
    started: Instant,
    start_at: Instant,
    wait: Duration,
    refusal: Option<String>,
}

impl Journal {
    /// Follows the journal by that program from the first call of [`Journal::read`] on.
    pub(crate) fn new(program: &Path) -> Self {
        let now = Instant::now();
        let program = program.to_string_lossy().into_owned();
        let (parser, wait) = (Parser::default(), WAIT_MIN);
        Self { program, reader: None, parser, started: now, start_at: now, wait, refusal: None }
    }

    /// Adds the lines since the last call, until `into` holds `bound` events. `find` names the process of a pid.
    pub(crate) fn read(
        &mut self,
        at: Timestamp,
        bound: usize,
        find: impl Fn(u32) -> Option<Entity>,
        into: &mut Vec<Event>,
        report: &mut Report,
    ) {
        self.start();
        let now_us = monotonic_us();
        let mut left = TICK_BYTES;
        let mut buffer = [0; 16 << 10];
        while let Some((_, pipe)) = &mut self.reader
            && left > 0
        {
            match pipe.read(&mut buffer) {
                Ok(0) => self.bury(),
                Ok(length) => {
                    left = left.saturating_sub(length);
                    for entry in self.parser.take(buffer.get(..length).unwrap_or_default()) {
                        if into.len() >= bound {
                            report.dropped += 1;
                        } else if let Some(event) = event(&entry, at, now_us, &find) {
                            into.push(event);
                            report.rows += 1;
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.bury(),
            }
        }
        report.error.clone_from(&self.refusal);
    }

    fn start(&mut self) {
        if self.reader.is_some() || Instant::now() < self.start_at {
            return;
        }
        self.started = Instant::now();
        self.parser = Parser::default();
        match spawn(&self.program) {
            Ok(reader) => (self.reader, self.refusal) = (Some(reader), None),
            Err(error) => self.give_up(format!("{} cannot be started: {error}", self.program)),
        }
    }

    /// The reader ended: the journal was taken away from it, or it may not read.
    fn bury(&mut self) {
        let Some((mut child, pipe)) = self.reader.take() else { return };
        drop(pipe);
        let _ = child.kill();
        let how = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        self.give_up(format!("{} ended: {how}", self.program));
    }

    fn give_up(&mut self, because: String) {
        self.wait = if self.started.elapsed() > WAIT_MAX { WAIT_MIN } else { (self.wait * 2).min(WAIT_MAX) };
        self.start_at = Instant::now() + self.wait;
        self.refusal = Some(because);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.reader {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(program: &str) -> std::io::Result<(Child, ChildStdout)> {
    let mut command = Command::new(program);
    command.args(ARGUMENTS).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A daemon that is killed takes it along; it would end at its next line anyway, for want of a reader.
    let end_with_us = || {
        // SAFETY: prctl(2) with plain integers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        Ok(())
    };
    // SAFETY: the closure makes one async-signal-safe system call.
    unsafe { command.pre_exec(end_with_us) };
    let mut child = command.spawn()?;
    let pipe = child.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
    rustix::io::ioctl_fionbio(pipe.as_fd(), true)?;
    Ok((child, pipe))
}

/// The event of an entry; `None` for lines of the kernel, which are read from the kernel, and for empty ones.
fn event(entry: &Entry, at: Timestamp, now_us: u64, find: impl Fn(u32) -> Option<Entity>) -> Option<Event> {
    if entry.transport == "kernel" || entry.message.is_empty() {
        return None;
    }
    let process = || entry.pid.and_then(find);
    // What the manager says, it says of a unit; anybody else could claim to.
    let unit = if entry.pid == Some(1) && !entry.about.is_empty() { &entry.about } else { &entry.unit };
    let entity = match unit.strip_suffix(".service") {
        Some(_) => Entity::Service(unit.clone()),
        None => process().unwrap_or(Entity::Machine),
    };
    // Its age by the clock that nobody can set.
    let age_s = entry.monotonic_us.map_or(0.0, |us| now_us.saturating_sub(us) as f64 / 1e6);
    let (at, kind, message) = (at.plus_seconds(-age_s), EventKind::ServiceLog, mask_line(&entry.message));
    Some(Event { at, kind, entity, level: entry.priority, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(unit: &str, message: &str) -> Entry {
        let (unit, message, transport) = (unit.to_owned(), message.to_owned(), "stdout".to_owned());
        let (priority, pid, monotonic_us) = (Some(3), Some(7), Some(5_000_000));
        Entry { unit, about: "claimed.service".to_owned(), message, transport, priority, pid, monotonic_us }
    }

    #[test]
    fn a_line_belongs_to_its_unit_else_to_its_process_and_its_secrets_are_masked() {
        let at = Timestamp::from_secs(100);
        let find = |pid: u32| Some(Entity::Service(format!("p{pid}")));
        let unit =
            event(&entry("web.service", "login password=hunter2"), at, 7_000_000, find).expect("a line");
        assert_eq!((unit.entity, unit.at), (Entity::Service("web.service".into()), Timestamp::from_secs(98)));
        assert!(unit.message.contains("***") && !unit.message.contains("hunter2"), "{}", unit.message);
        assert_eq!((unit.level, unit.kind), (Some(3), EventKind::ServiceLog));
        let session = event(&entry("session-3.scope", "x"), at, 7_000_000, find).expect("a line");
        assert_eq!(session.entity, Entity::Service("p7".into()));
        assert_eq!(event(&entry("", "x"), at, 0, |_| None).expect("a line").entity, Entity::Machine);
        let manager = Entry { pid: Some(1), ..entry("init.scope", "Started claimed.") };
        let manager = event(&manager, at, 0, find).expect("a line");
        assert_eq!(manager.entity, Entity::Service("claimed.service".into()));
        assert_eq!(event(&Entry { transport: "kernel".into(), ..entry("", "x") }, at, 0, find), None);
        assert_eq!(event(&entry("web.service", ""), at, 0, find), None);
    }

    #[test]
    fn a_program_that_is_not_there_is_said_and_tried_again_later() {
        let mut journal = Journal::new(Path::new("/no/such/journalctl"));
        let mut report = Report::default();
        journal.read(Timestamp(0), 9, |_| None, &mut Vec::new(), &mut report);
        assert!(report.error.expect("said").contains("/no/such/journalctl cannot be started"));
        assert!(journal.start_at > Instant::now());
    }
}
