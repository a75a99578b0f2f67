//! Detector `cpu_hog`: one process takes CPU as never before, or to no visible end, and others are hurt by it.
//!
//! Symptom: 80 % of a core or more is demanded for seconds (used or waited for: what it gets depends on who else is
//! there); somebody who serves waits for a CPU since then, or all CPUs are taken and work waits; and the process
//! either serves and left its own level without doing more of its work, or is sterile: no reads and writes but of
//! devices that give or take whatever one likes, no page faults, no sleep. Quiet twins: a compiler or archiver at whatever priority (it reads, writes, faults), a
//! job at nice 5 or more, a service that is as busy as ever or has more clients, a victim slow for another
//! reason (its trouble began at another time). A hog that hurts nobody is not a finding.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::probe::{Probe, ProbeKind, ProbeResult};
use vocab::rows::{OpenFile, Process};
use vocab::{Entity, ProcessId, Value};

use crate::memory::{Track, is_watched};
use crate::ring::Point;
use crate::victims::{self, Victim};
use crate::{Context, Detected, Detector, say};

/// Demand of a process, or of its service in all, that is much. Unit: per cent of one core.
const DEMAND_MIN_PCT: f64 = 80.0;
/// Demand that crowds out others by itself where no CPU is free. Unit: per cent of one core.
const DEMAND_CROWD_PCT: f64 = 150.0;
/// Demand of one that is accused already. Unit: per cent of one core.
const DEMAND_HELD_PCT: f64 = 40.0;
/// Demand of one process of such a service that counts. Unit: per cent of one core.
const SHARE_MIN_PCT: f64 = 20.0;
/// How long it must last. Unit: s.
const SUSTAINED_S: f64 = 3.0;
/// Reads, writes, faults and sleeps a second of CPU time below which a busy process is sterile.
const STERILE_PER_S: f64 = 25.0;
/// Devices that swallow what is written or make up what is read.
const HOLLOW: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
/// Least time between two looks at the descriptors of a busy process. Unit: s.
const ASK_S: f64 = 10.0;
/// Pauses that a busy process may make, and the share of the time that it must be busy all the same. Unit: points,
/// ratio.
const LAPSES_MAX: usize = 3;
const DUTY_MIN: f64 = 0.6;
/// Growth of its memory from which it is not. Unit: KiB.
const STERILE_GROWN_KIB: i64 = 4_096;
/// How long it must be sterile. Unit: s.
const STERILE_S: f64 = 4.0;
/// CPU before, beside now, of a process that left its level.
const LEVEL_RATIO: f64 = 0.5;
/// Rise of the clients beside that of the demand from which on they explain it.
const CLIENTS_RATIO: f64 = 0.3;
/// Over which the CPU time that it gets is compared, on a machine on which it may have to wait for it. Unit: s.
const USED_S: f64 = 6.0;
/// The share of its own demand that whoever takes the CPU from others gets at least.
const TAKES_MIN: f64 = 0.05;
/// Points that make a level.
const LEVEL_POINTS: usize = 8;
/// A nice value from which a process gives way by itself.
const NICE_MILD: i8 = 5;
/// A CPU weight up to which the processes of a cgroup give way; 100 is usual.
const WEIGHT_MILD: u64 = 20;
/// How long a finding outlives the last harm, or a pause of the culprit; the same of one that gives way. Unit: s.
const HOLD_S: f64 = 6.0;
const HOLD_MILD_S: f64 = 2.0;
/// Without a named victim: CPU stall of the machine, its rise, and how long. Unit: per cent, per cent, s.
const MACHINE_STALL_PCT: f64 = 40.0;
const MACHINE_RISE_PCT: f64 = 25.0;
const MACHINE_S: f64 = 8.0;
/// How long a service must crowd out others, whatever the stall was before. Unit: s.
const CROWD_S: f64 = 4.0;
/// The same of a process that neither serves nor reads, writes or takes memory.
const STERILE_CROWD_S: f64 = 20.0;
/// Victims named at most.
const VICTIMS_MAX: usize = 8;

/// Why a busy process is taken for a hog.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Ground {
    /// It used to use so much. Unit: per cent of one core.
    LeftLevel(f64),
    /// It neither reads, writes, faults nor sleeps.
    Sterile,
}

/// A busy process under suspicion.
struct Suspect<'a> {
    process: &'a Process,
    onset_s: f64,
    demand_pct: f64,
    ground: Ground,
    gives_way: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    seen_s: f64,
    since_s: f64,
    onset_s: f64,
    ground: Ground,
    finding: Finding,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct CpuHog {
    held: BTreeMap<Entity, Held>,
    /// Busy processes that were looked at: when, and whether what they read and write is hollow.
    looks: BTreeMap<ProcessId, (f64, bool)>,
}

impl Detector for CpuHog {
    fn kind(&self) -> FindingKind {
        FindingKind::CpuHog
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        self.take_looks(context);
        self.ask(context, detected);
        for (entity, suspect) in self.suspects(context) {
            let Some(mut finding) = accuse(context, &entity, &suspect) else {
                self.keep(context, &entity, &suspect);
                continue;
            };
            let since_s = self.held.get(&entity).map_or(now_s, |held| held.since_s);
            finding.confidence = (finding.confidence + (now_s - since_s) / 200.0).min(0.97);
            let Suspect { onset_s, ground, .. } = suspect;
            self.held.insert(entity, Held { seen_s: now_s, since_s, onset_s, ground, finding });
        }
        self.held.retain(|_, held| {
            let process = held.finding.process.and_then(|id| context.snapshot.process(id));
            process.is_some_and(|process| {
                let hold_s = if gives_way(context, process) { HOLD_MILD_S } else { HOLD_S };
                now_s - held.seen_s <= hold_s
            })
        });
        for held in self.held.values() {
            detected.findings.push(Finding { at: context.snapshot.at, ..held.finding.clone() });
        }
    }
}

impl CpuHog {
    /// An accused process that goes on undisturbed stays accused while the CPUs are contended: victims come and
    /// go. One that gives way by now must be seen to hurt.
    fn keep(&mut self, context: &Context<'_>, entity: &Entity, suspect: &Suspect<'_>) {
        if let Some(held) = self.held.get_mut(entity)
            && victims::is_contended(context)
            && !suspect.gives_way
        {
            held.seen_s = context.memory.now_s;
        }
    }

    fn take_looks(&mut self, context: &Context<'_>) {
        for answer in context.snapshot.answers.iter().filter(|one| one.probe.kind == ProbeKind::Descriptors) {
            if let (Entity::Process(id), Ok(ProbeResult::Descriptors(files))) =
                (&answer.probe.entity, &answer.result)
                && let Some((_, is_hollow)) = self.looks.get_mut(id)
            {
                *is_hollow = reaches_nothing(files);
            }
        }
        self.looks.retain(|id, _| context.memory.tracks.contains_key(id));
    }

    /// Asks what the busiest process reads and writes, if that is all that speaks for it.
    fn ask(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let now_s = context.memory.now_s;
        let is_due = |id: &ProcessId| self.looks.get(id).is_none_or(|(at_s, _)| now_s - at_s >= ASK_S);
        let is_asked = |(id, track): &(&ProcessId, &Track)| {
            is_due(id)
                && track.last_demand() >= DEMAND_MIN_PCT
                && track.mean(2.0, |point| f64::from(point.io_calls_per_s.unwrap_or(0.0)))
                    > Some(STERILE_PER_S)
                && context.snapshot.process(**id).is_some_and(|process| {
                    !gives_way(context, process) && is_sterile(process, track, now_s, true)
                })
        };
        if let Some((id, _)) = context.memory.tracks.iter().find(is_asked) {
            let is_hollow = self.looks.get(id).is_some_and(|(_, is_hollow)| *is_hollow);
            self.looks.insert(*id, (now_s, is_hollow));
            detected.ask(Probe::descriptors(*id));
        }
    }

    /// The busiest suspicious process of each service, and each suspicious process without one.
    fn suspects<'a>(&self, context: &Context<'a>) -> BTreeMap<Entity, Suspect<'a>> {
        let mut suspects: BTreeMap<Entity, Suspect<'a>> = BTreeMap::new();
        for process in context.snapshot.processes.iter().filter(|one| is_watched(one)) {
            let Some(track) = context.memory.tracks.get(&process.id()) else { continue };
            let demand_pct = track.last_demand();
            if demand_pct < SHARE_MIN_PCT {
                continue;
            }
            let entity = process.entity();
            // One that we made give way stays accused as long as it hurts.
            if gives_way(context, process) && !self.held.contains_key(&entity) {
                continue;
            }
            let known = self.held.get(&entity).filter(|held| held.finding.process == Some(process.id()));
            let is_hollow = self.looks.get(&process.id()).is_some_and(|(_, is_hollow)| *is_hollow);
            let Some(suspect) = suspect(context, process, track, (known, is_hollow)) else { continue };
            let seat = suspects.get(&entity);
            if seat.is_none_or(|seat| seat.demand_pct < suspect.demand_pct) {
                suspects.insert(entity, suspect);
            }
        }
        suspects
    }
}

/// Whether a process leaves the CPU to others: by its nice value, its policy or the weight of its cgroup.
fn gives_way(context: &Context<'_>, process: &Process) -> bool {
    let cgroups = &context.snapshot.cgroups;
    let weight = process
        .cgroup
        .as_ref()
        .and_then(|path| cgroups.iter().find(|one| one.path == *path))
        .and_then(|one| one.cpu_weight);
    process.nice >= NICE_MILD
        || !victims::is_ordinary(process)
        || weight.is_some_and(|weight| weight <= WEIGHT_MILD)
}

impl Track {
    /// Demand of the last two points: one alone is noise. Unit: per cent of one core.
    fn last_demand(&self) -> f64 {
        self.mean(2.0, |point| f64::from(point.demand_pct())).unwrap_or(0.0)
    }

    /// Since when it has demanded at least `demand_pct`, single lapses aside, or short ones if it is busy most of the
    /// time. Unit: s since the first snapshot.
    fn busy_since(&self, demand_pct: f64) -> Option<f64> {
        let (strict_s, _) = self.busy_run(demand_pct, 1);
        let (since_s, duty) = self.busy_run(demand_pct, LAPSES_MAX);
        if duty >= DUTY_MIN { since_s } else { strict_s }
    }

    /// Start of the run with pauses of at most `lapses_max` points, and the share of its points that are busy.
    fn busy_run(&self, demand_pct: f64, lapses_max: usize) -> (Option<f64>, f64) {
        let mut since_s = None;
        let (mut lapses, mut busy, mut all) = (0, 0.0, 0.0);
        for point in self.fine.iter().rev() {
            if f64::from(point.demand_pct()) >= demand_pct {
                since_s = Some(point.at_s);
                busy += 1.0;
                all += f64::from(lapses as u32) + 1.0;
                lapses = 0;
            } else {
                lapses += 1;
                if lapses > lapses_max {
                    break;
                }
            }
        }
        (since_s, busy / f64::max(all, 1.0))
    }
}

/// Whether this process is busy for long enough, and strangely so.
fn suspect<'a>(
    context: &Context<'_>,
    process: &'a Process,
    track: &Track,
    (known, is_hollow): (Option<&Held>, bool),
) -> Option<Suspect<'a>> {
    let now_s = context.memory.now_s;
    let gives_way = gives_way(context, process);
    let own = track.last_demand();
    let all = match process.service.as_deref() {
        Some(service) if own < DEMAND_MIN_PCT => service_demand(context, service),
        _ => own,
    };
    if let Some(held) = known.filter(|_| all >= DEMAND_HELD_PCT) {
        let Held { onset_s, ground, .. } = *held;
        return Some(Suspect { process, onset_s, demand_pct: own, ground, gives_way });
    }
    // Threads that wait for each other's turn want much and take next to nothing.
    let takes = track.mean(USED_S, |point| f64::from(point.cpu_pct)).unwrap_or(0.0);
    if all < DEMAND_MIN_PCT || takes < TAKES_MIN * own {
        return None;
    }
    let onset_s = track.busy_since((0.6 * own).max(SHARE_MIN_PCT))?;
    // The point at the onset speaks for the second before it.
    let busy_s = now_s - onset_s + 1.0;
    // What does not serve has no level: a compiler turns from reading to optimising.
    let has_level = busy_s >= SUSTAINED_S && serves(process);
    let ground = if has_level { left_level(track, onset_s) } else { None };
    let ground =
        ground.or_else(|| is_sterile(process, track, now_s, is_hollow).then_some(Ground::Sterile))?;
    Some(Suspect { process, onset_s, demand_pct: all.max(own), ground, gives_way })
}

fn service_demand(context: &Context<'_>, service: &str) -> f64 {
    let tracks =
        context.snapshot.processes_of(service).filter_map(|one| context.memory.tracks.get(&one.id()));
    tracks.map(Track::last_demand).sum()
}

/// Whether it used much less before, and does not do more of its work now: more clients or more reads and
/// writes in proportion are load.
fn left_level(track: &Track, onset_s: f64) -> Option<Ground> {
    let cpu = |point: &Point| f64::from(point.demand_pct());
    let io = |point: &Point| f64::from(point.io_calls_per_s.unwrap_or(0.0));
    let clients = |point: &Point| f64::from(point.established);
    let (before, points) = track.mean_before(onset_s, cpu)?;
    let now = track.mean(SUSTAINED_S, cpu)?;
    if points < LEVEL_POINTS || before > LEVEL_RATIO * now {
        return None;
    }
    // Who only waits more does not take more: many threads at the same work on a busy machine demand much.
    let used = |point: &Point| f64::from(point.cpu_pct);
    let (used_before, _) = track.mean_before(onset_s, used)?;
    if used_before > LEVEL_RATIO * track.mean(USED_S, used)? {
        return None;
    }
    let rise = now / before.max(1.0);
    let (io_before, _) = track.mean_before(onset_s, io)?;
    let (clients_before, _) = track.mean_before(onset_s, clients)?;
    let has_more_io = track.mean(SUSTAINED_S, io)? > STERILE_PER_S.max(0.5 * rise * io_before);
    // Clients also gather because it is slow: load is clients in proportion.
    let clients_now = track.mean(SUSTAINED_S, clients)?;
    let has_more_clients = clients_now >= 1.5 * clients_before + 2.0
        && clients_now >= CLIENTS_RATIO * rise * clients_before.max(1.0);
    (!has_more_io && !has_more_clients).then_some(Ground::LeftLevel(before))
}

/// Whether all that a process can read and write are devices without end.
///
/// The standard three are handed down, and so are pipes of whoever started it: they count only where it has opened no
/// such device itself, but a pipe or a socket as input or output is always work. Where its errors go never counts.
fn reaches_nothing(files: &[OpenFile]) -> bool {
    let is_hollow = |one: &OpenFile| HOLLOW.contains(&&*one.target) || one.target.starts_with("/dev/pts/");
    let is_stream = |one: &OpenFile| one.kind == "pipe" || one.kind == "socket";
    let standard = || files.iter().filter(|one| one.descriptor < 2);
    let mut own = files.iter().filter(|one| one.descriptor > 2 && one.kind != "pipe").peekable();
    if own.peek().is_some() {
        return own.all(is_hollow) && !standard().any(is_stream);
    }
    standard().all(is_hollow)
}

/// Whether it has only computed since it became busy, the first second aside, in which a program loads; false for
/// one that became busy before what is remembered.
///
/// The whole run counts, per second of CPU time: a compiler has quiet minutes, but it has read its input and taken
/// memory before, and one that gets little CPU faults little. Unknown reads and writes count as none: a process
/// of another user does not show them, but it shows its faults and sleeps.
fn is_sterile(process: &Process, track: &Track, now_s: f64, is_hollow: bool) -> bool {
    let Some(onset_s) = track.busy_since(SHARE_MIN_PCT) else { return false };
    let busy_s = now_s - onset_s + 1.0;
    let is_remembered = track.fine.first().is_some_and(|first| first.at_s < onset_s);
    if !is_remembered && process.age_s > busy_s + 1.0 {
        return false;
    }
    let run = || track.fine.iter().filter(|point| point.at_s > onset_s + 0.5);
    let cpu_s: f64 = run().map(|point| f64::from(point.cpu_pct) / 100.0).sum();
    let quiet = |of: fn(&Point) -> Option<f32>| {
        run().map(|point| f64::from(of(point).unwrap_or(0.0))).sum::<f64>() < STERILE_PER_S * cpu_s
    };
    let memory = |point: Option<&Point>| point.and_then(|one| one.anon_kib).map_or(0, i64::from);
    let grown_kib = memory(run().next_back()) - memory(run().next());
    busy_s >= STERILE_S
        && grown_kib < STERILE_GROWN_KIB
        && quiet(|point| Some(point.faults_per_s))
        && (is_hollow || quiet(|point| point.io_calls_per_s))
        && quiet(|point| point.switches_per_s)
}

/// The finding, if somebody is hurt by it.
fn accuse(context: &Context<'_>, entity: &Entity, suspect: &Suspect<'_>) -> Option<Finding> {
    let mut victims = victims::hurt(context, entity, suspect.onset_s);
    let is_named = !victims.is_empty();
    victims.extend(if is_named || suspect.gives_way { None } else { machine(context, entity, suspect) });
    victims.truncate(VICTIMS_MAX);
    if victims.is_empty() {
        return None;
    }
    let process = suspect.process;
    let mut evidence = Vec::from([usage(suspect), ground(suspect)]);
    // Whom it hurts is for explain to say, which knows their names.
    let sentence = format!(
        "{} takes {:.0} % of a CPU and wants {:.0} %",
        say::who(process),
        process.cpu_pct.unwrap_or(0.0),
        suspect.demand_pct,
    );
    let entities = victims.iter().map(|one| one.entity.clone()).collect();
    evidence.extend(victims.into_iter().map(|one| one.evidence));
    Some(Finding {
        at: context.snapshot.at,
        kind: FindingKind::CpuHog,
        culprit: entity.clone(),
        process: Some(process.id()),
        victims: entities,
        severity: if is_named { Severity::Critical } else { Severity::Warning },
        confidence: if is_named { 0.85 } else { 0.8 },
        exhaustion_s: None,
        sentence,
        evidence,
    })
}

fn serves(process: &Process) -> bool {
    process.service.is_some() || process.listen_port.is_some()
}

/// The machine as victim, where nobody stands out: no CPU is free and work waits, much more than before. On a
/// machine that was busy before, a service that crowds in does the same harm, and so does, after a while, whoever takes a
/// CPU to no visible end: others would have had it.
fn machine(context: &Context<'_>, entity: &Entity, suspect: &Suspect<'_>) -> Option<Victim> {
    let (now, before) = victims::stall_rise(context, &Entity::Machine, suspect.onset_s)?;
    let other_serves = |one: &Process| one.entity() != *entity && serves(one) && one.cpu_pct > Some(0.0);
    let lasts_s = context.memory.now_s - suspect.onset_s;
    let rises = now >= (before + MACHINE_RISE_PCT).max(2.0 * before) && lasts_s >= MACHINE_S;
    let crowd_s = if suspect.demand_pct >= DEMAND_CROWD_PCT { CROWD_S } else { MACHINE_S };
    let is_idle_work = suspect.ground == Ground::Sterile && lasts_s >= STERILE_CROWD_S;
    let crowds_in = suspect.process.service.is_some() && lasts_s >= crowd_s || is_idle_work;
    let is_hurt = now >= MACHINE_STALL_PCT
        && (rises || crowds_in)
        && victims::is_contended(context)
        && context.snapshot.processes.iter().any(other_serves);
    let sentence = || {
        format!(
            "some work waits for a CPU {now:.0} % of the time; before {} began it was {before:.0} %",
            suspect.process.name
        )
    };
    is_hurt.then(|| Victim {
        entity: Entity::Machine,
        evidence: say::cell(
            "pressure",
            Entity::Machine,
            "some_pct",
            (Value::from(now), Some(Value::from(before))),
            sentence(),
        ),
    })
}

fn usage(suspect: &Suspect<'_>) -> Evidence {
    let cpu = suspect.process.cpu_pct.unwrap_or(0.0);
    let normal = match suspect.ground {
        Ground::LeftLevel(before) => Some(Value::from(before)),
        Ground::Sterile => None,
    };
    let sentence = format!("{} uses {cpu:.0} % of a CPU", say::who(suspect.process));
    say::of_process(suspect.process, "cpu_pct", cpu, normal, sentence)
}

fn ground(suspect: &Suspect<'_>) -> Evidence {
    let process = suspect.process;
    match suspect.ground {
        Ground::LeftLevel(before) => {
            let sentence = format!("it used {before:.1} % before, and does not read or write more now");
            say::of_process(process, "cpu_pct", process.cpu_pct, Some(Value::from(before)), sentence)
        }
        Ground::Sterile => {
            let faults = process.minor_faults_per_s;
            let sentence = "it only computes: no reads, no writes, no page faults, no sleep".into();
            say::of_process(process, "minor_faults_per_s", faults, None, sentence)
        }
    }
}
