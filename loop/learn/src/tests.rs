//! What is learnt, from whom, and from whom never.
mod behaviour;
mod feedback;
mod lines;
mod onnx;
mod outlook;
mod parcel;
mod tiers;
mod watch;

use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vocab::baseline::{Baseline, Baselines, Metric};
use vocab::outcome::{Outcome, OutcomeKind};
use vocab::rows::Process;
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId, Timestamp};

use crate::{BASELINES_MAX, Learn, Models};

fn process(pid: u32, program: &str, anon_bytes: u64) -> Process {
    Process { anon_bytes: Some(anon_bytes), ..vocab::kit::process(pid, program) }
}

fn snapshot(turn: i64, processes: Vec<Process>) -> Snapshot {
    let turn_number = u64::try_from(turn).unwrap_or(1);
    Snapshot {
        at: Timestamp::from_secs(turn),
        turn: turn_number,
        interval_s: 1.0,
        processes,
        ..Snapshot::default()
    }
}

fn samples(learn: &Learn, key: &str) -> u64 {
    learn.baselines().get(&Arc::from(key), Metric::AnonBytes, 0).map_or(0, |one| one.samples)
}

fn run(learn: &mut Learn, turns: core::ops::Range<i64>, row: &Process, in_trouble: &[Entity]) {
    turns.for_each(|turn| {
        learn.run(&snapshot(turn, Vec::from([row.clone()])), &[], in_trouble);
    });
}

#[test]
fn one_sample_each_five_seconds_under_service_or_program() {
    let mut learn = Learn::default();
    let in_service = Process { service: Some("web".into()), ..process(1, "python", 50) };
    run(&mut learn, 0..50, &in_service, &[]);
    run(&mut learn, 50..100, &process(2, "sh", 9), &[]);
    assert_eq!((samples(&learn, "web"), samples(&learn, "sh"), samples(&learn, "python")), (10, 10, 0));
    let known = learn.baselines().get(&Arc::from("web"), Metric::AnonBytes, 10).copied();
    assert_eq!(known.map(|one| one.center), Some(50.0));
}

#[test]
fn nothing_is_learnt_from_whoever_is_in_trouble() {
    let row = Process { service: Some("web".into()), ..process(1, "python", 50) };
    for entity in [Entity::Service("web".to_string()), Entity::Process(ProcessId { pid: 1, start_ticks: 7 })]
    {
        let mut learn = Learn::default();
        run(&mut learn, 0..50, &row, &[entity]);
        assert_eq!(samples(&learn, "web"), 0);
    }
    let mut learn = Learn::default();
    run(&mut learn, 0..50, &row, &[Entity::Service("other".to_string())]);
    assert_eq!(samples(&learn, "web"), 10);
}

#[test]
fn nothing_is_learnt_from_a_process_that_starts_or_is_no_program() {
    let mut learn = Learn::default();
    run(&mut learn, 0..50, &Process { age_s: 20.0, ..process(1, "young", 1) }, &[]);
    run(&mut learn, 50..100, &Process { is_kernel: true, ..process(2, "kthreadd", 1) }, &[]);
    run(&mut learn, 100..150, &Process { state: "Z".to_string(), ..process(3, "gone", 1) }, &[]);
    assert!(learn.baselines().0.is_empty());
}

#[test]
fn a_repair_that_failed_pauses_learning_for_a_minute() {
    let outcome = |kind| Outcome {
        action_id: 1,
        decision_id: 1,
        incident_id: 1,
        at: Timestamp::from_secs(0),
        kind,
        effect_after_s: None,
        sentence: "x".to_string(),
    };
    for (kind, expected) in
        [(OutcomeKind::Unchanged, 8), (OutcomeKind::Relapsed, 8), (OutcomeKind::Repaired, 20)]
    {
        let mut learn = Learn::default();
        let first = snapshot(0, Vec::from([process(1, "sh", 9)]));
        learn.run(&first, &[outcome(kind)], &[]);
        run(&mut learn, 1..100, &process(1, "sh", 9), &[]);
        assert_eq!(samples(&learn, "sh"), expected, "{kind}");
    }
}

#[test]
fn baselines_are_bounded_and_the_best_known_stay() {
    let mut learn = Learn::default();
    run(&mut learn, 0..100, &process(1, "old", 5), &[]);
    for turn in 0..i64::try_from(BASELINES_MAX).unwrap_or(0) {
        let other = process(2, &format!("program-{turn}"), 5);
        learn.run(&snapshot(1_000 + 5 * turn, Vec::from([other])), &[], &[]);
    }
    assert_eq!(learn.baselines().0.len(), BASELINES_MAX);
    assert_eq!(samples(&learn, "old"), 20);
}

#[test]
fn what_was_learnt_goes_in_and_out() {
    let mut known = Baselines::default();
    known.0.insert(
        (Arc::from("web"), Metric::AnonBytes),
        Baseline { samples: 70, center: 5.0, spread: 1.0, high: 8.0 },
    );
    assert_eq!(*Learn::new(known.clone(), Models::default()).baselines(), known);
}

#[test]
fn numbers_that_are_none_are_not_learnt() {
    let mut learn = Learn::default();
    let odd = Process { cpu_pct: Some(f64::NAN), anon_bytes: None, ..process(1, "odd", 1) };
    run(&mut learn, 0..20, &odd, &[]);
    assert!(learn.baselines().0.is_empty());
}
