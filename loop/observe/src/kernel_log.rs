//! Collector `kernel_log`: new lines of the kernel's log, classified.
use std::path::Path;

use kernfs::{Kmsg, KmsgRecord};
use vocab::event::{Event, EventKind};
use vocab::{Entity, Timestamp};

use crate::kernel_line::{Subject, classify};
use crate::ledger::{Report, monotonic_us};
use crate::mask::mask_line;

/// The facility of what the kernel itself says; others are of programs that may write into its log.
const KERNEL: u32 = 0;

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
    let (kind, subject) = match record.facility {
        KERNEL => classify(&record.text),
        _ => (EventKind::KernelLog, Subject::Machine),
    };
    let entity = match subject {
        Subject::Process(pid) => find(pid).unwrap_or(Entity::Machine),
        Subject::Disk(name) => Entity::Disk(name.to_owned()),
        Subject::Interface(name) => Entity::Interface(name.to_owned()),
        Subject::Machine => Entity::Machine,
    };
    let age_s = now_us.saturating_sub(record.ts_us) as f64 / 1e6;
    let message = mask_line(&record.text);
    Event { at: at.plus_seconds(-age_s), kind, entity, level: Some(record.priority), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_into_the_log_is_a_plain_line() {
        let kind = |facility| {
            let text = "I/O error, dev sda, sector 1024".to_owned();
            let record = KmsgRecord { priority: 3, facility, seq: 1, ts_us: 0, text };
            event(&record, Timestamp(0), 0, |_| None).kind
        };
        assert_eq!((kind(0), kind(3)), (EventKind::IoError, EventKind::KernelLog));
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
