//! Flame graphs of profiles: which rows belong to an incident, and how their weights are said.
use vocab::Entity;
use vocab::finding::FindingKind;
use vocab::ledger::Ledger;
use vocab::probe::ProfileKind;
use vocab::rows::{IncidentRow, ProfileRow};

use crate::output::span;

/// The stacks that escalation found for an incident, heaviest first: the last profile of its evidence.
pub fn rows_of<'a>(
    profiles: &'a [ProfileRow],
    ledger: &Ledger,
    incident: &IncidentRow,
) -> Vec<&'a ProfileRow> {
    let kind = incident.kind.parse::<FindingKind>().ok().and_then(ProfileKind::of_trouble);
    let Some(kind) = kind.map(ProfileKind::as_str) else { return Vec::new() };
    let is_its = |one: &&ProfileRow| {
        let entity = Entity::Process(vocab::ProcessId { pid: one.pid, start_ticks: one.start_ticks });
        one.kind == kind
            && ledger.evidence.iter().any(|row| {
                row.incident_id == incident.id
                    && row.source_table.as_deref() == Some("profiles")
                    && row.entity == entity
            })
    };
    let mut rows = profiles.iter().filter(is_its).collect::<Vec<_>>();
    let last = rows.iter().map(|one| one.at).max();
    rows.retain(|one| Some(one.at) == last);
    rows
}

/// The stacks of an incident, drawn, or what to say where it has none.
///
/// # Errors
/// It has none: what, and a hint.
pub fn of_incident(id: u64, stacks: &[&ProfileRow]) -> Result<String, (String, &'static str)> {
    let Some(first) = stacks.first() else {
        let hint = "stacks of earlier runs are not kept, and not every trouble has some";
        return Err((format!("incident {id} has no stacks"), hint));
    };
    let title =
        format!("incident {id}: {} of {} (pid {})", first.kind.replace('_', " "), first.name, first.pid);
    let weights = stacks.iter().map(|one| (&*one.stack, one.weight)).collect::<Vec<_>>();
    Ok(draw(&title, &first.unit, &weights))
}

/// The drawing of folded stacks, whose weights count `unit`.
pub fn draw(title: &str, unit: &str, stacks: &[(&str, u64)]) -> String {
    stacks::svg::flame_graph(title, stacks, |weight| say(weight, unit), |name| !stacks::is_runtime(name, ""))
}

/// A weight in words.
pub fn say(weight: u64, unit: &str) -> String {
    match unit {
        "bytes" => tables::engine::human_bytes(weight as f64),
        "us" if weight < 10_000_000 => format!("{:.2} s", weight as f64 / 1e6),
        "us" => span(weight as f64 / 1e6),
        _ => format!("{weight} {unit}"),
    }
}
