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

#[test]
fn a_held_effect_is_released_when_its_incident_closes_or_its_time_is_up() {
    for (closes, expected) in [(true, "its incident is closed"), (false, "held as long as its rule allows")] {
        let (mut verify, _) = play(ActuatorKind::SetNice, Proves::Repaired, |_| true, well, &[]);
        let at = if closes { 41 } else { 200 };
        let snapshot = well(at);
        let incidents = if closes { vec![] } else { vec![incident()] };
        let mut says = Says(true);
        let mut context =
            Context { snapshot: &snapshot, findings: &[], incidents: &incidents, query: &mut says };
        let verified = verify.run(&[], &[], &mut context);
        assert_eq!(verified.releases, [(7, expected.to_string())]);
        assert_eq!(verify.standing().count(), 0);
    }
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
