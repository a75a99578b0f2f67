//! Reflexes: rules that answer an event of the kernel at once, on the thread that reads the events.
//!
//! A rule is compiled to a predicate over the event and what is known of processes since the last turn; its target is
//! prepared every turn, so that the event costs two looks, the intent in the ring and one write.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use act::{Act, Prepared};
use bpfload::{Event as Raw, Kind};
use cycle::Deeds;
use decide::LoadedRule;
use decide::reflex::{Ground, decision};
use vocab::action::{ActionState, Effect, Intent};
use vocab::decision::{Decision, Verdict};
use vocab::rule::{Mode, Reflex, Stimulus};
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId, Timestamp};

use crate::clock;
use crate::numbers::Numbers;
use crate::shared::lock;

/// Deeds that wait for the next tick; of those beyond, only what was done is kept, not what was refused.
const DEEDS_MAX: usize = 64;

/// One rule, ready.
struct Ready {
    rule: LoadedRule,
    reflex: Reflex,
    service: String,
    /// Processes of its service since the last turn, by pid, with their start.
    processes: BTreeMap<u32, u64>,
    prepared: Option<Prepared>,
}

/// All reflexes to events.
pub struct Reflexes {
    act: Arc<Mutex<Act>>,
    numbers: Arc<Numbers>,
    start_of_clock: Timestamp,
    ready: Mutex<Vec<Ready>>,
    deeds: Mutex<Deeds>,
    ticks_per_s: u64,
}

impl Reflexes {
    /// The reflexes among these rules; `None` if there are none, which is what ships.
    pub fn new(
        rules: &[LoadedRule],
        act: &Arc<Mutex<Act>>,
        numbers: &Arc<Numbers>,
        start_of_clock: Timestamp,
    ) -> Option<Arc<Self>> {
        let may = |one: &&LoadedRule| one.rule.mode.is_none_or(|mode| mode == Mode::Heal);
        let ready = rules.iter().filter(may).filter_map(|one| {
            let reflex = one.rule.reflex.clone().filter(|reflex| reflex.on != Stimulus::MemoryExhausted)?;
            let service = reflex.service.clone()?;
            Some(Ready { rule: one.clone(), reflex, service, processes: BTreeMap::new(), prepared: None })
        });
        let ready: Vec<_> = ready.collect();
        let ticks_per_s = rustix::param::clock_ticks_per_second();
        (!ready.is_empty()).then(|| {
            Arc::new(Self {
                act: act.clone(),
                numbers: numbers.clone(),
                start_of_clock,
                ready: Mutex::new(ready),
                deeds: Mutex::default(),
                ticks_per_s,
            })
        })
    }

    /// Prepares for what may happen until the next turn; for nothing unless it may act.
    pub fn prepare(&self, snapshot: &Snapshot, may_act: bool) {
        let mut fresh = Vec::new();
        for one in lock(&self.ready).iter() {
            let processes: BTreeMap<u32, u64> = snapshot
                .processes_of(&one.service)
                .map(|process| (process.pid, process.start_ticks))
                .collect();
            let main = snapshot
                .service(&one.service)
                .and_then(|row| Some(ProcessId { pid: row.main_pid?, start_ticks: row.main_start_ticks? }));
            let prepared = main.filter(|_| may_act).and_then(|main| {
                // Why it cannot be prepared is told when somebody asks for the same by hand.
                lock(&self.act).prepare(intent(&one.reflex, &one.service, main)).ok()
            });
            fresh.push((processes, prepared));
        }
        for (one, (processes, prepared)) in lock(&self.ready).iter_mut().zip(fresh) {
            (one.processes, one.prepared) = (processes, prepared);
        }
    }

    /// Answers an event. Called for each, on the thread that reads them.
    pub fn answer(&self, raw: &Raw) {
        let mut ready = lock(&self.ready);
        let Some(one) = ready.iter_mut().find(|one| one.is_meant(raw, self.ticks_per_s)) else { return };
        let Some(prepared) = &mut one.prepared else { return };
        let now = clock::now(self.start_of_clock);
        let mut act = lock(&self.act);
        let (action_id, decision_id) = self.numbers.next();
        let effect = match act.strike(prepared, (action_id, decision_id), now) {
            Ok(struck) => act.look_again(prepared, struck, now),
            Err(because) => Effect {
                action_id,
                intent: Intent { action_id, decision_id, ..prepared.intent().clone() },
                at: now,
                state: ActionState::Refused,
                before: None,
                after: None,
                because: Some(because),
                lease_until: None,
            },
        };
        drop(act);
        self.note(one.decision(raw, &effect, self.ticks_per_s), effect);
    }

    fn note(&self, decision: Decision, effect: Effect) {
        let mut deeds = lock(&self.deeds);
        if deeds.effects.len() < DEEDS_MAX || effect.state == ActionState::Applied {
            deeds.decisions.push(decision);
            deeds.effects.push(effect);
        }
    }

    /// What was done since the last call.
    pub fn take_deeds(&self) -> Deeds {
        std::mem::take(&mut lock(&self.deeds))
    }
}

impl Ready {
    /// The decision that the effect carries out.
    fn decision(&self, raw: &Raw, effect: &Effect, ticks_per_s: u64) -> Decision {
        let verdict = match effect.state {
            ActionState::Applied => Verdict::Act,
            _ => Verdict::Refused(effect.because.clone().unwrap_or_default()),
        };
        let process = ProcessId { pid: raw.pid, start_ticks: start_ticks(raw, ticks_per_s) };
        let ground = Ground { step: 0, process, others: Vec::new(), verdict };
        decision(&self.rule, effect.at, &effect.intent, ground)
    }

    fn is_meant(&self, raw: &Raw, ticks_per_s: u64) -> bool {
        let is_kind = match self.reflex.on {
            Stimulus::MemoryExhausted => false,
            Stimulus::Exec => raw.kind == Kind::Exec as u32,
            Stimulus::Failure => raw.kind == Kind::Exit as u32 && (raw.code != 0 || raw.signal != 0),
            Stimulus::OomKill => raw.kind == Kind::OomVictim as u32,
            Stimulus::Signal => raw.kind == Kind::Signal as u32,
        };
        is_kind
            && self.reflex.signal.is_none_or(|signal| signal == raw.signal)
            && self.processes.get(&raw.pid).is_some_and(|start| *start == start_ticks(raw, ticks_per_s))
            && self.reflex.name.as_deref().is_none_or(|name| raw.comm() == name)
    }
}

/// The start of the process that an event is about, as /proc has it. Unit: clock ticks.
fn start_ticks(raw: &Raw, ticks_per_s: u64) -> u64 {
    raw.start_ns / (1_000_000_000 / ticks_per_s.max(1))
}

fn intent(rule: &Reflex, service: &str, main: ProcessId) -> Intent {
    Intent {
        action_id: 0,
        decision_id: 0,
        kind: rule.action,
        target: Entity::Service(service.to_owned()),
        process: Some(main),
        amount: rule.amount,
        lease_s: rule.lease_s,
        undo_on_death: true,
    }
}
