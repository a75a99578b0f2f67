//! Flame graphs of profiles: which rows belong to an incident, and how their weights are said.
use vocab::Entity;
use vocab::finding::FindingKind;
use vocab::ledger::Ledger;
use vocab::probe::ProfileKind;
use vocab::rows::{IncidentRow, ProfileRow};

use crate::output::span;

/// The stacks that escalation found for an incident, heaviest first: those its evidence speaks of.
pub fn rows_of<'a>(
    profiles: &'a [ProfileRow],
    ledger: &Ledger,
    incident: &IncidentRow,
) -> Vec<&'a ProfileRow> {
    let is_evidence = |one: &&ProfileRow| {
        let entity = Entity::Process(vocab::ProcessId { pid: one.pid, start_ticks: one.start_ticks });
        ledger.evidence.iter().any(|row| {
            row.incident_id == incident.id
                && row.source_table.as_deref() == Some("profiles")
                && row.entity == entity
        })
    };
    let its = profiles.iter().filter(is_evidence).collect::<Vec<_>>();
    let kinds = incident.kind.parse::<FindingKind>().map_or(&[][..], ProfileKind::of_trouble);
    let known = kinds.iter().map(|kind| last(&its, kind.as_str())).filter(|rows| !rows.is_empty());
    let mut known = known.collect::<Vec<_>>();
    let sure = known.iter().position(|rows| is_sure(rows)).unwrap_or(known.len().saturating_sub(1));
    if known.is_empty() { Vec::new() } else { known.swap_remove(sure) }
}

/// The last profile of that kind.
fn last<'a>(rows: &[&'a ProfileRow], kind: &str) -> Vec<&'a ProfileRow> {
    let of_kind = || rows.iter().filter(|one| one.kind == kind);
    let last = of_kind().map(|one| one.at).max();
    of_kind().filter(|one| Some(one.at) == last).copied().collect()
}

fn is_sure(rows: &[&ProfileRow]) -> bool {
    let watched_s = rows.first().map_or(0.0, |row| row.watched_s);
    let heaviest = ProfileKind::heaviest(rows.iter().map(|row| (row.function.as_deref(), row.share)));
    heaviest.is_some_and(|(_, share)| ProfileKind::is_sure(watched_s, share))
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
