//! What the doors share: the last turn, a little history, and the orders that wait for the loop.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use vocab::ledger::Ledger;
use vocab::recent::Recent;
use vocab::rows::EventRow;
use vocab::rule::Mode;
use vocab::snapshot::Snapshot;

use super::answer::Refusal;
use super::desk::SqlDesk;
use super::entry::Entry;
use super::service::ServiceControl;
use crate::door::{Command, Turn};
use crate::shared::lock;

/// Orders that may wait for the loop; one that finds no room is refused.
const COMMANDS_MAX: usize = 64;

/// Points of the small graphs: ten minutes at one a second.
const HISTORY_MAX: usize = 600;

/// Streams of turn summaries at one time.
const STREAMS_MAX: usize = 16;

/// How long a changing request waits for its effect: two of the longest ticks, and some.
pub const EFFECT_WAIT: Duration = Duration::from_secs(12);

/// The last turn, as everyone reads it.
#[derive(Debug)]
pub struct Published {
    /// The turn.
    pub turn: Arc<Turn>,
    /// The mode in force.
    pub mode: Mode,
    /// When it was published.
    pub published: Instant,
}

impl Published {
    /// The machine.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.turn.snapshot
    }

    /// The loop's own tables.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.turn.ledger
    }

    /// Recent events.
    pub fn events(&self) -> &Recent<EventRow> {
        &self.turn.events
    }
}

/// One point of the small graphs. Units: ns, per cent.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// When.
    pub at: i64,
    /// CPU in use, memory in use; stalled on CPU, memory, I/O.
    pub values: [Option<f64>; 5],
}

/// Shared by every request.
pub struct Shared {
    /// The last turn; `None` before the first.
    pub last: watch::Sender<Option<Arc<Published>>>,
    /// The supervisor.
    pub services: Arc<dyn ServiceControl>,
    /// SQL.
    pub sql: SqlDesk,
    /// Streams that may still be opened.
    pub streams: Arc<Semaphore>,
    /// Who may come in, and how.
    pub entry: Entry,
    commands: Mutex<Vec<Command>>,
    history: Mutex<VecDeque<Point>>,
}

impl Shared {
    /// Nothing published, nothing waiting.
    pub fn new(services: Arc<dyn ServiceControl>, sql: SqlDesk, entry: Entry) -> Self {
        Self {
            last: watch::Sender::new(None),
            services,
            sql,
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            entry,
            commands: Mutex::default(),
            history: Mutex::default(),
        }
    }

    /// Makes `turn` the last one. Never waits for a reader of an earlier one.
    pub fn publish(&self, turn: Arc<Turn>, mode: Mode) {
        let mut history = lock(&self.history);
        if history.len() >= HISTORY_MAX {
            history.pop_front();
        }
        history.push_back(point(&turn.snapshot));
        drop(history);
        self.last.send_replace(Some(Arc::new(Published { turn, mode, published: Instant::now() })));
    }

    /// The last turn.
    ///
    /// # Errors
    /// There was none yet.
    pub fn now(&self) -> Result<Arc<Published>, Refusal> {
        self.last.borrow().clone().ok_or_else(Refusal::too_early)
    }

    /// The points of the small graphs, oldest first.
    pub fn history(&self) -> Vec<Point> {
        lock(&self.history).iter().copied().collect()
    }

    /// Hands an order to the loop.
    ///
    /// # Errors
    /// Too many wait already.
    pub fn order(&self, commands: Vec<Command>) -> Result<(), Refusal> {
        let mut waiting = lock(&self.commands);
        if waiting.len() + commands.len() > COMMANDS_MAX {
            let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
            return Err(Refusal::new(
                status,
                "too many orders wait for the loop",
                "try again in a few seconds",
            ));
        }
        waiting.extend(commands);
        Ok(())
    }

    /// The orders that wait, oldest first.
    pub fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut *lock(&self.commands))
    }

    /// Waits until `seen` finds what it looks for in a turn after `after`; `None` if that takes too long.
    pub async fn effect<T>(&self, after: u64, seen: impl Fn(&Published) -> Option<T>) -> Option<T> {
        let mut turns = self.last.subscribe();
        let look = async {
            loop {
                let found =
                    turns.borrow_and_update().as_ref().filter(|now| now.snapshot().turn > after).cloned();
                if let Some(found) = found.and_then(|now| seen(&now)) {
                    return Some(found);
                }
                turns.changed().await.ok()?;
            }
        };
        tokio::time::timeout(EFFECT_WAIT, look).await.ok().flatten()
    }
}

fn point(snapshot: &Snapshot) -> Point {
    let machine = &snapshot.machine;
    let total = machine.memory_total_bytes as f64;
    let used = total - machine.memory_available_bytes as f64;
    let stalled = |resource: &str| {
        let mut rows = snapshot.pressures.iter().filter(|row| row.entity == vocab::Entity::Machine);
        rows.find(|row| row.resource == resource).and_then(|row| row.some_pct)
    };
    let cpu = machine.cpu_idle_pct.map(|idle| 100.0 - idle - machine.cpu_iowait_pct.unwrap_or(0.0));
    let memory = (total > 0.0).then(|| 100.0 * used / total);
    let values = [cpu, memory, stalled("cpu"), stalled("memory"), stalled("io")];
    Point { at: snapshot.at.0, values }
}
