//! Detector `own_trouble`: Homeostat itself is late, over its budget or loses rows, and goes on doing so.
//!
//! Symptom, over thirty turns: every third tick is missed, or the budget is exceeded though all is shed that can be,
//! or a collector drops more rows than it delivers in every second turn. Quiet twin: one late tick, a machine that was
//! suspended, a short overload, a storm of events beyond the bound, a slow machine on which shedding keeps the budget
//! (rows of `self`, and nobody's trouble).
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::budget::{CPU_SHARE_MAX, SHED_LEVEL_MAX, tick_s};
use vocab::finding::{Finding, FindingKind, Severity};
use vocab::sample::CollectorSample;
use vocab::{Entity, Value};

use crate::{Context, Detected, Detector, say};

/// Turns that are looked back on.
const TURNS: usize = 30;
/// Turns of these in which it must be so.
const LATE_MIN: usize = 10;
const DROPPED_MIN: usize = 15;
/// An interval of so many times the usual one is a missed tick.
const LATE_RATIO: f64 = 1.8;

/// What one turn was like.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Turn {
    interval_s: f64,
    /// Time from tick to tick that was asked for, in ticks of the usual length.
    tick_s: f64,
    shed_level: u8,
    /// CPU time we used since we started. Unit: us.
    cpu_us: u64,
    is_dropping: bool,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct OwnTrouble {
    turns: VecDeque<Turn>,
    /// Rows that each collector has dropped so far.
    dropped: BTreeMap<Arc<str>, u64>,
    usual_s: Option<f64>,
}

impl Detector for OwnTrouble {
    fn kind(&self) -> FindingKind {
        FindingKind::OwnTrouble
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let snapshot = context.snapshot;
        if snapshot.interval_s > 0.0 {
            // The shortest interval seen is that of one tick: lateness and shedding only make them longer.
            let usual_s = self.usual_s.unwrap_or(f64::INFINITY).min(snapshot.interval_s.max(0.05));
            self.usual_s = Some(usual_s);
        }
        if self.turns.len() == TURNS {
            self.turns.pop_front();
        }
        let is_dropping = self.loses_most(&snapshot.collectors);
        self.turns.push_back(Turn {
            interval_s: snapshot.interval_s,
            tick_s: f64::from(tick_s(snapshot.own.shed_level)),
            shed_level: snapshot.own.shed_level,
            cpu_us: snapshot.own.cpu_us,
            is_dropping,
        });
        detected.findings.extend(self.troubles(context).into_iter().next());
    }
}

impl OwnTrouble {
    /// What is wrong, worst first.
    fn troubles(&self, context: &Context<'_>) -> Vec<Finding> {
        let late_s = self.usual_s.map_or(f64::INFINITY, |usual_s| LATE_RATIO * usual_s);
        let share = self.share_with_all_shed();
        let count = |of: &dyn Fn(&Turn) -> bool| self.turns.iter().filter(|turn| of(turn)).count();
        let late = count(&|turn| turn.interval_s >= late_s * turn.tick_s);
        let dropping = count(&|turn| turn.is_dropping);
        let mut troubles = Vec::new();
        if let Some(share) = share.filter(|share| *share > CPU_SHARE_MAX) {
            let percent = 100.0 * share;
            let sentence =
                format!("over its budget: it takes {percent:.1} % of a CPU with all shed that can be");
            let cpu_us = Value::from(context.snapshot.own.cpu_us);
            troubles.push(finding(context, "cpu_us", cpu_us, sentence));
        }
        if late >= LATE_MIN {
            let sentence = format!("late: {late} of its last {TURNS} turns began too late");
            troubles.push(finding(context, "interval_s", Value::from(context.snapshot.interval_s), sentence));
        }
        if dropping >= DROPPED_MIN {
            let dropped = self.dropped.values().copied().fold(0, u64::saturating_add);
            let sentence = format!("losing rows: {dropped} so far, in {dropping} of its last {TURNS} turns");
            troubles.push(finding(context, "dropped", Value::from(dropped), sentence));
        }
        troubles
    }
}

impl OwnTrouble {
    /// Whether a collector dropped more rows in this turn than it delivered.
    fn loses_most(&mut self, collectors: &[CollectorSample]) -> bool {
        let mut loses = false;
        for one in collectors {
            let before = self.dropped.insert(one.name.clone(), one.dropped);
            let lost = one.dropped.saturating_sub(before.unwrap_or(one.dropped));
            loses |= lost > u64::from(one.rows);
        }
        loses
    }

    /// CPU time of one core over all turns kept, if all was shed in each of them.
    fn share_with_all_shed(&self) -> Option<f64> {
        let (first, last) = (self.turns.front()?, self.turns.back()?);
        let is_all_shed = self.turns.iter().all(|turn| turn.shed_level >= SHED_LEVEL_MAX);
        let span_s: f64 = self.turns.iter().skip(1).map(|turn| turn.interval_s).sum();
        (is_all_shed && self.turns.len() == TURNS && span_s > 0.0)
            .then(|| last.cpu_us.saturating_sub(first.cpu_us) as f64 / 1e6 / span_s)
    }
}

fn finding(context: &Context<'_>, column: &str, value: Value, sentence: String) -> Finding {
    // Homeostat is the sum of its collectors and stages: an entity that no actuator can touch.
    let entity = Entity::Collector("homeostat".to_string());
    Finding {
        at: context.snapshot.at,
        kind: FindingKind::OwnTrouble,
        culprit: entity.clone(),
        process: None,
        victims: Vec::from([entity.clone()]),
        severity: Severity::Notice,
        confidence: 0.9,
        exhaustion_s: None,
        sentence: format!("Homeostat is {sentence}"),
        evidence: Vec::from([say::cell("self", entity, column, (value, None), sentence)]),
    }
}
