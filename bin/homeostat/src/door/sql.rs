//! `POST /api/sql`: a SELECT is answered, an UPDATE becomes orders to the loop.
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tables::ResultSet;

use super::answer::{Answer, Result};
use super::entry::Caller;
use super::request::{Body, aside, parse};
use super::state::Shared;
use super::{change, json, scope};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    sql: String,
}

/// `POST /api/sql`: a SELECT is answered, an UPDATE becomes orders to the loop.
pub async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result {
    let Statement { sql } = parse(body)?;
    let now = shared.now()?;
    if is_update(&sql) {
        caller.may_change()?;
        let view = scope::view(&now);
        let desk = shared.clone();
        let writes = aside(move || desk.sql.plan(view, &sql)).await?;
        return change::carry_out(&shared, &now, &writes).await;
    }
    let view = scope::view_for(caller, &shared.entry, &now);
    let result = aside(move || shared.sql.select(caller, view, &sql)).await?;
    Ok(Answer(rows(&result)))
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
