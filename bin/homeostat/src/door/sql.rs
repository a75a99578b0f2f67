//! SQL for people: an engine of the doors' own over the last turn, apart from the loop's.
use std::sync::{Arc, Mutex};

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tables::engine::Past;
use tables::{Engine, Live, ResultSet, View, Write};
use vocab::ledger::Ledger;
use vocab::query::QueryError;

use super::answer::{Answer, Refusal, Result};
use super::guard::Caller;
use super::state::{Published, Shared};
use super::{change, json, scope};
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

    fn select(&self, caller: Caller, view: View, sql: &str) -> core::result::Result<ResultSet, Refusal> {
        self.with(caller, view, |engine| engine.select(sql))
    }

    /// One stored incident with all that belongs to it, which memory holds no more; for the owner.
    pub fn past_incident(&self, caller: Caller, id: u64) -> Option<Ledger> {
        let found = self.with(caller, View::default(), |engine| Ok(engine.past_incident(id)));
        found.ok().flatten()
    }

    fn plan(&self, view: View, sql: &str) -> core::result::Result<Vec<Write>, Refusal> {
        self.with(Caller::Owner, view, |engine| engine.plan_update(sql))
    }

    fn with<T>(
        &self,
        caller: Caller,
        view: View,
        work: impl FnOnce(&mut Engine) -> core::result::Result<T, QueryError>,
    ) -> core::result::Result<T, Refusal> {
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

    fn engine(&self, caller: Caller) -> core::result::Result<Engine, QueryError> {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    sql: String,
}

/// `POST /api/sql`: a SELECT is answered, an UPDATE becomes orders to the loop.
pub async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: core::result::Result<Bytes, BytesRejection>,
) -> Result {
    let Statement { sql } = change::parse(body)?;
    let now = shared.now()?;
    if is_update(&sql) {
        caller.may_change()?;
        let view = view(&now);
        let desk = shared.clone();
        let writes = aside(move || desk.sql.plan(view, &sql)).await?;
        return change::carry_out(&shared, &now, &writes).await;
    }
    let view = scope::view_for(caller, &shared.entry, &now);
    let result = aside(move || shared.sql.select(caller, view, &sql)).await?;
    Ok(Answer(rows(&result)))
}

/// The tables of one turn.
pub fn view(now: &Published) -> View {
    let view = View::new(now.snapshot().clone(), now.ledger().clone(), now.events().clone());
    view.with_learnt(now.turn.learnt.clone())
}

/// Whether a statement is meant to change something: only UPDATE can.
pub fn is_update(sql: &str) -> bool {
    sql.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("update"))
}

/// A result as JSON: column names once, then rows of cells.
pub fn rows(result: &ResultSet) -> Json {
    let rows = result.rows.iter().map(|row| row.iter().map(json::cell).collect::<Json>());
    json!({"columns": result.columns, "rows": rows.collect::<Json>(), "is_truncated": result.is_truncated})
}

/// Runs what may take its time in a thread of its own.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> core::result::Result<T, Refusal> + Send + 'static,
) -> core::result::Result<T, Refusal> {
    let failed = |_| {
        let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        Refusal::new(status, "the request failed inside Homeostat", "`homeostat doctor` tells what is wrong")
    };
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}
