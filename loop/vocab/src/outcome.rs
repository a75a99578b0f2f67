//! What an action was worth, measured.
use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::finding::words;

words! {
    /// The verdict on one action.
    OutcomeKind {
        /// Victim and culprit met their health conditions for `verify_s`.
        Repaired = "repaired",
        /// The spread is stopped; nobody claims that the service serves.
        Contained = "contained",
        /// Nothing changed by the deadline.
        Unchanged = "unchanged",
        /// The expected effect came and went again before it was proved.
        Relapsed = "relapsed",
        /// It could not be judged: its target went away, or it was refused or failed.
        Void = "void",
    }
}

/// The verdict on one action, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The action.
    pub action_id: u64,
    /// Its decision.
    pub decision_id: u64,
    /// Its incident.
    pub incident_id: u64,
    /// When it was reached.
    pub at: Timestamp,
    /// The verdict.
    pub kind: OutcomeKind,
    /// Time from the change until the expected effect first held. Unit: s. `None` if it never did.
    pub effect_after_s: Option<f64>,
    /// The condition, and what was seen, in words.
    pub sentence: String,
}
