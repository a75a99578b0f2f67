//! Detector `own_trouble`: Homeostat itself is late, over its budget or loses rows, and goes on doing so.
//!
//! Symptom, over half a minute: every third tick is missed, or work is shed, or a collector drops rows in every
//! second turn. Quiet twin: one late tick, a machine that was suspended, a short overload.
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vocab::finding::{Finding, FindingKind, Severity};
use vocab::{Entity, Value};

use crate::{Context, Detected, Detector, say};

/// Turns that are looked back on.
const TURNS: usize = 30;
/// Turns of these in which it must be so.
const LATE_MIN: usize = 10;
const SHED_MIN: usize = 24;
const DROPPED_MIN: usize = 15;
/// An interval of so many times the usual one is a missed tick.
const LATE_RATIO: f64 = 1.8;

/// What one turn was like.
#[derive(Clone, Copy, Debug)]
struct Turn {
    interval_s: f64,
    is_shedding: bool,
    is_dropping: bool,
}

/// See the head of this file.
#[derive(Default)]
pub struct OwnTrouble {
    turns: VecDeque<Turn>,
    dropped: u64,
    usual_s: Option<f64>,
}

impl Detector for OwnTrouble {
    fn kind(&self) -> FindingKind {
        FindingKind::OwnTrouble
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let snapshot = context.snapshot;
        let dropped = snapshot.collectors.iter().map(|one| one.dropped).fold(0, u64::saturating_add);
        if snapshot.interval_s > 0.0 {
            // The shortest interval seen is the one that was asked for: lateness only makes them longer.
            let usual_s = self.usual_s.unwrap_or(f64::INFINITY).min(snapshot.interval_s.max(0.05));
            self.usual_s = Some(usual_s);
        }
        if self.turns.len() == TURNS {
            self.turns.pop_front();
        }
        self.turns.push_back(Turn {
            interval_s: snapshot.interval_s,
            is_shedding: snapshot.own.shed_level > 0,
            is_dropping: dropped > self.dropped,
        });
        self.dropped = dropped;
        detected.findings.extend(self.troubles(context).into_iter().next());
    }
}

impl OwnTrouble {
    /// What is wrong, worst first.
    fn troubles(&self, context: &Context<'_>) -> Vec<Finding> {
        let late_s = self.usual_s.map_or(f64::INFINITY, |usual_s| LATE_RATIO * usual_s);
        let count = |of: &dyn Fn(&Turn) -> bool| self.turns.iter().filter(|turn| of(turn)).count();
        let shedding = count(&|turn| turn.is_shedding);
        let late = count(&|turn| turn.interval_s >= late_s);
        let dropping = count(&|turn| turn.is_dropping);
        let mut troubles = Vec::new();
        let level = context.snapshot.own.shed_level;
        if shedding >= SHED_MIN {
            let sentence = format!("over its budget: it sheds work, level {level}");
            troubles.push(finding(context, "shed_level", Value::from(level), sentence));
        }
        if late >= LATE_MIN {
            let sentence = format!("late: {late} of its last {TURNS} turns began too late");
            troubles.push(finding(context, "interval_s", Value::from(context.snapshot.interval_s), sentence));
        }
        if dropping >= DROPPED_MIN {
            let sentence =
                format!("losing rows: {} so far, in {dropping} of its last {TURNS} turns", self.dropped);
            troubles.push(finding(context, "dropped", Value::from(self.dropped), sentence));
        }
        troubles
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
