//! The daemon's history: takes every turn, and a thread keeps its files up.
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tables::View;
use tables::history::{Keeper, Reader, Upkeep};
use vocab::sample::CollectorSample;

use crate::shared::lock;

/// Time between two looks at what the files need.
const EVERY: Duration = Duration::from_secs(5);
/// The thread's stack; compaction is its deepest work.
const STACK_BYTES: usize = 1 << 20;

/// How the history fares, for the sample of the next turn.
#[derive(Default)]
pub struct Health {
    /// Since when it fails, and why.
    trouble: Mutex<Option<(Instant, String)>>,
    /// Instant of the last turn. Unit: ms.
    at_ms: AtomicI64,
    shed: AtomicU64,
}

impl Health {
    /// The history as one of our collectors: what it sheds, and whether it fails.
    pub fn sample(&self) -> CollectorSample {
        let trouble = lock(&self.trouble);
        CollectorSample {
            name: "history".into(),
            cpu_us: 0,
            rows: 0,
            stalled_s: trouble.as_ref().map(|(since, _)| since.elapsed().as_secs_f64()),
            dropped: self.shed.load(Ordering::Relaxed),
            error: trouble.as_ref().map(|(_, why)| why.clone()),
        }
    }

    /// Notes what an upkeep met; a person reads once that it fails, and once that it does no more.
    fn note(&self, met: Option<String>) {
        let mut trouble = lock(&self.trouble);
        match (met, trouble.as_mut()) {
            (None, None) => {}
            (None, Some(_)) => {
                eprintln!("homeostat: the history is written again");
                *trouble = None;
            }
            (Some(why), Some((_, known))) => *known = why,
            (Some(why), None) => {
                eprintln!("homeostat: the history fails: {why}");
                *trouble = Some((Instant::now(), why));
            }
        }
    }
}

/// Who reads the history, once there is one; taken by the first who does.
pub type LateReader = Arc<Mutex<Option<Reader>>>;

/// The history while the daemon runs.
pub struct History {
    /// `None` as long as it could not be opened: the loop goes on without.
    keeper: Option<Keeper>,
    /// Where the thread hands in one that it could open later.
    opened: Receiver<Keeper>,
    reader: LateReader,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
    health: Arc<Health>,
}

impl History {
    /// Opens the history of a state folder. Where it cannot be, that is a line and a finding, and it is tried again every
    /// few seconds.
    pub fn open(dir: &Path) -> Self {
        let (health, reader) = (Arc::new(Health::default()), LateReader::default());
        let keeper = open(dir, &reader).map_err(|why| health.note(Some(why))).ok();
        let (stop, stopped) = channel();
        let (hand_in, opened) = channel();
        let upkeep = keeper.as_ref().map(Keeper::upkeep);
        let (own, late, dir) = (health.clone(), reader.clone(), dir.to_owned());
        let work = move || {
            let upkeep = upkeep.or_else(|| {
                let keeper = open_later(&dir, &late, &own, &stopped)?;
                let upkeep = keeper.upkeep();
                hand_in.send(keeper).ok()?;
                Some(upkeep)
            });
            upkeep.inspect(|upkeep| keep_up(upkeep, &own, &stopped));
        };
        let thread = std::thread::Builder::new().name("history".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn(work).map_err(|error| health.note(Some(error.to_string()))).ok();
        Self { keeper, opened, reader, stop, thread, health }
    }

    /// How it fares.
    pub fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    /// A reader for SQL.
    pub fn reader(&self) -> LateReader {
        self.reader.clone()
    }

    /// Takes one turn; never waits.
    pub fn note(&mut self, view: &View) {
        if self.keeper.is_none() {
            self.keeper = self.opened.try_recv().ok();
        }
        let Some(keeper) = &mut self.keeper else { return };
        keeper.note(view);
        self.health.shed.store(keeper.shed(), Ordering::Relaxed);
        self.health.at_ms.store(view.snapshot.at.0 / 1_000_000, Ordering::Relaxed);
    }

    /// Puts everything into files. A daemon that is killed leaves it in shared memory instead, for the next.
    pub fn close(self) {
        drop(self.stop);
        let _ = self.thread.map(JoinHandle::join);
        let Some(keeper) = self.keeper.or_else(|| self.opened.try_recv().ok()) else { return };
        let left = keeper.close(self.health.at_ms.load(Ordering::Relaxed));
        if let Some(why) = left.first() {
            eprintln!(
                "homeostat: the history is not all in files ({why}); the next start takes over what is left in memory"
            );
        }
    }
}

/// Opens it, says what a person should know, and hands a reader to whoever waits for one.
fn open(dir: &Path, reader: &LateReader) -> Result<Keeper, String> {
    let (keeper, notes) = Keeper::open(dir)?;
    notes.iter().for_each(|note| eprintln!("homeostat: history: {note}"));
    *lock(reader) = Some(keeper.reader());
    Ok(keeper)
}

/// Tries again until it can be opened; `None` where the daemon ends before.
fn open_later(dir: &Path, reader: &LateReader, health: &Health, stopped: &Receiver<()>) -> Option<Keeper> {
    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        match open(dir, reader) {
            Ok(keeper) => {
                health.note(None);
                return Some(keeper);
            }
            Err(why) => health.note(Some(why)),
        }
    }
    None
}

fn keep_up(upkeep: &Upkeep, health: &Health, stopped: &Receiver<()>) {
    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        let at_ms = health.at_ms.load(Ordering::Relaxed);
        if at_ms == 0 {
            continue;
        }
        let done = upkeep.maintain(at_ms);
        if done.sealed > 0 || !done.compacted.is_empty() {
            // What compaction took for a moment.
            let _ = crate::trim::trim();
        }
        health.note(done.notes.into_iter().next());
    }
}
