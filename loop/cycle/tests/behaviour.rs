//! A made-up service that begins to call the kernel in another order: told, shown, evidence of an incident that has
//! another cause, but no incident by itself; replayed byte for byte.
#[allow(dead_code, reason = "here nobody acts")]
mod made;
mod quiet;

use std::sync::Arc;

use cycle::recording::Thought;
use cycle::replay::{Recorder, replay};
use cycle::{Cycle, Start, World, rules};
use made::MB;
use quiet::Quiet;
use vocab::ProcessId;
use vocab::event::EventKind;
use vocab::incident::Incident;
use vocab::kernel::CallsSample;
use vocab::probe::{Probe, ProbeAnswer, ProbeResult};
use vocab::rows::BehaviourRow;
use vocab::rule::Mode;

const MAIN: ProcessId = ProcessId { pid: 100, start_ticks: 500 };
const TURNS: u64 = 300;
/// When it changes.
const FROM: u64 = 200;
const NAMES: [&str; 5] = ["close", "execve", "poll", "read", "write"];

/// What the service calls in a turn; what it never called before, if it is odd.
fn calls(turn: u64, is_odd: bool) -> Vec<u16> {
    let mut calls = Vec::new();
    for round in 0..5 + turn % 3 {
        calls.extend([2, 3, 4]);
        if (round + turn * turn).is_multiple_of(7) {
            calls.extend([2, 3, 3, 0]);
        }
        if is_odd {
            calls.extend([1, 4, 4]);
        }
    }
    calls
}

/// One service that is looked at in every turn; from `FROM` on it calls `execve`, leaks, or both.
fn ledger(turns_odd: bool, leaks: bool) -> impl World {
    Quiet::new(move |turn, _: &_| {
        let seconds = if leaks { turn.saturating_sub(FROM) } else { 0 };
        let mut sample = made::sample(turn, MAIN, 50 * MB + 4 * MB * seconds);
        let calls = CallsSample {
            id: MAIN,
            watched_s: 1.0,
            names: NAMES.map(Arc::from).to_vec(),
            sequences: vec![calls(turn, turns_odd && turn >= FROM)],
            ..CallsSample::default()
        };
        let result = Ok(ProbeResult::Calls(calls));
        sample.answers = vec![ProbeAnswer { probe: Probe::calls(MAIN), at: sample.at, result }];
        (turn <= TURNS).then_some(sample)
    })
}

/// What was told of the order of calls, the incidents, and the row at the end; a replay must say the same.
fn run(turns_odd: bool, leaks: bool) -> (Vec<(u64, String)>, Vec<Incident>, BehaviourRow) {
    let start =
        Start { rules: rules::load(&[]).expect("the shipped rules"), mode: Mode::Advise, ..Start::default() };
    let (mut recording, mut told, mut incidents, mut row) = (Vec::new(), Vec::new(), Vec::new(), None);
    let recorder = Recorder::new(ledger(turns_odd, leaks), &mut recording, &start).expect("memory");
    let mut cycle = Cycle::new(recorder, start).expect("SQL can be set up");
    while let Some(turn) = cycle.turn() {
        cycle.world.keep(&turn).expect("memory can be written");
        let thought = Thought::of(&turn.change);
        let events = thought.events.into_iter().filter(|one| one.kind == EventKind::Anomaly);
        let calls = events.filter(|one| one.message.contains("calls the kernel"));
        told.extend(calls.map(|one| (turn.snapshot.turn, one.message)));
        incidents.extend(thought.incidents);
        row = turn.learnt.behaviour.first().cloned().or(row);
    }
    drop(cycle);
    let replayed = replay(recording.as_slice(), None).expect("whole");
    assert_eq!((replayed.turns, replayed.differences().count()), (TURNS, 0));
    (told, incidents, row.expect("a row"))
}

#[test]
fn another_order_is_told_and_is_no_incident() {
    let (told, incidents, row) = run(true, false);
    assert_eq!(incidents, []);
    let [(turn, message)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(*turn, FROM + 3, "four looks");
    assert!(
        message.contains("ledger calls the kernel otherwise than it used to: `execve` after `"),
        "{message}"
    );
    assert_eq!((&*row.program, &*row.state), ("ledger", "strange"));
}

#[test]
fn the_same_order_is_not_told() {
    let (told, incidents, row) = run(false, false);
    assert_eq!((told.len(), incidents.len(), &*row.state), (0, 0, "ready"));
}

#[test]
fn another_order_is_evidence_of_an_incident_and_the_usual_one_is_not() {
    for turns_odd in [true, false] {
        let (_, incidents, _) = run(turns_odd, true);
        let opened = incidents.first().expect("it leaks");
        assert_eq!(opened.kind.as_str(), "memory_leak");
        let evidence: Vec<_> = opened
            .evidence
            .iter()
            .filter(|one| one.sentence.contains("calls the kernel otherwise"))
            .collect();
        assert_eq!(evidence.len(), usize::from(turns_odd), "{:?}", opened.evidence);
        assert!(evidence.iter().all(|one| one.table == "anomalies" && one.column == "call_surprise"));
    }
}
