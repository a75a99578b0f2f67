//! Who is hurt by want of CPU: services and their clients that wait longer than they did before.
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use vocab::baseline::Metric;
use vocab::finding::Evidence;
use vocab::rows::Process;
use vocab::sample::Resource;
use vocab::{Entity, Value};

use crate::memory::{Track, is_watched};
use crate::{Context, say};

/// Span over which harm is measured. Unit: s.
const HARM_S: f64 = 4.0;
/// Wait for a CPU below which nobody is hurt. Unit: per cent of the time.
const DELAY_MIN_PCT: f64 = 2.0;
/// Whoever waits for a CPU less than this share of the time it works is not hurt.
const DELAY_TO_WORK: f64 = 0.6;
/// The same of one that works little: it waits longer than it works.
const DELAY_LIGHT_PCT: f64 = 0.8;
const DELAY_LIGHT_TO_WORK: f64 = 1.5;
/// Wait beside the wait before.
const DELAY_RISE: f64 = 3.0;
/// Points before the culprit began that make a reference.
const REFERENCE_POINTS: usize = 5;
/// Samples a baseline must rest on.
const BASELINE_SAMPLES: u64 = 60;
/// Longest waits that hurt somebody, and their rise. Unit: us.
const WAIT_LONG_US: f64 = 10_000.0;
const WAIT_RISE: f64 = 4.0;
/// Rise of a cgroup's CPU stall that is harm. Unit: per cent of the time.
const STALL_RISE_PCT: f64 = 15.0;

/// One that is hurt, and where that is written.
pub struct Victim {
    pub entity: Entity,
    pub evidence: Evidence,
}

/// Everyone but `culprit` who is hurt now and was not before `onset_s`; each entity once.
pub fn hurt(context: &Context<'_>, culprit: &Entity, onset_s: f64) -> Vec<Victim> {
    let mut victims: Vec<Victim> = Vec::new();
    for process in context.snapshot.processes.iter().filter(|one| can_be_hurt(one)) {
        let entity = process.entity();
        if entity == *culprit || victims.iter().any(|one| one.entity == entity) {
            continue;
        }
        let Some(track) = context.memory.tracks.get(&process.id()) else { continue };
        let evidence = waits_for_cpu(context, process, track, onset_s)
            .or_else(|| waits_long(context, process, track, onset_s))
            .or_else(|| leaves_work(context, process, track, onset_s))
            .or_else(|| stalls(context, process, onset_s));
        victims.extend(evidence.map(|evidence| Victim { entity, evidence }));
    }
    victims
}

/// Those whose wait matters to someone: services, servers and those connected to one, unless they chose to wait.
fn can_be_hurt(process: &Process) -> bool {
    let serves = process.service.is_some() || process.listen_port.is_some();
    let is_connected = process.established.unwrap_or(0) > 0;
    is_watched(process) && (serves || is_connected) && process.nice <= 0 && is_ordinary(process)
}

/// Whether its scheduling policy is not one that yields to all others.
pub fn is_ordinary(process: &Process) -> bool {
    !matches!(process.policy.as_str(), "batch" | "idle")
}

/// It is ready to run and does not run, more than before, and for most of the time it would have worked.
fn waits_for_cpu(context: &Context<'_>, process: &Process, track: &Track, onset_s: f64) -> Option<Evidence> {
    let delay = track.mean(HARM_S, |point| f64::from(point.run_delay_pct))?;
    let work = track.mean(HARM_S, |point| f64::from(point.cpu_pct))?;
    let reference = track.mean_before(onset_s, |point| f64::from(point.run_delay_pct));
    let learnt = context.baselines.get(process.key(), Metric::RunDelayPercent, BASELINE_SAMPLES);
    let before = reference
        .filter(|(_, points)| *points >= REFERENCE_POINTS)
        .map(|(before, _)| before)
        .or(learnt.map(|one| one.center))?;
    let is_over = |least: f64, to_work: f64| {
        delay >= least && delay >= to_work * work && delay >= DELAY_RISE * before + least / 2.0
    };
    let is_hurt = is_over(DELAY_MIN_PCT, DELAY_TO_WORK) || is_over(DELAY_LIGHT_PCT, DELAY_LIGHT_TO_WORK);
    is_hurt.then(|| {
        let sentence = format!(
            "{} waits for a CPU {delay:.0} % of the time and works {work:.0} %; it waited {before:.1} % before",
            say::who(process)
        );
        say::of_process(process, "run_delay_pct", delay, Some(Value::from(before)), sentence)
    })
}

/// It is not kept waiting for much of its time, but now and then for long: a server that answers a few requests a second
/// answers each of them late. Told by programs in the kernel only.
fn waits_long(context: &Context<'_>, process: &Process, track: &Track, onset_s: f64) -> Option<Evidence> {
    let known = |point: &&crate::ring::Point| point.wait_p99_us.is_some();
    let wait = |point: &crate::ring::Point| f64::from(point.wait_p99_us.unwrap_or(0.0));
    let end_s = track.fine.last()?.at_s;
    let now = track.fine.iter().filter(known).filter(|point| point.at_s > end_s - HARM_S);
    let before = track.fine.iter().filter(known).filter(|point| point.at_s < onset_s);
    if now.clone().count() < 3 || before.clone().count() < REFERENCE_POINTS {
        return None;
    }
    // The least of now beside the greatest of before: one long wait is luck.
    let now_us = now.map(wait).fold(f64::INFINITY, f64::min);
    let before_us = before.map(wait).fold(0.0, f64::max);
    let is_hurt = now_us >= WAIT_LONG_US && now_us >= WAIT_RISE * before_us && is_contended(context);
    is_hurt.then(|| {
        let (now_ms, before_ms) = (now_us / 1e3, before_us / 1e3);
        let sentence = format!(
            "{} waits up to {now_ms:.0} ms for a CPU; before it was {before_ms:.1} ms at most",
            say::who(process)
        );
        let entity = Entity::Process(process.id());
        say::cell(
            "runq_latency",
            entity,
            "p99_us",
            (Value::from(now_us), Some(Value::from(before_us))),
            sentence,
        )
    })
}

/// Connections wait for it to accept or read them, which they did not before, while the CPUs are contended.
fn leaves_work(context: &Context<'_>, process: &Process, track: &Track, onset_s: f64) -> Option<Evidence> {
    let waiting = |point: &crate::ring::Point| f64::from(point.waiting);
    let now = track.mean(HARM_S, waiting)?;
    let (before, points) = track.mean_before(onset_s, waiting)?;
    let works = track.mean(HARM_S, |point| f64::from(point.cpu_pct))? > 0.0;
    let is_hurt = points >= REFERENCE_POINTS && now >= 2.0 * before + 1.0 && works && is_contended(context);
    is_hurt.then(|| {
        let column =
            if process.accept_backlog.unwrap_or(0) > 0 { "accept_backlog" } else { "unread_connections" };
        let sentence = format!("{now:.0} connections wait for {}; {before:.1} did before", say::who(process));
        say::of_process(process, column, now, Some(Value::from(before)), sentence)
    })
}

/// Its cgroup stalls on the CPU more than before.
fn stalls(context: &Context<'_>, process: &Process, onset_s: f64) -> Option<Evidence> {
    let path = process.cgroup.as_deref().filter(|path| path.len() > 1)?;
    let service = process.service.as_deref()?;
    // A cgroup shared with others, the culprit among them, says nothing about this service.
    let is_shared = |one: &&Process| {
        one.cgroup.as_deref().is_some_and(|other| other.starts_with(path))
            && one.service.as_deref() != Some(service)
    };
    let entity = Entity::Cgroup(String::from(path));
    let (now, before) = stall_rise(context, &entity, onset_s)?;
    let is_hurt = now >= before + STALL_RISE_PCT && now >= DELAY_RISE * before;
    (is_hurt && !context.snapshot.processes.iter().any(|one| is_shared(&one))).then(|| {
        let sentence =
            format!("{service} stalls on the CPU {now:.0} % of the time; before it was {before:.0} %");
        say::cell("pressure", entity, "some_pct", (Value::from(now), Some(Value::from(before))), sentence)
    })
}

/// CPU stall of an entity now and before an instant. Unit: per cent of the time.
pub fn stall_rise(context: &Context<'_>, entity: &Entity, onset_s: f64) -> Option<(f64, f64)> {
    let now_s = context.memory.now_s;
    let now = context.memory.stall(Resource::Cpu, entity, now_s - HARM_S, now_s)?;
    let before = context.memory.stall(Resource::Cpu, entity, onset_s - 20.0, onset_s - 0.5)?;
    Some((now.some_pct, before.some_pct))
}

/// Whether there is no idle CPU to speak of.
pub fn is_contended(context: &Context<'_>) -> bool {
    let machine = &context.snapshot.machine;
    machine.cpu_idle_pct.is_some_and(|idle| idle + machine.cpu_iowait_pct.unwrap_or(0.0) < 15.0)
}
