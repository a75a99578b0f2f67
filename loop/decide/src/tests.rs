//! Tests of the stage: mild first, one blow at a time, never above the mode.
use super::*;
use alloc::string::ToString;
use alloc::vec;
use vocab::Value;
use vocab::capability::Capability;
use vocab::finding::FindingKind;
use vocab::kit::{self, incident};
use vocab::query::QueryError;
use vocab::rule::{Rule, Rung};

/// An engine for which a condition holds if its text says so.
struct Literal;

impl Query for Literal {
    fn rows(&mut self, sql: &str, _: &[(&str, Value)]) -> Result<Vec<Vec<Value>>, QueryError> {
        match sql {
            "SELECT (true)" => Ok(vec![vec![Value::Int(1)]]),
            "SELECT (false)" => Ok(vec![vec![Value::Int(0)]]),
            other => Err(QueryError { message: other.to_string() }),
        }
    }
}

fn rung(action: ActuatorKind, only_if: Option<&str>) -> Rung {
    Rung { target: Some("culprit".into()), only_if: only_if.map(Into::into), ..kit::rung(action) }
}

fn rule(ladder: Vec<Rung>) -> LoadedRule {
    let rule = Rule {
        name: "test".into(),
        description: "A rule.".into(),
        reflex: None,
        kinds: vec![FindingKind::CpuHog],
        when: None,
        mode: None,
        confidence_min: 0.8,
        ladder,
    };
    LoadedRule { rule, version: "1".into() }
}

fn offered(actions: &[ActuatorKind]) -> Capabilities {
    let row = |action: &ActuatorKind| Capability {
        name: action.to_string(),
        kind: "actuator".into(),
        is_available: true,
        can_apply: Some(true),
        can_undo: Some(true),
        lost: None,
        reason: None,
        remedy: None,
    };
    Capabilities(actions.iter().map(row).collect())
}

const MILD: ActuatorKind = ActuatorKind::SetNice;
const HARD: ActuatorKind = ActuatorKind::RestartService;

fn turn(
    decide: &mut Decide,
    incidents: &[Incident],
    outcomes: &[Outcome],
    offers: &[ActuatorKind],
) -> Vec<Decision> {
    turn_at(1, decide, incidents, outcomes, offers)
}

fn turn_at(
    at_s: i64,
    decide: &mut Decide,
    incidents: &[Incident],
    outcomes: &[Outcome],
    offers: &[ActuatorKind],
) -> Vec<Decision> {
    let snapshot = Snapshot { at: Timestamp::from_secs(at_s), ..Snapshot::default() };
    let capabilities = offered(offers);
    let mut context = Context {
        snapshot: &snapshot,
        capabilities: &capabilities,
        query: &mut Literal,
        busy: &BTreeSet::new(),
    };
    decide.run(incidents, outcomes, &mut context)
}

fn verdict_on(decision: &Decision, kind: OutcomeKind) -> Outcome {
    Outcome {
        action_id: 1,
        decision_id: decision.id,
        incident_id: decision.incident_id.expect("it answers one"),
        at: Timestamp::from_secs(2),
        kind,
        effect_after_s: None,
        sentence: String::new(),
    }
}

#[test]
fn mild_first_and_harder_only_after_the_verdict() {
    let mut decide = Decide::new(vec![rule(vec![rung(MILD, None), rung(HARD, None)])], Mode::Heal, 1);
    let open = [incident(1, "a")];
    let first = turn(&mut decide, &open, &[], &[MILD, HARD]);
    assert_eq!(first[0].rung.action, MILD);
    assert_eq!(first[0].verdict, Verdict::Act);
    assert!(!first[0].evidence.is_empty());
    assert!(turn(&mut decide, &open, &[], &[MILD, HARD]).is_empty(), "waits for the verdict");
    let next = turn(&mut decide, &open, &[verdict_on(&first[0], OutcomeKind::Unchanged)], &[MILD, HARD]);
    assert_eq!(next[0].rung.action, HARD);
}

#[test]
fn what_is_not_offered_is_skipped_and_said() {
    let mut decide = Decide::new(vec![rule(vec![rung(MILD, None), rung(HARD, None)])], Mode::Heal, 1);
    let made = turn(&mut decide, &[incident(1, "a")], &[], &[HARD]);
    assert_eq!(made[0].rung.action, HARD);
    assert!(made[0].candidates[0].refused.is_some());
    assert_eq!(made[0].candidates.iter().map(|one| one.propensity).sum::<f64>(), 1.0);
}

#[test]
fn a_rung_whose_condition_fails_or_cannot_be_evaluated_is_not_taken() {
    for condition in ["false", "nonsense"] {
        let ladder = vec![rung(MILD, Some(condition)), rung(HARD, Some("true"))];
        let mut decide = Decide::new(vec![rule(ladder)], Mode::Heal, 1);
        assert_eq!(turn(&mut decide, &[incident(1, "a")], &[], &[MILD, HARD])[0].rung.action, HARD);
    }
}

#[test]
fn advise_says_it_once_and_observe_says_nothing() {
    let mut decide = Decide::new(vec![rule(vec![rung(MILD, None)])], Mode::Advise, 1);
    let open = [incident(1, "a")];
    assert!(matches!(turn(&mut decide, &open, &[], &[MILD])[0].verdict, Verdict::Advise(_)));
    assert!(turn(&mut decide, &open, &[], &[MILD]).is_empty());
    decide.set_mode(Mode::Observe);
    assert!(turn(&mut decide, &open, &[], &[MILD]).is_empty());
    decide.set_mode(Mode::Heal);
    assert_eq!(turn(&mut decide, &open, &[], &[MILD])[0].verdict, Verdict::Act);
}

#[test]
fn a_rule_may_be_stricter_than_the_machine_but_not_laxer() {
    let mut strict = rule(vec![rung(MILD, None)]);
    strict.rule.mode = Some(Mode::Advise);
    let mut decide = Decide::new(vec![strict], Mode::Heal, 1);
    assert!(matches!(turn(&mut decide, &[incident(1, "a")], &[], &[MILD])[0].verdict, Verdict::Advise(_)));
    let mut lax = rule(vec![rung(MILD, None)]);
    lax.rule.mode = Some(Mode::Heal);
    let mut decide = Decide::new(vec![lax], Mode::Advise, 1);
    assert!(matches!(turn(&mut decide, &[incident(1, "a")], &[], &[MILD])[0].verdict, Verdict::Advise(_)));
}

#[test]
fn an_unsure_explanation_is_only_advised() {
    let mut decide = Decide::new(vec![rule(vec![rung(MILD, None)])], Mode::Heal, 1);
    let unsure = Incident { confidence: 0.5, ..incident(1, "a") };
    assert!(matches!(turn(&mut decide, &[unsure], &[], &[MILD])[0].verdict, Verdict::Advise(_)));
}

#[test]
fn one_action_at_a_time_on_one_culprit() {
    let mut decide = Decide::new(vec![rule(vec![rung(MILD, None)])], Mode::Heal, 1);
    let made = turn(&mut decide, &[incident(1, "a"), incident(2, "a"), incident(3, "b")], &[], &[MILD]);
    assert_eq!(made.iter().map(|one| one.incident_id).collect::<Vec<_>>(), [Some(1), Some(3)]);
}

#[test]
fn the_hourly_bound_holds_across_incidents() {
    let mut decide = Decide::new(vec![rule(vec![rung(MILD, None)])], Mode::Heal, 1);
    let mut acted = 0;
    let mut outcomes = vec![];
    for id in 1..=5 {
        let made = turn(&mut decide, &[incident(id, "a")], &outcomes, &[MILD]);
        acted += made.iter().filter(|one| one.verdict == Verdict::Act).count();
        outcomes = made.iter().map(|one| verdict_on(one, OutcomeKind::Repaired)).collect();
    }
    assert_eq!(acted, 2);
}

#[test]
fn the_hourly_bound_outlives_a_restart_and_an_hour_lifts_it() {
    let at = |row: ActionRow| ActionRow { at: Timestamp::from_secs(1_000), ..row };
    let row = |id, state| at(kit::action_row(id, MILD, state));
    let refused = kit::action_row(9, MILD, "refused");
    let by_hand = ActionRow { decision_id: None, ..row(8, "undone") };
    for (done, at_s, may_act) in [
        (vec![row(1, "undone"), row(2, "held")], 1_010, false),
        (vec![row(1, "undone"), refused, by_hand], 1_010, true),
        (vec![row(1, "undone"), row(2, "held")], 4_700, true),
    ] {
        let mut decide = Decide::new(vec![rule(vec![rung(MILD, None)])], Mode::Heal, 1);
        decide.remember(&done);
        let made = turn_at(at_s, &mut decide, &[incident(1, "a")], &[], &[MILD]);
        assert_eq!(made[0].verdict == Verdict::Act, may_act, "{done:?}");
    }
}

#[test]
fn a_culprit_whose_effect_is_being_released_is_left_alone() {
    let mut decide = Decide::new(vec![rule(vec![rung(MILD, None)])], Mode::Heal, 1);
    let snapshot = Snapshot::default();
    let (capabilities, busy) = (offered(&[MILD]), BTreeSet::from([kit::service_entity("a")]));
    let mut context =
        Context { snapshot: &snapshot, capabilities: &capabilities, query: &mut Literal, busy: &busy };
    let made = decide.run(&[incident(1, "a"), incident(2, "b")], &[], &mut context);
    assert_eq!(made.iter().map(|one| one.incident_id).collect::<Vec<_>>(), [Some(2)]);
}

#[test]
fn the_end_of_the_ladder_is_silence() {
    let mut decide = Decide::new(vec![rule(vec![rung(MILD, None)])], Mode::Heal, 1);
    let open = [incident(1, "a")];
    let made = turn(&mut decide, &open, &[], &[MILD]);
    let after = turn(&mut decide, &open, &[verdict_on(&made[0], OutcomeKind::Unchanged)], &[MILD]);
    assert!(after.is_empty());
}

#[test]
fn a_last_rung_refused_for_the_moment_is_tried_again() {
    let mut decide = Decide::new(vec![rule(vec![rung(MILD, None)])], Mode::Heal, 1);
    let open = [incident(1, "a")];
    let made = turn(&mut decide, &open, &[], &[MILD]);
    let refused = [verdict_on(&made[0], OutcomeKind::Void)];
    assert!(turn_at(3, &mut decide, &open, &refused, &[MILD]).is_empty());
    assert!(turn_at(15, &mut decide, &open, &[], &[MILD]).is_empty());
    assert_eq!(turn_at(30, &mut decide, &open, &[], &[MILD])[0].verdict, Verdict::Act);
}

#[test]
fn bounded_to_its_own_services_it_only_advises_about_others() {
    let mut decide = Decide::new(vec![rule(vec![rung(MILD, None)])], Mode::Heal, 1);
    decide.set_own_services_only(true);
    assert!(matches!(turn(&mut decide, &[incident(1, "a")], &[], &[MILD])[0].verdict, Verdict::Advise(_)));
}
