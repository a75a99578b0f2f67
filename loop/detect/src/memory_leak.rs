//! Detector `memory_leak`: memory of its own grows steadily and is not given back.
//!
//! Symptom: the lower envelope of anonymous memory (resident and swapped) and of shared memory that is mapped anew rises
//! in every part of a window.
//! How long it must rise depends on who it is: 33 s for one that was level at the same work, a minute for one that was
//! level and idle, 80 s for one that has grown as long as we know it; down to 40 s as memory runs out sooner. A job
//! that computes is accused only by that: once it has run a fair share of the way to exhaustion.
//! Quiet twins: a cache that fills and stops or slows down, a collector's saw-tooth, one step, a compile job,
//! memory that grows with the connections served, a virtual machine whose guest fills it. Known blind spot: a cache that fills steadily for longer.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::baseline::Metric;
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::rows::Process;
use vocab::{Entity, ProcessId, Value};

use crate::envelope::{Envelope, Growth};
use crate::guests::Guests;
use crate::memory::Track;
use crate::ring::Point;
use crate::{Context, Detected, Detector, say};

const MIB: f64 = 1_048_576.0;
/// Windows over single points, then over troughs. Unit: s.
const FINE_WINDOWS_S: [f64; 3] = [33.0, 40.0, 50.0];
const COARSE_WINDOWS_S: [f64; 6] = [65.0, 80.0, 120.0, 160.0, 240.0, 300.0];
/// Steady growth after which it is worth knowing where it comes from. Unit: s, bytes.
const SUSPECT_S: f64 = 18.0;
const SUSPECT_BYTES: f64 = 2.0 * MIB;
/// Windows while memory runs out. Unit: s.
const SHORT_WINDOWS_S: [f64; 5] = [6.0, 9.0, 12.0, 18.0, 24.0];
/// Start of a life in which a level phase means nothing. Unit: s.
const SETTLE_S: f64 = 3.0;
/// Growth that stands still for so long is over. Unit: s.
const QUIET_S: f64 = 20.0;
/// Age up to which a level says little. Unit: s.
const YOUNG_S: f64 = 300.0;
/// CPU demand from which a process without sockets is a job that computes. Unit: per cent of one core.
const JOB_DEMAND_PCT: f64 = 30.0;
/// Age from which it is no longer a job but a fixture. Unit: s.
const JOB_AGE_MAX_S: f64 = 900.0;
/// Memory that a leaked descriptor may cost its process: buffers, objects, the stack of a thread. Unit: KiB.
const DESCRIPTOR_KIB_MAX: f64 = 256.0;
/// Samples a baseline must rest on.
const BASELINE_SAMPLES: u64 = 60;

/// How a process is judged: how long it must grow, and how much of what is left it must have taken.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Class {
    /// It was level at the work that it still does, and left that level.
    Level,
    /// It was level, but idle: it may be filling what its first work needs.
    Woken,
    /// It has grown as long as we know it, or its load has grown too.
    Growing,
    /// It computes.
    Job,
}

impl Class {
    /// Least window of steady growth, when what is left lasts so long. Unit: s.
    ///
    /// Only waiting tells a cache that fills from a leak: the more time there is, the longer it may take. A heap that
    /// was reserved before is expected to fill, and can grow no larger: there is no haste.
    fn window_min_s(self, left_s: f64, is_reserved: bool) -> f64 {
        let haste_s = if is_reserved { f64::INFINITY } else { HASTE_S };
        let patience_s = (PATIENCE_RATIO * left_s).max(haste_s);
        match self {
            Self::Level => 33.0,
            Self::Woken => patience_s.min(65.0),
            Self::Growing => patience_s.min(80.0),
            // A compiler that shares its CPU grows as steadily as a leak, and for as long: only memory that runs
            // out tells them apart.
            Self::Job => (JOB_RUN_SHARE / (1.0 - JOB_RUN_SHARE) * left_s).max(80.0),
        }
    }

    /// Least growth, absolute and as a share of what it holds. In its first minutes a program fills one buffer after
    /// the other, with pauses that look level.
    fn grown_min(self, held: f64, age_s: f64) -> f64 {
        match self {
            Self::Level if age_s >= YOUNG_S => (3.0 * MIB).max(0.01 * held),
            _ => (12.0 * MIB).max(0.02 * held),
        }
    }

    /// Share of its run from the first growth to exhaustion that must have passed to be sure.
    const fn run_share(self) -> f64 {
        match self {
            Self::Level => 0.3,
            Self::Woken => 0.4,
            Self::Growing => 0.6,
            Self::Job => 0.75,
        }
    }

    const fn confidence(self) -> f64 {
        match self {
            Self::Level => 0.85,
            Self::Woken | Self::Growing => 0.82,
            Self::Job => 0.7,
        }
    }
}

/// Share of the time that is left in which growth is watched before it is a leak, and the least. Unit: ratio, s.
const PATIENCE_RATIO: f64 = 1.0 / 30.0;
const HASTE_S: f64 = 40.0;
/// The share of its way to exhaustion that a job must have grown steadily.
const JOB_RUN_SHARE: f64 = 0.3;
/// CPU use from which a process works, how many times the use before is still the same work, and what growth itself
/// costs at most. Unit: per cent of one core, ratio, per cent for a MiB a second.
const WORKS_PCT: f64 = 0.2;
const SAME_WORK_RATIO: f64 = 3.0;
const GROWTH_COST_PCT: f64 = 0.15;

/// Runs from first growth to exhaustion shorter than this are judged early. Unit: s.
const RUN_MAX_S: f64 = 100.0;

/// An accused process, while it goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    since_s: f64,
    grew_s: f64,
    rate: f64,
    accused_rate: f64,
    accused_at_bytes: f64,
    from_bytes: f64,
    from_s: f64,
    class: Class,
}

/// What memory is left for a process, and where that is written.
struct Headroom {
    bytes: f64,
    evidence: Evidence,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct MemoryLeak {
    held: BTreeMap<ProcessId, Held>,
    guests: Guests,
    #[serde(skip)]
    envelope: Envelope,
}

impl Detector for MemoryLeak {
    fn kind(&self) -> FindingKind {
        FindingKind::MemoryLeak
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        self.held.retain(|id, _| context.memory.tracks.contains_key(id));
        self.guests.remember(context.snapshot);
        for (id, track) in &context.memory.tracks {
            let Some(process) = context.snapshot.process(*id) else { continue };
            let Some(bytes) = anon_bytes(track) else { continue };
            if self.held.contains_key(id) {
                self.keep(*id, track, bytes, context.memory.now_s);
            } else if may_grow(track, bytes) {
                if let Some((growth, class)) = self.accuse(context, process, track) {
                    let now_s = context.memory.now_s;
                    if is_reserved(track, &growth) && !self.guests.may_accuse(*id, now_s, detected) {
                        continue;
                    }
                    self.held.insert(*id, Held::new(&growth, class, bytes, context.memory.now_s));
                } else if self.is_suspect(context, process, track) {
                    detected.suspect(*id, FindingKind::MemoryLeak);
                }
            }
        }
        let mut worst: BTreeMap<Entity, Finding> = BTreeMap::new();
        for (id, held) in &self.held {
            let Some(process) = context.snapshot.process(*id) else { continue };
            let finding = finding(context, process, held);
            let seat = worst.entry(finding.culprit.clone()).or_insert_with(|| finding.clone());
            let rate = |one: &Finding| one.process.and_then(|id| self.held.get(&id)).map_or(0.0, |h| h.rate);
            if rate(&finding) > rate(seat) {
                *seat = finding;
            }
        }
        let explained = [FindingKind::Deadlock, FindingKind::Stalled, FindingKind::DescriptorLeak];
        let is_explained = |one: &Finding| {
            let track = one.process.and_then(|id| context.memory.tracks.get(&id));
            detected.has(&one.culprit, &explained) && track.is_some_and(grows_with_descriptors)
        };
        let leaks: Vec<_> = worst.into_values().filter(|one| !is_explained(one)).collect();
        detected.findings.extend(leaks);
    }
}

impl Held {
    fn new(growth: &Growth, class: Class, bytes: f64, now_s: f64) -> Self {
        Self {
            since_s: now_s,
            grew_s: now_s,
            rate: growth.rate_per_s,
            accused_rate: growth.rate_per_s,
            accused_at_bytes: bytes,
            from_bytes: growth.from,
            from_s: now_s - growth.window_s,
            class,
        }
    }
}

impl MemoryLeak {
    /// Growth that is long, steady and unexplained enough for this process.
    fn accuse(&mut self, context: &Context<'_>, process: &Process, track: &Track) -> Option<(Growth, Class)> {
        let now_s = context.memory.now_s;
        let settled_s = if track.first_age_s < SETTLE_S { track.first_s + SETTLE_S } else { track.first_s };
        let until_s = track.anon_cycle.judged_until(now_s, anon_bytes(track)? / 1024.0);
        let is_job = is_job(context, process, track);
        let headroom = headroom(context, process).bytes;
        let points = track.fine.iter().filter_map(|one| Some((one.at_s, f64::from(one.anon_kib?) * 1024.0)));
        self.envelope.fill(points, until_s);
        for window_s in SHORT_WINDOWS_S {
            let Some(growth) = self.envelope.growth(window_s, 3, settled_s) else { continue };
            let class = class(&growth, is_job, process, track);
            let run_s = window_s + headroom / growth.rate_per_s;
            if run_s <= RUN_MAX_S && window_s >= class.run_share() * run_s {
                return Some((growth, class));
            }
        }
        let known = context.baselines.get(process.key(), Metric::AnonBytes, BASELINE_SAMPLES);
        let is_enough = |growth: &Growth| {
            let class = class(growth, is_job, process, track);
            let held = growth.from + growth.grown;
            // Growth up to where this program usually stands is its warm-up.
            let is_warm_up = class != Class::Level && known.is_some_and(|one| held < one.high);
            let left_s = headroom / growth.rate_per_s;
            growth.window_s >= class.window_min_s(left_s, is_reserved(track, growth))
                && growth.grown >= class.grown_min(held, process.age_s)
                && !is_warm_up
        };
        let fine = FINE_WINDOWS_S.iter().filter_map(|window_s| self.envelope.growth(*window_s, 6, settled_s));
        if let Some(growth) = fine.into_iter().find(is_enough) {
            return Some((growth, class(&growth, is_job, process, track)));
        }
        let troughs =
            track.coarse.iter().filter_map(|one| Some((one.start_s, f64::from(one.anon_kib?) * 1024.0)));
        self.envelope.fill(troughs, until_s);
        // A saw-tooth rises once a cycle: each part of the window must hold one, so there are fewer of them.
        let parts = if until_s < now_s { 4 } else { 6 };
        let mut coarse =
            COARSE_WINDOWS_S.iter().filter_map(|one| self.envelope.growth(*one, parts, settled_s));
        coarse.find(is_enough).map(|growth| (growth, class(&growth, is_job, process, track)))
    }

    /// Whether it has grown steadily for long enough to ask where, though not to accuse it.
    fn is_suspect(&mut self, context: &Context<'_>, process: &Process, track: &Track) -> bool {
        let points = track.fine.iter().filter_map(|one| Some((one.at_s, f64::from(one.anon_kib?) * 1024.0)));
        self.envelope.fill(points, context.memory.now_s);
        let growth = self.envelope.growth(SUSPECT_S, 6, track.first_s + SETTLE_S);
        growth.is_some_and(|growth| growth.grown >= SUSPECT_BYTES) && !is_job(context, process, track)
    }

    /// Follows an accused process; lets go of one that stopped growing, or nearly, or gave its memory back.
    fn keep(&mut self, id: ProcessId, track: &Track, bytes: f64, now_s: f64) {
        let Some(held) = self.held.get_mut(&id) else { return };
        let past = track.fine.iter().rev().find(|point| now_s - point.at_s >= 15.0);
        if let Some((past_s, kib)) = past.and_then(|one| Some((one.at_s, one.anon_kib?))) {
            let rate = (bytes - f64::from(kib) * 1024.0) / (now_s - past_s);
            if rate >= 0.2 * held.accused_rate {
                held.grew_s = now_s;
                held.rate = 0.8 * held.rate + 0.2 * rate;
            }
        }
        let quiet_s = QUIET_S.max(2.0 * track.anon_cycle.rise_longest_s);
        if now_s - held.grew_s > quiet_s || bytes < 0.7 * held.accused_at_bytes {
            self.held.remove(&id);
        }
    }
}

fn anon_bytes(track: &Track) -> Option<f64> {
    Some(f64::from(track.fine.last()?.anon_kib?) * 1024.0)
}

/// Cheap look before the careful one: most processes have not grown at all.
fn may_grow(track: &Track, bytes: f64) -> bool {
    let fine = track.fine.first().and_then(|one| one.anon_kib);
    let coarse = track.coarse.first().and_then(|one| one.anon_kib);
    let grew = |from: Option<u32>, by: f64| from.is_some_and(|kib| bytes - f64::from(kib) * 1024.0 >= by);
    grew(fine, 3.0 * MIB) || grew(coarse, 12.0 * MIB)
}

/// Whether its memory grows by no more than open descriptors and what belongs to them cost.
fn grows_with_descriptors(track: &Track) -> bool {
    let (Some(first), Some(last)) = (track.fine.first(), track.fine.last()) else { return false };
    let grown = |of: fn(&Point) -> Option<u32>| Some(f64::from(of(last)?) - f64::from(of(first)?));
    let (kib, count) = (grown(|one| one.anon_kib), grown(|one| one.descriptors));
    kib.zip(count).is_some_and(|(kib, count)| count > 0.0 && kib <= DESCRIPTOR_KIB_MAX * count)
}

/// Whether what it maps has grown by less than half of what it has taken, as far back as single points are known.
fn is_reserved(track: &Track, growth: &Growth) -> bool {
    let Some(last) = track.fine.last() else { return false };
    let past = track.fine.iter().rev().find(|point| last.at_s - point.at_s >= growth.window_s);
    past.or(track.fine.first()).is_some_and(|past| {
        let mapped_kib = last.virtual_kib.saturating_sub(past.virtual_kib);
        f64::from(mapped_kib) * 1024.0 < 0.5 * growth.rate_per_s * (last.at_s - past.at_s)
    })
}

fn class(growth: &Growth, is_job: bool, process: &Process, track: &Track) -> Class {
    if is_job {
        Class::Job
    } else if !growth.was_level() || load_grew(track, growth.window_s) {
        Class::Growing
    } else if works_as_before(process, track, growth) {
        Class::Level
    } else {
        Class::Woken
    }
}

/// Whether it worked before the window about as much as it does in it. One that serves may work too little to be
/// seen; one that does not and is not seen to work was idle.
fn works_as_before(process: &Process, track: &Track, growth: &Growth) -> bool {
    let Some(until_s) = growth.level_until_s else { return false };
    let cpu = |point: &Point| f64::from(point.cpu_pct);
    let (Some(now), Some(before)) = (track.mean(growth.window_s, cpu), track.cpu_before(until_s)) else {
        return false;
    };
    let growing = GROWTH_COST_PCT * growth.rate_per_s / MIB;
    let is_seen = before >= WORKS_PCT || process.listen_port.is_some();
    is_seen && now <= SAME_WORK_RATIO * before.max(WORKS_PCT) + growing
}

/// Whether the connections it serves grew over the window, so that its memory may grow with them.
fn load_grew(track: &Track, window_s: f64) -> bool {
    let Some(last) = track.fine.last() else { return false };
    let before = track.fine.iter().rev().find(|point| last.at_s - point.at_s >= window_s);
    let before = before.or(track.fine.first()).map_or(0, |point| point.established);
    last.established >= before.saturating_add(10) && f64::from(last.established) >= 1.5 * f64::from(before)
}

/// A job that computes: busy, without sockets, not the main process of a service, not a fixture of the machine.
fn is_job(context: &Context<'_>, process: &Process, track: &Track) -> bool {
    let is_main = process.service.as_deref().is_some_and(|name| {
        context.snapshot.service(name).is_some_and(|service| service.main_pid == Some(process.pid))
    });
    let has_sockets = process.listen_port.is_some() || process.established.unwrap_or(0) > 0;
    let demand = track.mean(30.0, |point| f64::from(point.demand_pct())).unwrap_or(0.0);
    demand >= JOB_DEMAND_PCT && !has_sockets && !is_main && process.age_s < JOB_AGE_MAX_S
}

/// The nearest limit above a process: the machine's memory and swap, or that of a cgroup around it.
fn headroom(context: &Context<'_>, process: &Process) -> Headroom {
    let machine = &context.snapshot.machine;
    let free = machine.memory_available_bytes.saturating_add(machine.swap_free_bytes);
    let sentence = format!("the machine has {} of memory and swap left", say::bytes(free as f64));
    let available = (Value::from(machine.memory_available_bytes), None);
    let mut nearest = Headroom {
        bytes: free as f64,
        evidence: say::cell("machine", Entity::Machine, "memory_available_bytes", available, sentence),
    };
    let Some(path) = process.cgroup.as_deref() else { return nearest };
    for group in context.snapshot.cgroups.iter().filter(|one| is_within(path, &one.path)) {
        let (Some(limit), Some(used)) = (group.memory_max, group.anon_bytes.or(group.memory_bytes)) else {
            continue;
        };
        let left = limit.saturating_sub(used) as f64;
        if left < nearest.bytes {
            let sentence = format!("its cgroup {} has {} left of its limit", group.path, say::bytes(left));
            let entity = Entity::Cgroup(String::from(&*group.path));
            let evidence = say::cell("cgroups", entity, "memory_max", (Value::from(limit), None), sentence);
            nearest = Headroom { bytes: left, evidence };
        }
    }
    nearest
}

/// Whether a cgroup path lies in or below another.
fn is_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn finding(context: &Context<'_>, process: &Process, held: &Held) -> Finding {
    let now_s = context.memory.now_s;
    let headroom = headroom(context, process);
    let exhaustion_s = headroom.bytes / held.rate.max(1.0);
    let bytes = context.memory.tracks.get(&process.id()).and_then(anon_bytes).unwrap_or(held.from_bytes);
    let made = context.memory.tracks.get(&process.id()).map_or(0.0, |one| one.shared.made_bytes());
    let is_shared = made >= 0.5 * (bytes - held.from_bytes).max(1.0);
    let (column, what) = if is_shared {
        ("shmem_bytes", "memory, most of it shared,")
    } else {
        ("anon_bytes", "anonymous memory")
    };
    let rate = say::bytes(held.rate);
    let grown = format!(
        "{what} went from {} to {} in {}: {rate}/s",
        say::bytes(held.from_bytes),
        say::bytes(bytes),
        say::seconds(now_s - held.from_s)
    );
    let normal = Some(Value::from(held.from_bytes as u64));
    let mut evidence = Vec::from([say::of_process(process, column, bytes as u64, normal, grown)]);
    evidence.push(headroom.evidence);
    if held.class == Class::Level {
        let level = format!("it stood at {} before", say::bytes(held.from_bytes));
        evidence.push(say::of_process(process, column, held.from_bytes as u64, None, level));
    }
    let sentence = format!(
        "{} leaks memory: {rate}/s, what is left lasts {}",
        say::who(process),
        say::seconds(exhaustion_s)
    );
    Finding {
        at: context.snapshot.at,
        kind: FindingKind::MemoryLeak,
        culprit: process.entity(),
        process: Some(process.id()),
        victims: Vec::from([process.entity()]),
        severity: if exhaustion_s < 60.0 { Severity::Critical } else { Severity::Warning },
        confidence: (held.class.confidence() + (now_s - held.since_s) / 600.0).min(0.97),
        exhaustion_s: Some(exhaustion_s),
        sentence,
        evidence,
    }
}
