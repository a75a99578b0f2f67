//! The books of the loop: its nouns as rows of its own tables.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vocab::Timestamp;
use vocab::action::{ActionState, Effect};
use vocab::budget::{RSS_BYTES_MAX, SHED_LEVEL_MAX};
use vocab::capability::Capability;
use vocab::decision::{Decision, Verdict};
use vocab::event::Event;
use vocab::finding::Finding;
use vocab::incident::Incident;
use vocab::ledger::Ledger;
use vocab::outcome::Outcome;
use vocab::rows::{
    ActionRow, DecisionRow, EvidenceRow, FindingRow, IncidentRow, LeaseRow, OutcomeRow, SelfRow,
};
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId};

/// What one turn added or changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Incidents opened, changed or closed.
    pub incidents: Vec<Incident>,
    /// Decisions made.
    pub decisions: Vec<Decision>,
    /// Effects and their ends.
    pub effects: Vec<Effect>,
    /// Verdicts.
    pub outcomes: Vec<Outcome>,
    /// What is news of our own: who differs from normal, what failed in us.
    pub events: Vec<Event>,
    /// The same as rows: what the store has to keep.
    pub rows: Ledger,
}

/// The books.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Book {
    /// The rows as of the last turn.
    pub ledger: Ledger,
    muted_until: BTreeMap<u64, Timestamp>,
}

impl Book {
    /// Books that go on from `ledger`, the newest rows of the store.
    pub fn new(ledger: Ledger, capabilities: Vec<Capability>) -> Self {
        let muted = ledger.incidents.iter().filter_map(|row| Some((row.id, row.muted_until?)));
        let muted_until = muted.collect();
        let capabilities = Arc::new(capabilities);
        let ledger =
            Ledger { capabilities, findings: Vec::new(), leases: Vec::new(), own: Arc::default(), ..ledger };
        Self { ledger, muted_until }
    }

    /// Notes what holds now.
    pub fn note_findings(&mut self, findings: &[Finding]) {
        self.ledger.findings = findings.iter().map(finding_row).collect();
    }

    /// Notes incidents that were opened, changed or closed.
    pub fn note_incidents(&mut self, snapshot: &Snapshot, incidents: &[Incident], rows: &mut Ledger) {
        let mut evidence = Vec::new();
        for incident in incidents {
            let mut row = incident_row(snapshot, incident, self.muted_until.get(&incident.id).copied());
            let earlier = self.ledger.incidents.iter().rev().find(|one| one.id == row.id);
            if let Some(earlier) =
                earlier.filter(|one| row.name == row.culprit.to_string() && one.culprit == row.culprit)
            {
                // A culprit that is gone keeps the name it had.
                row.name.clone_from(&earlier.name);
            }
            let row = Arc::new(row);
            put(&mut self.ledger.incidents, row.clone(), |one| one.id == row.id);
            put(&mut rows.incidents, row.clone(), |one| one.id == row.id);
            evidence.extend(evidence_rows(incident).map(Arc::new));
        }
        if !incidents.is_empty() {
            let new = incidents.iter().map(|one| one.id).collect::<BTreeSet<_>>();
            for list in [&mut self.ledger.evidence, &mut rows.evidence] {
                let list = Arc::make_mut(list);
                list.retain(|one| !new.contains(&one.incident_id));
                list.extend(evidence.iter().cloned());
            }
        }
        bound(&mut self.ledger.incidents);
        let oldest = self.ledger.incidents.first().map_or(0, |row| row.id);
        if self.ledger.evidence.iter().any(|row| row.incident_id < oldest) {
            Arc::make_mut(&mut self.ledger.evidence).retain(|row| row.incident_id >= oldest);
        }
    }

    /// Mutes one incident; the row says so from now on.
    pub fn mute(&mut self, incident_id: u64, until: Timestamp, rows: &mut Ledger) {
        self.muted_until.insert(incident_id, until);
        if let Some(row) =
            Arc::make_mut(&mut self.ledger.incidents).iter_mut().find(|row| row.id == incident_id)
        {
            Arc::make_mut(row).muted_until = Some(until);
            let row = row.clone();
            put(&mut rows.incidents, row.clone(), |one| one.id == row.id);
        }
    }

    /// Notes decisions.
    pub fn note_decisions(&mut self, decisions: &[Decision], rows: &mut Ledger) {
        for decision in decisions {
            let row = decision_row(decision);
            Arc::make_mut(&mut self.ledger.decisions).push(row.clone());
            Arc::make_mut(&mut rows.decisions).push(row);
        }
        bound(&mut self.ledger.decisions);
    }

    /// Notes what act did.
    pub fn note_effects(&mut self, effects: &[Effect], rows: &mut Ledger) {
        for effect in effects {
            let decision = self.ledger.decisions.iter().find(|row| row.id == effect.intent.decision_id);
            let incident_id = decision.and_then(|row| row.incident_id);
            let earlier = self.ledger.actions.iter().find(|row| row.id == effect.action_id);
            let row = action_row(effect, incident_id, earlier);
            put(&mut self.ledger.actions, row.clone(), |one| one.id == row.id);
            put(&mut rows.actions, row.clone(), |one| one.id == row.id);
            self.note_lease(effect);
        }
        bound(&mut self.ledger.actions);
    }

    fn note_lease(&mut self, effect: &Effect) {
        self.ledger.leases.retain(|row| row.action_id != effect.action_id);
        let stands = matches!(effect.state, ActionState::Applied | ActionState::Held);
        if let (true, Some(until)) = (stands, effect.lease_until) {
            self.ledger.leases.push(LeaseRow {
                action_id: effect.action_id,
                action: effect.intent.kind.to_string(),
                target: effect.intent.target.clone(),
                state: effect.state.to_string(),
                until,
                release_when: None,
                undo_on_death: effect.intent.undo_on_death,
            });
        }
    }

    /// Notes the condition that releases each standing effect.
    pub fn note_standing<'a>(&mut self, standing: impl Iterator<Item = (u64, Option<&'a str>)>) {
        for (action_id, release_when) in standing {
            if let Some(row) = self.ledger.leases.iter_mut().find(|row| row.action_id == action_id) {
                row.release_when = release_when.map(str::to_owned);
            }
        }
    }

    /// Notes verdicts.
    pub fn note_outcomes(&mut self, outcomes: &[Outcome], rows: &mut Ledger) {
        for outcome in outcomes {
            let row = OutcomeRow {
                action_id: outcome.action_id,
                decision_id: outcome.decision_id,
                incident_id: outcome.incident_id,
                at: outcome.at,
                outcome: outcome.kind.to_string(),
                effect_after_s: outcome.effect_after_s,
                sentence: outcome.sentence.clone(),
            };
            Arc::make_mut(&mut self.ledger.outcomes).push(row.clone());
            Arc::make_mut(&mut rows.outcomes).push(row);
        }
        bound(&mut self.ledger.outcomes);
    }

    /// Notes what Homeostat itself costs and sheds.
    pub fn note_own(&mut self, snapshot: &Snapshot, troubles: &[String]) {
        self.ledger.own = Arc::new(own_rows(snapshot, troubles));
    }
}

/// Replaces the row that `is_it`, or appends.
fn put<T: Clone>(rows: &mut Arc<Vec<T>>, row: T, is_it: impl Fn(&T) -> bool) {
    let rows = Arc::make_mut(rows);
    match rows.iter_mut().rev().find(|one| is_it(one)) {
        Some(place) => *place = row,
        None => rows.push(row),
    }
}

/// Drops the oldest rows beyond the bound.
fn bound<T: Clone>(rows: &mut Arc<Vec<T>>) {
    let excess = rows.len().saturating_sub(Ledger::ROWS_MAX);
    if excess > 0 {
        Arc::make_mut(rows).drain(..excess);
    }
}

fn finding_row(finding: &Finding) -> FindingRow {
    FindingRow {
        at: finding.at,
        kind: finding.kind.to_string(),
        culprit: finding.culprit.clone(),
        pid: finding.process.map(|id| id.pid),
        severity: finding.severity.to_string(),
        confidence: finding.confidence,
        exhaustion_s: finding.exhaustion_s,
        sentence: finding.sentence.clone(),
    }
}

fn incident_row(snapshot: &Snapshot, incident: &Incident, muted_until: Option<Timestamp>) -> IncidentRow {
    let victims = incident.victims.iter().map(ToString::to_string).collect::<Vec<_>>();
    IncidentRow {
        id: incident.id,
        kind: incident.kind.to_string(),
        state: incident.state.to_string(),
        culprit: incident.culprit.clone(),
        name: culprit_name(snapshot, &incident.culprit, incident.process),
        pid: incident.process.map(|id| id.pid),
        victims: victims.join(" "),
        severity: incident.severity.to_string(),
        confidence: incident.confidence,
        opened_at: incident.opened_at,
        last_seen_at: incident.last_seen_at,
        closed_at: incident.closed_at,
        exhaustion_s: incident.exhaustion_s,
        sentence: incident.sentence.clone(),
        suggestion: incident.suggestion.clone(),
        recurrences: incident.recurrences,
        muted_until,
    }
}

fn culprit_name(snapshot: &Snapshot, culprit: &Entity, process: Option<ProcessId>) -> String {
    let process = match culprit {
        Entity::Process(id) => Some(*id),
        Entity::Service(name) => return name.clone(),
        _ => process,
    };
    let program = process.and_then(|id| snapshot.process(id)).map(|one| one.program.to_string());
    program.unwrap_or_else(|| culprit.to_string())
}

fn evidence_rows(incident: &Incident) -> impl Iterator<Item = EvidenceRow> {
    let row = move |position: usize, role: &str, entity: &Entity, weight, sentence: &str| EvidenceRow {
        incident_id: incident.id,
        position: position as u32,
        role: role.to_owned(),
        parent: None,
        entity: entity.clone(),
        source_table: None,
        source_column: None,
        value: None,
        normal: None,
        weight,
        sentence: sentence.to_owned(),
    };
    let causes = incident.tree.iter().enumerate().map(move |(position, node)| EvidenceRow {
        parent: node.parent,
        ..row(position, "cause", &node.entity, Some(node.weight), &node.sentence)
    });
    let cells = incident.evidence.iter().enumerate().map(move |(position, cell)| EvidenceRow {
        source_table: Some(cell.table.clone()),
        source_column: Some(cell.column.clone()),
        value: Some(cell.value.to_string()),
        normal: cell.normal.as_ref().map(ToString::to_string),
        ..row(position, "cell", &cell.entity, None, &cell.sentence)
    });
    let others = incident.alternatives.iter().enumerate().map(move |(position, one)| {
        row(position, "alternative", &one.culprit, Some(one.weight), &one.sentence)
    });
    causes.chain(cells).chain(others)
}

fn decision_row(decision: &Decision) -> DecisionRow {
    let candidate = |one: &vocab::decision::Candidate| match &one.refused {
        Some(because) => format!("{}=refused: {because}", one.action),
        None => format!("{}={}", one.action, one.propensity),
    };
    let verdict = match decision.verdict {
        Verdict::Act => "act",
        Verdict::Advise(_) => "advise",
        Verdict::Refused(_) => "refused",
    };
    DecisionRow {
        id: decision.id,
        incident_id: decision.incident_id,
        at: decision.at,
        rule: decision.rule.clone(),
        rule_version: decision.rule_version.clone(),
        rung: decision.rung_index,
        action: decision.rung.action.to_string(),
        target: decision.target.clone(),
        amount: decision.rung.amount,
        propensity: decision.propensity,
        candidates: decision.candidates.iter().map(candidate).collect::<Vec<_>>().join("; "),
        evidence: decision.evidence.join(" "),
        verdict: verdict.to_owned(),
        sentence: decision.sentence.clone(),
    }
}

fn action_row(effect: &Effect, incident_id: Option<u64>, earlier: Option<&ActionRow>) -> ActionRow {
    let intent = &effect.intent;
    let kept = |new: &Option<String>, old: fn(&ActionRow) -> Option<String>| {
        new.clone().or_else(|| earlier.and_then(old))
    };
    ActionRow {
        id: effect.action_id,
        decision_id: (intent.decision_id != 0).then_some(intent.decision_id),
        incident_id: incident_id.or_else(|| earlier.and_then(|row| row.incident_id)),
        at: earlier.map_or(effect.at, |row| row.at),
        action: intent.kind.to_string(),
        target: intent.target.clone(),
        pid: intent.process.map(|id| id.pid),
        state: effect.state.to_string(),
        state_at: effect.at,
        before: kept(&effect.before, |row| row.before.clone()),
        after: kept(&effect.after, |row| row.after.clone()),
        because: effect.because.clone(),
        can_undo: matches!(effect.state, ActionState::Applied | ActionState::Held),
    }
}

fn own_rows(snapshot: &Snapshot, troubles: &[String]) -> Vec<SelfRow> {
    let row = |name: &str, value: f64, unit: &str| SelfRow {
        name: name.to_owned(),
        value: Some(value),
        unit: unit.to_owned(),
        bound: None,
        note: None,
    };
    let bounded = |row: SelfRow, bound: f64| SelfRow { bound: Some(bound), ..row };
    let mut rows = vec![
        row("cpu_us", snapshot.own.cpu_us as f64, "us"),
        bounded(row("rss_bytes", snapshot.own.rss_bytes as f64, "bytes"), RSS_BYTES_MAX as f64),
        bounded(row("shed_level", f64::from(snapshot.own.shed_level), "level"), f64::from(SHED_LEVEL_MAX)),
    ];
    for collector in &snapshot.collectors {
        let note = match (&collector.error, collector.stalled_s) {
            (Some(error), _) => Some(error.clone()),
            (None, Some(seconds)) => Some(format!("has not answered for {seconds:.0} s")),
            (None, None) => (collector.dropped > 0).then(|| format!("{} rows dropped", collector.dropped)),
        };
        let name = format!("collector.{}", collector.name);
        rows.push(SelfRow { note, ..row(&name, collector.cpu_us as f64, "us") });
    }
    for trouble in troubles {
        rows.push(SelfRow { value: None, note: Some(trouble.clone()), ..row("trouble", 0.0, "") });
    }
    rows
}
