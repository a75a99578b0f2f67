//! Detector `io_thrash`: one process keeps the storage so busy that others stand still.
//!
//! Symptom: for fifteen seconds all work stalls on I/O a third of the time, one process moves most of the bytes,
//! and a service other than it sleeps uninterruptibly in most samples. Quiet twin: a streaming backup that is
//! alone (it stalls on its own I/O, and nobody else does), a build that writes its results.
use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::rows::Process;
use vocab::sample::Resource;
use vocab::{Entity, Value};

use crate::memory::is_watched;
use crate::{Context, Detected, Detector, say};

/// Time in which all work stalled on I/O. Unit: per cent.
const FULL_PCT: f64 = 30.0;
/// How much of the last seconds it must hold, and over how many. Unit: s.
const SUSTAINED_S: f64 = 15.0;
const WINDOW_S: f64 = 20.0;
/// Bytes a second of the culprit that are much, and its share of all.
const BYTES_PER_S: f64 = 2e6;
const SHARE_MIN: f64 = 0.5;
/// Share of the samples in which a victim sleeps uninterruptibly.
const BLOCKED_RATIO: f64 = 0.4;
/// Span over which that is counted. Unit: s.
const BLOCKED_S: f64 = 8.0;
/// Victims named at most.
const VICTIMS_MAX: usize = 8;

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct IoThrash {
    /// When it thrashed. Unit: s since the first snapshot.
    seen_s: VecDeque<f64>,
    since_s: Option<f64>,
}

impl Detector for IoThrash {
    fn kind(&self) -> FindingKind {
        FindingKind::IoThrash
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        let found = thrashes(context);
        if found.is_some() {
            self.seen_s.push_back(now_s);
        }
        self.seen_s.retain(|at_s| now_s - at_s < WINDOW_S);
        if self.seen_s.len() as f64 >= SUSTAINED_S {
            self.since_s.get_or_insert(now_s);
        } else if self.seen_s.len() < 5 {
            self.since_s = None;
        }
        if self.since_s.is_some()
            && let Some((culprit, share, victims)) = found
        {
            detected.findings.push(finding(context, culprit, share, &victims));
        }
    }
}

/// The culprit, its share of all bytes and its victims, if the storage is what all wait for.
fn thrashes<'a>(context: &Context<'a>) -> Option<(&'a Process, f64, Vec<&'a Process>)> {
    let now_s = context.memory.now_s;
    let now = context.memory.stall(Resource::Io, &Entity::Machine, now_s - 3.0, now_s)?;
    if now.full_pct < FULL_PCT {
        return None;
    }
    let watched = || context.snapshot.processes.iter().filter(|one| is_watched(one));
    let all: f64 = watched().map(moved).sum();
    let busiest = watched().max_by(|a, b| moved(a).total_cmp(&moved(b)).then(b.pid.cmp(&a.pid)))?;
    let share = moved(busiest) / all.max(1.0);
    let is_hurt = |one: &&Process| {
        let serves = one.service.is_some() || one.listen_port.is_some();
        let track = context.memory.tracks.get(&one.id());
        let blocked =
            track.and_then(|track| track.mean(BLOCKED_S, |point| f64::from(u8::from(point.is_blocked))));
        one.entity() != busiest.entity() && serves && blocked.is_some_and(|ratio| ratio >= BLOCKED_RATIO)
    };
    let victims: Vec<&Process> = watched().filter(is_hurt).take(VICTIMS_MAX).collect();
    (moved(busiest) >= BYTES_PER_S && share >= SHARE_MIN && !victims.is_empty())
        .then_some((busiest, share, victims))
}

/// Bytes to and from storage. Unit: bytes a second.
fn moved(process: &Process) -> f64 {
    let known = [process.read_bytes_per_s, process.write_bytes_per_s];
    known.into_iter().flatten().filter(|one| one.is_finite()).sum()
}

fn finding(context: &Context<'_>, process: &Process, share: f64, victims: &[&Process]) -> Finding {
    let now_s = context.memory.now_s;
    let stalled = context
        .memory
        .stall(Resource::Io, &Entity::Machine, now_s - 3.0, now_s)
        .map_or(0.0, |one| one.full_pct);
    let rate = say::bytes(moved(process));
    let moves = format!("{} moves {rate}/s, {:.0} % of all", say::who(process), 100.0 * share);
    let column = if process.write_bytes_per_s >= process.read_bytes_per_s {
        "write_bytes_per_s"
    } else {
        "read_bytes_per_s"
    };
    let waits = format!("all work waits for storage {stalled:.0} % of the time");
    let mut evidence: Vec<Evidence> = Vec::from([
        say::of_process(process, column, moved(process), None, moves),
        say::cell(
            "pressure",
            Entity::Machine,
            "full_pct",
            (Value::from(stalled), Some(Value::Int(0))),
            waits,
        ),
    ]);
    evidence.extend(victims.iter().map(|victim| {
        let sentence = format!("{} sleeps for storage most of the time", say::who(victim));
        say::of_process(victim, "state", victim.state.as_str(), Some(Value::from("S")), sentence)
    }));
    Finding {
        at: context.snapshot.at,
        kind: FindingKind::IoThrash,
        culprit: process.entity(),
        process: Some(process.id()),
        victims: victims.iter().map(|one| one.entity()).collect(),
        severity: Severity::Warning,
        confidence: 0.5 + 0.25 * share,
        exhaustion_s: None,
        sentence: format!("{} keeps the storage so busy that others stand still", say::who(process)),
        evidence,
    }
}
