//! Tests of the stage: one trouble is one incident, whatever the order in which it shows.
use super::*;
use alloc::string::String;
use alloc::vec;
use vocab::finding::Evidence;
use vocab::kit::{self, service_entity as service};
use vocab::probe::{Probe, ProbeAnswer, ProbeResult, ProfileKind, ProfileProbe, StackProbe};
use vocab::{ProcessId, Value};

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

fn profiled(at_s: i64, kind: ProfileKind, stacks: Vec<StackProbe>) -> ProbeAnswer {
    let profile = ProfileProbe {
        name: "a".into(),
        service: None,
        seconds: 5.0,
        weight: stacks.iter().map(|one| one.weight).sum(),
        samples: 9,
        lost: 0,
        cut_short: None,
        stacks,
    };
    let result = Ok(ProbeResult::Profile(profile));
    ProbeAnswer { probe: Probe::profile(PROCESS, kind), at: Timestamp::from_secs(at_s), result }
}

fn stack(names: &str, function: &str, weight: u64, threads: &[u32]) -> StackProbe {
    StackProbe {
        stack: names.into(),
        path: Some(function.into()),
        function: Some(function.into()),
        file: Some("a.out".into()),
        weight,
        threads: threads.to_vec(),
        waiters: None,
    }
}

const PROCESS: ProcessId = ProcessId { pid: 7, start_ticks: 70 };

/// Runs the stage over `(second, findings, answers)`; returns it.
fn run_with(turns: Vec<(i64, Vec<Finding>, Vec<ProbeAnswer>)>) -> Explain {
    let mut explain = Explain::new(1);
    for (at_s, findings, answers) in turns {
        let snapshot = Snapshot { at: Timestamp::from_secs(at_s), answers, ..Snapshot::default() };
        explain.run(&snapshot, &findings, &[], &BTreeSet::new());
    }
    explain
}

#[test]
fn who_allocates_what_is_kept_is_named_before_who_touches_it_if_it_was_watched_for_long_enough() {
    for (seconds, named) in [(5.0, "asks"), (0.4, "touches")] {
        let touched =
            profiled(1, ProfileKind::MemoryGrowth, vec![stack("main;touches", "touches", 90, &[7])]);
        let mut kept = profiled(2, ProfileKind::MemoryKept, vec![stack("main;asks", "asks", 10, &[7])]);
        if let Ok(ProbeResult::Profile(profile)) = &mut kept.result {
            profile.seconds = seconds;
        }
        let explain = run_with(vec![(3, vec![leak(3)], vec![touched, kept])]);
        let sentence = &explain.open()[0].sentence;
        assert!(sentence.contains("it grows in") && sentence.contains(named), "{sentence}");
    }
}

#[test]
fn a_function_that_serves_the_whole_program_is_named_with_who_calls_it_if_that_is_always_the_same() {
    let called_by = |callers: &[&str]| {
        let stacks = callers.iter().map(|caller| {
            let path = alloc::format!("xmalloc <- {caller} <- serve");
            StackProbe { path: Some(path.into()), ..stack(caller, "xmalloc", 10, &[7]) }
        });
        let kept = profiled(1, ProfileKind::MemoryKept, stacks.collect());
        run_with(vec![(1, vec![leak(1)], vec![kept])]).open()[0].sentence.clone()
    };
    assert!(called_by(&["caches", "caches"]).ends_with("it grows in `xmalloc`, called by `caches`"));
    for callers in [&["caches", "sorts"][..], &["main"], &["xmalloc"]] {
        let sentence = called_by(callers);
        assert!(sentence.ends_with("it grows in `xmalloc`"), "{callers:?}: {sentence}");
    }
}

fn leak(at_s: i64) -> Finding {
    Finding { process: Some(PROCESS), ..finding(at_s, FindingKind::MemoryLeak, "a", &["a"]) }
}

fn grows() -> ProbeAnswer {
    let stacks = vec![
        stack("main;fill;malloc", "fill", 60, &[7]),
        stack("main;fill;memset", "fill", 30, &[7]),
        stack("main;serve", "serve", 10, &[7]),
    ];
    profiled(1, ProfileKind::MemoryGrowth, stacks)
}

fn functions(incident: &Incident) -> Vec<&str> {
    incident
        .evidence
        .iter()
        .filter(|one| one.table == "profiles")
        .filter_map(|one| one.value.as_str())
        .collect()
}

#[test]
fn what_grew_is_named_whether_the_answer_came_before_during_or_after_the_finding() {
    let none = Vec::new;
    let before = run_with(vec![(1, none(), vec![grows()]), (9, vec![leak(9)], vec![])]);
    let during = run_with(vec![
        (1, vec![leak(1)], vec![]),
        (2, vec![leak(2)], vec![grows()]),
        (3, vec![leak(3)], vec![]),
    ]);
    let after = run_with(vec![(1, vec![leak(1)], vec![]), (2, none(), vec![grows()]), (3, none(), vec![])]);
    for explain in [before, during, after] {
        let incident = &explain.open()[0];
        assert_eq!(functions(incident), ["fill", "serve"], "{incident:#?}");
        assert_eq!(incident.sentence.matches("it grows in `fill`").count(), 1, "{}", incident.sentence);
    }
}

#[test]
fn what_is_spread_or_of_another_kind_names_no_place() {
    let spread = (0..10).map(|n| stack("x", &alloc::format!("f{n}"), 10, &[7])).collect();
    let answer = profiled(1, ProfileKind::MemoryGrowth, spread);
    let explain = run_with(vec![(1, vec![leak(1)], vec![answer])]);
    assert!(!explain.open()[0].sentence.contains("grows in"), "{}", explain.open()[0].sentence);
    let other = profiled(1, ProfileKind::OnCpu, vec![stack("main;spin", "spin", 9, &[7])]);
    let explain = run_with(vec![(1, vec![leak(1)], vec![other])]);
    assert!(functions(&explain.open()[0]).is_empty());
}

#[test]
fn of_a_convoy_the_holder_is_named_first() {
    let mut stalled = finding(1, FindingKind::Stalled, "a", &["a"]);
    stalled.process = Some(PROCESS);
    let stacks = vec![
        stack("clone;takes_it;pthread_mutex_lock;[kernel futex]", "takes_it", 3, &[71, 72, 73]),
        StackProbe {
            waiters: Some(3),
            ..stack("[holds a lock that 3 wait for];clone;writes;fsync;[kernel fsync]", "writes", 1, &[70])
        },
        stack("clone;idles;nanosleep;[kernel clock_nanosleep]", "idles", 1, &[80]),
    ];
    let explain = run_with(vec![(1, vec![stalled], vec![profiled(1, ProfileKind::Waiting, stacks)])]);
    let incident = &explain.open()[0];
    assert_eq!(functions(incident), ["writes", "takes_it"]);
    let said = "3 threads wait for a lock that is held in `writes`";
    assert!(incident.sentence.contains(said), "{}", incident.sentence);
}

#[test]
fn of_a_circle_the_threads_in_it_are_shown() {
    let owner = |tid: i64| Evidence {
        table: "threads".into(),
        entity: Entity::Process(PROCESS),
        column: "futex_owner".into(),
        value: Value::Int(tid),
        normal: None,
        sentence: String::new(),
    };
    let mut circle = finding(1, FindingKind::Deadlock, "a", &["a"]);
    (circle.process, circle.evidence) = (Some(PROCESS), vec![owner(71), owner(72)]);
    let stacks = vec![
        stack("clone;idles;nanosleep;[kernel clock_nanosleep]", "idles", 3, &[80]),
        stack("clone;takes_b;pthread_mutex_lock;[kernel futex]", "takes_b", 1, &[71]),
        stack("clone;takes_a;pthread_mutex_lock;[kernel futex]", "takes_a", 1, &[72]),
    ];
    let explain = run_with(vec![(1, vec![circle], vec![profiled(1, ProfileKind::Waiting, stacks)])]);
    assert_eq!(functions(&explain.open()[0]), ["takes_b", "takes_a"]);
}
