//! Models that leave, and models that come: a parcel in hexadecimal, sealed and checked.
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use cycle::models::{CALLS, decode_parcel, newest_named};
use serde::Deserialize;
use serde_json::json;
use vocab::rows::ModelRow;

use super::answer::{Answer, Refusal, Result};
use super::change::{late, order_and_wait};
use super::entry::Caller;
use super::request::{Body, parse};
use super::state::{Published, Shared};
use super::{Command, json};
use crate::hex;

/// Longest name of where models come from. Unit: bytes.
const SOURCE_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Order {
    /// What is known of the entities of a name, or of all.
    Export(Option<String>),
    /// What a file of this name knows, in hexadecimal.
    Import { source: String, models: String },
}

/// `POST /api/model`: `{"export": "nginx"}` (`null`: all) changes nothing, but says what others do;
/// `{"import": {"source": "web1.models", "models": "484f…"}}` answers with the rows of `models` that follow.
pub async fn post(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result {
    let order = parse(body)?;
    caller.may_change()?;
    match order {
        Order::Export(name) => export(&shared, name).await,
        Order::Import { source, models } => import(&shared, source, models).await,
    }
}

async fn export(shared: &Shared, name: Option<String>) -> Result {
    let now = shared.now()?;
    let wanted = name.clone();
    let after = now.snapshot().turn;
    let made = |now: &Published| newest_named(&now.turn.parcels, wanted.as_deref(), after);
    let answer = order_and_wait(shared, &now, Command::ExportModels(name.clone()), made).await;
    let parcel = answer.ok_or_else(|| late("the export"))??;
    if parcel.entities + parcel.programs == 0 {
        let what = format!("nothing is known of `{}`", name.unwrap_or_default());
        let hint = "`homeostat sql \"SELECT name FROM services\"` shows names; an entity is known after its first second";
        return Err(Refusal::new(StatusCode::NOT_FOUND, what, hint));
    }
    let (entities, programs) = (parcel.entities, parcel.programs);
    Ok(Answer(json!({"entities": entities, "programs": programs, "models": hex::encode(&parcel.bytes)})))
}

async fn import(shared: &Shared, source: String, models: String) -> Result {
    if source.is_empty() || source.len() > SOURCE_MAX || source.chars().any(char::is_control) {
        let what = format!("a source is a name of at most {SOURCE_MAX} bytes");
        return Err(Refusal::wrong(what, "rename the file"));
    }
    let bytes = hex::decode(&models).ok_or_else(|| unusable(&"they are not in hexadecimal"))?;
    let mut parcel = decode_parcel(&bytes).map_err(|error| unusable(&error))?;
    let foreign = parcel.leave_foreign_calls(std::env::consts::ARCH);
    if parcel.is_empty() {
        return Err(unusable(&"nothing is in them"));
    }
    let now = shared.now()?;
    let (entities, programs, from) = (parcel.len(), parcel.programs(), source.clone());
    let rows_of = |now: &Published| {
        let rows = now.turn.learnt.models.iter();
        let is_whole = |row: &ModelRow| row.metric.as_deref().is_none_or(|metric| metric == CALLS);
        let is_it = |row: &&ModelRow| is_whole(row) && row.source.as_deref() == Some(&from);
        rows.filter(is_it).cloned().collect::<Vec<_>>()
    };
    let before = rows_of(&now);
    let is_new =
        |row: &ModelRow| !before.iter().any(|old| (&old.name, old.version) == (&row.name, row.version));
    let is_in = |now: &Published| Some(rows_of(now)).filter(|rows| rows.iter().any(is_new));
    let answer = order_and_wait(shared, &now, Command::ImportModels { source, parcel }, is_in).await;
    let rows = answer.ok_or_else(|| late("the import"))??;
    let models = json::array(&rows);
    Ok(Answer(json!({"entities": entities, "programs": programs, "left_out": foreign, "models": models})))
}

fn unusable(why: &dyn std::fmt::Display) -> Refusal {
    let hint = "`homeostat model export FILE` writes one that can be taken in by the same version";
    Refusal::wrong(format!("these models cannot be used: {why}"), hint)
}
