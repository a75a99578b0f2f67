//! A made-up leak that only a throttle stops: contained, released step by step, throttled again when it returns.
use std::collections::BTreeMap;

use act::Order;
use cycle::world::{Command, Recheck};
use cycle::{Cycle, Start, World, rules};
use vocab::action::{ActionState, Effect, Intent, Level};
use vocab::capability::{Capabilities, Capability};
use vocab::decision::Decision;
use vocab::incident::IncidentState;
use vocab::probe::Probe;
use vocab::rule::Mode;
use vocab::sample::{
    MachineSample, ProcessDetail, ProcessInfo, ProcessStat, Sample, ServiceSample, ServiceState,
};
use vocab::{ProcessId, Timestamp};

const MB: u64 = 1_000_000;
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
        let rss_bytes = self.anon_bytes + 8 * MB;
        let stat = ProcessStat {
            pid: MAIN.pid,
            start_ticks: MAIN.start_ticks,
            ppid: 1,
            state: b'S',
            user_ticks: self.turn,
            threads: 4,
            rss_bytes,
            ..ProcessStat::default()
        };
        let detail = ProcessDetail {
            id: MAIN,
            anon_bytes: Some(self.anon_bytes + self.turn % 3 * 4096),
            swap_bytes: Some(0),
            descriptors: Some(12),
            read_bytes: Some(0),
            write_bytes: Some(0),
            io_chars: Some(self.turn * 1_000),
            io_calls: Some(self.turn * 10),
            voluntary_switches: Some(self.turn * 20),
        };
        let mut machine = MachineSample { cpus: 2, ticks_per_second: 100, ..MachineSample::default() };
        machine.uptime_s = 1_000.0 + self.turn as f64;
        machine.memory.total_bytes = 16_000 * MB;
        machine.memory.available_bytes = 12_000 * MB;
        Sample {
            at: Timestamp::from_secs(1_700_000_000 + self.turn as i64),
            turn: self.turn,
            machine,
            processes: vec![stat],
            process_infos: vec![info()],
            process_details: vec![detail],
            services: vec![service()],
            ..Sample::default()
        }
    }

    fn effect(&self, now: Timestamp, state: ActionState) -> Option<Effect> {
        let intent = self.intent.clone()?;
        let (before, after, because, lease_until) = (None, None, None, None);
        Some(Effect {
            action_id: intent.action_id,
            intent,
            at: now,
            state,
            before,
            after,
            because,
            lease_until,
        })
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

fn info() -> ProcessInfo {
    ProcessInfo {
        id: MAIN,
        name: "ledger".into(),
        exe: Some("/usr/bin/ledger".into()),
        command: Some("ledger".into()),
        uid: 1_000,
        cgroup: None,
        unit: None,
        service: Some("ledger".into()),
        is_kernel: false,
        descriptor_limits: Some((1_024, 4_096)),
    }
}

fn service() -> ServiceSample {
    ServiceSample {
        name: "ledger".into(),
        state: ServiceState::Running,
        main: Some(MAIN),
        cgroup: None,
        starts: 1,
        failures: 0,
        last_exit: None,
        back_off_s: 0.25,
        is_healthy: None,
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
        Capabilities(vec![Capability {
            name: "throttle_memory".to_owned(),
            kind: "actuator".to_owned(),
            is_available: true,
            can_apply: Some(true),
            can_undo: Some(true),
            lost: None,
            reason: None,
            remedy: None,
        }])
    }

    fn change(&mut self, now: Timestamp, orders: Vec<Order>, _: &[Decision], _: Recheck<'_>) -> Vec<Effect> {
        orders.into_iter().filter_map(|order| self.obey(now, order)).collect()
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
