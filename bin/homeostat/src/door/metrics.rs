//! The tables as Prometheus text, and whether the loop turns.
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use vocab::table::{Row, Unit};

use super::answer::Refusal;
use super::entry::Caller;
use super::state::Shared;
use super::{scope, status};

/// A loop that has not turned for so long is not healthy.
const TURN_AGE_MAX: Duration = Duration::from_secs(15);

/// `GET /healthz`: 200 while the loop turns. Says nothing about the machine and needs no token.
pub async fn healthz(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let age = shared.last.borrow().as_ref().map(|now| now.published.elapsed());
    match age {
        Some(age) if age < TURN_AGE_MAX => (StatusCode::OK, "ok\n".to_owned()),
        Some(age) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("the loop has not turned for {} s\n", age.as_secs()))
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "the first turn is not over yet\n".to_owned()),
    }
}

/// `GET /metrics`: gauges of machine, pressure, services, disks, filesystems, interfaces and of ourselves.
pub async fn metrics(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
) -> Result<impl IntoResponse, Refusal> {
    let now = shared.now()?;
    let view = scope::view_for(caller, &shared.entry, &now);
    let snapshot = &view.snapshot;
    let mut text = String::with_capacity(16 << 10);
    family(&mut text, "machine", &[], std::slice::from_ref(&snapshot.machine));
    family(&mut text, "pressure", &["entity", "resource"], &snapshot.pressures);
    family(&mut text, "service", &["name", "manager"], &snapshot.services);
    family(&mut text, "disk", &["name"], &snapshot.disks);
    family(&mut text, "filesystem", &["mount_point", "device"], &snapshot.filesystems);
    family(&mut text, "interface", &["name"], &snapshot.interfaces);
    family(&mut text, "self", &["name", "unit"], &view.ledger.own);
    let open = status::open_incidents(&view.ledger);
    gauge(&mut text, "homeostat_incidents_open", "Incidents that need attention.");
    for severity in ["notice", "warning", "critical"] {
        let count = open.iter().filter(|row| row.severity == severity).count();
        let _ = writeln!(text, "homeostat_incidents_open{{severity=\"{severity}\"}} {count}");
    }
    gauge(&mut text, "homeostat_actions_standing", "Changes that stand and can be undone.");
    let standing = view.ledger.actions.iter().filter(|row| row.can_undo).count();
    let _ = writeln!(text, "homeostat_actions_standing {standing}");
    gauge(&mut text, "homeostat_turn", "Number of the last turn of the loop.");
    let _ = writeln!(text, "homeostat_turn {}", snapshot.turn);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

fn gauge(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

/// Every number of a table as `homeostat_<prefix>_<column>`, labelled by `labels`.
fn family<R: Row>(text: &mut String, prefix: &str, labels: &[&str], rows: &[R]) {
    let columns = R::SPEC.columns;
    let indices = labels.iter().filter_map(|label| columns.iter().position(|column| column.name == *label));
    let indices = indices.collect::<Vec<_>>();
    for (index, column) in columns.iter().enumerate() {
        let is_number = column.unit != Unit::None || column.name == "value";
        if !is_number || rows.iter().all(|row| row.cell(index).as_f64().is_none()) {
            continue;
        }
        let name = format!("homeostat_{prefix}_{}", column.name);
        gauge(text, &name, column.doc.trim());
        for row in rows {
            let Some(value) = row.cell(index).as_f64() else { continue };
            let pairs = indices.iter().map(|label| {
                format!("{}=\"{}\"", columns[*label].name, escaped(&row.cell(*label).to_string()))
            });
            let pairs = pairs.collect::<Vec<_>>().join(",");
            let braces = if pairs.is_empty() { String::new() } else { format!("{{{pairs}}}") };
            let _ = writeln!(text, "{name}{braces} {value}");
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
