//! Detector `device_failure`: a device, its driver, the processor, memory or the kernel itself reports a failure. Advice
//! only.
//!
//! Symptom: one event of kind `io_error`, `device_failure`, `kernel_fault` or `lockup`, or three of `hardware_error` or `thermal`
//! within an hour: single errors that are corrected belong to the life of a machine, and so does a hot minute. It holds
//! for ten minutes after the last one. The culprit of a lock-up is the process that the CPU was in, where the kernel names
//! one. Quiet twins: one corrected error, lines of programs in the kernel's log, links that go up and down, a task that
//! waits for minutes (`hung_task`: what it waits for has an incident of its own).
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::event::{Event, EventKind};
use vocab::finding::{Finding, FindingKind, Severity};
use vocab::{Entity, Value};

use crate::{Context, Detected, Detector, say};

/// How long an event counts, and how long what was told holds after the last one. Unit: s.
const COUNTS_S: f64 = 3_600.0;
const HOLD_S: f64 = 600.0;
/// Events that make what may be corrected a failure.
const CORRECTED_MAX: usize = 2;
/// So many within a minute are critical. Unit: events, s.
const STORM: usize = 10;
const STORM_S: f64 = 60.0;
/// Devices, and reports of each, that are remembered; those shown as evidence.
const DEVICES_MAX: usize = 64;
const REPORTS_MAX: usize = 32;
const SHOWN_MAX: usize = 5;

/// One report of a failure.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Report {
    at_s: f64,
    kind: EventKind,
    message: String,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct DeviceFailure {
    reports: BTreeMap<Entity, VecDeque<Report>>,
}

impl Detector for DeviceFailure {
    fn kind(&self) -> FindingKind {
        FindingKind::DeviceFailure
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        for event in context.snapshot.events.iter().filter(|event| is_report(event.kind)) {
            self.note(event, now_s);
        }
        self.reports.retain(|_, reports| {
            reports.retain(|one| now_s - one.at_s <= COUNTS_S);
            !reports.is_empty()
        });
        let failed = self.reports.iter().filter(|(_, reports)| is_failure(reports, now_s));
        detected.findings.extend(failed.map(|(entity, reports)| finding(context, entity, reports)));
    }
}

impl DeviceFailure {
    fn note(&mut self, event: &Event, now_s: f64) {
        if !self.reports.contains_key(&event.entity) && self.reports.len() >= DEVICES_MAX {
            return;
        }
        let reports = self.reports.entry(event.entity.clone()).or_default();
        if reports.len() >= REPORTS_MAX {
            reports.pop_front();
        }
        reports.push_back(Report { at_s: now_s, kind: event.kind, message: event.message.clone() });
    }
}

const fn is_report(kind: EventKind) -> bool {
    may_be_corrected(kind)
        || is_of_kernel(kind)
        || matches!(kind, EventKind::IoError | EventKind::DeviceFailure)
}

const fn is_of_kernel(kind: EventKind) -> bool {
    matches!(kind, EventKind::KernelFault | EventKind::Lockup)
}

const fn may_be_corrected(kind: EventKind) -> bool {
    matches!(kind, EventKind::HardwareError | EventKind::Thermal)
}

/// Whether these reports, oldest first, are a failure that is not over.
fn is_failure(reports: &VecDeque<Report>, now_s: f64) -> bool {
    let corrected = reports.iter().filter(|one| may_be_corrected(one.kind)).count();
    let is_recent = reports.back().is_some_and(|last| now_s - last.at_s <= HOLD_S);
    is_recent && (corrected < reports.len() || corrected > CORRECTED_MAX)
}

fn finding(context: &Context<'_>, entity: &Entity, reports: &VecDeque<Report>) -> Finding {
    let now_s = context.memory.now_s;
    let is_storm = reports.iter().filter(|one| now_s - one.at_s <= STORM_S).count() >= STORM;
    let is_fault = reports.iter().any(|one| is_of_kernel(one.kind));
    let mut shown: Vec<&Report> = Vec::new();
    for report in reports.iter().rev() {
        if shown.len() < SHOWN_MAX && shown.iter().all(|one| one.message != report.message) {
            shown.push(report);
        }
    }
    let evidence = shown.iter().map(|one| {
        let value = (Value::from(one.message.clone()), None);
        say::cell(
            "events",
            entity.clone(),
            "message",
            value,
            format!("{}: {}", one.kind.as_str(), one.message),
        )
    });
    let who = match entity {
        Entity::Machine if is_fault => String::from("the kernel"),
        Entity::Machine => String::from("the machine"),
        Entity::Disk(name) => format!("disk {name}"),
        Entity::Interface(name) => format!("network interface {name}"),
        Entity::Process(id) => {
            let process = context.snapshot.process(*id);
            let name = process.map_or_else(|| format!("process {}", id.pid), say::who);
            format!("a CPU that ran {name}")
        }
        other => format!("{other}"),
    };
    let last = reports.back().map_or("", |last| last.message.as_str());
    let (count, reported) = (reports.len(), if reports.len() == 1 { "failure" } else { "failures" });
    Finding {
        at: context.snapshot.at,
        kind: FindingKind::DeviceFailure,
        culprit: entity.clone(),
        process: match entity {
            Entity::Process(id) => Some(*id),
            _ => None,
        },
        victims: Vec::from([entity.clone()]),
        severity: if is_storm || is_fault { Severity::Critical } else { Severity::Warning },
        confidence: 0.9,
        exhaustion_s: None,
        sentence: format!("{who} reports {count} {reported} within the hour, the last: {last}"),
        evidence: evidence.collect(),
    }
}
