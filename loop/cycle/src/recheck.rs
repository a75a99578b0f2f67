//! The precondition of a decision, evaluated again on a fresh look right before it is carried out.
use std::sync::Arc;

use tables::{Engine, View};
use vocab::Entity;
use vocab::decision::Decision;
use vocab::ledger::Ledger;
use vocab::query::{self, Query};
use vocab::rows::IncidentRow;
use vocab::sample::Sample;
use vocab::snapshot::Snapshot;

use crate::world;

/// The snapshot of this turn with what a fresh look says of the entities that the decision names: their
/// counters replaced, those that are gone removed.
pub(crate) fn freshen(snapshot: &Snapshot, decision: &Decision, fresh: &Sample) -> Snapshot {
    let mut now = snapshot.clone();
    for entity in world::named_entities(decision) {
        let Entity::Process(id) = entity else { continue };
        let Some(stat) = fresh.processes.iter().find(|stat| stat.id() == id) else {
            now.processes.retain(|process| process.id() != id);
            continue;
        };
        let detail = fresh.process_details.iter().find(|detail| detail.id == id);
        for process in now.processes.iter_mut().filter(|process| process.id() == id) {
            process.rss_bytes = stat.rss_bytes;
            process.nice = stat.nice;
            process.threads = stat.threads;
            process.state = char::from(stat.state).to_string();
            process.anon_bytes = detail.and_then(|one| one.anon_bytes).or(process.anon_bytes);
            process.descriptors = detail.and_then(|one| one.descriptors).or(process.descriptors);
        }
    }
    now
}

/// Whether the decision still stands in `fresh`.
///
/// # Errors
/// Why it does not, in words.
pub(crate) fn still_stands(
    engine: &mut Engine,
    ledger: &Ledger,
    decision: &Decision,
    fresh: Snapshot,
) -> Result<(), String> {
    let is_gone = |entity: &Entity| match entity {
        Entity::Process(id) => fresh.process(*id).is_none(),
        _ => false,
    };
    if let Some(entity) = world::named_entities(decision).iter().find(|entity| is_gone(entity)) {
        return Err(format!("{entity} is gone"));
    }
    let Some(condition) = &decision.rung.only_if else { return Ok(()) };
    let incident = ledger.incidents.iter().find(|row| Some(row.id) == decision.incident_id);
    let Some(IncidentRow { id, culprit, exhaustion_s, .. }) = incident.map(AsRef::as_ref) else {
        return Err(format!("the incident of decision {} is not known any more", decision.id));
    };
    let (process, exhaustion_s) = (decision.process, *exhaustion_s);
    let subject = query::Subject { incident_id: *id, culprit, process, exhaustion_s };
    let parameters = query::parameters_of(&subject, &fresh);
    let view = View { snapshot: Arc::new(fresh), ledger: Arc::new(ledger.clone()), ..View::default() };
    engine.set_view(view);
    match engine.holds(condition, &parameters) {
        Ok(true) => Ok(()),
        Ok(false) => Err("its condition `only_if` holds no longer".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
