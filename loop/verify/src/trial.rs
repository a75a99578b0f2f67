//! One action on trial: a small state machine over "the expected effect holds" and time.

use serde::{Deserialize, Serialize};
use vocab::Timestamp;
use vocab::decision::Decision;
use vocab::incident::Incident;
use vocab::outcome::{Outcome, OutcomeKind};
use vocab::rule::{ActuatorKind, Proves};

/// An action whose worth is not known yet.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// Why it was done, and what was promised.
    pub decision: Decision,
    /// The incident it answers, as it stood then.
    pub incident: Incident,
    /// When the change was made.
    pub applied_at: Timestamp,
    holds_since: Option<Timestamp>,
    first_held_at: Option<Timestamp>,
}

/// Where a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Wait.
    Runs,
    /// Over, with this verdict.
    Ended(OutcomeKind),
}

impl Trial {
    pub(crate) const fn new(decision: Decision, incident: Incident, applied_at: Timestamp) -> Self {
        Self { decision, incident, applied_at, holds_since: None, first_held_at: None }
    }

    /// One turn: whether the effect `holds` now. It must begin to hold by `within_s` and then stay for
    /// `verify_s`; if it breaks after that deadline, it relapsed.
    pub(crate) fn step(&mut self, now: Timestamp, holds: bool) -> Progress {
        let rung = &self.decision.rung;
        let is_late = now.seconds_since(self.applied_at) > rung.within_s;
        if !holds {
            self.holds_since = None;
            let verdict = match self.first_held_at {
                Some(_) => OutcomeKind::Relapsed,
                None => OutcomeKind::Unchanged,
            };
            return if is_late { Progress::Ended(verdict) } else { Progress::Runs };
        }
        self.first_held_at.get_or_insert(now);
        let since = *self.holds_since.get_or_insert(now);
        if now.seconds_since(since) < rung.verify_s {
            return Progress::Runs;
        }
        Progress::Ended(match rung.proves {
            Proves::Repaired if !only_stops(rung.action) => OutcomeKind::Repaired,
            Proves::Repaired | Proves::Contained => OutcomeKind::Contained,
        })
    }

    /// Whether the action cannot be taken back.
    pub(crate) const fn is_final(&self) -> bool {
        self.decision.rung.action.is_final()
    }

    /// Whether success is to be called repaired, so that health must be seen too.
    pub(crate) fn must_be_healthy(&self) -> bool {
        self.decision.rung.proves == Proves::Repaired && !only_stops(self.decision.rung.action)
    }

    pub(crate) fn outcome(&self, action_id: u64, at: Timestamp, kind: OutcomeKind, seen: &str) -> Outcome {
        let condition = self.decision.rung.expect.trim();
        Outcome {
            action_id,
            decision_id: self.decision.id,
            incident_id: self.incident.id,
            at,
            kind,
            effect_after_s: self.first_held_at.map(|first| first.seconds_since(self.applied_at)),
            sentence: alloc::format!("expected: {condition}; {seen}"),
        }
    }
}

/// Actions that stop a program instead of healing it: never called repaired, whatever a rule says.
const fn only_stops(action: ActuatorKind) -> bool {
    matches!(
        action,
        ActuatorKind::Freeze | ActuatorKind::Terminate | ActuatorKind::Kill | ActuatorKind::ThrottleMemory
    )
}
