//! Health at a glance: one sentence, and the figures of the machine.
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use vocab::Entity;
use vocab::learnt::Learnt;
use vocab::ledger::Ledger;
use vocab::rows::{IncidentRow, ModelRow};

use super::answer::{Answer, Result};
use super::entry::Caller;
use super::json;
use super::state::{Published, Shared};

/// What is asked for.
#[derive(Default, Deserialize)]
pub struct With {
    /// `1`: the points of the small graphs too.
    history: Option<u8>,
}

/// `GET /api/status`.
pub async fn get(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Query(with): Query<With>,
) -> Result {
    let mut status = summary(shared.now()?.as_ref());
    status["may_change"] = Json::Bool(caller == Caller::Owner);
    if caller == Caller::Owner {
        status["url"] = Json::from(shared.entry.url());
    }
    if with.history == Some(1) {
        let points =
            shared.history().into_iter().map(|point| json!({"at": point.at, "values": point.values}));
        status["history"] = points.collect();
    }
    Ok(Answer(status))
}

/// One turn in brief: what `status` prints and what the page hears each second.
pub fn summary(now: &Published) -> Json {
    let (snapshot, ledger) = (now.snapshot(), now.ledger());
    let open = open_incidents(ledger);
    let change = &now.turn.change;
    let pressures = snapshot.pressures.iter().filter(|row| row.entity == Entity::Machine);
    let troubles = ledger.own.iter().filter(|row| row.note.is_some()).count();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "turn": snapshot.turn,
        "at": snapshot.at.0,
        "mode": now.mode.as_str(),
        "is_healthy": open.is_empty(),
        "severity": open.first().map(|row| row.severity.clone()),
        "sentence": sentence(&open),
        "counts": {
            "incidents": open.len(),
            "muted": ledger.incidents.iter().filter(|row| row.closed_at.is_none() && is_muted(ledger, row)).count(),
            "actions_standing": ledger.actions.iter().filter(|row| row.can_undo).count(),
            "processes": snapshot.processes.len(),
            "cgroups": snapshot.cgroups.len(),
            "services": snapshot.services.len(),
            "disks": snapshot.disks.len(),
            "interfaces": snapshot.interfaces.len(),
            "missing": ledger.capabilities.iter().filter(|row| !row.is_available).count(),
            "own_troubles": troubles,
        },
        "changed": {
            "incidents": !change.incidents.is_empty() || !change.rows.incidents.is_empty(),
            "actions": !change.effects.is_empty() || !change.outcomes.is_empty(),
            "decisions": !change.decisions.is_empty(),
        },
        "machine": json::object(&snapshot.machine),
        "pressure": json::array(pressures),
        "bands": bands(&now.turn.learnt),
        "self": json::array(ledger.own.iter()),
    })
}

/// The learnt bands of the machine's gauges: lower and upper end by quantity.
fn bands(learnt: &Learnt) -> Json {
    let of_machine = learnt.models.iter().filter(|row| row.entity == Entity::Machine);
    let band = |row: &ModelRow| Some((row.metric.clone()?, json!([row.low?, row.high?])));
    Json::Object(of_machine.filter(|row| row.name.starts_with("machine ")).filter_map(band).collect())
}

/// Incidents that need attention: open and not muted; the worst first, then the newest.
pub fn open_incidents(ledger: &Ledger) -> Vec<&IncidentRow> {
    let newest = ledger.incidents.iter().rev().map(AsRef::as_ref);
    let mut open = newest.filter(|row: &&IncidentRow| row.closed_at.is_none()).collect::<Vec<_>>();
    open.retain(|row| !is_muted(ledger, row));
    open.sort_by_key(|row| rank(row));
    open
}

/// Order of the bad: 0 is the worst.
pub fn rank(row: &IncidentRow) -> u8 {
    match row.severity.as_str() {
        "critical" => 0,
        "warning" => 1,
        _ => 2,
    }
}

/// Whether an incident is not to be announced now; the newest sight of any incident tells the time.
fn is_muted(ledger: &Ledger, row: &IncidentRow) -> bool {
    let now = ledger.incidents.iter().map(|one| one.last_seen_at).max().unwrap_or_default();
    row.muted_until.is_some_and(|until| until > now)
}

fn sentence(open: &[&IncidentRow]) -> String {
    match open {
        [] => "healthy: nothing is wrong".to_owned(),
        [one] => one.sentence.clone(),
        [worst, ..] => format!("{} incidents are open, the worst: {}", open.len(), worst.sentence),
    }
}
