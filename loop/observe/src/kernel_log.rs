//! Collector `kernel_log`: new lines of the kernel's log, classified.
use std::path::Path;

use kernfs::{Kmsg, KmsgRecord};
use vocab::event::{Event, EventKind};
use vocab::{Entity, Timestamp};

use crate::ledger::{Report, monotonic_us};
use crate::mask::mask_line;

/// An open kernel log, or why there is none.
pub(crate) struct KernelLog {
    log: Result<Kmsg, kernfs::Error>,
    overruns: u64,
}

impl KernelLog {
    /// Opens the log behind its last record.
    pub(crate) fn open(path: &Path) -> Self {
        let mut log = Kmsg::open(path);
        if let Ok(open) = &mut log {
            // A log that cannot be wound on is read from its start: more lines, none lost.
            let _ = open.seek_end();
        }
        Self { log, overruns: 0 }
    }

    /// Why it cannot be read, if so.
    pub(crate) fn refusal(&self) -> Option<kernfs::Error> {
        self.log.as_ref().err().copied()
    }

    /// Adds the lines since the last call, until `into` holds `bound` events; the rest waits in the kernel.
    ///
    /// `find` names the process of a pid; a kind that `is_told` otherwise stays a plain line.
    pub(crate) fn read(
        &mut self,
        at: Timestamp,
        bound: usize,
        (find, is_told): (impl Fn(u32) -> Option<Entity>, impl Fn(EventKind) -> bool),
        into: &mut Vec<Event>,
        report: &mut Report,
    ) {
        let Ok(log) = &mut self.log else { return };
        let now_us = monotonic_us();
        while into.len() < bound {
            match log.next_record() {
                Ok(Some(record)) => {
                    let mut event = event(&record, at, now_us, &find);
                    if is_told(event.kind) {
                        event.kind = EventKind::KernelLog;
                    }
                    into.push(event);
                    report.rows += 1;
                }
                Ok(None) => break,
                Err(kernfs::Error::Malformed { .. }) => report.dropped += 1,
                Err(error) => {
                    report.error = Some(error.to_string());
                    break;
                }
            }
        }
        report.dropped += log.overruns().saturating_sub(self.overruns);
        self.overruns = log.overruns();
    }
}

fn event(record: &KmsgRecord, at: Timestamp, now_us: u64, find: impl Fn(u32) -> Option<Entity>) -> Event {
    let (kind, subject) = classify(&record.text);
    let entity = match subject {
        Subject::Process(pid) => find(pid).unwrap_or(Entity::Machine),
        Subject::Disk(name) => Entity::Disk(name.to_owned()),
        Subject::Machine => Entity::Machine,
    };
    let age_s = now_us.saturating_sub(record.ts_us) as f64 / 1e6;
    let message = mask_line(&record.text);
    Event { at: at.plus_seconds(-age_s), kind, entity, level: Some(record.priority), message }
}

/// Whom a line is about.
#[derive(Debug, PartialEq, Eq)]
enum Subject<'a> {
    Machine,
    Process(u32),
    Disk(&'a str),
}

/// What a line of the kernel means, and about whom it is. Sources: mm/oom_kill.c, kernel/hung_task.c,
/// kernel/watchdog.c, kernel/rcu/tree_stall.h, block/blk-core.c, fs/buffer.c, arch/x86/mm/fault.c.
fn classify(line: &str) -> (EventKind, Subject<'_>) {
    let process = |pid: Option<u32>| pid.map_or(Subject::Machine, Subject::Process);
    if let Some((_, rest)) = line.split_once("Killed process ") {
        return (EventKind::OomKill, process(leading_number(rest)));
    }
    if let Some((head, _)) = line.split_once(" blocked for more than ") {
        return (EventKind::HungTask, process(trailing_number(head, ':')));
    }
    if line.contains("soft lockup") || line.contains("hard LOCKUP") {
        let pid = line.rsplit_once(']').and_then(|(head, _)| trailing_number(head, ':'));
        return (EventKind::HungTask, process(pid));
    }
    if line.contains("rcu") && (line.contains("detected stall") || line.contains("self-detected stall")) {
        return (EventKind::HungTask, Subject::Machine);
    }
    if line.contains("I/O error") || line.contains("-fs error") || line.contains("critical medium error") {
        return (EventKind::IoError, device(line).map_or(Subject::Machine, Subject::Disk));
    }
    // `name[pid]: segfault at …`, `traps: name[pid] general protection …`
    let crash =
        [": segfault at ", " general protection", " trap "].iter().find_map(|word| line.split_once(word));
    let pid = crash.and_then(|(head, _)| trailing_number(head.strip_suffix(']')?, '['));
    (EventKind::KernelLog, process(pid))
}

fn leading_number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn trailing_number(text: &str, separator: char) -> Option<u32> {
    text.rsplit_once(separator)?.1.parse().ok()
}

/// The device behind `dev `, `on dev ` or `(device `.
fn device(line: &str) -> Option<&str> {
    let after = ["dev ", "(device "].iter().find_map(|word| line.split_once(word).map(|(_, rest)| rest))?;
    let end = after.find([',', ' ', ')', ':']).unwrap_or(after.len());
    after.get(..end).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_classified_with_their_entity() {
        use EventKind::{HungTask, IoError, KernelLog, OomKill};
        for (line, kind, subject) in [
            (
                "Out of memory: Killed process 123 (leaky) total-vm:1kB, anon-rss:2kB",
                OomKill,
                Subject::Process(123),
            ),
            (
                "Memory cgroup out of memory: Killed process 9 (a b) total-vm:1kB",
                OomKill,
                Subject::Process(9),
            ),
            ("INFO: task kworker/u4:1:77 blocked for more than 120 seconds.", HungTask, Subject::Process(77)),
            ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [stress:55]", HungTask, Subject::Process(55)),
            ("rcu: INFO: rcu_preempt self-detected stall on CPU", HungTask, Subject::Machine),
            ("I/O error, dev sda, sector 1024 op 0x0:(READ)", IoError, Subject::Disk("sda")),
            (
                "Buffer I/O error on dev dm-0, logical block 7, lost page write",
                IoError,
                Subject::Disk("dm-0"),
            ),
            ("EXT4-fs error (device vda1): ext4_lookup:1: inode #2", IoError, Subject::Disk("vda1")),
            ("app[42]: segfault at 0 ip 0 sp 0 error 4 in app[1000+2000]", KernelLog, Subject::Process(42)),
            ("traps: app[43] general protection fault ip:1 sp:2", KernelLog, Subject::Process(43)),
            ("eth0: link up", KernelLog, Subject::Machine),
            ("", KernelLog, Subject::Machine),
        ] {
            assert_eq!(classify(line), (kind, subject), "{line}");
        }
    }

    #[test]
    fn an_event_stands_at_the_time_of_its_line() {
        let text = "Out of memory: Killed process 5 (x)".to_owned();
        let record = KmsgRecord { priority: 3, facility: 0, seq: 1, ts_us: 7_000_000, text };
        let at = Timestamp::from_secs(100);
        let event = event(&record, at, 9_000_000, |pid| Some(Entity::Service(format!("s{pid}"))));
        assert_eq!(event.at, Timestamp::from_secs(98));
        assert_eq!((event.entity, event.level), (Entity::Service("s5".into()), Some(3)));
    }

    #[test]
    fn a_log_that_is_refused_says_why() {
        let mut log = KernelLog::open(Path::new("/nonexistent"));
        let mut report = Report::default();
        log.read(Timestamp(0), 9, (|_| None, |_| false), &mut Vec::new(), &mut report);
        assert_eq!((report.rows, report.error), (0, None));
        assert!(log.refusal().is_some());
    }
}
