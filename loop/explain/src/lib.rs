//! Findings and topology to incidents: one trouble, one cause, one message.
//!
//! [`Explain::run`] joins the findings of a turn by [`graph`], the cause graph, opens an incident for every
//! root that no open one covers, and closes those that were repaired or stayed away.
#![no_std]

extern crate alloc;

mod gpu;
mod graph;
mod latest;
mod stacks;
mod words;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;

use graph::Root;
use serde::{Deserialize, Serialize};
use vocab::finding::{Finding, FindingKind};
use vocab::incident::{Incident, IncidentState};
use vocab::outcome::{Outcome, OutcomeKind};
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp};

/// Without a finding for so long, an incident that nobody acts on is over. Longer than the pauses that the
/// detectors' hysteresis leaves; shorter than a person's patience.
const QUIET_S: f64 = 15.0;

/// Open incidents at most; further roots wait for a place. A machine with more has one trouble, not many.
const OPEN_MAX: usize = 256;

/// Culprits whose past incidents are counted, at most.
const PAST_MAX: usize = 1_024;

/// The stage: its open incidents, and how often each culprit was in trouble before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Explain {
    open: Vec<Incident>,
    past: BTreeMap<(FindingKind, Entity), u32>,
    next_id: u64,
    profiles: stacks::Profiles,
    gpu_calls: gpu::GpuCalls,
}

impl Explain {
    /// A stage whose first incident gets the number `next_id`.
    pub fn new(next_id: u64) -> Self {
        Self { next_id: next_id.max(1), ..Self::default() }
    }

    /// The incidents that are open now, oldest first.
    pub fn open(&self) -> &[Incident] {
        &self.open
    }

    /// One turn. `outcomes` are those of the turn before; `pending` the incidents with an action that has
    /// not been judged, which stay open while they are quiet. Returns every incident that was opened,
    /// changed or closed.
    pub fn run(
        &mut self,
        snapshot: &Snapshot,
        findings: &[Finding],
        outcomes: &[Outcome],
        pending: &BTreeSet<u64>,
    ) -> Vec<Incident> {
        for root in graph::roots(findings) {
            self.take(snapshot, &root);
        }
        // One that was seen in this turn has changed by that alone, and there may be many with much to compare.
        let is_seen = |incident: &Incident| incident.last_seen_at == snapshot.at;
        let before = self.open.iter().filter(|one| !is_seen(one)).cloned().collect::<Vec<_>>();
        self.profiles.remember(snapshot);
        self.gpu_calls.remember(snapshot);
        for incident in &mut self.open {
            self.profiles.link(incident);
            self.gpu_calls.link(incident);
        }
        for outcome in outcomes {
            self.judge(outcome);
        }
        self.let_subside(snapshot.at, pending);
        let changed = self.open.iter().filter(|one| is_seen(one) || !before.contains(one)).cloned().collect();
        self.open.retain(Incident::is_open);
        changed
    }

    /// Updates the open incident that `root` belongs to, or opens one.
    fn take(&mut self, snapshot: &Snapshot, root: &Root<'_>) {
        let index = self.open.iter().position(|incident| covers(incident, root));
        let index = match index {
            Some(index) => index,
            None if self.open.len() >= OPEN_MAX => return,
            None => {
                self.open_for(root.finding);
                self.open.len() - 1
            }
        };
        let Some(incident) = self.open.get_mut(index) else { return };
        let cause = root.finding;
        incident.kind = cause.kind;
        incident.culprit = cause.culprit.clone();
        incident.process = cause.process;
        incident.severity = incident.severity.max(root.severity());
        incident.confidence = cause.confidence;
        incident.last_seen_at = snapshot.at;
        incident.exhaustion_s = cause.exhaustion_s;
        incident.victims = root.victims();
        incident.evidence = root.evidence();
        incident.tree = root.tree();
        incident.alternatives = root.alternatives();
        incident.sentence = words::sentence(snapshot, root);
        incident.suggestion = words::suggestion(snapshot, cause);
    }

    /// Opens an empty incident; [`Explain::take`] fills it.
    fn open_for(&mut self, cause: &Finding) {
        let key = (cause.kind, cause.culprit.clone());
        self.open.push(Incident {
            id: self.next_id,
            kind: cause.kind,
            state: IncidentState::Open,
            culprit: cause.culprit.clone(),
            process: cause.process,
            victims: Vec::new(),
            severity: cause.severity,
            confidence: cause.confidence,
            opened_at: cause.at,
            last_seen_at: cause.at,
            closed_at: None,
            exhaustion_s: None,
            sentence: cause.sentence.to_string(),
            suggestion: Default::default(),
            tree: Vec::new(),
            alternatives: Vec::new(),
            evidence: Vec::new(),
            recurrences: self.past.get(&key).copied().unwrap_or(0),
        });
        self.next_id += 1;
    }

    /// Lets a verdict change the state of its incident: only a proven repair closes it.
    fn judge(&mut self, outcome: &Outcome) {
        let Some(incident) = self.open.iter_mut().find(|one| one.id == outcome.incident_id) else { return };
        match outcome.kind {
            OutcomeKind::Repaired => close(&mut self.past, incident, IncidentState::Repaired, outcome.at),
            OutcomeKind::Contained => incident.state = IncidentState::Contained,
            OutcomeKind::Relapsed | OutcomeKind::Unchanged => incident.state = IncidentState::Open,
            OutcomeKind::Void => {}
        }
    }

    /// Closes what has been quiet for long enough, unless an action on it is still to be judged.
    fn let_subside(&mut self, now: Timestamp, pending: &BTreeSet<u64>) {
        for incident in &mut self.open {
            let is_quiet = now.seconds_since(incident.last_seen_at) >= QUIET_S;
            if incident.is_open() && is_quiet && !pending.contains(&incident.id) {
                close(&mut self.past, incident, IncidentState::Subsided, now);
            }
        }
    }
}

/// Whether `incident` is about the trouble at `root`: the same root, or one of what the root leads to. A new
/// root that explains an open incident takes it over, so that one trouble stays one message.
fn covers(incident: &Incident, root: &Root<'_>) -> bool {
    root.findings().any(|finding| {
        incident.is_open() && finding.kind == incident.kind && finding.culprit == incident.culprit
    }) || root.finding.culprit == incident.culprit
        && incident.is_open()
        && graph::is_same_trouble(incident.kind, root.finding.kind)
}

/// Ends an incident and remembers its culprit.
fn close(
    past: &mut BTreeMap<(FindingKind, Entity), u32>,
    incident: &mut Incident,
    state: IncidentState,
    at: Timestamp,
) {
    incident.state = state;
    incident.closed_at = Some(at);
    if past.len() >= PAST_MAX {
        past.pop_first();
    }
    *past.entry((incident.kind, incident.culprit.clone())).or_insert(0) += 1;
}

#[cfg(test)]
mod tests;
