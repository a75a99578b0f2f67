//! What people may read: incidents, actions, services, capabilities, tables.
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use vocab::ledger::Ledger;
use vocab::rows::{EvidenceRow, IncidentRow, TABLES};

use super::answer::{Answer, Refusal, Result};
use super::entry::Caller;
use super::request::aside;
use super::state::Shared;
use super::{json, scope, status};
use crate::flame;

/// Which incidents are asked for.
#[derive(Default, Deserialize)]
pub struct Which {
    /// `1`: closed ones too.
    all: Option<u8>,
}

/// `GET /api/incidents`: open ones, the worst first; `?all=1` every one in memory, newest first.
pub async fn incidents(State(shared): State<Arc<Shared>>, Query(which): Query<Which>) -> Result {
    let now = shared.now()?;
    let mut rows = now.ledger().incidents.iter().rev().collect::<Vec<_>>();
    if which.all != Some(1) {
        rows.retain(|row| row.closed_at.is_none());
        rows.sort_by_key(|row| status::rank(row));
    }
    Ok(Answer(json!({"incidents": json::array(rows)})))
}

fn named<'a>(ledger: &'a Ledger, id: &str) -> core::result::Result<&'a IncidentRow, Refusal> {
    let found = id.parse().ok().and_then(|id: u64| ledger.incidents.iter().find(|row| row.id == id));
    found.map(AsRef::as_ref).ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Refusal {
    let hint = "`homeostat incidents --all` lists them";
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no incident {id}"), hint)
}

/// What a drawing may load: nothing; its colours are its own.
const DRAWING_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// `GET /api/incidents/N/flame.svg`: the stacks of one incident, drawn.
pub async fn flame(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> core::result::Result<Response, Refusal> {
    let now = shared.now()?;
    let view = scope::view_for(caller, &shared.entry, &now);
    let row = named(&view.ledger, &id)?;
    let stacks = flame::rows_of(&view.snapshot.profiles, &view.ledger, row);
    let svg = flame::of_incident(row.id, &stacks)
        .map_err(|(what, hint)| Refusal::new(StatusCode::NOT_FOUND, what, hint))?;
    let head = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CONTENT_SECURITY_POLICY, DRAWING_POLICY)];
    Ok((head, svg).into_response())
}

/// `GET /api/incidents/N`: one incident with all that belongs to it; one that memory holds no more, from the store.
pub async fn incident(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result {
    let now = shared.now()?;
    if let Ok(row) = named(now.ledger(), &id) {
        let view = scope::view_for(caller, &shared.entry, &now);
        let stacks = flame::rows_of(&view.snapshot.profiles, &view.ledger, row);
        return Ok(whole(now.ledger(), row, caller, json::array(stacks)));
    }
    let past = match id.parse() {
        Ok(wanted) => aside(move || Ok(shared.sql.past_incident(caller, wanted))).await?,
        Err(_) => None,
    };
    let none = || Json::Array(Vec::new());
    let found = past.as_ref().and_then(|past| Some(whole(past, past.incidents.first()?, caller, none())));
    found.ok_or_else(|| unknown(&id))
}

/// An incident with its causes, evidence, alternatives, stacks, and what was decided and done.
fn whole(ledger: &Ledger, row: &IncidentRow, caller: Caller, stacks: Json) -> Answer {
    let is_for_caller = |row: &&Arc<EvidenceRow>| caller == Caller::Owner || scope::is_public_evidence(row);
    let evidence = ledger.evidence.iter().filter(|one| one.incident_id == row.id).filter(is_for_caller);
    let evidence = evidence.collect::<Vec<_>>();
    Answer(json!({
        "incident": json::object(row),
        "causes": with_role(&evidence, "cause"),
        "cells": with_role(&evidence, "cell"),
        "alternatives": with_role(&evidence, "alternative"),
        "stacks": stacks,
        "decisions": json::array(ledger.decisions.iter().filter(|one| one.incident_id == Some(row.id))),
        "actions": actions_of(ledger, Some(row.id)),
    }))
}

fn with_role(evidence: &[&Arc<EvidenceRow>], role: &str) -> Json {
    json::array(evidence.iter().copied().filter(|one| one.role == role))
}

/// `GET /api/actions`: what was done, newest first, each with its outcome and its lease.
pub async fn actions(State(shared): State<Arc<Shared>>) -> Result {
    Ok(Answer(json!({"actions": actions_of(shared.now()?.ledger(), None)})))
}

fn actions_of(ledger: &Ledger, incident_id: Option<u64>) -> Json {
    let rows = ledger.actions.iter().rev();
    let rows = rows.filter(|row| incident_id.is_none() || row.incident_id == incident_id);
    let rows = rows.map(|row| {
        let mut object = json::object(row);
        let outcome = ledger.outcomes.iter().rev().find(|one| one.action_id == row.id);
        let lease = ledger.leases.iter().find(|one| one.action_id == row.id);
        object["outcome"] = outcome.map_or(Json::Null, json::object);
        object["lease"] = lease.map_or(Json::Null, json::object);
        object
    });
    rows.collect()
}

/// `GET /api/services`: the table `services`.
pub async fn services(State(shared): State<Arc<Shared>>, Extension(caller): Extension<Caller>) -> Result {
    let now = shared.now()?;
    let view = scope::view_for(caller, &shared.entry, &now);
    let rows = json::array(&view.snapshot.services);
    Ok(Answer(json!({"services": rows})))
}

/// `GET /api/capabilities`: what can be seen and done here, and what would bring the rest.
pub async fn capabilities(State(shared): State<Arc<Shared>>) -> Result {
    let now = shared.now()?;
    Ok(Answer(json!({"capabilities": json::array(now.ledger().capabilities.iter())})))
}

/// `GET /api/tables`: every table with its columns.
pub async fn tables() -> Answer {
    Answer(json!({"tables": TABLES.iter().map(json::table).collect::<Json>()}))
}
