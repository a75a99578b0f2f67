//! Detector `memory_thrash`: the machine is busy moving memory instead of working.
//!
//! Symptom: for five seconds all work stalls on memory a tenth of the time, pages are read back that had just
//! been evicted, and processes scan for free pages themselves. The culprit is the process that holds most of the
//! memory that is fought for. Quiet twins: a full page cache, a read of many files (no stall), swap that is used
//! and left alone. Without pressure information, faults that need a device and scarce memory stand in for it.
use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::rows::{Machine, Process};
use vocab::sample::Resource;
use vocab::{Entity, Value};

use crate::memory::is_watched;
use crate::{Context, Detected, Detector, say};

/// Time in which all work stalled on memory. Unit: per cent.
const FULL_PCT: f64 = 10.0;
/// How long it must last, and how long it may pause. Unit: s.
const SUSTAINED_S: f64 = 5.0;
const HOLD_S: f64 = 10.0;
/// Pages a second read back or swapped that are more than housekeeping.
const PAGES_PER_S: f64 = 500.0;
/// The same of faults that needed a device, where there is no pressure information.
const MAJOR_FAULTS_PER_S: f64 = 500.0;
/// Share of memory below which it is scarce.
const SCARCE_RATIO: f64 = 0.05;

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct MemoryThrash {
    /// When it thrashed. Unit: s since the first snapshot.
    seen_s: VecDeque<f64>,
    since_s: Option<f64>,
}

impl Detector for MemoryThrash {
    fn kind(&self) -> FindingKind {
        FindingKind::MemoryThrash
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        let evidence = thrashes(context);
        if evidence.is_some() {
            self.seen_s.push_back(now_s);
        }
        self.seen_s.retain(|at_s| now_s - at_s < HOLD_S);
        if self.seen_s.is_empty() {
            self.since_s = None;
        } else if self.seen_s.len() as f64 >= SUSTAINED_S {
            self.since_s.get_or_insert(now_s);
        }
        if self.since_s.is_some()
            && let Some((culprit, share)) = culprit(context)
        {
            let evidence = evidence.unwrap_or_else(|| stall(context, FULL_PCT));
            detected.findings.push(finding(context, culprit, share, evidence));
        }
    }
}

fn pages_per_s(machine: &Machine) -> f64 {
    let known = [machine.refaults_per_s, machine.swap_in_per_s, machine.swap_out_per_s];
    known.into_iter().flatten().filter(|one| one.is_finite()).sum()
}

/// Whether the machine thrashes now, and where that is written.
fn thrashes(context: &Context<'_>) -> Option<Vec<Evidence>> {
    let now_s = context.memory.now_s;
    let machine = &context.snapshot.machine;
    match context.memory.stall(Resource::Memory, &Entity::Machine, now_s - 3.0, now_s) {
        Some(now) => {
            let fights =
                pages_per_s(machine) >= PAGES_PER_S && machine.direct_scans_per_s.unwrap_or(0.0) > 0.0;
            (now.full_pct >= FULL_PCT && fights).then(|| stall(context, now.full_pct))
        }
        None => {
            let faults = machine.major_faults_per_s.unwrap_or(0.0);
            let scarce = SCARCE_RATIO * machine.memory_total_bytes as f64;
            let is_scarce = (machine.memory_available_bytes as f64) < scarce;
            (faults >= MAJOR_FAULTS_PER_S && is_scarce).then(|| stall(context, 0.0))
        }
    }
}

fn stall(context: &Context<'_>, full_pct: f64) -> Vec<Evidence> {
    let machine = &context.snapshot.machine;
    let pages = pages_per_s(machine);
    let cell = |column: &str, value: Value, sentence| {
        say::cell("machine", Entity::Machine, column, (value, Some(Value::Int(0))), sentence)
    };
    let mut evidence = Vec::new();
    if full_pct > 0.0 {
        let stalled = format!("all work waits for memory {full_pct:.0} % of the time");
        let value = (Value::from(full_pct), Some(Value::Int(0)));
        evidence.push(say::cell("pressure", Entity::Machine, "full_pct", value, stalled));
    }
    let moved = format!("{pages:.0} pages a second are read back or swapped");
    evidence.push(cell("refaults_per_s", Value::from(machine.refaults_per_s), moved));
    let faults = machine.major_faults_per_s;
    let sentence = format!("{:.0} page faults a second need a device", faults.unwrap_or(0.0));
    evidence.push(cell("major_faults_per_s", Value::from(faults), sentence));
    evidence
}

/// Who holds most of the anonymous memory, resident and swapped, and which share of that of all processes.
fn culprit<'a>(context: &Context<'a>) -> Option<(&'a Process, f64)> {
    let held = |one: &Process| one.anon_bytes.unwrap_or(0).saturating_add(one.swap_bytes.unwrap_or(0)) as f64;
    let watched = || context.snapshot.processes.iter().filter(|one| is_watched(one));
    let all: f64 = watched().map(held).sum();
    let largest = watched().max_by(|a, b| held(a).total_cmp(&held(b)).then(b.pid.cmp(&a.pid)))?;
    (all > 0.0).then(|| (largest, held(largest) / all))
}

fn finding(context: &Context<'_>, process: &Process, share: f64, mut evidence: Vec<Evidence>) -> Finding {
    let held = process.anon_bytes.unwrap_or(0).saturating_add(process.swap_bytes.unwrap_or(0));
    let percent = 100.0 * share;
    let holds = format!("{} holds {}, {percent:.0} % of all", say::who(process), say::bytes(held as f64));
    evidence.insert(0, say::of_process(process, "anon_bytes", held, None, holds));
    Finding {
        at: context.snapshot.at,
        kind: FindingKind::MemoryThrash,
        culprit: process.entity(),
        process: Some(process.id()),
        victims: Vec::from([Entity::Machine]),
        severity: Severity::Critical,
        // The thrash is certain; that the largest holder is to blame is as likely as it is large.
        confidence: (0.4 + 0.4 * share).min(0.79),
        exhaustion_s: None,
        sentence: format!(
            "the machine thrashes: it moves memory instead of working; most is held by {}",
            say::who(process)
        ),
        evidence,
    }
}
