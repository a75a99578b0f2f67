//! What the engine's callbacks share while one statement runs.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rusqlite::Error;

use super::live::{Cells, Live, Past, Scorer};
use super::writable::Write;
use crate::history::Reader;
use crate::source::{LiveTable, Source};
use crate::view::View;

/// Live reads in one statement.
const LIVE_READS_MAX: usize = 2_000;
/// Live rows kept until the end of one statement.
const LIVE_ROWS_MAX: usize = 200_000;

/// Who asks, and for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nobody: the engine sets itself up.
    #[default]
    Setup,
    /// A pure stage: only what a replay would answer alike.
    Rule,
    /// A person: also the machine on demand, the past, clock and chance.
    Person,
    /// A person who wants a change: the statement is planned.
    Plan,
}

/// Why a statement was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stop {
    /// It was not.
    No = 0,
    /// It took too many steps.
    Fuel = 1,
    /// It took too much memory.
    Memory = 2,
    /// It took too long.
    Time = 3,
}

/// Shared by tables, authorizer and progress handler; lives as long as the connection.
#[derive(Default)]
pub struct Shared {
    fuel: AtomicI64,
    stop: AtomicU8,
    state: Mutex<State>,
}

/// What changes from statement to statement.
#[derive(Default)]
pub struct State {
    /// Who asks.
    pub mode: Mode,
    /// What is read.
    pub view: View,
    /// Reads the machine on demand, where one was handed in.
    pub live: Option<Box<dyn Live>>,
    /// Reads the past, where one was handed in.
    pub past: Option<Box<dyn Past>>,
    /// Reads the history, where it was handed in.
    pub history: Option<Reader>,
    /// Scores the past again, where it was handed in.
    pub scorer: Option<Scorer>,
    /// What the statement would change.
    pub writes: Vec<Write>,
    /// Why the authorizer refused, in words.
    pub refusal: Option<String>,
    /// Wall-clock end and memory end of the statement.
    pub bounds: Option<(Instant, i64)>,
    /// The view of this statement, its snapshot read if there was none.
    resolved: Option<View>,
    live_reads: usize,
    live_rows: usize,
    live_cache: BTreeMap<(LiveTable, u32, u64), Arc<dyn Cells>>,
}

impl State {
    /// The incidents that are known: those stored, then those of the view.
    pub fn incidents(&mut self) -> Vec<Arc<dyn Cells>> {
        let stored = self.past.as_mut().and_then(|past| past.rows("incidents"));
        let newest: Arc<dyn Cells> = self.view.ledger.incidents.clone();
        stored.into_iter().chain([newest]).collect()
    }
}

impl Shared {
    /// The state; a panic elsewhere while it was held leaves it usable.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a statement with so many steps.
    pub fn begin(&self, mode: Mode, fuel: i64) {
        self.fuel.store(fuel, Ordering::Relaxed);
        self.stop.store(Stop::No as u8, Ordering::Relaxed);
        let mut state = self.state();
        state.forget_statement();
        state.mode = mode;
    }

    /// Ends a statement and lets go of what it read.
    pub fn end(&self) {
        let mut state = self.state();
        state.forget_statement();
        state.mode = Mode::Setup;
    }

    /// Takes steps; false, and for good, once none are left.
    pub fn take(&self, steps: usize) -> bool {
        let steps = i64::try_from(steps).unwrap_or(i64::MAX);
        if self.fuel.fetch_sub(steps, Ordering::Relaxed) >= steps {
            return true;
        }
        self.fuel.store(0, Ordering::Relaxed);
        self.halt(Stop::Fuel);
        false
    }

    /// As [`Shared::take`], as an error of a table.
    pub fn charge(&self, steps: usize) -> rusqlite::Result<()> {
        if self.take(steps) { Ok(()) } else { Err(Error::ModuleError("out of fuel".to_owned())) }
    }

    /// Notes why the statement is stopped; the first reason stands.
    pub fn halt(&self, why: Stop) {
        let _ = self.stop.compare_exchange(Stop::No as u8, why as u8, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Why the statement was stopped.
    pub fn stopped(&self) -> Stop {
        match self.stop.load(Ordering::Relaxed) {
            1 => Stop::Fuel,
            2 => Stop::Memory,
            3 => Stop::Time,
            _ => Stop::No,
        }
    }
}

impl State {
    fn forget_statement(&mut self) {
        self.writes.clear();
        self.refusal = None;
        self.bounds = None;
        self.resolved = None;
        self.live_reads = 0;
        self.live_rows = 0;
        self.live_cache.clear();
    }

    /// The one view of this statement.
    pub fn statement_view(&mut self) -> View {
        if self.resolved.is_none() {
            let mut view = self.view.clone();
            if let (false, Some(live)) = (view.is_read(), &mut self.live) {
                view.snapshot = live.snapshot();
            }
            self.resolved = Some(view);
        }
        self.resolved.clone().unwrap_or_default()
    }

    /// Rows of one process, read at most once a statement.
    pub fn live_rows(
        &mut self,
        table: LiveTable,
        pid: u32,
        columns: u64,
    ) -> rusqlite::Result<Arc<dyn Cells>> {
        let key = (table, pid, columns);
        if let Some(cells) = self.live_cache.get(&key) {
            return Ok(cells.clone());
        }
        if self.live_reads >= LIVE_READS_MAX || self.live_rows >= LIVE_ROWS_MAX {
            let text = "too many processes to read in one statement; ask for some of them with WHERE pid = …";
            return Err(Error::ModuleError(text.to_owned()));
        }
        let Some(live) = &mut self.live else {
            return Err(Error::ModuleError("the machine cannot be read on demand here".to_owned()));
        };
        let cells: Arc<dyn Cells> = match table {
            LiveTable::Threads => Arc::new(live.threads(pid, columns)),
            LiveTable::OpenFiles => Arc::new(live.open_files(pid, columns)),
            LiveTable::Maps => Arc::new(live.maps(pid, columns)),
        };
        self.live_reads += 1;
        self.live_rows += cells.len();
        self.live_cache.insert(key, cells.clone());
        Ok(cells)
    }

    /// One process where no daemon keeps a snapshot and this statement has not read them all.
    pub fn live_process(&mut self, pid: u32, columns: u64) -> Option<Arc<dyn Cells>> {
        let is_unread = self.mode == Mode::Person && !self.view.is_read() && self.resolved.is_none();
        let live = self.live.as_mut().filter(|_| is_unread)?;
        Some(Arc::new(live.process(pid, columns).into_iter().collect::<Vec<_>>()))
    }

    /// Stored rows of a table that has a past, for people.
    pub fn past_rows(&mut self, source: &Source) -> Option<Arc<dyn Cells>> {
        let is_person = self.mode == Mode::Person && !source.key.is_empty();
        self.past.as_mut().filter(|_| is_person)?.rows(source.spec.name)
    }
}
