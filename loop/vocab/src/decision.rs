//! What a policy proposes for one incident in one turn, and what else it could have proposed.
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::rule::{ActuatorKind, Rung};
use crate::{Entity, ProcessId, Timestamp};

/// One candidate that was weighed for a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// What it would do.
    pub action: ActuatorKind,
    /// Probability with which it was to be chosen. The candidates' add up to 1.
    pub propensity: f64,
    /// Why it could not be chosen, if so.
    pub refused: Option<String>,
}

/// Whether a decision is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// It goes to act.
    Act,
    /// It is shown only: the mode is advise, or the explanation is not sure enough.
    Advise(String),
    /// A guard refused it.
    Refused(String),
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Number, from 1, never used twice in one store.
    pub id: u64,
    /// The incident it answers; `None` for a reflex, which answers an event.
    pub incident_id: Option<u64>,
    /// When it was made.
    pub at: Timestamp,
    /// Name of the rule.
    pub rule: String,
    /// Version of the rule: a checksum of its text.
    pub rule_version: String,
    /// Index of the rung in the rule's ladder, from 0.
    pub rung_index: u32,
    /// The rung as it stood in the rule.
    pub rung: Rung,
    /// On whom.
    pub target: Entity,
    /// The process it is about, where the actuator wants one.
    pub process: Option<ProcessId>,
    /// What was weighed, the chosen one included.
    pub candidates: Vec<Candidate>,
    /// Probability with which the chosen one was to be chosen.
    pub propensity: f64,
    /// Rows that support it, as `table:key:column`, at least one.
    pub evidence: Vec<String>,
    /// Whether it is carried out.
    pub verdict: Verdict,
    /// The same in words.
    pub sentence: String,
}
