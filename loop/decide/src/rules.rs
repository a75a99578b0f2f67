//! A rule in force.
use alloc::string::String;

use serde::{Deserialize, Serialize};
use vocab::incident::Incident;
use vocab::query;
use vocab::rule::Rule;

use crate::Context;

/// A rule with the version of its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadedRule {
    /// The rule.
    pub rule: Rule,
    /// Checksum of the text it was read from, eight hexadecimal digits.
    pub version: String,
}

impl LoadedRule {
    /// What is wrong with the rule, if anything: it must answer something, and promise the possible.
    ///
    /// # Errors
    /// One sentence with the way out.
    pub fn check(&self) -> Result<(), String> {
        if self.rule.kinds.is_empty() {
            return Err("it answers no kind of incident; list some in `kinds`".into());
        }
        if self.rule.ladder.is_empty() {
            return Err("its ladder has no rung; add a [[ladder]] table".into());
        }
        for rung in &self.rule.ladder {
            if !(rung.within_s > 0.0 && rung.verify_s > 0.0 && rung.hold_max_s >= 0.0) {
                return Err(alloc::format!(
                    "{}: within_s and verify_s must be positive, hold_max_s must not be negative",
                    rung.action
                ));
            }
        }
        Ok(())
    }

    /// Whether the rule answers the incident. A condition that cannot be evaluated does not hold.
    pub(crate) fn applies(&self, incident: &Incident, context: &mut Context<'_>) -> bool {
        if !self.rule.kinds.contains(&incident.kind) {
            return false;
        }
        let Some(condition) = &self.rule.when else { return true };
        let parameters = query::parameters(incident, context.snapshot);
        context.query.holds(condition, &parameters).unwrap_or(false)
    }
}
