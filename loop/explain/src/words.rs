//! The sentences of an incident.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::graph::Root;
use vocab::Entity;
use vocab::finding::{Finding, FindingKind};
use vocab::snapshot::Snapshot;

/// The name a person knows the entity by.
fn name(snapshot: &Snapshot, entity: &Entity) -> String {
    match entity {
        Entity::Machine => "the machine".to_string(),
        Entity::Process(id) => match snapshot.process(*id) {
            Some(process) => alloc::format!("{} (process {})", process.program, id.pid),
            None => alloc::format!("process {}", id.pid),
        },
        Entity::Service(name) => alloc::format!("service {name}"),
        other => other.to_string(),
    }
}

/// What is wrong, why, and who is hurt.
pub(crate) fn sentence(snapshot: &Snapshot, root: &Root<'_>) -> String {
    let cause = root.finding;
    let hurt = root
        .victims()
        .iter()
        .filter(|victim| **victim != cause.culprit)
        .map(|victim| name(snapshot, victim))
        .collect::<Vec<_>>();
    let text = cause.sentence.trim_end_matches('.');
    if hurt.is_empty() { text.to_string() } else { alloc::format!("{text}; this hurts {}", hurt.join(", ")) }
}

/// What would repair it.
pub(crate) fn suggestion(snapshot: &Snapshot, cause: &Finding) -> String {
    let who = name(snapshot, &cause.culprit);
    match cause.kind {
        FindingKind::MemoryLeak => alloc::format!("restart {who} before memory runs out, then mend the leak"),
        FindingKind::Deadlock => alloc::format!("restart {who}; its threads cannot free each other"),
        FindingKind::Stalled => alloc::format!("restart {who}; nothing in it moves while work waits"),
        FindingKind::CpuHog => {
            alloc::format!("give {who} less weight on the CPU; restart it if that is not enough")
        }
        FindingKind::DescriptorLeak => {
            alloc::format!("restart {who} before its descriptors run out, then close what it opens")
        }
        FindingKind::CrashLoop => {
            alloc::format!("let {who} wait longer between starts and read what it says when it ends")
        }
        FindingKind::MemoryThrash => alloc::format!("end or move {who}, or add memory"),
        FindingKind::IoThrash => alloc::format!("slow {who} down, or give it storage of its own"),
        FindingKind::DeviceFailure => {
            alloc::format!(
                "look after {who}: what it says of itself, cable, cooling, firmware; copy what it holds"
            )
        }
        FindingKind::DiskFull => {
            alloc::format!(
                "make room on {who}, or stop what writes there; the forecast says how long is left"
            )
        }
        FindingKind::CollectorStalled => alloc::format!("look at what {who} reads: it does not answer"),
        FindingKind::OwnTrouble => "see `homeostat sql \"SELECT * FROM self\"`".to_string(),
    }
}
