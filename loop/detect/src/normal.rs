//! What was learnt, beside what was found: who differs from normal, new kinds of log lines, and what a person has
//! called a false alarm. An anomaly alone is no finding; beside one it is evidence.
use alloc::format;
use alloc::vec::Vec;

use vocab::finding::{Evidence, Finding};
use vocab::learnt::Learnt;
use vocab::rows::{AnomalyRow, FeedbackRow, LogTemplateRow};
use vocab::snapshot::Snapshot;
use vocab::{Entity, Value};

use crate::say;

/// Pieces of evidence of one finding at most.
const EVIDENCE_MAX: usize = 16;
/// Others that differ at the same time, named at most.
const OTHERS_MAX: usize = 3;
/// Kinds of log lines named at most.
const LINES_MAX: usize = 2;

/// Whether a person called it a false alarm: of this kind, culprit and size.
pub fn is_tolerated(snapshot: &Snapshot, learnt: &Learnt, finding: &Finding) -> bool {
    let Some(cell) = finding.evidence.iter().find(|one| one.value.as_f64().is_some()) else { return false };
    let (name, value) = (name_of(snapshot, finding), cell.value.as_f64().unwrap_or(f64::INFINITY));
    let is_it = |row: &FeedbackRow| {
        row.kind == finding.kind.as_str()
            && name.as_deref() == Some(row.name.as_str())
            && row.source_column.as_deref() == Some(cell.column.as_str())
            && row.tolerated.is_some_and(|most| value <= most)
    };
    learnt.feedback.iter().any(is_it)
}

/// Adds what differs from normal: of the culprit first, then of others.
pub fn add_evidence(snapshot: &Snapshot, learnt: &Learnt, finding: &mut Finding) {
    let name = name_of(snapshot, finding);
    let is_own =
        |row: &&AnomalyRow| row.entity == finding.culprit || name.as_deref() == Some(row.name.as_str());
    let own = learnt.anomalies.iter().filter(is_own).map(anomaly);
    let lines =
        learnt.log_templates.iter().filter(|row| row.entity == finding.culprit && row.state != "known");
    let others = learnt.anomalies.iter().filter(|row| !is_own(row)).map(anomaly).take(OTHERS_MAX);
    let more: Vec<Evidence> = own.chain(lines.map(line).take(LINES_MAX)).chain(others).collect();
    finding.evidence.extend(more);
    finding.evidence.truncate(EVIDENCE_MAX);
}

/// The name under which the culprit is learnt: of its service, else of its program.
fn name_of(snapshot: &Snapshot, finding: &Finding) -> Option<alloc::string::String> {
    let process = match &finding.culprit {
        Entity::Service(name) => return Some(name.clone()),
        Entity::Process(id) => Some(*id),
        _ => finding.process,
    };
    let program =
        process.and_then(|id| snapshot.process(id)).map(|one| alloc::string::String::from(&*one.program));
    program.or_else(|| Some(alloc::string::ToString::to_string(&finding.culprit)))
}

fn anomaly(row: &AnomalyRow) -> Evidence {
    let normal = format!("{} to {}", row.low, row.high);
    let cells = (Value::from(row.value), Some(Value::from(normal)));
    say::cell("anomalies", row.entity.clone(), &row.metric, cells, row.sentence.clone())
}

fn line(row: &LogTemplateRow) -> Evidence {
    let what = match row.state.as_str() {
        "new" => "a kind of log line that was never seen before",
        "burst" => "many more log lines than usual",
        _ => "no more log lines of a kind that used to come",
    };
    let cells = (Value::from(row.lines), None);
    say::cell("log_templates", row.entity.clone(), "text", cells, format!("{what}: {}", row.text))
}
