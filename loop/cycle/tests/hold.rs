//! A made-up leak that only a throttle stops: contained, released step by step, throttled again when it returns.
mod made;

use std::collections::BTreeMap;

use act::Order;
use cycle::world::{Command, Recheck};
use cycle::{Cycle, Deeds, Start, World, rules};
use made::MB;
use vocab::action::{ActionState, Effect, Intent, Level};
use vocab::capability::Capabilities;
use vocab::decision::Decision;
use vocab::incident::IncidentState;
use vocab::probe::Probe;
use vocab::rule::Mode;
use vocab::sample::Sample;
use vocab::{ProcessId, Timestamp};

const MAIN: ProcessId = ProcessId { pid: 100, start_ticks: 500 };

const RULE: &str = r#"
name = "throttle"
description = "A leak is throttled."
kinds = ["memory_leak"]

[[ladder]]
action = "throttle_memory"
target = "culprit"
expect = "1"
within_s = 5
verify_s = 2
proves = "contained"
hold_max_s = 3600
"#;

/// A service that grows by 4 MB a second from second 30 on, except while all of a throttle stands.
struct Throttled {
    turns: u64,
    turn: u64,
    anon_bytes: u64,
    level: Option<Level>,
    intent: Option<Intent>,
    /// What was ordered.
    orders: Vec<String>,
    /// From this turn on a person forbids changes.
    observe_from: u64,
}

impl Throttled {
    fn new(turns: u64, observe_from: u64) -> Self {
        let (anon_bytes, level, intent, orders) = (50 * MB, None, None, Vec::new());
        Self { turns, turn: 0, anon_bytes, level, intent, orders, observe_from }
    }

    fn sample(&self) -> Sample {
        made::sample(self.turn, MAIN, self.anon_bytes)
    }

    fn effect(&self, now: Timestamp, state: ActionState) -> Option<Effect> {
        Some(made::effect(self.intent.clone()?, now, state))
    }

    fn obey(&mut self, now: Timestamp, order: Order) -> Option<Effect> {
        let (word, level, state) = match order {
            Order::Apply(intent) => {
                self.intent = Some(intent);
                ("apply".to_owned(), Some(Level::Whole), ActionState::Applied)
            }
            Order::Hold { .. } => return self.effect(now, ActionState::Held),
            Order::Ease { level, .. } => (level.to_string(), Some(level), ActionState::Held),
            Order::Undo { .. } => ("undo".to_owned(), None, ActionState::Undone),
            Order::Release { .. } => ("release".to_owned(), None, ActionState::Released),
        };
        self.orders.push(word);
        self.level = level;
        self.effect(now, state)
    }
}

impl World for Throttled {
    fn look(&mut self, turn: u64, _: &[Probe]) -> Option<Sample> {
        self.turn = turn;
        if turn >= 30 && self.level != Some(Level::Whole) {
            self.anon_bytes += 4 * MB;
        }
        (turn <= self.turns).then(|| self.sample())
    }

    fn commands(&mut self) -> Vec<Command> {
        let forbids = self.turn == self.observe_from;
        forbids.then_some(Command::SetMode(Mode::Observe)).into_iter().collect()
    }

    fn capabilities(&self) -> Capabilities {
        made::capabilities("throttle_memory", Some(true))
    }

    fn change(&mut self, now: Timestamp, orders: Vec<Order>, _: &[Decision], _: Recheck<'_>) -> Deeds {
        let effects = orders.into_iter().filter_map(|order| self.obey(now, order)).collect();
        Deeds { effects, decisions: Vec::new() }
    }
}

/// The words of the orders, and each incident with its state at the end.
fn play(turns: u64, observe_from: u64) -> (Vec<String>, BTreeMap<u64, IncidentState>) {
    let rule = rules::parse("throttle.toml", RULE).expect("valid");
    let start = Start { rules: vec![rule], mode: Mode::Heal, ..Start::default() };
    let mut cycle = Cycle::new(Throttled::new(turns, observe_from), start).expect("SQL can be set up");
    let mut incidents = BTreeMap::new();
    while let Some(turn) = cycle.turn() {
        for incident in &turn.change.incidents {
            incidents.insert(incident.id, incident.state);
        }
    }
    (cycle.world.orders.clone(), incidents)
}

#[test]
fn a_leak_that_returns_is_throttled_again_under_the_same_incident() {
    let (orders, incidents) = play(700, u64::MAX);
    let words = orders.iter().map(String::as_str).collect::<Vec<_>>();
    // Three tries an hour are what a rung allows by default; then it is held.
    let again = ["half", "off", "whole"];
    assert_eq!(words[0], "apply");
    assert!(
        words.len() > 4 && words[1..].iter().zip(again.iter().cycle()).all(|(one, two)| one == two),
        "{orders:?}"
    );
    assert_eq!(incidents, BTreeMap::from([(1, IncidentState::Contained)]));
}

#[test]
fn a_mode_that_forbids_changes_releases_instead() {
    let (orders, _) = play(400, 100);
    let words = orders.iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(words, ["apply", "half", "off", "release"], "{orders:?}");
}
