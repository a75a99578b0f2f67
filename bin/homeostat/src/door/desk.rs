//! The doors' own SQL engines over the last turn, apart from the loop's. Start at [`SqlDesk`].
use std::sync::Mutex;

use tables::engine::Past;
use tables::{Engine, Live, ResultSet, View, Write};
use vocab::ledger::Ledger;
use vocab::query::QueryError;

use super::answer::Refusal;
use super::entry::Caller;
use crate::history::LateReader;
use crate::shared::lock;

/// What is wrong with a statement, and what to write instead: the engine says both in one line.
pub fn error_and_hint(error: &QueryError) -> (&str, &str) {
    error.message.split_once("; ").unwrap_or((&error.message, "`homeostat tables` lists tables and columns"))
}

fn refusal(error: &QueryError) -> Refusal {
    let (what, hint) = error_and_hint(error);
    Refusal::wrong(what, hint)
}

/// Readers beyond the last turn, handed to the engine of owners only.
#[derive(Default)]
pub struct Readers {
    /// Threads, descriptors and maps of live processes.
    pub live: Option<Box<dyn Live>>,
    /// Older rows, from the store.
    pub past: Option<Box<dyn Past>>,
    /// The history, as soon as there is one.
    pub history: LateReader,
}

/// Two engines, made when first asked for: one for owners, one for strangers, who see less.
pub struct SqlDesk {
    readers: Mutex<Readers>,
    owner: Mutex<Option<Engine>>,
    stranger: Mutex<Option<Engine>>,
}

impl SqlDesk {
    /// No engine yet.
    pub fn new(readers: Readers) -> Self {
        Self { readers: Mutex::new(readers), owner: Mutex::default(), stranger: Mutex::default() }
    }

    /// Answers a SELECT over `view`.
    pub fn select(&self, caller: Caller, view: View, sql: &str) -> Result<ResultSet, Refusal> {
        self.with(caller, view, |engine| engine.select(sql))
    }

    /// One stored incident with all that belongs to it, which memory holds no more; for the owner.
    pub fn past_incident(&self, caller: Caller, id: u64) -> Option<Ledger> {
        let found = self.with(caller, View::default(), |engine| Ok(engine.past_incident(id)));
        found.ok().flatten()
    }

    /// What an UPDATE would change.
    pub fn plan(&self, view: View, sql: &str) -> Result<Vec<Write>, Refusal> {
        self.with(Caller::Owner, view, |engine| engine.plan_update(sql))
    }

    fn with<T>(
        &self,
        caller: Caller,
        view: View,
        work: impl FnOnce(&mut Engine) -> Result<T, QueryError>,
    ) -> Result<T, Refusal> {
        let slot = if caller == Caller::Owner { &self.owner } else { &self.stranger };
        let mut slot = lock(slot);
        let mut engine = match slot.take() {
            Some(engine) => engine,
            None => self.engine(caller).map_err(|error| refusal(&error))?,
        };
        if caller == Caller::Owner
            && let Some(history) = lock(&lock(&self.readers).history).take()
        {
            engine.set_history(history);
            engine.set_scorer(cycle::scores::scorer);
        }
        engine.set_view(view);
        let answer = work(&mut engine);
        engine.set_view(View::default());
        *slot = Some(engine);
        answer.map_err(|error| refusal(&error))
    }

    fn engine(&self, caller: Caller) -> Result<Engine, QueryError> {
        let mut engine = Engine::new()?;
        if caller == Caller::Owner {
            let mut readers = lock(&self.readers);
            if let Some(live) = readers.live.take() {
                engine.set_live(live);
            }
            if let Some(past) = readers.past.take() {
                engine.set_past(past);
            }
        }
        Ok(engine)
    }
}
