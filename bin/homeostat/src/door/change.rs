//! What people may change: undo, mode, mute, services, and cells by UPDATE. All go through the loop.
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use cycle::Opinion;
use serde::Deserialize;
use serde_json::json;
use tables::Write;
use vocab::action::Intent;
use vocab::rows::ActionRow;
use vocab::rule::{ActuatorKind, Mode};
use vocab::snapshot::Snapshot;
use vocab::{Entity, Value};

use super::answer::{Answer, Refusal, Result};
use super::entry::Caller;
use super::request::{Body, aside, parse};
use super::service::ServiceOp;
use super::state::{EFFECT_WAIT, Published, Shared};
use super::{Command, json};

/// The loop did not answer in time.
pub fn late(what: &str) -> Refusal {
    let what =
        format!("the loop has not answered within {} s; {what} may still happen", EFFECT_WAIT.as_secs());
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, what, "`homeostat status` tells whether the loop turns")
}

fn refused(what: impl Into<String>, hint: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, what, hint)
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Undo {
    Action(u64),
    All(bool),
}

/// `POST /api/undo`: `{"action": 17}` or `{"all": true}`; answers with the actions as they stand then.
pub async fn undo(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result {
    let undo = parse(body)?;
    caller.may_change()?;
    let now = shared.now()?;
    let actions = &now.ledger().actions;
    let (command, ids) = match undo {
        Undo::Action(id) => {
            can_undo(actions.iter().find(|row| row.id == id), id)?;
            (Command::Undo(id), vec![id])
        }
        Undo::All(false) => return Err(Refusal::wrong("nothing to undo is named", "send {\"all\": true}")),
        Undo::All(true) => {
            let ids = actions.iter().filter(|row| row.can_undo).map(|row| row.id).collect::<Vec<_>>();
            if ids.is_empty() {
                return Ok(Answer(json!({"actions": [], "sentence": "nothing stands that could be undone"})));
            }
            (Command::UndoAll, ids)
        }
    };
    let ended = order_and_wait(&shared, &now, command, |now| ended(now, &ids)).await;
    let rows = ended.ok_or_else(|| late("the undo"))??;
    if let Some(row) = rows.iter().find(|row| row.can_undo || row.state == "failed") {
        let because = row.because.clone().unwrap_or_else(|| "the machine refused".to_owned());
        let what = format!("action {} is not undone: {because}", row.id);
        return Err(refused(what, "`homeostat actions` shows how it stands"));
    }
    let sentence = match rows.as_slice() {
        [row] => format!("action {} is {}: {} on {}", row.id, row.state, row.action, row.target),
        rows => format!("{} actions are undone", rows.len()),
    };
    Ok(Answer(json!({"actions": json::array(&rows), "sentence": sentence})))
}

fn can_undo(row: Option<&ActionRow>, id: u64) -> core::result::Result<(), Refusal> {
    let hint = "`homeostat actions` lists what was done and what can be undone";
    match row {
        None => Err(Refusal::new(StatusCode::NOT_FOUND, format!("there is no action {id}"), hint)),
        Some(row) if row.can_undo => Ok(()),
        Some(row) => Err(refused(format!("action {id} cannot be undone: it is {}", row.state), hint)),
    }
}

/// The rows of `ids`, once each of them was answered: it ended, or the loop said why it did not.
fn ended(now: &Published, ids: &[u64]) -> Option<Vec<ActionRow>> {
    let answered = |row: &&ActionRow| {
        !row.can_undo || now.turn.change.effects.iter().any(|effect| effect.action_id == row.id)
    };
    let rows = ids.iter().filter_map(|id| now.ledger().actions.iter().find(|row| row.id == *id));
    let rows = rows.filter(answered).cloned().collect::<Vec<_>>();
    (rows.len() == ids.len()).then_some(rows)
}

/// Hands `command` to the loop and waits until `seen` finds its effect; the outer `None` is a wait too long.
pub async fn order_and_wait<T>(
    shared: &Shared,
    now: &Published,
    command: Command,
    seen: impl Fn(&Published) -> Option<T>,
) -> Option<core::result::Result<T, Refusal>> {
    if let Err(refusal) = shared.order(vec![command]) {
        return Some(Err(refusal));
    }
    shared.effect(now.snapshot().turn, seen).await.map(Ok)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetMode {
    mode: Mode,
}

/// `POST /api/mode`: `{"mode": "heal"}`.
pub async fn mode(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result {
    let SetMode { mode } = parse(body)?;
    caller.may_change()?;
    let now = shared.now()?;
    let is_set = |now: &Published| (now.mode == mode).then_some(());
    let answer = order_and_wait(&shared, &now, Command::SetMode(mode), is_set).await;
    answer.ok_or_else(|| late("the change of mode"))??;
    Ok(Answer(json!({"mode": mode.as_str(), "before": now.mode.as_str()})))
}

/// Whether there is such an incident.
fn known_incident(now: &Published, incident: u64) -> core::result::Result<(), Refusal> {
    if now.ledger().incidents.iter().any(|row| row.id == incident) {
        return Ok(());
    }
    let hint = "`homeostat incidents --all` lists them";
    Err(Refusal::new(StatusCode::NOT_FOUND, format!("there is no incident {incident}"), hint))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mute {
    incident: u64,
    for_s: f64,
}

/// `POST /api/mute`: `{"incident": 12, "for_s": 604800}`; 0 s ends it.
pub async fn mute(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result {
    let Mute { incident, for_s } = parse(body)?;
    caller.may_change()?;
    let now = shared.now()?;
    known_incident(&now, incident)?;
    if !(0.0..=366.0 * 86_400.0).contains(&for_s) {
        return Err(Refusal::wrong(
            "an incident is muted for at most a year",
            "write for example `--for 7d`",
        ));
    }
    let until = now.snapshot().at.plus_seconds(for_s);
    let is_muted = |now: &Published| {
        let row = now.ledger().incidents.iter().find(|row| row.id == incident)?;
        (row.muted_until == Some(until)).then(|| json::object(row))
    };
    let answer = order_and_wait(&shared, &now, Command::Mute(incident, until), is_muted).await;
    let row = answer.ok_or_else(|| late("the mute"))??;
    Ok(Answer(json!({"incident": row})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judge {
    incident: u64,
    opinion: Opinion,
}

/// `POST /api/feedback`: `{"incident": 12, "opinion": "dismiss"}`.
pub async fn feedback(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result {
    let Judge { incident, opinion } = parse(body)?;
    caller.may_change()?;
    let now = shared.now()?;
    known_incident(&now, incident)?;
    let since = now.snapshot().at;
    let is_noted = |now: &Published| {
        let row =
            now.turn.learnt.feedback.iter().find(|row| row.incident_id == incident && row.at > since)?;
        Some(json::object(row))
    };
    let answer = order_and_wait(&shared, &now, Command::Judge(incident, opinion), is_noted).await;
    let row = answer.ok_or_else(|| late("the feedback"))??;
    Ok(Answer(json!({"feedback": row})))
}

/// `POST /api/service`: one [`ServiceOp`].
pub async fn service(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result {
    let op: ServiceOp = parse(body)?;
    if op != ServiceOp::List {
        caller.may_change()?;
    }
    let services = shared.services.clone();
    let answer = aside(move || {
        services.control(op).map_err(|what| refused(what, "`homeostat service list` shows what there is"))
    });
    Ok(Answer(json!({"services": answer.await?})))
}

/// Turns planned cells into orders, hands them to the loop and answers with the actions they became.
pub async fn carry_out(shared: &Shared, now: &Published, writes: &[Write]) -> Result {
    let commands =
        writes.iter().map(|write| command(write, now)).collect::<core::result::Result<Vec<_>, _>>()?;
    let known = now.ledger().actions.last().map_or(0, |row| row.id);
    let count = commands.iter().filter(|one| matches!(one, Command::Change(_))).count();
    let undone = commands.iter().filter_map(|one| match one {
        Command::Undo(id) => Some(*id),
        _ => None,
    });
    let undone = undone.collect::<Vec<_>>();
    shared.order(commands)?;
    let done = shared.effect(now.snapshot().turn, |now| {
        let mut rows = ended(now, &undone)?;
        let new = now.ledger().actions.iter().filter(|row| row.id > known && row.decision_id.is_none());
        rows.extend(new.filter(|row| row.state != "intended").take(count).cloned());
        (rows.len() == count + undone.len()).then_some(rows)
    });
    let rows = done.await.ok_or_else(|| late("the change"))?;
    if let Some(row) = rows.iter().find(|row| row.state == "refused" || row.state == "failed") {
        let because = row.because.clone().unwrap_or_else(|| "no reason is known".to_owned());
        let what = format!("{} on {} is {}: {because}", row.action, row.target, row.state);
        return Err(refused(what, "`homeostat doctor` shows what can be changed here"));
    }
    let undo = rows.iter().filter(|row| row.can_undo).map(|row| format!("homeostat undo {}", row.id));
    Ok(Answer(json!({"actions": json::array(&rows), "undo": undo.collect::<Vec<_>>()})))
}

/// The order that writes one cell, in the terms of its actuator.
fn command(write: &Write, now: &Published) -> core::result::Result<Command, Refusal> {
    let number = write.value.as_f64();
    let (kind, amount) = match (write.table, write.column) {
        ("processes", "nice") => (ActuatorKind::SetNice, number),
        ("processes", "descriptor_limit") => (ActuatorKind::RaiseDescriptorLimit, number),
        ("cgroups", "cpu_weight") => (ActuatorKind::SetCpuWeight, number),
        ("services", "back_off_s") => (ActuatorKind::BackOff, number),
        ("cgroups", "memory_high") if write.value != Value::Null => {
            (ActuatorKind::ThrottleMemory, Some(factor(write, now.snapshot())?))
        }
        ("cgroups", "is_frozen") if write.value.is_true() => (ActuatorKind::Freeze, None),
        ("cgroups", "memory_high") => return take_back(ActuatorKind::ThrottleMemory, write, now),
        ("cgroups", "is_frozen") => return take_back(ActuatorKind::Freeze, write, now),
        (table, column) => {
            let what = format!("nothing here can change `{table}.{column}`");
            return Err(refused(what, "`homeostat doctor` shows what can be changed here"));
        }
    };
    let process = match &write.entity {
        Entity::Process(id) => Some(*id),
        _ => None,
    };
    let target = write.entity.clone();
    let intent = Intent {
        action_id: 0,
        decision_id: 0,
        kind,
        target,
        process,
        amount,
        lease_s: 0.0,
        undo_on_death: false,
    };
    Ok(Command::Change(intent))
}

/// The actuator wants to know how many times the memory in use; a person writes bytes.
fn factor(write: &Write, snapshot: &Snapshot) -> core::result::Result<f64, Refusal> {
    let Entity::Cgroup(path) = &write.entity else { return Err(refused("this is no cgroup", "")) };
    let used = snapshot.cgroups.iter().find(|one| &*one.path == path).and_then(|one| one.memory_bytes);
    match (write.value.as_f64(), used) {
        (Some(bytes), Some(used)) if used > 0 => Ok(bytes / used as f64),
        _ => Err(refused(
            format!("the memory that `{path}` uses is not known"),
            "only a cgroup v2 with the memory controller can be throttled",
        )),
    }
}

/// Lifting a limit is the undo of the action that set it; what others set stays.
fn take_back(kind: ActuatorKind, write: &Write, now: &Published) -> core::result::Result<Command, Refusal> {
    let is_it = |row: &&ActionRow| row.can_undo && row.action == kind.as_str() && row.target == write.entity;
    let row = now.ledger().actions.iter().rev().find(is_it).ok_or_else(|| {
        refused(
            format!("no {kind} of ours stands on {}", write.entity),
            "Homeostat lifts only what it set itself; `homeostat actions` lists it",
        )
    })?;
    Ok(Command::Undo(row.id))
}
