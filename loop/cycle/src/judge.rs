//! What a person said of an incident, with what it was about: its culprit and its strongest number.
use learn::{Judgement, Opinion};
use vocab::Timestamp;
use vocab::ledger::Ledger;

/// The opinion for learn; `None` if there is no such incident.
pub(crate) fn judgement(
    ledger: &Ledger,
    incident_id: u64,
    opinion: Opinion,
    at: Timestamp,
) -> Option<Judgement> {
    let incident = ledger.incidents.iter().rev().find(|row| row.id == incident_id)?;
    let cells = ledger.evidence.iter().filter(|row| row.incident_id == incident_id && row.role == "cell");
    let mut numbers: Vec<_> = cells
        .filter_map(|row| {
            let value = row.value.as_ref()?.parse::<f64>().ok().filter(|value| value.is_finite())?;
            Some((row.position, row.source_column.clone()?, value))
        })
        .collect();
    numbers.sort_by_key(|(position, ..)| *position);
    Some(Judgement {
        incident_id,
        at,
        opinion,
        kind: incident.kind.clone(),
        name: incident.name.clone(),
        cell: numbers.into_iter().next().map(|(_, column, value)| (column, value)),
    })
}
