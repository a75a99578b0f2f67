//! Which rung of a ladder comes next, and why the others do not.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::decision::{Candidate, Verdict};
use vocab::incident::Incident;
use vocab::rule::{ActuatorKind, Rung};
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp, query};

use crate::Context;
use crate::rules::LoadedRule;

/// How far an incident has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Rung to try next.
    pub rung: u32,
    /// Decision that waits for its verdict.
    pub pending: Option<u64>,
    /// What was last said of a rung without doing it; said again only when it changes.
    pub said: Option<(u32, Verdict)>,
    /// Whom the incident accused when the action was taken.
    pub culprit: Option<Entity>,
    /// When the last rung may be tried again, if the last verdict was none.
    pub again_at: Option<Timestamp>,
}

impl Position {
    /// Back on the last rung of a ladder of `rungs`, if it has ended without a verdict and enough time has passed.
    pub(crate) fn again(mut self, rungs: usize, now: Timestamp) -> Self {
        let last = u32::try_from(rungs).unwrap_or(u32::MAX).saturating_sub(1);
        if self.rung > last && self.again_at.is_some_and(|at| now >= at) {
            self.rung = last;
        }
        self
    }
}

/// A rung, chosen or refused.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Its index in the ladder.
    pub index: u32,
    /// The rung.
    pub rung: Rung,
    /// On whom.
    pub target: Entity,
    /// What was weighed.
    pub candidates: Vec<Candidate>,
    /// Why no rung could be chosen.
    pub refused: Option<String>,
}

/// Tells whether a target had an action as often as allowed.
pub(crate) type IsExhausted<'a> = &'a dyn Fn(ActuatorKind, &Entity, u32) -> bool;

/// The mildest rung from `position` on that can be taken; `None` when the ladder has ended.
///
/// The choice is certain (propensity 1): a rule is a rule. A later policy that explores writes its own odds.
pub(crate) fn choose(
    rule: &LoadedRule,
    position: &Position,
    incident: &Incident,
    context: &mut Context<'_>,
    is_exhausted: IsExhausted<'_>,
) -> Option<Choice> {
    let mut candidates = Vec::new();
    let mut last = None;
    for (index, rung) in rule.rule.ladder.iter().enumerate().skip(position.rung as usize) {
        let target = target(rung, incident, context.snapshot);
        let refused = match &target {
            Ok(target) => refusal(rung, target, incident, context, is_exhausted),
            Err(because) => Some(because.clone()),
        };
        let propensity = if refused.is_none() { 1.0 } else { 0.0 };
        candidates.push(Candidate { action: rung.action, propensity, refused: refused.clone() });
        let target = target.unwrap_or_else(|_| incident.culprit.clone());
        let choice =
            Choice { index: index as u32, rung: rung.clone(), target, candidates: Vec::new(), refused };
        let is_possible = choice.refused.is_none();
        last = Some(choice);
        if is_possible {
            break;
        }
    }
    let mut choice = last?;
    if choice.refused.is_some() {
        choice.refused = Some(all_refusals(&candidates));
    }
    choice.candidates = candidates;
    Some(choice)
}

fn all_refusals(candidates: &[Candidate]) -> String {
    let words = candidates
        .iter()
        .filter_map(|one| one.refused.as_ref().map(|because| alloc::format!("{}: {because}", one.action)));
    words.collect::<Vec<_>>().join("; ")
}

/// Why the rung cannot be taken now, if so.
fn refusal(
    rung: &Rung,
    target: &Entity,
    incident: &Incident,
    context: &mut Context<'_>,
    is_exhausted: IsExhausted<'_>,
) -> Option<String> {
    if !context.capabilities.offers("actuator", rung.action.as_str()) {
        return Some("not offered here; see `homeostat doctor`".to_string());
    }
    if is_exhausted(rung.action, target, rung.hourly_max) {
        return Some(alloc::format!("done {} times within the hour", rung.hourly_max));
    }
    let condition = rung.only_if.as_ref()?;
    match context.query.holds(condition, &query::parameters(incident, context.snapshot)) {
        Ok(true) => None,
        Ok(false) => Some("its condition `only_if` does not hold".to_string()),
        Err(error) => Some(alloc::format!("its condition `only_if` cannot be evaluated: {error}")),
    }
}

/// On whom the rung acts: what the rule says, else what the actuator wants.
fn target(rung: &Rung, incident: &Incident, snapshot: &Snapshot) -> Result<Entity, String> {
    let wants = match rung.target.as_deref() {
        Some(word) => word,
        None => match rung.action {
            ActuatorKind::SetCpuWeight | ActuatorKind::ThrottleMemory => "cgroup",
            ActuatorKind::SetNice
            | ActuatorKind::RaiseDescriptorLimit
            | ActuatorKind::Terminate
            | ActuatorKind::Kill => "process",
            ActuatorKind::Freeze | ActuatorKind::RestartService | ActuatorKind::BackOff => "culprit",
        },
    };
    match wants {
        "culprit" => culprit(rung.action, incident),
        "process" => incident
            .process
            .or_else(|| query::main_process(incident, snapshot))
            .map(Entity::Process)
            .ok_or_else(|| "the culprit has no process now".to_string()),
        "cgroup" => query::cgroup(incident, snapshot)
            .ok_or_else(|| "the culprit has no cgroup of its own".to_string()),
        other => Err(alloc::format!("target `{other}` is none of culprit, process, cgroup")),
    }
}

/// The culprit itself; a restart or back-off wants a service.
fn culprit(action: ActuatorKind, incident: &Incident) -> Result<Entity, String> {
    let wants_service = matches!(action, ActuatorKind::RestartService | ActuatorKind::BackOff);
    match &incident.culprit {
        Entity::Service(_) => Ok(incident.culprit.clone()),
        other if wants_service => Err(alloc::format!("{other} belongs to no service")),
        other => Ok(other.clone()),
    }
}
