//! Table `outcomes`.
use alloc::string::String;

use crate::Timestamp;

table! {
    /// What an action was worth, measured.
    outcomes => OutcomeRow {
        /// Action it judges.
        action_id: u64 => None,
        /// Decision of that action.
        decision_id: u64 => None,
        /// Incident of that decision.
        incident_id: u64 => None,
        /// When it was reached.
        at: Timestamp => UtcNanoseconds,
        /// repaired, contained, unchanged, relapsed or void.
        outcome: String => None,
        /// Time from the change until the expected effect first held.
        effect_after_s: Option<f64> => Seconds,
        /// The condition and what was seen.
        sentence: String => None,
    }
}
