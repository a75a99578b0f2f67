//! Group commit: a caller that finds the log idle writes itself, the others wait and share the next write.
//!
//! Whoever waits sleeps by itself. When a write ends, those whose records it held are woken and return without taking the
//! lock again, and of those who wait for the next one only one is woken, to write it: on a busy machine a crowd that is
//! woken for nothing but a lock costs everyone a turn of the scheduler.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use super::batch::{self, HEAD, RECORD_HEAD};
use super::recover::{self, Recovery, Tail};
use super::segment::{self, Header};
use crate::error::{Result, StoreError};
use crate::medium::{Medium, MediumFile, PAGE, PageBuf};

/// Settings of a log.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// Size of a segment, in bytes; a multiple of the page. A batch takes at most a segment less its header.
    pub segment_bytes: usize,
    /// Whether a thread makes the next segment ahead of time. Without it, the append that needs one makes it.
    pub is_prepared: bool,
}

impl Default for LogOptions {
    /// 4 MiB: a thousand commits of one page, so a new segment is rare and its zeros are soon written.
    fn default() -> Self {
        Self { segment_bytes: 4 << 20, is_prepared: true }
    }
}

/// What a log holds and has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Sequence number the next record gets.
    pub next: u64,
    /// Segment files on the medium.
    pub segments: usize,
    /// Records appended since opening.
    pub records: u64,
    /// Durable writes since opening; fewer than records when commits were shared.
    pub writes: u64,
}

/// A batch that some callers wait for.
#[derive(Default)]
struct Ticket {
    first: OnceLock<Result<u64>>,
    /// Callers that sleep until it is done, or until one of them is to write it. Only touched under the log's lock.
    asleep: Mutex<Vec<thread::Thread>>,
}

impl Ticket {
    fn asleep(&self) -> MutexGuard<'_, Vec<thread::Thread>> {
        self.asleep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The segment being written. Only the leader holds it.
struct Active {
    header: Header,
    file: Box<dyn MediumFile>,
    at: u64,
    bytes: u64,
    /// The batch on its way; swapped with the pending one, so neither is ever allocated anew.
    buffer: PageBuf,
}

struct State {
    pending: PageBuf,
    pending_records: u32,
    ticket: Arc<Ticket>,
    /// `None` while a leader writes.
    active: Option<Active>,
    spare: Option<(Header, Box<dyn MediumFile>)>,
    /// First sequence number of every segment that may be let go, oldest first; the last entry is the active one.
    segments: Vec<(u64, u64)>,
    /// Highest segment number given out.
    last_number: u64,
    is_making: bool,
    is_closed: bool,
    stopped: Option<String>,
    stats: LogStats,
}

struct Shared {
    medium: Arc<dyn Medium>,
    options: LogOptions,
    state: Mutex<State>,
    /// A batch is done or a leader has finished.
    done: Condvar,
    /// The preparer has something to do.
    wanted: Condvar,
}

/// An open log. Any number of threads may append.
pub struct Log {
    shared: Arc<Shared>,
    preparer: Option<thread::JoinHandle<()>>,
}

impl Log {
    /// Opens the log in a medium, delivering every intact record on the way.
    ///
    /// Errors: the medium cannot be written, is full, or holds a segment of a later version ([`recover::read`] still reads
    /// the others). Damage is no error: it stands in the recovery.
    pub fn open(
        medium: Arc<dyn Medium>,
        options: LogOptions,
        mut visit: impl FnMut(u64, &[u8]),
    ) -> Result<(Self, Recovery)> {
        let mut recovery = Recovery::default();
        let mut segments: Vec<(u64, u64)> = Vec::new();
        let tail = recover::walk(&*medium, &mut recovery, &mut visit)?;
        recover::refuse_newer(&*medium, &tail)?;
        let active = activate(&*medium, &options, &tail)?;
        let spare = match tail.spare {
            Some(header) => Some((header, medium.open(&segment::name(header.number))?)),
            None => None,
        };
        for (number, first) in &recovery.firsts {
            segments.push((*number, *first));
        }
        if segments.last().is_none_or(|(number, _)| *number != active.header.number) {
            segments.push((active.header.number, recovery.next));
        }
        let last_number = tail.last.unwrap_or(0).max(active.header.number);
        let stats = LogStats { next: recovery.next, ..LogStats::default() };
        let mut pending = PageBuf::with_capacity(PAGE);
        batch::start(&mut pending);
        let state = State {
            pending,
            pending_records: 0,
            ticket: Arc::default(),
            active: Some(active),
            spare,
            segments,
            last_number,
            is_making: false,
            is_closed: false,
            stopped: None,
            stats,
        };
        let shared = Shared {
            medium,
            options,
            state: Mutex::new(state),
            done: Condvar::new(),
            wanted: Condvar::new(),
        };
        let mut log = Self { shared: Arc::new(shared), preparer: None };
        if options.is_prepared {
            let shared = Arc::clone(&log.shared);
            let spawned = thread::Builder::new().name("log-prepare".into()).spawn(move || shared.prepare());
            // Without the thread the log is as correct, only slower where a segment ends.
            log.preparer = spawned.ok();
        }
        Ok((log, recovery))
    }

    /// Makes one record durable and returns its sequence number.
    ///
    /// Errors: `Full` where no segment could be made (the record is not in the log; later calls try again), `TooLarge`,
    /// and `Stopped` once a durable write has failed.
    pub fn append(&self, record: &[u8]) -> Result<u64> {
        let limit = self.shared.batch_limit();
        let bytes = RECORD_HEAD + record.len();
        if HEAD + bytes > limit {
            let limit_bytes = limit - HEAD - RECORD_HEAD;
            return Err(StoreError::TooLarge { what: "a record", bytes: record.len(), limit_bytes });
        }
        let mut state = self.shared.lock();
        while state.pending.len() + bytes > limit && state.stopped.is_none() {
            state = match state.active.is_some() {
                true => {
                    self.shared.lead(state);
                    self.shared.lock()
                }
                false => self.shared.wait(state),
            };
        }
        state.may_write()?;
        batch::push(&mut state.pending, record);
        let place = u64::from(state.pending_records);
        state.pending_records += 1;
        let ticket = Arc::clone(&state.ticket);
        let number = || ticket.first.get().map(|first| first.clone().map(|first| first + place));
        loop {
            if let Some(number) = number() {
                return number;
            }
            state.may_write()?;
            if state.active.is_some() {
                self.shared.lead(state);
            } else {
                ticket.asleep().push(thread::current());
                drop(state);
                // May wake for no reason, and then only sleeps again.
                thread::park();
            }
            // Without the lock where it need not be taken again.
            if let Some(number) = number() {
                return number;
            }
            state = self.shared.lock();
        }
    }

    /// Lets go of whole segments that hold only records before `seq`. The segment in use always stays, so sequence
    /// numbers never start again.
    pub fn release_before(&self, seq: u64) -> Result<usize> {
        let mut released = 0;
        loop {
            let mut state = self.shared.lock();
            match state.segments.get(..2) {
                Some(&[(number, _), (_, next_first)]) if next_first <= seq => {
                    state.segments.remove(0);
                    drop(state);
                    self.shared.medium.remove(&segment::name(number))?;
                    released += 1;
                }
                _ => break,
            }
        }
        if released > 0 {
            self.shared.medium.sync_folder()?;
        }
        Ok(released)
    }

    /// What the log holds and has done.
    pub fn stats(&self) -> LogStats {
        let state = self.shared.lock();
        LogStats { segments: state.segments.len() + usize::from(state.spare.is_some()), ..state.stats }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.wanted.notify_all();
        if let Some(preparer) = self.preparer.take() {
            let _ = preparer.join();
        }
    }
}

/// The segment to go on in: the tail of the last run or a first one.
fn activate(medium: &dyn Medium, options: &LogOptions, tail: &Tail) -> Result<Active> {
    let (header, at, file) = match tail.at {
        Some((header, at)) => (header, at, medium.open(&segment::name(header.number))?),
        None => {
            let number = tail.last.map_or(0, |last| last + 1);
            let (header, file) = segment::make(medium, number, options.segment_bytes)?;
            (header, PAGE as u64, file)
        }
    };
    let bytes = file.len()?;
    Ok(Active { header, file, at, bytes, buffer: PageBuf::with_capacity(PAGE) })
}

impl State {
    fn may_write(&self) -> Result<()> {
        match &self.stopped {
            Some(first) => Err(StoreError::Stopped { first: first.clone() }),
            None => Ok(()),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.done.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes a batch may take.
    fn batch_limit(&self) -> usize {
        self.options.segment_bytes - PAGE
    }

    /// Writes everything pending as one batch. Called with an idle log.
    fn lead(&self, mut state: MutexGuard<'_, State>) {
        let Some(mut active) = state.active.take() else { return };
        std::mem::swap(&mut state.pending, &mut active.buffer);
        batch::start(&mut state.pending);
        let records = std::mem::take(&mut state.pending_records);
        let ticket = std::mem::take(&mut state.ticket);
        let first = state.stats.next;
        drop(state);
        let written = self.write(&mut active, records, first);
        let mut state = self.lock();
        match &written {
            Ok(()) => {
                state.stats.next += u64::from(records);
                state.stats.records += u64::from(records);
                state.stats.writes += 1;
            }
            // Nothing was written: the log goes on once there is room.
            Err(StoreError::Full { .. }) => {}
            Err(error) => state.stopped = Some(error.to_string()),
        }
        let _ = ticket.first.set(written.map(|()| first));
        state.active = Some(active);
        let mut awake = std::mem::take(&mut *ticket.asleep());
        match state.stopped {
            // Nobody will write the next batch: all are told.
            Some(_) => awake.append(&mut state.ticket.asleep()),
            None => awake.extend(state.ticket.asleep().pop()),
        }
        self.done.notify_all();
        drop(state);
        awake.iter().for_each(thread::Thread::unpark);
    }

    fn write(&self, active: &mut Active, records: u32, first: u64) -> Result<()> {
        let bytes = active.buffer.padded().len() as u64;
        if active.at + bytes > active.bytes {
            let (header, file) = self.next_segment(first)?;
            let bytes = file.len()?;
            let buffer = std::mem::take(&mut active.buffer);
            *active = Active { header, file, at: PAGE as u64, bytes, buffer };
        }
        batch::seal(&mut active.buffer, active.header.salt, records, first);
        active.file.write_durable(&active.buffer, active.at)?;
        active.at += bytes;
        Ok(())
    }

    /// The prepared segment, or one made now.
    fn next_segment(&self, first: u64) -> Result<(Header, Box<dyn MediumFile>)> {
        let mut state = self.lock();
        loop {
            if let Some((header, file)) = state.spare.take() {
                // A spare of another size may be too small for this batch; an empty segment in the row does no harm.
                if file.len()? >= self.options.segment_bytes as u64 {
                    state.segments.push((header.number, first));
                    self.wanted.notify_one();
                    return Ok((header, file));
                }
            }
            state = match state.is_making {
                true => self.wait(state),
                false => {
                    let (state, made) = self.make_spare(state);
                    made?;
                    state
                }
            };
        }
    }

    /// Makes the next segment, outside the lock; one at a time.
    fn make_spare<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, Result<()>) {
        state.is_making = true;
        let number = state.last_number + 1;
        drop(state);
        let made = segment::make(&*self.medium, number, self.options.segment_bytes);
        let mut state = self.lock();
        state.is_making = false;
        self.done.notify_all();
        let made = made.map(|made| {
            state.last_number = number;
            state.spare = Some(made);
        });
        (state, made)
    }

    /// The preparer's life: keep one segment ahead of the writers. What it fails at is met again by the append that
    /// needs the room, which reports it.
    fn prepare(&self) {
        let mut state = self.lock();
        while !state.is_closed {
            if state.spare.is_none() && !state.is_making && state.stopped.is_none() {
                state = self.make_spare(state).0;
                if state.is_closed {
                    break;
                }
            }
            state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
