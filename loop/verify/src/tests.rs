//! Tests of the stage: only what holds is proven, and frozen is never repaired.
use super::*;
use alloc::vec;
use vocab::Value;
use vocab::finding::FindingKind;
use vocab::kit;
use vocab::query::QueryError;
use vocab::rule::{ActuatorKind, Proves, Rung};

/// An engine whose every condition holds as the test says.
struct Says(bool);

impl Query for Says {
    fn rows(&mut self, _: &str, _: &[(&str, Value)]) -> Result<Vec<Vec<Value>>, QueryError> {
        Ok(vec![vec![Value::from(self.0)]])
    }
}

fn decision(action: ActuatorKind, proves: Proves) -> Decision {
    kit::decision(Rung { proves, ..kit::rung(action) })
}

fn incident() -> Incident {
    kit::incident(1, "a")
}

fn effect(at_s: i64, decision: &Decision, state: ActionState) -> Effect {
    let intent = kit::intent(7, decision.id, decision.rung.action);
    Effect {
        action_id: 7,
        intent,
        at: Timestamp::from_secs(at_s),
        state,
        before: None,
        after: None,
        because: None,
        lease_until: None,
    }
}

fn snapshot(at_s: i64, state: &str, is_healthy: Option<bool>) -> Snapshot {
    let service = vocab::rows::Service { is_healthy, ..kit::service("a", state) };
    Snapshot { at: Timestamp::from_secs(at_s), services: vec![service], ..Snapshot::default() }
}

/// Acts at second 0 and steps one second at a time; `holds` says what the condition gives at each.
fn play(
    action: ActuatorKind,
    proves: Proves,
    holds: impl Fn(i64) -> bool,
    look: impl Fn(i64) -> Snapshot,
    findings: &[Finding],
) -> (Verify, Vec<Outcome>) {
    let mut verify = Verify::new();
    let decision = decision(action, proves);
    let state =
        if action == ActuatorKind::RestartService { ActionState::Final } else { ActionState::Applied };
    let mut outcomes = Vec::new();
    for second in 0..40 {
        let effects = if second == 0 { vec![effect(0, &decision, state)] } else { vec![] };
        let snapshot = look(second);
        let incidents = [incident()];
        let mut says = Says(holds(second));
        let mut context = Context { snapshot: &snapshot, findings, incidents: &incidents, query: &mut says };
        outcomes.extend(verify.run(core::slice::from_ref(&decision), &effects, &mut context).outcomes);
    }
    (verify, outcomes)
}

const RESTART: ActuatorKind = ActuatorKind::RestartService;

fn well(second: i64) -> Snapshot {
    snapshot(second, "running", None)
}

fn kinds(outcomes: &[Outcome]) -> Vec<OutcomeKind> {
    outcomes.iter().map(|one| one.kind).collect()
}

#[test]
fn what_holds_for_long_enough_is_repaired_once() {
    let (_, outcomes) = play(RESTART, Proves::Repaired, |second| second >= 3, well, &[]);
    assert_eq!(kinds(&outcomes), [OutcomeKind::Repaired]);
    assert_eq!(outcomes[0].effect_after_s, Some(3.0));
    assert_eq!(outcomes[0].at, Timestamp::from_secs(8));
}

#[test]
fn what_never_holds_is_unchanged_at_its_deadline() {
    let (_, outcomes) = play(RESTART, Proves::Repaired, |_| false, well, &[]);
    assert_eq!(kinds(&outcomes), [OutcomeKind::Unchanged]);
    assert_eq!(outcomes[0].at, Timestamp::from_secs(11));
}

#[test]
fn what_breaks_again_relapsed() {
    let (_, outcomes) = play(RESTART, Proves::Repaired, |second| (8..12).contains(&second), well, &[]);
    assert_eq!(kinds(&outcomes), [OutcomeKind::Relapsed]);
}

#[test]
fn flicker_before_the_deadline_is_forgiven() {
    let (_, outcomes) = play(RESTART, Proves::Repaired, |second| second == 1 || second >= 4, well, &[]);
    assert_eq!(kinds(&outcomes), [OutcomeKind::Repaired]);
}

#[test]
fn a_service_that_does_not_serve_is_not_repaired() {
    let backing_off = |second| snapshot(second, "backing_off", None);
    let unhealthy = |second| snapshot(second, "running", Some(false));
    for (_, outcomes) in [
        play(RESTART, Proves::Repaired, |_| true, backing_off, &[]),
        play(RESTART, Proves::Repaired, |_| true, unhealthy, &[]),
        play(
            RESTART,
            Proves::Repaired,
            |_| true,
            |second| Snapshot { at: Timestamp::from_secs(second), ..Snapshot::default() },
            &[],
        ),
    ] {
        assert_eq!(kinds(&outcomes), [OutcomeKind::Unchanged]);
    }
}

#[test]
fn a_victim_in_trouble_of_its_own_is_judged_by_its_own_incident() {
    let hurt = Incident { victims: vec![kit::service_entity("b")], ..incident() };
    let own = Incident { id: 99, culprit: kit::service_entity("b"), ..incident() };
    let decision = decision(RESTART, Proves::Repaired);
    let outcomes_with = |incidents: &[Incident]| {
        let mut verify = Verify::new();
        let mut outcomes = Vec::new();
        for second in 0..40 {
            let effects = if second == 0 { vec![effect(0, &decision, ActionState::Final)] } else { vec![] };
            let mut snapshot = well(second);
            snapshot.services.push(kit::service("b", "backing_off"));
            let mut says = Says(true);
            let mut context = Context { snapshot: &snapshot, findings: &[], incidents, query: &mut says };
            outcomes.extend(verify.run(core::slice::from_ref(&decision), &effects, &mut context).outcomes);
        }
        kinds(&outcomes)
    };
    assert_eq!(outcomes_with(core::slice::from_ref(&hurt)), [OutcomeKind::Unchanged]);
    assert_eq!(outcomes_with(&[hurt, own]), [OutcomeKind::Repaired]);
}

#[test]
fn a_service_that_is_still_accused_is_not_repaired() {
    let finding = kit::finding(0, FindingKind::Stalled, "a");
    let (_, outcomes) = play(RESTART, Proves::Repaired, |_| true, well, &[finding]);
    assert_eq!(kinds(&outcomes), [OutcomeKind::Unchanged]);
}

#[test]
fn frozen_is_contained_whatever_the_rule_says() {
    let (verify, outcomes) = play(ActuatorKind::Freeze, Proves::Repaired, |_| true, well, &[]);
    assert_eq!(kinds(&outcomes), [OutcomeKind::Contained]);
    assert_eq!(verify.standing().count(), 1);
}

/// An engine in which every effect is there, and the condition `x` of a release holds as the test says.
struct Conditions {
    release: bool,
}

impl Query for Conditions {
    fn rows(&mut self, sql: &str, _: &[(&str, Value)]) -> Result<Vec<Vec<Value>>, QueryError> {
        Ok(vec![vec![Value::from(sql != "SELECT (x)" || self.release)]])
    }
}

/// Holds a proven effect from second 5 on and steps through `seconds`; `ill` says when its symptom shows. Every
/// step with its second.
fn hold(
    rung: Rung,
    seconds: i64,
    is_open: bool,
    ill: impl Fn(i64) -> bool,
    release: impl Fn(i64) -> bool,
) -> Vec<(i64, Step)> {
    let mut verify = Verify::new();
    let decision = kit::decision(rung);
    let mut steps = Vec::new();
    for second in 0..seconds {
        let effects = if second == 0 { vec![effect(0, &decision, ActionState::Applied)] } else { vec![] };
        let incidents = if is_open || second < 6 { vec![incident()] } else { vec![] };
        let findings =
            if ill(second) { vec![kit::finding(second, FindingKind::CpuHog, "a")] } else { vec![] };
        let snapshot = well(second);
        let mut says = Conditions { release: release(second) };
        let mut context =
            Context { snapshot: &snapshot, findings: &findings, incidents: &incidents, query: &mut says };
        let verified = verify.run(core::slice::from_ref(&decision), &effects, &mut context);
        steps.extend(verified.steps.into_iter().map(|(_, step)| (second, step)));
        let is_over = steps.iter().any(|(_, step)| matches!(step, Step::Release(_)));
        assert_eq!(verify.held_for().count(), usize::from(second >= 5 && !is_over), "at {second}");
    }
    steps
}

fn levels(steps: &[(i64, Step)]) -> Vec<(i64, Option<Level>)> {
    let level = |step: &Step| match step {
        Step::Ease(level, _) => Some(*level),
        Step::Again(..) => Some(Level::Whole),
        Step::Release(_) => None,
    };
    steps.iter().map(|(at, step)| (*at, level(step))).collect()
}

const HALF: Option<Level> = Some(Level::Half);
const OFF: Option<Level> = Some(Level::Off);
const WHOLE: Option<Level> = Some(Level::Whole);

fn nice(proves: Proves, hold_max_s: f64) -> Rung {
    Rung { proves, hold_max_s, ..kit::rung(ActuatorKind::SetNice) }
}

#[test]
fn a_held_effect_is_released_step_by_step() {
    let never = |_| false;
    // Its incident closed at once; its symptom away for a minute; its time up; its rule says so.
    let steps = hold(nice(Proves::Repaired, 600.0), 90, false, never, never);
    assert_eq!(levels(&steps), [(6, HALF), (21, OFF), (66, None)]);
    let steps = hold(nice(Proves::Contained, 600.0), 150, true, never, never);
    assert_eq!(levels(&steps), [(65, HALF), (80, OFF), (125, None)]);
    let steps = hold(nice(Proves::Contained, 20.0), 100, true, never, never);
    assert_eq!(levels(&steps), [(25, HALF), (40, OFF), (85, None)]);
    let rung = Rung { release_when: Some("x".into()), ..nice(Proves::Repaired, 600.0) };
    let steps = hold(rung, 300, false, never, |second| second == 200);
    assert_eq!(levels(&steps), [(200, HALF), (215, OFF), (260, None)]);
}

#[test]
fn a_symptom_that_returns_has_the_effect_applied_again_and_the_next_release_waits_longer() {
    // A program that hurts whenever less than half of the effect stands: at 82 s, 2 s after all of it was released.
    let steps =
        hold(nice(Proves::Contained, 600.0), 300, true, |second| (82..84).contains(&second), |_| false);
    // 120 s without the symptom at the next try; it was last seen at 83 s.
    assert_eq!(levels(&steps), [(65, HALF), (80, OFF), (82, WHOLE), (203, HALF), (218, OFF), (263, None)]);
    assert!(
        matches!(&steps[2].1, Step::Again(600.0, because) if because.contains("a has cpu_hog")),
        "{steps:?}"
    );
}

#[test]
fn returns_are_bounded_and_the_end_of_the_hold_is_the_end() {
    // A program that never changes: the symptom is there two seconds after each release.
    let mut released_at = None;
    let ill = core::cell::Cell::new(false);
    let rung = nice(Proves::Contained, 400.0);
    let mut held = hold::Held::new(kit::decision(rung), incident(), Timestamp::from_secs(0));
    let mut levels = Vec::new();
    for second in 0..3_000 {
        let findings = if ill.get() { vec![kit::finding(second, FindingKind::CpuHog, "a")] } else { vec![] };
        let (snapshot, incidents, mut says) = (well(second), [incident()], Says(false));
        let mut context =
            Context { snapshot: &snapshot, findings: &findings, incidents: &incidents, query: &mut says };
        match held.step(&mut context) {
            Some(Step::Ease(level, _)) => {
                ill.set(level == Level::Off);
                levels.push(level);
            }
            Some(Step::Again(..)) => {
                ill.set(false);
                levels.push(Level::Whole);
            }
            Some(Step::Release(_)) => {
                released_at = Some(second);
                break;
            }
            None => {}
        }
    }
    use Level::{Half, Off, Whole};
    // Twice an hour is what the rung allows; the third release, at the end of its hold, is the last.
    assert_eq!(levels, [Half, Off, Whole, Half, Off, Whole, Half, Off]);
    // 60 s, 15 s, back; 120 s, 15 s, back; 400 s, 15 s.
    assert!(released_at.is_some_and(|at| (625..635).contains(&at)), "{released_at:?}");
}

#[test]
fn a_repair_that_no_longer_helps_is_released_at_once_and_a_containment_is_not() {
    let ill = |second| second >= 20;
    let steps = hold(
        Rung { release_when: Some("x".into()), ..nice(Proves::Repaired, 600.0) },
        60,
        false,
        ill,
        |_| false,
    );
    assert_eq!(levels(&steps), [(20, None)]);
    assert_eq!(levels(&hold(nice(Proves::Contained, 600.0), 60, true, ill, |_| false)), []);
}

#[test]
fn nobody_else_treats_a_culprit_while_its_effect_is_released_or_on_trial_again() {
    let mut held =
        hold::Held::new(kit::decision(nice(Proves::Contained, 600.0)), incident(), Timestamp::from_secs(0));
    let mut busy = Vec::new();
    for second in 0..120 {
        let ill = second == 62;
        let findings = if ill { vec![kit::finding(second, FindingKind::CpuHog, "a")] } else { vec![] };
        let (snapshot, incidents, mut says) = (well(second), [incident()], Says(false));
        let mut context =
            Context { snapshot: &snapshot, findings: &findings, incidents: &incidents, query: &mut says };
        held.step(&mut context);
        if held.busy(snapshot.at).is_some() {
            busy.push(second);
        }
    }
    // Released by half at 60 s, back at 62 s, proved anew one turn later.
    assert_eq!(busy, [60, 61, 62]);
}

#[test]
fn a_refused_action_is_void_and_frees_its_incident() {
    let mut verify = Verify::new();
    let decision = decision(RESTART, Proves::Repaired);
    let snapshot = well(0);
    let mut says = Says(true);
    let mut context =
        Context { snapshot: &snapshot, findings: &[], incidents: &[incident()], query: &mut says };
    let effects = [effect(0, &decision, ActionState::Refused)];
    let verified = verify.run(&[decision], &effects, &mut context);
    assert_eq!(kinds(&verified.outcomes), [OutcomeKind::Void]);
}
