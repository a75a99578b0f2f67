//! What happened to each fault: injected, detected, explained, repaired by Homeostat's word, verified by the
//! clients' word: they see no break in the service for four seconds after the repair was made.
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::client::Client;
use super::plan::{Fault, Plan};
use super::sandbox::Sandbox;

/// A service serves again when it has answered without a break for so long.
const SERVES_FOR: Duration = Duration::from_secs(4);

/// A service without an answer for so long at the end has ceased to serve.
const RECENTLY: Duration = Duration::from_secs(3);

/// An answer within so many times the usual one is as good as healthy.
const SLOWER: u32 = 6;

/// Nor is an answer within this time slow: schedulers and neighbours make that much noise.
const FAST: Duration = Duration::from_millis(40);

/// What became of one fault.
#[derive(Debug)]
pub(crate) struct Case {
    pub name: String,
    pub fault: Fault,
    pub inject_at: Instant,
    pub injected: Option<Instant>,
    pub detected: Option<Instant>,
    pub culprit_right: bool,
    /// When the first repair was made.
    pub acted: Option<Instant>,
    pub repaired: Option<Instant>,
    pub verified: Option<Instant>,
    incident: Option<i64>,
}

/// Something to tell the person who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub who: String,
    pub what: String,
}

/// All cases, the clients, and who was accused without guilt.
#[derive(Debug)]
pub(crate) struct Watch {
    pub cases: Vec<Case>,
    pub accused: Vec<String>,
    clients: Vec<(String, Client)>,
    bystander: String,
    start: Instant,
    seen_actions: Vec<i64>,
}

impl Watch {
    pub(crate) fn new(plan: &Plan, clients: Vec<(String, Client)>, start: Instant) -> Self {
        let case = |victim: &super::plan::Victim| Case {
            name: victim.name.clone(),
            fault: victim.fault,
            inject_at: start + Duration::from_secs_f64(victim.inject_at_s),
            injected: None,
            detected: None,
            culprit_right: false,
            acted: None,
            repaired: None,
            verified: None,
            incident: None,
        };
        let cases = plan.victims.iter().map(case).collect();
        let bystander = plan.bystander.clone();
        Self { cases, accused: Vec::new(), clients, bystander, start, seen_actions: Vec::new() }
    }

    /// Faults to inject now.
    pub(crate) fn due(&self, now: Instant) -> Vec<usize> {
        let due = |case: &Case| case.injected.is_none() && now >= case.inject_at;
        (0..self.cases.len()).filter(|index| due(&self.cases[*index])).collect()
    }

    pub(crate) fn note_injected(&mut self, index: usize, now: Instant) {
        self.cases[index].injected = Some(now);
    }

    /// Whether every fault is verified.
    pub(crate) fn is_done(&self) -> bool {
        self.cases.iter().all(|case| case.verified.is_some())
    }

    /// Looks at what Homeostat says and what the clients see; returns what is new.
    pub(crate) fn look(&mut self, sandbox: &Sandbox, now: Instant) -> Vec<News> {
        let mut news = Vec::new();
        for row in sandbox.rows("SELECT id, kind, name, culprit, state, sentence FROM incidents ORDER BY id")
        {
            self.take_incident(&row, now, &mut news);
        }
        for row in
            sandbox.rows("SELECT id, action, target, state, incident_id, because FROM actions ORDER BY id")
        {
            self.take_action(&row, now, &mut news);
        }
        for index in 0..self.cases.len() {
            if let Some(verified) = self.verified_at(index) {
                self.cases[index].verified = Some(verified);
                let case = &self.cases[index];
                let seconds = seconds(case.injected, case.verified).unwrap_or(0.0);
                let what = format!("serves again, says its client ({seconds:.1} s after the fault)");
                news.push(News { who: case.name.clone(), what });
            }
        }
        news
    }

    fn take_incident(&mut self, row: &Json, now: Instant, news: &mut Vec<News>) {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let (id, name, kind) = (row["id"].as_i64().unwrap_or(0), text("name"), text("kind"));
        let is_service = text("culprit").starts_with("service:");
        let case =
            self.cases.iter_mut().find(|case| is_service && case.name == name && case.injected.is_some());
        let Some(case) = case else {
            // Trouble with ourselves, a disk that fails or is full, accuse nobody.
            let accusation = format!("{kind} of {}: {}", text("culprit"), text("sentence"));
            let is_about_us = matches!(kind.as_str(), "own_trouble" | "collector_stalled");
            let acts = ["process:", "service:", "program:", "cgroup:"];
            let is_accused = !is_about_us && acts.iter().any(|word| text("culprit").starts_with(word));
            if is_accused && !self.accused.iter().any(|one| one.starts_with(&format!("#{id} "))) {
                self.accused.push(format!("#{id} {accusation}"));
                news.push(News { who: name, what: format!("is accused: {accusation}") });
            }
            return;
        };
        let is_right_kind = case.fault.kinds().contains(&kind.as_str());
        if case.incident.is_none() && is_right_kind {
            case.incident = Some(id);
            case.detected = Some(now);
            case.culprit_right = true;
            news.push(News { who: name, what: format!("#{id} {}", text("sentence")) });
        }
        if text("state") == "repaired" && case.repaired.is_none() && is_right_kind {
            case.repaired = Some(now);
            news.push(News { who: case.name.clone(), what: "repaired, says Homeostat".to_owned() });
        }
    }

    fn take_action(&mut self, row: &Json, now: Instant, news: &mut Vec<News>) {
        let id = row["id"].as_i64().unwrap_or(0);
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let is_done = matches!(text("state").as_str(), "applied" | "held" | "final");
        let incident = row["incident_id"].as_i64();
        let case = self.cases.iter_mut().find(|case| case.incident.is_some() && case.incident == incident);
        if let Some(case) = case.filter(|_| is_done) {
            case.acted.get_or_insert(now);
        }
        if self.seen_actions.contains(&id) {
            return;
        }
        self.seen_actions.push(id);
        let because = text("because");
        let because = if because.is_empty() { because } else { format!(": {because}") };
        news.push(News {
            who: text("target"),
            what: format!("{} ({}){because}", text("action"), text("state")),
        });
    }

    /// When the clients had seen the service for long enough, if they have; of a hog, the bystander as well.
    fn verified_at(&self, index: usize) -> Option<Instant> {
        let case = self.cases.get(index).filter(|case| case.verified.is_none() && case.repaired.is_some())?;
        let bystander = (case.fault == Fault::CpuHog).then_some(&self.bystander);
        let names = std::iter::once(&case.name).chain(bystander);
        let since = names.map(|name| self.serves_since(name, case.acted?)).collect::<Option<Vec<_>>>()?;
        Some(since.into_iter().max()? + SERVES_FOR)
    }

    fn serves_since(&self, name: &str, from: Instant) -> Option<Instant> {
        let (_, client) = self.clients.iter().find(|(one, _)| one == name)?;
        let first = self.cases.iter().map(|case| case.inject_at).min().unwrap_or(self.start);
        let usual = client.usual(self.start, first).unwrap_or_default();
        client.serves_since(from, SERVES_FOR, (usual * SLOWER).max(FAST))
    }

    /// Takes back the verdict on services that have since ceased to serve.
    pub(crate) fn confirm(&mut self, now: Instant) {
        for case in &mut self.cases {
            let client = self.clients.iter().find(|(name, _)| *name == case.name);
            let recent = now.checked_sub(RECENTLY).unwrap_or(self.start);
            let serves =
                client.is_some_and(|(_, one)| one.since(recent).iter().any(|one| one.took.is_some()));
            case.verified = case.verified.filter(|_| serves);
        }
    }
}

/// Seconds between two instants, if both came.
pub(crate) fn seconds(from: Option<Instant>, to: Option<Instant>) -> Option<f64> {
    Some(to?.saturating_duration_since(from?).as_secs_f64())
}
