//! What is decided between two turns, written down like any other decision: a reflex to an event, and who must yield
//! when memory runs out.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vocab::action::Intent;
use vocab::decision::{Candidate, Decision, Verdict};
use vocab::rule::{ActuatorKind, Proves, Rung, Stimulus};
use vocab::{ProcessId, Timestamp};

use crate::LoadedRule;

/// What a deed between two turns rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Ground {
    /// Step of the deed: a kill is the second one of a rule that freezes first.
    pub step: u32,
    /// The process that the rows of the event are about.
    pub process: ProcessId,
    /// What else was possible, and why it was not done.
    pub others: Vec<Candidate>,
    /// What became of it.
    pub verdict: Verdict,
}

/// The decision of `rule`, which has a reflex, that `intent` carries out; the intent names its number.
pub fn decision(rule: &LoadedRule, at: Timestamp, intent: &Intent, ground: Ground) -> Decision {
    let (sentence, refused) = match &ground.verdict {
        Verdict::Act => (alloc::format!("{} {}", intent.kind, intent.target), None),
        Verdict::Advise(because) => {
            (alloc::format!("would {} {}: {because}", intent.kind, intent.target), None)
        }
        Verdict::Refused(because) => {
            let sentence = alloc::format!("no {} of {}: {because}", intent.kind, intent.target);
            (sentence, Some(because.clone()))
        }
    };
    let propensity = if refused.is_none() { 1.0 } else { 0.0 };
    let mut candidates = Vec::from([Candidate { action: intent.kind, propensity, refused }]);
    candidates.extend(ground.others);
    let on = rule.rule.reflex.as_ref().map(|reflex| reflex.on);
    Decision {
        id: intent.decision_id,
        incident_id: None,
        at,
        rule: rule.rule.name.clone(),
        rule_version: rule.version.clone(),
        rung_index: ground.step,
        rung: rung(intent),
        target: intent.target.clone(),
        process: intent.process,
        candidates,
        propensity,
        evidence: evidence(on, ground.process),
        verdict: ground.verdict,
        sentence,
    }
}

/// One that was passed over, and why.
pub fn passed_over(action: ActuatorKind, because: String) -> Candidate {
    Candidate { action, propensity: 0.0, refused: Some(because) }
}

/// The rows of the event, as `table:entity:column`.
fn evidence(on: Option<Stimulus>, process: ProcessId) -> Vec<String> {
    let cells: &[(&str, &str)] = match on {
        Some(Stimulus::Exec) => &[("execs", "program")],
        Some(Stimulus::Failure) => &[("exits", "code"), ("exits", "signal")],
        Some(Stimulus::OomKill) => &[("oom_kills", "rss_bytes")],
        Some(Stimulus::Signal) => &[("signals", "signal")],
        Some(Stimulus::MemoryExhausted) | None => {
            &[("memory_victims", "held_bytes"), ("memory_victims", "score")]
        }
    };
    let entity = vocab::Entity::Process(process).to_string();
    cells.iter().map(|(table, column)| alloc::format!("{table}:{entity}:{column}")).collect()
}

/// A reflex has no ladder: its one rung proves nothing, the lease ends it.
fn rung(intent: &Intent) -> Rung {
    Rung {
        action: intent.kind,
        target: None,
        amount: intent.amount,
        only_if: None,
        expect: String::new(),
        within_s: intent.lease_s,
        verify_s: 0.0,
        proves: Proves::Contained,
        release_when: None,
        hold_max_s: 0.0,
        hourly_max: u32::MAX,
        undo_on_death: intent.undo_on_death,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocab::Entity;
    use vocab::rule::{Reflex, Rule};

    fn rule(on: Stimulus) -> LoadedRule {
        let reflex = Reflex {
            on,
            service: None,
            name: None,
            signal: None,
            action: ActuatorKind::Freeze,
            amount: None,
            lease_s: 20.0,
            then_kill: true,
        };
        let rule = Rule {
            name: "still".into(),
            description: "Stands still.".into(),
            kinds: Vec::new(),
            when: None,
            mode: None,
            confidence_min: 0.8,
            ladder: Vec::new(),
            reflex: Some(reflex),
        };
        LoadedRule { rule, version: "0badcafe".into() }
    }

    const ID: ProcessId = ProcessId { pid: 7, start_ticks: 99 };

    fn made(on: Stimulus, verdict: Verdict) -> Decision {
        let intent = Intent {
            action_id: 5,
            decision_id: 4,
            kind: ActuatorKind::Freeze,
            target: Entity::Process(ID),
            process: Some(ID),
            amount: None,
            lease_s: 20.0,
            undo_on_death: true,
        };
        let others = Vec::from([passed_over(ActuatorKind::Freeze, "process:8@1 holds less".into())]);
        decision(&rule(on), Timestamp(3), &intent, Ground { step: 0, process: ID, others, verdict })
    }

    #[test]
    fn every_reflex_names_its_rule_its_evidence_and_what_else_there_was() {
        use Stimulus::{Exec, Failure, MemoryExhausted, OomKill, Signal};
        for on in [Exec, Failure, OomKill, Signal, MemoryExhausted] {
            let made = made(on, Verdict::Act);
            assert_eq!((made.id, &*made.rule, &*made.rule_version), (4, "still", "0badcafe"));
            assert!(
                !made.evidence.is_empty() && made.evidence.iter().all(|key| key.contains("process:7@99"))
            );
            assert_eq!(made.candidates.iter().map(|one| one.propensity).collect::<Vec<_>>(), [1.0, 0.0]);
        }
    }

    #[test]
    fn what_the_guard_refused_was_not_to_be_chosen() {
        let made = made(Stimulus::Signal, Verdict::Refused("it is protected".into()));
        assert_eq!((made.propensity, made.candidates[0].propensity), (0.0, 0.0));
        assert!(made.sentence.contains("it is protected"), "{}", made.sentence);
    }
}
