//! Tests of the stage: one trouble is one incident, whatever the order in which it shows.
use super::*;
use alloc::string::String;
use alloc::vec;
use vocab::kit::{self, service_entity as service};

fn finding(at_s: i64, kind: FindingKind, culprit: &str, victims: &[&str]) -> Finding {
    let victims = victims.iter().map(|name| service(name)).collect();
    Finding { victims, ..kit::finding(at_s, kind, culprit) }
}

/// Runs the stage over `(second, findings)` with no outcomes; returns the stage.
fn run(turns: &[(i64, Vec<Finding>)]) -> (Explain, Vec<Incident>) {
    let mut explain = Explain::new(1);
    let mut changes = Vec::new();
    for (at_s, findings) in turns {
        let snapshot = Snapshot { at: Timestamp::from_secs(*at_s), ..Snapshot::default() };
        changes.extend(explain.run(&snapshot, findings, &[], &BTreeSet::new()));
    }
    (explain, changes)
}

#[test]
fn a_finding_that_lasts_is_one_incident() {
    let leak = |at| vec![finding(at, FindingKind::MemoryLeak, "a", &["a"])];
    let (explain, _) = run(&[(1, leak(1)), (2, leak(2)), (3, leak(3))]);
    assert_eq!(explain.open().len(), 1);
    assert_eq!(explain.open()[0].last_seen_at, Timestamp::from_secs(3));
}

#[test]
fn no_finding_opens_nothing() {
    let (explain, changes) = run(&[(1, vec![]), (2, vec![])]);
    assert!(explain.open().is_empty() && changes.is_empty());
}

#[test]
fn a_stalled_victim_is_explained_by_its_hog() {
    let stalled = finding(2, FindingKind::Stalled, "victim", &["victim"]);
    let hog = finding(2, FindingKind::CpuHog, "hog", &["victim"]);
    let (explain, _) = run(&[(1, vec![stalled.clone()]), (2, vec![stalled, hog])]);
    assert_eq!(explain.open().len(), 1, "one trouble, one message");
    let incident = &explain.open()[0];
    assert_eq!((incident.id, incident.kind, &incident.culprit), (1, FindingKind::CpuHog, &service("hog")));
    assert_eq!(incident.tree[1].parent, Some(0));
}

#[test]
fn two_troubles_stay_two() {
    let both = vec![
        finding(1, FindingKind::MemoryLeak, "a", &["a"]),
        finding(1, FindingKind::Deadlock, "b", &["b"]),
    ];
    let (explain, _) = run(&[(1, both)]);
    assert_eq!(explain.open().len(), 2);
}

#[test]
fn quiet_incidents_subside_unless_an_action_is_pending() {
    let (mut explain, _) = run(&[(1, vec![finding(1, FindingKind::MemoryLeak, "a", &["a"])])]);
    let later = Snapshot { at: Timestamp::from_secs(100), ..Snapshot::default() };
    assert!(explain.run(&later, &[], &[], &BTreeSet::from([1])).is_empty());
    let closed = explain.run(&later, &[], &[], &BTreeSet::new());
    assert_eq!(closed[0].state, IncidentState::Subsided);
    assert!(explain.open().is_empty());
}

fn outcome(kind: OutcomeKind) -> Outcome {
    Outcome {
        action_id: 1,
        decision_id: 1,
        incident_id: 1,
        at: Timestamp::from_secs(2),
        kind,
        effect_after_s: None,
        sentence: String::new(),
    }
}

#[test]
fn only_a_proven_repair_closes_and_recurrence_is_counted() {
    let leak = |at| vec![finding(at, FindingKind::MemoryLeak, "a", &["a"])];
    let (mut explain, _) = run(&[(1, leak(1))]);
    let now = Snapshot { at: Timestamp::from_secs(2), ..Snapshot::default() };
    for kind in [OutcomeKind::Contained, OutcomeKind::Unchanged, OutcomeKind::Void] {
        explain.run(&now, &[], &[outcome(kind)], &BTreeSet::new());
        assert_eq!(explain.open().len(), 1, "{kind}");
    }
    let changed = explain.run(&now, &[], &[outcome(OutcomeKind::Repaired)], &BTreeSet::new());
    assert_eq!(changed[0].state, IncidentState::Repaired);
    explain.run(&now, &leak(2), &[], &BTreeSet::new());
    assert_eq!((explain.open()[0].id, explain.open()[0].recurrences), (2, 1));
}

#[test]
fn the_weights_of_all_explanations_add_up_to_one() {
    let one = finding(1, FindingKind::CpuHog, "a", &["v"]);
    let other = finding(1, FindingKind::CpuHog, "b", &["v"]);
    let (explain, _) = run(&[(1, vec![one, other])]);
    for incident in explain.open() {
        let sum = incident.confidence + incident.alternatives.iter().map(|one| one.weight).sum::<f64>();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }
}
