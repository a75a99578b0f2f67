//! Effects and later snapshots to outcomes: did it help, measured, and for how long must it stay.
//!
//! An action proves itself when its rule's `expect` holds for `verify_s`, begun within `within_s`; to be
//! called repaired, culprit and victims must also meet their own [`health`] conditions all that time. What proved
//! itself is held, then released step by step and applied again if the symptom returns: see [`hold`].
#![no_std]

extern crate alloc;

mod health;
mod hold;
mod trial;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hold::Held;
use serde::{Deserialize, Serialize};
use trial::{Progress, Trial};
use vocab::action::{ActionState, Effect, Level};
use vocab::decision::Decision;
use vocab::finding::Finding;
use vocab::incident::Incident;
use vocab::outcome::{Outcome, OutcomeKind};
use vocab::query::Query;
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp};

/// The stage: what is on trial, and what proved itself and is held.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Verify {
    trials: BTreeMap<u64, Trial>,
    held: BTreeMap<u64, Held>,
}

/// What the stage reads besides its own state.
pub struct Context<'a> {
    /// The machine now.
    pub snapshot: &'a Snapshot,
    /// What holds now.
    pub findings: &'a [Finding],
    /// The incidents that are open or were closed in this turn.
    pub incidents: &'a [Incident],
    /// SQL over the tables of this turn.
    pub query: &'a mut dyn Query,
}

/// What the stage says in one turn.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Verified {
    /// Verdicts, one for each action whose trial ended.
    pub outcomes: Vec<Outcome>,
    /// What is to become of held effects, by action.
    pub steps: Vec<(u64, Step)>,
}

/// What is to become of one held effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Only so much of it is to stand; why.
    Ease(Level, String),
    /// All of it is to stand again, for at most so long (unit: s); why.
    Again(f64, String),
    /// It is over; why.
    Release(String),
}

impl Verify {
    /// A stage with nothing on trial.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up what act did in this turn for `decisions`, and judges what is due.
    pub fn run(&mut self, decisions: &[Decision], effects: &[Effect], context: &mut Context<'_>) -> Verified {
        let mut verified = Verified::default();
        for effect in effects {
            self.take(decisions, effect, context, &mut verified);
        }
        self.judge(context, &mut verified);
        self.step_held(context, &mut verified);
        verified
    }

    /// Puts a new effect on trial, or ends the trial of one that is gone.
    fn take(&mut self, decisions: &[Decision], effect: &Effect, context: &Context<'_>, to: &mut Verified) {
        match effect.state {
            ActionState::Applied | ActionState::Final => {
                let decision = decisions.iter().find(|one| one.id == effect.intent.decision_id);
                let incident = decision.and_then(|decision| {
                    context.incidents.iter().find(|incident| Some(incident.id) == decision.incident_id)
                });
                if let (Some(decision), Some(incident)) = (decision, incident) {
                    let trial = Trial::new(decision.clone(), incident.clone(), effect.at);
                    self.trials.insert(effect.action_id, trial);
                }
            }
            ActionState::Refused | ActionState::Failed => {
                let because = effect.because.clone().unwrap_or_else(|| effect.state.to_string());
                let decision = decisions.iter().find(|one| one.id == effect.intent.decision_id);
                if let Some(decision) = decision {
                    to.outcomes.extend(void(effect, decision, because));
                }
            }
            ActionState::Undone | ActionState::Released => {
                self.held.remove(&effect.action_id);
                if let Some(trial) = self.trials.remove(&effect.action_id) {
                    let because = effect.because.clone().unwrap_or_else(|| "taken back".to_string());
                    to.outcomes.extend(void(effect, &trial.decision, because));
                }
            }
            ActionState::Intended | ActionState::Held => {}
        }
    }

    fn judge(&mut self, context: &mut Context<'_>, to: &mut Verified) {
        let mut ended = Vec::new();
        for (action_id, trial) in &mut self.trials {
            let sees = health::look(trial, context);
            let progress = trial.step(context.snapshot.at, sees.is_ok());
            let Progress::Ended(kind) = progress else { continue };
            let seen = sees.err().unwrap_or_else(|| "it held as long as asked".to_string());
            to.outcomes.push(trial.outcome(*action_id, context.snapshot.at, kind, &seen));
            ended.push(*action_id);
        }
        for action_id in ended {
            let Some(trial) = self.trials.remove(&action_id) else { continue };
            let proven = to.outcomes.iter().any(|outcome| {
                outcome.action_id == action_id
                    && matches!(outcome.kind, OutcomeKind::Repaired | OutcomeKind::Contained)
            });
            if proven && !trial.is_final() {
                let held = Held::new(trial.decision, trial.incident, context.snapshot.at);
                self.held.insert(action_id, held);
            }
        }
    }

    /// Steps of releases, and effects applied again.
    fn step_held(&mut self, context: &mut Context<'_>, to: &mut Verified) {
        for (action_id, held) in &mut self.held {
            to.steps.extend(held.step(context).map(|step| (*action_id, step)));
        }
        let is_over =
            |id: u64| to.steps.iter().any(|(over, step)| *over == id && matches!(step, Step::Release(_)));
        self.held.retain(|id, _| !is_over(*id));
    }

    /// Incidents for which an effect is held: quiet may be its doing.
    pub fn held_for(&self) -> impl Iterator<Item = u64> {
        self.held.values().map(Held::incident_id)
    }

    /// Culprits whose held effect is being released, or was applied again and has to prove itself anew.
    pub fn busy(&self, now: Timestamp) -> impl Iterator<Item = &Entity> {
        self.held.values().filter_map(move |held| held.busy(now))
    }

    /// Actions on trial or held, with the condition that releases them.
    pub fn standing(&self) -> impl Iterator<Item = (u64, Option<&str>)> {
        let trials = self.trials.keys().map(|id| (*id, None));
        trials.chain(self.held.iter().map(|(id, held)| (*id, held.release_when())))
    }
}

/// The verdict on an action that cannot be judged; none on a reflex, of which nothing was expected.
fn void(effect: &Effect, decision: &Decision, because: String) -> Option<Outcome> {
    Some(Outcome {
        action_id: effect.action_id,
        decision_id: decision.id,
        incident_id: decision.incident_id?,
        at: effect.at,
        kind: OutcomeKind::Void,
        effect_after_s: None,
        sentence: because,
    })
}

#[cfg(test)]
mod tests;
