//! Incidents to decisions, under rules that a person can read.
//!
//! [`Decide::run`] climbs one rung of a rule's ladder at a time: the next blow waits for the verdict on the
//! last. It proposes only; the guard in act disposes.
#![no_std]

extern crate alloc;

pub mod exhaustion;
mod ladder;
pub mod reflex;
mod rules;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use ladder::{Choice, Position};
pub use rules::LoadedRule;
use serde::{Deserialize, Serialize};
use vocab::capability::Capabilities;
use vocab::decision::{Decision, Verdict};
use vocab::incident::Incident;
use vocab::outcome::{Outcome, OutcomeKind};
use vocab::query::Query;
use vocab::rows::ActionRow;
use vocab::rule::{ActuatorKind, Mode};
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp};

/// The span of a rung's `hourly_max`. Unit: s.
const RATE_SPAN_S: f64 = 3_600.0;

/// A last rung that was not judged, refused by a guard for the moment say, is tried again after so long. Unit: s.
const AGAIN_S: f64 = 20.0;

/// The stage: the rules, and how far each open incident has come on its ladder.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decide {
    /// Not part of its state: a replay may be under others.
    #[serde(skip)]
    rules: Vec<LoadedRule>,
    mode: Mode,
    own_services_only: bool,
    next_id: u64,
    positions: BTreeMap<u64, Position>,
    done: BTreeMap<(ActuatorKind, Entity), Vec<Timestamp>>,
}

/// What the stage reads besides its own state.
pub struct Context<'a> {
    /// The machine now.
    pub snapshot: &'a Snapshot,
    /// What act offers here.
    pub capabilities: &'a Capabilities,
    /// SQL over the tables of this turn.
    pub query: &'a mut dyn Query,
    /// Culprits whose held effect is just being released or proved anew: the next blow waits for that, too.
    pub busy: &'a BTreeSet<Entity>,
}

impl Decide {
    /// A stage under `rules`, whose first decision gets the number `next_id`.
    pub fn new(rules: Vec<LoadedRule>, mode: Mode, next_id: u64) -> Self {
        Self {
            rules,
            mode,
            own_services_only: false,
            next_id: next_id.max(1),
            positions: BTreeMap::new(),
            done: BTreeMap::new(),
        }
    }

    /// Bounds every action to services of our own supervisor; about everything else it only advises.
    pub const fn set_own_services_only(&mut self, only: bool) {
        self.own_services_only = only;
    }

    /// The mode that bounds every rule.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Changes the mode. What was only advised is decided anew.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        self.positions.retain(|_, position| position.pending.is_some());
    }

    /// Counts what earlier runs did against the hourly bounds, so that a restart does not lift them.
    pub fn remember(&mut self, actions: &[ActionRow]) {
        let was_done = |row: &&ActionRow| {
            // A reflex answers no incident and is not bounded by the hour.
            row.decision_id.and(row.incident_id).is_some()
                && !matches!(row.state.as_str(), "refused" | "failed")
        };
        for row in actions.iter().filter(was_done) {
            if let Ok(action) = row.action.parse() {
                self.done.entry((action, row.target.clone())).or_default().push(row.at);
            }
        }
    }

    /// Notes that numbers of decisions up to `id` are taken: by what was decided between two turns.
    pub const fn note_taken(&mut self, id: u64) {
        if id >= self.next_id {
            self.next_id = id + 1;
        }
    }

    /// Puts these rules in force.
    pub fn set_rules(&mut self, rules: Vec<LoadedRule>) {
        self.rules = rules;
    }

    /// The rules in force.
    pub fn rules(&self) -> &[LoadedRule] {
        &self.rules
    }

    /// Incidents whose last action has not been judged.
    pub fn pending(&self) -> impl Iterator<Item = u64> {
        self.positions.iter().filter(|(_, position)| position.pending.is_some()).map(|(id, _)| *id)
    }

    /// One turn over the open incidents; `outcomes` are those of the turn before.
    /// Returns new decisions only: an advice that stands is not repeated.
    pub fn run(
        &mut self,
        incidents: &[Incident],
        outcomes: &[Outcome],
        context: &mut Context<'_>,
    ) -> Vec<Decision> {
        for outcome in outcomes {
            self.learn_of(outcome);
        }
        self.positions.retain(|id, position| {
            position.pending.is_some() || incidents.iter().any(|incident| incident.id == *id)
        });
        if self.mode == Mode::Observe {
            return Vec::new();
        }
        self.forget(context.snapshot.at);
        let mut decisions = Vec::new();
        for incident in incidents.iter().filter(|incident| incident.is_open()) {
            decisions.extend(self.decide(incident, context));
        }
        decisions
    }

    /// A verdict frees its incident: up the ladder unless the repair is proven.
    fn learn_of(&mut self, outcome: &Outcome) {
        let Some(position) = self.positions.get_mut(&outcome.incident_id) else { return };
        if position.pending != Some(outcome.decision_id) {
            return;
        }
        position.pending = None;
        position.said = None;
        if outcome.kind != OutcomeKind::Repaired {
            position.rung += 1;
        }
        let is_void = outcome.kind == OutcomeKind::Void;
        position.again_at = is_void.then(|| outcome.at.plus_seconds(AGAIN_S));
    }

    /// The decision on one incident, if there is a new one to make.
    fn decide(&mut self, incident: &Incident, context: &mut Context<'_>) -> Option<Decision> {
        let position = self.positions.get(&incident.id).cloned().unwrap_or_default();
        let is_busy = self.is_busy(&incident.culprit) || context.busy.contains(&incident.culprit);
        if position.pending.is_some() || is_busy {
            return None;
        }
        let rule = self.rules.iter().find(|rule| rule.applies(incident, context))?.clone();
        let now = context.snapshot.at;
        let position = position.again(rule.rule.ladder.len(), now);
        let choice = ladder::choose(&rule, &position, incident, context, &|action, target, max| {
            self.is_exhausted(action, target, max)
        })?;
        let verdict = self.verdict(&rule, incident, &choice, context.snapshot);
        if position.said.as_ref() == Some(&(choice.index, verdict.clone())) {
            return None;
        }
        let decision = self.write(now, incident, &rule, choice, verdict);
        let position = self.positions.entry(incident.id).or_default();
        position.culprit = Some(incident.culprit.clone());
        match decision.verdict {
            Verdict::Act => {
                position.rung = decision.rung_index;
                position.pending = Some(decision.id);
                let key = (decision.rung.action, decision.target.clone());
                self.done.entry(key).or_default().push(decision.at);
            }
            Verdict::Advise(_) | Verdict::Refused(_) => {
                position.said = Some((decision.rung_index, decision.verdict.clone()));
            }
        }
        Some(decision)
    }

    /// Whether another incident's action on the same culprit is still to be judged.
    fn is_busy(&self, culprit: &Entity) -> bool {
        self.positions
            .values()
            .any(|position| position.pending.is_some() && position.culprit.as_ref() == Some(culprit))
    }

    /// Forgets what no bound counts any more.
    fn forget(&mut self, now: Timestamp) {
        self.done.retain(|_, times| {
            times.retain(|at| now.seconds_since(*at) < RATE_SPAN_S);
            !times.is_empty()
        });
    }

    /// Whether `target` had that action as often as the rung allows within an hour.
    fn is_exhausted(&self, action: ActuatorKind, target: &Entity, max: u32) -> bool {
        self.done.get(&(action, target.clone())).map_or(0, Vec::len) >= max as usize
    }

    fn verdict(
        &self,
        rule: &LoadedRule,
        incident: &Incident,
        choice: &Choice,
        snapshot: &Snapshot,
    ) -> Verdict {
        let mode = rule.rule.mode.map_or(self.mode, |mode| mode.min(self.mode));
        let is_ours = match &incident.culprit {
            Entity::Service(name) => snapshot.service(name).is_some_and(|one| one.manager == "homeostat"),
            _ => false,
        };
        if self.own_services_only && !is_ours {
            return Verdict::Advise("it acts on services of its own supervisor only".into());
        }
        if let Some(because) = &choice.refused {
            Verdict::Refused(because.clone())
        } else if mode != Mode::Heal {
            Verdict::Advise(alloc::format!("mode {mode} changes nothing"))
        } else if incident.confidence < rule.rule.confidence_min {
            Verdict::Advise(alloc::format!(
                "confidence {:.2} is below the rule's {:.2}",
                incident.confidence,
                rule.rule.confidence_min
            ))
        } else {
            Verdict::Act
        }
    }

    fn write(
        &mut self,
        at: Timestamp,
        incident: &Incident,
        rule: &LoadedRule,
        choice: Choice,
        verdict: Verdict,
    ) -> Decision {
        let id = self.next_id;
        self.next_id += 1;
        let sentence = match &verdict {
            Verdict::Act => alloc::format!("{} {}", choice.rung.action, choice.target),
            Verdict::Advise(because) => {
                alloc::format!("would {} {}: {because}", choice.rung.action, choice.target)
            }
            Verdict::Refused(because) => alloc::format!("no repair left for {}: {because}", choice.target),
        };
        Decision {
            id,
            incident_id: Some(incident.id),
            at,
            rule: rule.rule.name.clone(),
            rule_version: rule.version.clone(),
            rung_index: choice.index,
            target: choice.target,
            process: incident.process,
            propensity: if choice.refused.is_some() { 0.0 } else { 1.0 },
            candidates: choice.candidates,
            evidence: evidence_keys(incident),
            rung: choice.rung,
            verdict,
            sentence,
        }
    }
}

/// The rows a decision rests on, as `table:entity:column`.
fn evidence_keys(incident: &Incident) -> Vec<String> {
    let cells =
        incident.evidence.iter().map(|cell| alloc::format!("{}:{}:{}", cell.table, cell.entity, cell.column));
    let mut keys = cells.collect::<Vec<_>>();
    if keys.is_empty() {
        keys.push(alloc::format!("incidents:{}:kind", incident.id));
    }
    keys
}

#[cfg(test)]
mod tests;
