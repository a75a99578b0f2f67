//! Detector `collector_stalled`: one of our own collectors does not answer.
//!
//! Symptom: no answer for five seconds; the usual cause is a dead mount or driver. Quiet twin: a collector that
//! is late once, one that this machine does not have (a row of `capabilities`, not a finding).
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Finding, FindingKind, Severity};
use vocab::{Entity, Value};

use crate::{Context, Detected, Detector, say};

/// Silence that is more than a late answer. Unit: s.
const STALLED_S: f64 = 5.0;

/// See the head of this file.
#[derive(Serialize, Deserialize)]
pub struct CollectorStalled;

impl Detector for CollectorStalled {
    fn kind(&self) -> FindingKind {
        FindingKind::CollectorStalled
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        for collector in &context.snapshot.collectors {
            let Some(stalled_s) = collector.stalled_s.filter(|stalled_s| *stalled_s >= STALLED_S) else {
                continue;
            };
            let entity = Entity::Collector(collector.name.to_string());
            let waits = format!("it has not answered for {}", say::seconds(stalled_s));
            let cell = (Value::from(stalled_s), Some(Value::Int(0)));
            detected.findings.push(Finding {
                at: context.snapshot.at,
                kind: self.kind(),
                culprit: entity.clone(),
                process: None,
                victims: Vec::from([entity.clone()]),
                severity: Severity::Warning,
                confidence: 0.95,
                exhaustion_s: None,
                sentence: match &collector.error {
                    Some(error) => format!("collector {} fails: {error}", collector.name),
                    None => format!("collector {} does not answer; its tables are old", collector.name),
                },
                evidence: Vec::from([say::cell("self", entity, "value", cell, waits)]),
            });
        }
    }
}
