//! Snapshots and outcomes to baselines: what is normal for a service or program on this machine. Pure.
//!
//! Read [`Learn::run`] first. It learns slowly (every five seconds), only from processes past their start, and
//! never from whoever is in an open incident or while a repair has just failed: trouble must not become normal.
//! Policies are not scored yet: outcomes only say when to pause.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod running;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;

use vocab::baseline::{Baselines, Metric};
use vocab::outcome::{Outcome, OutcomeKind};
use vocab::rows::Process;
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp};

/// Time between two samples of the same process. Unit: s.
const EVERY_S: f64 = 5.0;
/// Age before which a process is still starting. Unit: s.
const SETTLED_S: f64 = 60.0;
/// How long nothing is learnt after a repair that failed. Unit: s.
const PAUSE_S: f64 = 60.0;
/// Baselines kept at most; the one that rests on the fewest samples makes room.
pub const BASELINES_MAX: usize = 4_000;

/// Learnt state: goes in with [`Learn::new`], out with [`Learn::baselines`].
#[derive(Clone, Debug, Default)]
pub struct Learn {
    baselines: Baselines,
    learnt_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
}

impl Learn {
    /// Goes on from what was learnt before.
    pub const fn new(baselines: Baselines) -> Self {
        Self { baselines, learnt_at: None, failed_at: None }
    }

    /// What is normal, as learnt so far.
    pub const fn baselines(&self) -> &Baselines {
        &self.baselines
    }

    /// One turn: takes a sample of every settled process that is in no trouble.
    ///
    /// `in_trouble` are the culprits and victims of open incidents; `outcomes` those of this turn.
    pub fn run(&mut self, snapshot: &Snapshot, outcomes: &[Outcome], in_trouble: &[Entity]) {
        let failed = |one: &Outcome| matches!(one.kind, OutcomeKind::Unchanged | OutcomeKind::Relapsed);
        if outcomes.iter().any(failed) {
            self.failed_at = Some(snapshot.at);
        }
        let within = |at: Option<Timestamp>, seconds: f64| {
            at.is_some_and(|at| (0.0..seconds).contains(&snapshot.at.seconds_since(at)))
        };
        let is_too_soon = within(self.learnt_at, EVERY_S - 0.5);
        if is_too_soon || within(self.failed_at, PAUSE_S) || snapshot.interval_s <= 0.0 {
            return;
        }
        self.learnt_at = Some(snapshot.at);
        let is_sound = |one: &&Process| {
            let is_watched = !one.is_kernel && !matches!(one.state.as_str(), "Z" | "X" | "T");
            is_watched && one.age_s >= SETTLED_S && &**one.key() != "?" && !is_in(in_trouble, one)
        };
        for process in snapshot.processes.iter().filter(is_sound) {
            self.learn(process);
        }
    }

    fn learn(&mut self, process: &Process) {
        let count = |value: u64| value as f64;
        let samples = [
            (Metric::CpuPercent, process.cpu_pct),
            (Metric::AnonBytes, process.anon_bytes.map(count)),
            (Metric::Descriptors, process.descriptors.map(count)),
            (Metric::RunDelayPercent, process.run_delay_pct),
        ];
        for (metric, value) in samples {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                self.take(process.key(), metric, value);
            }
        }
    }

    fn take(&mut self, key: &Arc<str>, metric: Metric, value: f64) {
        let key = (key.clone(), metric);
        if !self.baselines.0.contains_key(&key) && self.baselines.0.len() >= BASELINES_MAX {
            let weakest =
                self.baselines.0.iter().min_by_key(|(_, one)| one.samples).map(|(key, _)| key.clone());
            weakest.and_then(|weakest| self.baselines.0.remove(&weakest));
        }
        running::take(self.baselines.0.entry(key).or_default(), metric, value);
    }
}

/// Whether a process, or the service it belongs to, is among them.
fn is_in(entities: &[Entity], process: &Process) -> bool {
    entities.iter().any(|entity| match entity {
        Entity::Process(id) => *id == process.id(),
        Entity::Service(name) => process.service.as_deref() == Some(name.as_str()),
        _ => false,
    })
}
