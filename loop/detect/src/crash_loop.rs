//! Detector `crash_loop`: a service fails again and again soon after its start.
//!
//! Symptom: for services of our own supervisor, three failures in three minutes, each after a run of less than
//! half a minute; for systemd units, main processes that follow each other quickly and a unit whose automatic
//! restarts rise with a result other than success. Quiet twins: a job that exits with 0 each minute, one crash,
//! a restart by a person or by ourselves. Where programs in the kernel tell how processes end, units are asked about
//! at their second bad end, however short their runs, and programs without a service are judged too: see `programs`.
//! Without them only those that lived long enough to be seen are judged, by a descriptor that tells how they end.
mod programs;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::kernel::Happened;
use vocab::probe::{Probe, ProbeKind, ProbeResult, UnitProbe};
use vocab::rows::Service;
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId, Value};

use crate::{Context, Detected, Detector, say};

/// Failures that make a loop, and the span they must fall into. Unit: s.
const FAILURES_MIN: usize = 3;
const SPAN_S: f64 = 180.0;
/// A run longer than this is no part of a loop. Unit: s.
const RUN_MAX_S: f64 = 30.0;
/// Main processes of a unit in [`SPAN_S`] that call for a question to systemd.
const MAINS_MIN: usize = 2;
/// Automatic restarts, by systemd's count, that make a loop.
const RESTARTS_MIN: u64 = 3;
/// Least time between two questions about one unit. Unit: s.
const ASK_S: f64 = 5.0;
/// CPU time a question may take. Unit: us.
const ASK_BUDGET_US: u32 = 20_000;
/// A loop is over after so many times its longest run without a failure, and not before. Unit: s.
const CALM_RUNS: f64 = 3.0;
const CALM_S: f64 = 30.0;
/// A unit is calm once it has run for so long, and for [`CALM_RUNS`] times its longest short run. Unit: s.
const UNIT_CALM_S: f64 = 10.0;
/// An answer of systemd older than this says nothing any more. Unit: s.
const ANSWER_MAX_S: f64 = 30.0;
/// Services remembered at most, and events of each.
const SERVICES_MAX: usize = 1_024;
const EVENTS_MAX: usize = 16;

/// What is remembered of one service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Past {
    failures: Option<u64>,
    /// Failures after short runs: when, and after how long a run. Unit: s.
    short: VecDeque<(f64, f64)>,
    main: Option<(u32, u64)>,
    /// How long that main process had run when it was last seen. Unit: s.
    up_s: f64,
    /// When another main process of a unit was seen, and how long the one before had run. Unit: s.
    changes: VecDeque<(f64, f64)>,
    /// The unit had processes and has none now.
    is_gone: bool,
    seen_s: f64,
    asked_s: Option<f64>,
    unit: Option<(f64, UnitProbe)>,
    /// When the kernel last killed it for memory. Unit: s.
    oom_s: Option<f64>,
    since_s: Option<f64>,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct CrashLoop {
    programs: programs::Programs,
    pasts: BTreeMap<Arc<str>, Past>,
}

impl Detector for CrashLoop {
    fn kind(&self) -> FindingKind {
        FindingKind::CrashLoop
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        for service in &context.snapshot.services {
            let is_known = self.pasts.contains_key(&service.name);
            if !is_known && self.pasts.len() >= SERVICES_MAX {
                continue;
            }
            self.pasts.entry(service.name.clone()).or_default().remember(service, now_s);
        }
        self.take_ends(context);
        self.take_answers(context);
        for (name, past) in &mut self.pasts {
            past.forget(now_s);
            let row = context.snapshot.service(name);
            past.is_gone = row.is_none();
            if past.wants_question(now_s) {
                past.asked_s = Some(now_s);
                let entity = say::service(name);
                detected.ask(Probe { kind: ProbeKind::Unit, entity, budget_us: ASK_BUDGET_US });
            }
            if past.is_loop(row, now_s) {
                past.since_s.get_or_insert(now_s);
                detected.findings.push(finding(context.snapshot, name, past, row));
            } else {
                past.since_s = None;
            }
        }
        self.pasts.retain(|_, past| now_s - past.seen_s <= SPAN_S);
        self.programs.run(context, detected);
    }
}

impl CrashLoop {
    /// Bad ends of main processes of units, which may live too short for any look at /proc.
    fn take_ends(&mut self, context: &Context<'_>) {
        let now_s = context.memory.now_s;
        let mut killed = Vec::new();
        for event in &context.snapshot.kernel_events {
            let Some(name) = event.service.as_ref() else { continue };
            match event.what {
                Happened::OomKill { .. } => killed.push(event.id),
                Happened::Exit { ran_s, .. } if event.what.is_failure() => {
                    let is_full = self.pasts.len() >= SERVICES_MAX && !self.pasts.contains_key(name);
                    let is_main = |past: &Past| past.main == Some((event.id.pid, event.id.start_ticks));
                    let past = self.pasts.get(name);
                    let is_ours = past.is_some_and(|past| past.failures.is_some());
                    // The manager of units is process 1.
                    let is_of_unit = !is_ours && (event.ppid == 1 || past.is_some_and(is_main));
                    let is_oom = killed.contains(&event.id);
                    if (is_of_unit || is_ours && is_oom) && !is_full {
                        self.pasts.entry(name.clone()).or_default().note_end(
                            event.id,
                            (now_s, ran_s),
                            is_oom,
                        );
                    }
                }
                _ => {}
            }
        }
    }

    fn take_answers(&mut self, context: &Context<'_>) {
        let now_s = context.memory.now_s;
        for answer in context.snapshot.answers.iter().filter(|one| one.probe.kind == ProbeKind::Unit) {
            if let (Entity::Service(name), Ok(ProbeResult::Unit(unit))) =
                (&answer.probe.entity, &answer.result)
                && let Some(past) = self.pasts.get_mut(name.as_str())
            {
                past.unit = Some((now_s, unit.clone()));
            }
        }
    }
}

impl Past {
    fn note_end(&mut self, id: ProcessId, (now_s, ran_s): (f64, f64), is_oom: bool) {
        self.oom_s = if is_oom { Some(now_s) } else { self.oom_s };
        if self.failures.is_none() {
            self.seen_s = now_s;
            self.main = Some((id.pid, id.start_ticks));
            push(&mut self.changes, (now_s, ran_s));
        }
    }

    fn remember(&mut self, service: &Service, now_s: f64) {
        self.seen_s = now_s;
        if let Some(failures) = service.failures {
            // A count that fell is that of a supervisor that started anew.
            let new = failures.saturating_sub(self.failures.unwrap_or(failures));
            self.failures = Some(failures);
            let ran_s = service.exit_ran_s.unwrap_or(0.0);
            if ran_s < RUN_MAX_S {
                let count = usize::try_from(new).unwrap_or(EVENTS_MAX).min(EVENTS_MAX);
                (0..count).for_each(|_| push(&mut self.short, (now_s, ran_s)));
            }
        } else {
            let main = service.main_pid.zip(service.main_start_ticks);
            if main.is_some() && self.main.is_some() && self.main != main {
                push(&mut self.changes, (now_s, self.up_s));
            }
            self.main = main.or(self.main);
            self.up_s = service.up_s.unwrap_or(self.up_s);
        }
    }

    fn forget(&mut self, now_s: f64) {
        self.short.retain(|(at_s, _)| now_s - at_s <= SPAN_S);
        self.changes.retain(|(at_s, _)| now_s - at_s <= SPAN_S);
        let is_old = |at_s: f64| {
            now_s - at_s > ANSWER_MAX_S || (now_s - at_s > 3.0 * ASK_S && self.changes.is_empty())
        };
        if self.unit.as_ref().is_some_and(|(at_s, _)| is_old(*at_s)) {
            self.unit = None;
        }
    }

    /// Whether systemd should be asked: mains follow each other, or the unit has just lost all its processes.
    fn wants_question(&self, now_s: f64) -> bool {
        let is_unit = self.failures.is_none() && self.main.is_some();
        let is_restless = self.changes.len() >= MAINS_MIN;
        let is_lost = self.is_gone && now_s - self.seen_s < 3.0 * ASK_S;
        is_unit
            && (is_restless || is_lost || self.since_s.is_some())
            && self.asked_s.is_none_or(|asked_s| now_s - asked_s >= ASK_S)
    }

    fn is_loop(&self, row: Option<&Service>, now_s: f64) -> bool {
        let is_calm = |last_s: f64, run_s: f64| now_s - last_s > CALM_S.max(CALM_RUNS * run_s);
        let by_count = self.short.len() >= FAILURES_MIN
            && self.short.back().is_some_and(|(last_s, _)| {
                let run_s = self.short.iter().map(|(_, ran_s)| *ran_s).fold(0.0, f64::max);
                // A service that waits for its next start has not come to rest.
                row.is_some_and(|service| service.state == "backing_off") || !is_calm(*last_s, run_s)
            });
        by_count || self.unit.as_ref().is_some_and(|(_, unit)| self.unit_fails(unit))
    }

    fn unit_fails(&self, unit: &UnitProbe) -> bool {
        let is_bad = !unit.result.is_empty() && &*unit.result != "success";
        // Between two runs the result reads success again; the way it last ended does not.
        let ended_badly = is_bad || unit.was_signal || unit.exit_status != 0;
        let short = self.changes.iter().map(|(_, ran_s)| *ran_s).filter(|ran_s| *ran_s < RUN_MAX_S);
        let is_young = self.up_s <= (CALM_RUNS * short.fold(0.0, f64::max)).max(UNIT_CALM_S);
        ended_badly && unit.restarts >= RESTARTS_MIN && (is_young || self.is_gone)
    }
}

fn push<T>(events: &mut VecDeque<T>, event: T) {
    if events.len() == EVENTS_MAX {
        events.pop_front();
    }
    events.push_back(event);
}

fn finding(snapshot: &Snapshot, name: &Arc<str>, past: &Past, row: Option<&Service>) -> Finding {
    let entity = say::service(name);
    let process =
        row.and_then(|one| Some(ProcessId { pid: one.main_pid?, start_ticks: one.main_start_ticks? }));
    let mut evidence = match &past.unit {
        Some((_, unit)) => of_unit(&entity, unit),
        None => of_counts(&entity, past, row),
    };
    if past.oom_s.is_some_and(|at_s| past.seen_s - at_s <= SPAN_S) {
        let killed = "the kernel kills it for memory".to_string();
        evidence.push(say::cell("oom_kills", entity.clone(), "at", (Value::from(snapshot.at), None), killed));
    }
    let what = evidence.first().map_or(String::new(), |one| one.sentence.clone());
    Finding {
        at: snapshot.at,
        kind: FindingKind::CrashLoop,
        culprit: entity.clone(),
        process,
        victims: Vec::from([entity]),
        severity: Severity::Critical,
        confidence: if past.short.len() > FAILURES_MIN || past.unit.is_some() { 0.95 } else { 0.9 },
        exhaustion_s: None,
        sentence: format!("{name} crashes again and again: {what}"),
        evidence,
    }
}

fn of_counts(entity: &Entity, past: &Past, row: Option<&Service>) -> Vec<Evidence> {
    let span_s = past.seen_s - past.short.front().map_or(past.seen_s, |(at_s, _)| *at_s);
    let longest_s = past.short.iter().map(|(_, ran_s)| *ran_s).fold(0.0, f64::max);
    let count = past.short.len();
    let failed = format!(
        "{count} failures in {}, none after more than {longest_s:.1} s",
        say::seconds(span_s.max(1.0))
    );
    let failures = (Value::from(past.failures), Some(Value::Int(0)));
    let mut evidence = Vec::from([say::cell("services", entity.clone(), "failures", failures, failed)]);
    if let Some(row) = row {
        let ran = format!("its last run ended after {longest_s:.1} s");
        let cell = (Value::from(row.exit_ran_s), None);
        evidence.push(say::cell("services", entity.clone(), "exit_ran_s", cell, ran));
        let (column, value, how) = match (row.exit_code, row.exit_signal) {
            (_, Some(signal)) => ("exit_signal", signal, format!("signal {signal} ended it")),
            (code, None) => ("exit_code", code.unwrap_or(0), format!("it exited with {}", code.unwrap_or(0))),
        };
        evidence.push(say::cell(
            "services",
            entity.clone(),
            column,
            (Value::from(value), Some(Value::Int(0))),
            how,
        ));
    }
    evidence
}

fn of_unit(entity: &Entity, unit: &UnitProbe) -> Vec<Evidence> {
    let restarted =
        format!("systemd restarted it {} times; its last result is {}", unit.restarts, unit.result);
    let how = if unit.was_signal { "signal" } else { "status" };
    let ended = format!("it ended with {how} {}", unit.exit_status);
    let cell = |column: &str, value: Value, sentence: String| {
        say::cell("services", entity.clone(), column, (value, None), sentence)
    };
    let column = if unit.was_signal { "exit_signal" } else { "exit_code" };
    Vec::from([
        cell("starts", Value::from(unit.restarts), restarted),
        cell(column, Value::from(unit.exit_status), ended),
        cell("state", Value::from(unit.sub_state.to_string()), format!("it is {} now", unit.sub_state)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_runs_longer_than_its_loop_did_has_come_to_rest() {
        let failed = UnitProbe { result: "exit-code".into(), restarts: 9, ..UnitProbe::default() };
        let fails = |ran_s: f64, up_s: f64| {
            Past { changes: [(1.0, ran_s)].into(), up_s, ..Past::default() }.unit_fails(&failed)
        };
        assert!(fails(0.2, 5.0) && !fails(0.2, 11.0));
        assert!(fails(20.0, 50.0) && !fails(20.0, 61.0));
        // The long run before the first crash is no part of the loop.
        assert!(!fails(500.0, 11.0));
    }
}
