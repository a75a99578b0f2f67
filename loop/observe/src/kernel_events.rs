//! What programs in the kernel saw happen: from the ring buffer, through a bounded queue, into the sample.
//!
//! [`EventReader::run`] lives on a thread of its own, so that a reflex need not wait for a tick.
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bpfload::{Event as Raw, Events, Kind};
use vocab::event::{Event, EventKind};
use vocab::kernel::{Happened, KernelEvent, signal_name};
use vocab::{Entity, ProcessId, Timestamp};

use crate::ledger;

/// Events of each class kept between two ticks: those that matter one by one, and starts and clean ends.
const QUEUE_MAX: usize = 256;
/// Executables remembered of processes that did not end yet.
const STARTED_MAX: usize = 4_096;
/// Longest wait for an event that does not wake us. Unit: ms.
const WAIT_MS: i32 = 500;
/// Events taken at one go, and wake-ups in a second, after which the reader rests: a storm costs a bounded share of a
/// CPU, and what the ring buffer cannot hold meanwhile is counted in the kernel.
const BURST: usize = 1_024;
const WAKES_A_SECOND: u32 = 200;
const REST: Duration = Duration::from_millis(10);
/// How long it rests after every look where nobody answers at once: the loop takes what there is once a tick, and each
/// wake-up costs as much as a dozen events.
const CALM: Duration = Duration::from_millis(200);
/// Events at one look from which it does not rest so long: the ring buffer holds some 2,000.
const MANY: usize = 128;

/// Events between the reader's thread and the loop.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<[VecDeque<Raw>; 2]>,
    dropped: AtomicU64,
    is_closed: AtomicBool,
    ring_bytes: AtomicU64,
}

impl Queue {
    fn push(&self, event: &Raw) {
        let is_quiet = match event.kind() {
            Some(Kind::Exec) => true,
            Some(Kind::Exit) => event.code == 0 && event.signal == 0,
            _ => false,
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = &mut waiting[usize::from(is_quiet)];
        if queue.len() < QUEUE_MAX {
            queue.push_back(*event);
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Everything that waits, in the order in which it happened, and how many were dropped meanwhile.
    pub(crate) fn take(&self) -> (Vec<Raw>, u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events: Vec<Raw> = waiting.iter_mut().flat_map(|queue| queue.drain(..)).collect();
        drop(waiting);
        events.sort_by_key(|one| one.at_ns);
        (events, self.dropped.swap(0, Ordering::Relaxed))
    }

    /// Ends the reader at its next look.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// Memory of the ring buffer.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.ring_bytes.load(Ordering::Relaxed)
    }
}

/// Reads the ring buffer until the kernel side is dropped.
pub struct EventReader {
    events: Events,
    queue: Arc<Queue>,
}

impl EventReader {
    pub(crate) fn new(events: Events, queue: Arc<Queue>) -> Self {
        queue.ring_bytes.store(events.memory_bytes(), Ordering::Relaxed);
        Self { events, queue }
    }

    /// Hands every event to `at_once`, where there is one, and then to the loop. Returns when nobody wants them any more.
    pub fn run(mut self, mut at_once: Option<impl FnMut(&Raw)>) {
        let (mut second, mut wakes) = (Instant::now(), 0u32);
        while !self.queue.is_closed.load(Ordering::Relaxed) {
            if self.events.wait(WAIT_MS).is_err() {
                std::thread::sleep(REST);
            }
            let mut taken = 0;
            while taken < BURST
                && let Some(event) = self.events.next_event()
            {
                at_once.iter_mut().for_each(|answer| answer(&event));
                self.queue.push(&event);
                taken += 1;
            }
            if second.elapsed() >= Duration::from_secs(1) {
                (second, wakes) = (Instant::now(), 0);
            }
            wakes += 1;
            if taken == BURST || wakes > WAKES_A_SECOND {
                std::thread::sleep(REST);
            } else if at_once.is_none() && taken < MANY {
                std::thread::sleep(CALM);
            }
        }
    }
}

/// What is known of a process besides the event: found by pid, before the tick reads the processes anew.
pub(crate) struct Known {
    pub(crate) id: ProcessId,
    pub(crate) service: Option<Arc<str>>,
    pub(crate) exe: Option<Arc<str>>,
}

/// Turns raw events into those of the sample.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Executables of processes whose start was seen.
    started: BTreeMap<u32, Arc<str>>,
}

/// The clocks of one reading.
#[derive(Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) at: Timestamp,
    pub(crate) monotonic_ns: u64,
    pub(crate) boot_ns: u64,
    pub(crate) ticks_per_s: u64,
}

impl Clocks {
    /// Those of now, which is `at`.
    pub(crate) fn now(at: Timestamp, ticks_per_s: u64) -> Self {
        Self { at, monotonic_ns: ledger::monotonic_ns(), boot_ns: ledger::boot_ns(), ticks_per_s }
    }

    /// Age of a process. Unit: s.
    pub(crate) fn age_s(self, id: ProcessId) -> f64 {
        self.boot_ns as f64 / 1e9 - id.start_ticks as f64 / self.ticks_per_s.max(1) as f64
    }
}

impl Reading {
    /// The event of one process; `None` for what is about the machine.
    pub(crate) fn of_process(
        &mut self,
        raw: &Raw,
        clocks: Clocks,
        find: impl Fn(u32) -> Option<Known>,
    ) -> Option<KernelEvent> {
        let id = process_id(raw.pid, raw.start_ns, clocks.ticks_per_s);
        let what = happened(raw, clocks)?;
        let known = find(raw.pid).filter(|known| known.id == id);
        // What lived less than a tick is its parent's work.
        let parent = if known.is_none() { find(raw.ppid) } else { None };
        let program = match what {
            Happened::Exec => Some(self.start(raw)),
            _ => self.started.get(&raw.pid).cloned().or_else(|| known.as_ref()?.exe.clone()),
        };
        if matches!(what, Happened::Exit { .. }) {
            self.started.remove(&raw.pid);
        }
        Some(KernelEvent {
            at: instant(raw, clocks),
            id,
            ppid: raw.ppid,
            uid: Some(raw.uid),
            name: Arc::from(raw.comm()),
            program,
            service: known.or(parent).and_then(|known| known.service),
            what,
        })
    }

    fn start(&mut self, raw: &Raw) -> Arc<str> {
        let path: Arc<str> = Arc::from(raw.path());
        if self.started.len() >= STARTED_MAX {
            // Ends that were lost leave their entries behind.
            self.started.clear();
        }
        self.started.insert(raw.pid, path.clone());
        path
    }
}

fn happened(raw: &Raw, clocks: Clocks) -> Option<Happened> {
    match raw.kind()? {
        Kind::Exec => Some(Happened::Exec),
        Kind::Exit => Some(Happened::Exit {
            code: (raw.signal == 0).then_some(raw.code),
            signal: (raw.signal != 0).then_some(raw.signal),
            cpu_us: Some(raw.value / 1_000),
            ran_s: boot_ns(raw, clocks).saturating_sub(raw.start_ns) as f64 / 1e9,
        }),
        Kind::OomVictim => {
            Some(Happened::OomKill { rss_bytes: Some(raw.value.saturating_mul(page_bytes())) })
        }
        Kind::Signal => Some(Happened::Signal { signal: raw.signal, code: raw.code, sender_pid: raw.sender }),
        Kind::BlockError | Kind::HungTask | Kind::MachineCheck | Kind::MemoryFailure => None,
    }
}

/// The row of `events` for what belongs there: what a person wants to be told of.
pub(crate) fn of_note(
    raw: &Raw,
    seen: Option<&KernelEvent>,
    clocks: Clocks,
    disk: impl FnOnce(u32) -> Arc<str>,
) -> Option<Event> {
    let process = || Entity::Process(process_id(raw.pid, raw.start_ns, clocks.ticks_per_s));
    let (name, pid) = (raw.comm(), raw.pid);
    let (kind, entity, level, message) = match raw.kind()? {
        Kind::Exit if seen.is_some_and(|one| one.what.is_crash()) => {
            let ran_s = boot_ns(raw, clocks).saturating_sub(raw.start_ns) as f64 / 1e9;
            let signal = signal_name(raw.signal);
            (
                EventKind::Crash,
                process(),
                4,
                format!("{name} ({pid}) was ended by {signal} after {ran_s:.1} s"),
            )
        }
        Kind::OomVictim => {
            let mib = raw.value.saturating_mul(page_bytes()) / (1 << 20);
            (
                EventKind::OomKill,
                process(),
                3,
                format!("the kernel kills {name} ({pid}) for memory: it held {mib} MiB"),
            )
        }
        Kind::HungTask => (
            EventKind::HungTask,
            process(),
            3,
            format!("{name} ({pid}) has not run for minutes and cannot be woken"),
        ),
        Kind::BlockError => {
            let failure = block_failure(raw.code)?;
            let disk = disk(raw.value as u32);
            let message = format!("a request of disk {disk} at sector {} failed: {failure}", raw.value2);
            (EventKind::IoError, Entity::Disk(disk.to_string()), 3, message)
        }
        Kind::MachineCheck => {
            let message = format!(
                "CPU {} reports a hardware error in bank {}: status {:#x}",
                raw.sender, raw.code, raw.value
            );
            (EventKind::HardwareError, Entity::Machine, 2, message)
        }
        Kind::MemoryFailure => {
            let message = format!(
                "the page at {:#x} is defective and was taken out of use",
                raw.value.saturating_mul(page_bytes())
            );
            (EventKind::HardwareError, Entity::Machine, 2, message)
        }
        Kind::Exec | Kind::Exit | Kind::Signal => return None,
    };
    Some(Event { at: instant(raw, clocks), kind, entity, level: Some(level), message })
}

/// What went wrong with a request; `None` where nothing did: the device cannot do it, or not just now. Source:
/// include/linux/blk_types.h.
const fn block_failure(status: i32) -> Option<&'static str> {
    match status {
        2 => Some("no answer in time"),
        3 => Some("no space on the device"),
        4 => Some("the way to the device is disturbed"),
        5 => Some("the device refuses it"),
        7 => Some("the medium cannot be read or written there"),
        8 => Some("its checksum is wrong"),
        10 => Some("I/O error"),
        16 => Some("the device is off-line"),
        _ => None,
    }
}

/// The identity of a process as /proc has it. The kernel writes start times in clock ticks, cut.
pub(crate) fn process_id(pid: u32, start_ns: u64, ticks_per_s: u64) -> ProcessId {
    let ns_a_tick = 1_000_000_000 / ticks_per_s.max(1);
    ProcessId { pid, start_ticks: start_ns / ns_a_tick.max(1) }
}

fn instant(raw: &Raw, clocks: Clocks) -> Timestamp {
    clocks.at.plus_seconds(-(clocks.monotonic_ns.saturating_sub(raw.at_ns) as f64 / 1e9))
}

/// When it happened, on the clock of start times.
fn boot_ns(raw: &Raw, clocks: Clocks) -> u64 {
    raw.at_ns.saturating_add(clocks.boot_ns.saturating_sub(clocks.monotonic_ns))
}

fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCKS: Clocks = Clocks {
        at: Timestamp(100_000_000_000),
        monotonic_ns: 50_000_000_000,
        boot_ns: 60_000_000_000,
        ticks_per_s: 100,
    };

    fn raw(kind: Kind, pid: u32) -> Raw {
        let mut raw = Raw::default();
        (raw.kind, raw.pid, raw.ppid) = (kind as u32, pid, 1);
        (raw.at_ns, raw.start_ns) = (49_000_000_000, 57_500_000_000);
        raw
    }

    #[test]
    fn an_end_tells_how_and_after_how_long() {
        let mut exit = raw(Kind::Exit, 9);
        exit.signal = 11;
        let mut reading = Reading::default();
        let find = |pid| {
            let id = ProcessId { pid, start_ticks: 5_750 };
            Some(Known { id, service: Some("web".into()), exe: Some("/bin/web".into()) })
        };
        let event = reading.of_process(&exit, CLOCKS, find).unwrap();
        let what = Happened::Exit { code: None, signal: Some(11), cpu_us: Some(0), ran_s: 1.5 };
        assert_eq!((event.what.clone(), event.at), (what, Timestamp::from_secs(99)));
        assert_eq!((event.service.as_deref(), event.program.as_deref()), (Some("web"), Some("/bin/web")));
        let told = of_note(&exit, Some(&event), CLOCKS, |_| unreachable!()).unwrap();
        assert!(told.message.contains("SIGSEGV after 1.5 s"), "{}", told.message);
    }

    #[test]
    fn a_clean_end_is_no_news_and_a_short_life_is_its_parents() {
        let exit = raw(Kind::Exit, 9);
        let find = |pid| {
            (pid == 1).then(|| Known {
                id: ProcessId { pid, start_ticks: 1 },
                service: Some("boss".into()),
                exe: None,
            })
        };
        let event = Reading::default().of_process(&exit, CLOCKS, find).unwrap();
        assert_eq!(event.service.as_deref(), Some("boss"));
        assert_eq!(of_note(&exit, Some(&event), CLOCKS, |_| unreachable!()), None);
    }

    #[test]
    fn a_request_that_fails_is_news_and_one_that_the_device_cannot_do_is_none() {
        let of_status = |status| {
            let mut failed = raw(Kind::BlockError, 0);
            failed.code = status;
            of_note(&failed, None, CLOCKS, |_| "sda".into())
        };
        let told = of_status(7).unwrap();
        assert_eq!((told.kind, &told.entity), (EventKind::IoError, &Entity::Disk("sda".into())));
        assert!(
            told.message.ends_with("failed: the medium cannot be read or written there"),
            "{}",
            told.message
        );
        // BLK_STS_NOTSUPP and BLK_STS_AGAIN.
        assert_eq!([1, 12].map(of_status), [None, None]);
    }

    #[test]
    fn a_flood_of_starts_leaves_room_for_what_matters_and_is_counted() {
        let queue = Queue::default();
        for pid in 0..1_000 {
            queue.push(&raw(Kind::Exec, pid));
        }
        queue.push(&raw(Kind::OomVictim, 7));
        let (events, dropped) = queue.take();
        assert_eq!((events.len(), dropped), (QUEUE_MAX + 1, 1_000 - QUEUE_MAX as u64));
        assert!(events.iter().any(|one| one.kind() == Some(Kind::OomVictim)));
    }
}
