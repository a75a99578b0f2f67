//! Table `decisions`.
use alloc::string::String;

use crate::{Entity, Timestamp};

table! {
    /// What a rule proposed for an incident or did upon an event, and what else it could have proposed.
    decisions => DecisionRow {
        /// Number of the decision.
        id: u64 => None,
        /// Incident it answers; NULL for a reflex, which answers an event.
        incident_id: Option<u64> => None,
        /// When it was made.
        at: Timestamp => UtcNanoseconds,
        /// Name of the rule.
        rule: String => None,
        /// Checksum of the rule's text.
        rule_version: String => None,
        /// Step of the rule's ladder, from 0.
        rung: u32 => None,
        /// What to do.
        action: String => None,
        /// To whom.
        target: Entity => None,
        /// How much, in the actuator's own terms.
        amount: Option<f64> => None,
        /// Probability with which this choice was to be made.
        propensity: f64 => Ratio,
        /// What was weighed: action=propensity, or action=refused: reason, joined by semicolons.
        candidates: String => None,
        /// Rows that support it, as table:key:column joined by blanks.
        evidence: String => None,
        /// act, advise or refused.
        verdict: String => None,
        /// The same in words.
        sentence: String => None,
    }
}
