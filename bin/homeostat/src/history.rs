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

/// The history while the daemon runs.
pub struct History {
    /// `None` where it could not be opened: the loop goes on without.
    open: Option<Open>,
    health: Arc<Health>,
}

struct Open {
    keeper: Keeper,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl History {
    /// Opens the history of a state folder. Where it cannot be, that is a line, a finding, and nothing else.
    pub fn open(dir: &Path) -> Self {
        let health = Arc::new(Health::default());
        let open = Keeper::open(dir).and_then(|(keeper, notes)| {
            notes.iter().for_each(|note| eprintln!("homeostat: history: {note}"));
            let (stop, stopped) = channel();
            let (upkeep, own) = (keeper.upkeep(), health.clone());
            let thread = std::thread::Builder::new().name("history".to_owned()).stack_size(STACK_BYTES);
            let thread = thread.spawn(move || keep_up(&upkeep, &own, &stopped));
            let thread = thread.map_err(|error| error.to_string())?;
            Ok(Open { keeper, stop, thread })
        });
        let open = open.map_err(|why| health.note(Some(why))).ok();
        Self { open, health }
    }

    /// How it fares.
    pub fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    /// A reader for SQL.
    pub fn reader(&self) -> Option<Reader> {
        self.open.as_ref().map(|open| open.keeper.reader())
    }

    /// Takes one turn; never waits.
    pub fn note(&mut self, view: &View) {
        let Some(open) = &mut self.open else { return };
        open.keeper.note(view);
        self.health.shed.store(open.keeper.shed(), Ordering::Relaxed);
        self.health.at_ms.store(view.snapshot.at.0 / 1_000_000, Ordering::Relaxed);
    }

    /// Puts everything into files. A daemon that is killed leaves it in shared memory instead, for the next.
    pub fn close(self) {
        let Some(Open { keeper, stop, thread }) = self.open else { return };
        drop(stop);
        let _ = thread.join();
        let left = keeper.close(self.health.at_ms.load(Ordering::Relaxed));
        if let Some(why) = left.first() {
            eprintln!(
                "homeostat: the history is not all in files ({why}); the next start takes over what is left in memory"
            );
        }
    }
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
