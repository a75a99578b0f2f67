//! Whether the expected effect is there, and whether culprit and victims are well.
use alloc::format;
use alloc::string::String;

use crate::Context;
use crate::trial::Trial;
use vocab::finding::{Finding, FindingKind};
use vocab::snapshot::Snapshot;
use vocab::{Entity, Value, query};

/// Looks at the rule's own condition and, for a repair, at everyone concerned.
///
/// # Errors
/// What does not hold, in words.
pub(crate) fn look(trial: &Trial, context: &mut Context<'_>) -> Result<(), String> {
    let mut parameters = query::parameters(&trial.incident, context.snapshot);
    let age_s = context.snapshot.at.seconds_since(trial.applied_at);
    parameters.push((":action_age_s", Value::from(age_s)));
    match context.query.holds(&trial.decision.rung.expect, &parameters) {
        Ok(true) => {}
        Ok(false) => return Err("it does not hold".into()),
        Err(error) => return Err(format!("it cannot be evaluated: {error}")),
    }
    if !trial.must_be_healthy() {
        return Ok(());
    }
    let incident = &trial.incident;
    // A victim in trouble of its own is healed, or not, by its own incident.
    let has_own_trouble = |entity: &Entity| {
        context.incidents.iter().any(|one| one.is_open() && one.id != incident.id && one.culprit == *entity)
    };
    let victims = incident.victims.iter().filter(|one| **one != incident.culprit && !has_own_trouble(one));
    for entity in core::iter::once(&incident.culprit).chain(victims) {
        is_well(context.snapshot, entity)?;
        is_unaccused(context.findings, entity, incident.kind)?;
    }
    Ok(())
}

/// A service runs and passes its own check; a process lives and is not stopped.
fn is_well(snapshot: &Snapshot, entity: &Entity) -> Result<(), String> {
    match entity {
        Entity::Service(name) => {
            let service = snapshot.service(name).ok_or_else(|| format!("service {name} is gone"))?;
            if service.state != "running" {
                return Err(format!("service {name} is {}", service.state));
            }
            if service.is_healthy == Some(false) {
                return Err(format!("service {name} fails its own health check"));
            }
            let cgroup = service.cgroup.as_ref();
            let row = cgroup.and_then(|path| snapshot.cgroups.iter().find(|one| one.path == *path));
            match row.and_then(|row| row.is_frozen) {
                Some(true) => Err(format!("service {name} is frozen")),
                _ => Ok(()),
            }
        }
        // A victim that ended by itself is not hurt any more; a culprit is asked for by the rule.
        Entity::Process(id) => match snapshot.process(*id) {
            Some(process) if process.state == "T" => Err(format!("process {} is stopped", id.pid)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Nobody says the same of the entity again, nor that it does not serve.
fn is_unaccused(findings: &[Finding], entity: &Entity, kind: FindingKind) -> Result<(), String> {
    let blocks = |finding: &&Finding| {
        let is_same = finding.kind == kind;
        let is_down =
            matches!(finding.kind, FindingKind::Stalled | FindingKind::Deadlock | FindingKind::CrashLoop);
        (is_same || is_down) && (finding.culprit == *entity || finding.victims.contains(entity))
    };
    match findings.iter().find(blocks) {
        Some(finding) => Err(format!("{}: {}", finding.kind, finding.sentence)),
        None => Ok(()),
    }
}
