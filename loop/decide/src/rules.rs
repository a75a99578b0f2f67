//! A rule in force.
use alloc::string::String;

use serde::{Deserialize, Serialize};
use vocab::incident::Incident;
use vocab::query;
use vocab::rule::{ActuatorKind, Reflex, Rule, Stimulus};

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
        if let Some(reflex) = &self.rule.reflex {
            return check_reflex(reflex);
        }
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

fn check_reflex(reflex: &Reflex) -> Result<(), String> {
    use ActuatorKind::{Freeze, SetCpuWeight, ThrottleMemory};
    if !matches!(reflex.action, Freeze | SetCpuWeight | ThrottleMemory) {
        return Err(alloc::format!(
            "a reflex may freeze, set_cpu_weight or throttle_memory, not {}",
            reflex.action
        ));
    }
    if !(reflex.lease_s > 0.0 && reflex.lease_s <= 600.0) {
        return Err("lease_s must be above 0 and at most 600".into());
    }
    let is_exhaustion = reflex.on == Stimulus::MemoryExhausted;
    if !is_exhaustion && reflex.service.is_none() {
        return Err("a reflex to an event names the `service` it is about".into());
    }
    if !is_exhaustion && reflex.then_kill {
        return Err("only memory_exhausted may kill".into());
    }
    Ok(())
}
