//! Detector `descriptor_leak`: open descriptors grow steadily towards the limit, and not because of load.
//!
//! Symptom: the lower envelope of the number of open descriptors rises in every part of a window, and a closer
//! look says that what grows is not connections that others opened to it; or nine tenths of the limit are in use.
//! Quiet twins: a burst of connections (explained by `established`), a pool that fills, a process that always
//! lived near a small limit. Connections that the peer has closed (`close_wait`) count as leaked, never as load;
//! connections that it opened itself and keeps are a pool for a minute, and a leak after that. Files of /proc that an
//! observer holds, each once and of processes that live, grow with the machine and not by its fault; a process that
//! may not be looked at is accused only if its limit is near.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Finding, FindingKind, Severity};
use vocab::probe::{Probe, ProbeKind, ProbeResult};
use vocab::rows::{OpenFile, Process};
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId, Value};

use crate::envelope::{Envelope, Growth};
use crate::memory::Track;
use crate::{Context, Detected, Detector, say};

/// Windows over single points, then over troughs. Unit: s.
const FINE_WINDOWS_S: [f64; 3] = [16.0, 24.0, 40.0];
const COARSE_WINDOWS_S: [f64; 4] = [60.0, 90.0, 150.0, 300.0];
/// Windows while the limit comes near. Unit: s.
const SHORT_WINDOWS_S: [f64; 4] = [4.0, 6.0, 8.0, 12.0];
/// How long a process must grow that was never level: with a fair share of its limit in use, with less. Unit: s.
const NEVER_LEVEL_MIN_S: f64 = 40.0;
const NEVER_LEVEL_FEW_S: f64 = 90.0;
/// A limit farther away than this, or of which less than this share is in use, is no hurry: a growth must have lasted
/// so long to be more than a program that opens what it needs. Unit: s, ratio, s.
const HURRY_S: f64 = 3_600.0;
const HURRY_RATIO: f64 = 0.03;
const NO_HURRY_S: f64 = 60.0;
/// That share, and how many are much whatever the limit.
const MUCH_RATIO: f64 = 0.1;
const MUCH: f64 = 500.0;
/// Least growth that is a trend.
const GROWN_MIN: f64 = 10.0;
/// Share of the run from the first growth to the limit that must have passed to be sure.
const RUN_SHARE: f64 = 0.35;
/// The same for a process that was never level: it may still be opening what it needs.
const RUN_SHARE_NEVER_LEVEL: f64 = 0.75;
/// Share of the limit that is a finding whatever the slope.
const NEAR_RATIO: f64 = 0.9;
/// For how long. Unit: s.
const NEAR_S: f64 = 4.0;
/// Share of the growth that established connections must make up to be load.
const LOAD_RATIO: f64 = 0.5;
/// Growth between two looks that tells which class grows.
const LOOK_GROWN_MIN: f64 = 3.0;
/// A rise shorter than this is not judged without a look. Unit: s.
const UNSEEN_S: f64 = 6.0;
/// How long the answer of a look is waited for. Unit: s.
const LOOK_WAIT_S: f64 = 3.0;
/// The class that is load, and the one that is a pool as long as it is young.
const ESTABLISHED: &str = "established connections";
const OUTGOING: &str = "connections that it opened and keeps";
const WATCHED: &str = "files of processes that it watches";
/// How long a pool may fill. Unit: s.
const POOL_S: f64 = 60.0;
/// Looks asked for in one turn at most.
const LOOKS_A_TURN: u32 = 2;
/// Descriptors of one process that may be looked at a second, 2 us each.
const LINKS_A_SECOND: f64 = 30.0;
/// Growth that stands still for so long is over. Unit: s.
const QUIET_S: f64 = 20.0;

/// How many descriptors of each class a look found.
type Classes = BTreeMap<String, u32>;

/// What the first look found, the last but one, and the latest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Seen {
    first: Classes,
    before: Classes,
    now: Classes,
}

impl Seen {
    /// How many more there are than at first. What is opened for a moment, as for a profile, does not count: of that both
    /// of the last looks tell; of load the latest does.
    fn all_grown(&self) -> f64 {
        let lasting = |(class, count): (&String, &u32)| match class.as_str() {
            ESTABLISHED | OUTGOING | WATCHED => *count,
            _ => self.before.get(class).copied().unwrap_or(0).min(*count),
        };
        let first = self.first.values().copied().map(f64::from).sum::<f64>();
        self.now.iter().map(lasting).map(f64::from).sum::<f64>() - first
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Suspect {
    looks: Option<Seen>,
    asked_s: Option<f64>,
    near_since_s: Option<f64>,
    held: Option<Held>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    since_s: f64,
    grew_s: f64,
    from: f64,
    rate: f64,
    accused_at: f64,
}

/// See the head of this file.
#[derive(Default, Serialize, Deserialize)]
pub struct DescriptorLeak {
    suspects: BTreeMap<ProcessId, Suspect>,
    #[serde(skip)]
    envelope: Envelope,
}

impl Detector for DescriptorLeak {
    fn kind(&self) -> FindingKind {
        FindingKind::DescriptorLeak
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        self.take_looks(context);
        let now_s = context.memory.now_s;
        let mut looks_left = LOOKS_A_TURN;
        let mut worst: BTreeMap<Entity, (u64, Finding)> = BTreeMap::new();
        for (id, track) in &context.memory.tracks {
            let Some(process) = context.snapshot.process(*id) else { continue };
            let Some(open) = open(track) else { continue };
            let near_s = self.near_for(process, track, open, now_s);
            if !may_grow(track, open) && near_s.is_none() {
                self.suspects.remove(id);
                continue;
            }
            let suspect = self.suspects.entry(*id).or_default();
            if suspect.held.as_mut().is_some_and(|held| !held.goes_on(track, open, near_s.is_some(), now_s)) {
                *suspect = Suspect::default();
            }
            let growth = match suspect.held {
                None => grows(&mut self.envelope, process, track, suspect, now_s),
                Some(_) => None,
            };
            let is_worth_a_look =
                rises(track, open) || near_s.is_some() || (growth.is_some() && suspect.asked_s.is_none());
            let is_due = suspect.asked_s.is_none_or(|asked_s| now_s - asked_s >= suspect.pause_s(open));
            if is_worth_a_look && is_due && looks_left > 0 {
                looks_left -= 1;
                suspect.asked_s = Some(now_s);
                detected.ask(Probe::descriptors(*id));
            }
            if suspect.held.is_none() {
                suspect.held = growth
                    .filter(|growth| !suspect.is_unseen(growth, now_s) && !is_load(suspect, track, growth))
                    .map(|growth| Held::new(growth, open, now_s))
                    .or_else(|| {
                        near_s.filter(|near_s| *near_s >= NEAR_S).map(|_| Held::near(track, open, now_s))
                    });
            }
            if let Some(held) = &suspect.held {
                let finding = finding(context, process, open, suspect, held);
                let seat = worst.entry(finding.culprit.clone()).or_insert_with(|| (0, finding.clone()));
                if open as u64 > seat.0 {
                    *seat = (open as u64, finding);
                }
            }
        }
        self.suspects.retain(|id, _| context.memory.tracks.contains_key(id));
        // One that hangs piles up what it would have closed.
        let hangs =
            |one: &Finding| detected.has(&one.culprit, &[FindingKind::Deadlock, FindingKind::Stalled]);
        let leaks: Vec<_> = worst.into_values().map(|(_, one)| one).filter(|one| !hangs(one)).collect();
        detected.findings.extend(leaks);
    }
}

impl Suspect {
    /// Looks are taken soon while judgement is open, seldom afterwards, and the more there is to look at the more
    /// seldom. Unit: s.
    fn pause_s(&self, open: f64) -> f64 {
        if self.held.is_some() { 30.0 } else { (open / LINKS_A_SECOND).clamp(3.0, 30.0) }
    }

    /// Whether a look can still tell what grows: a fast rise is not judged without one, for the table of sockets may lag;
    /// otherwise one that does not come soon is not waited for.
    fn is_unseen(&self, growth: &Growth, now_s: f64) -> bool {
        let may_come = self.asked_s.is_none_or(|asked_s| now_s - asked_s < LOOK_WAIT_S);
        self.looks.is_none() && (growth.window_s < UNSEEN_S || may_come)
    }
}

impl Held {
    const fn new(growth: Growth, open: f64, now_s: f64) -> Self {
        let Growth { from, rate_per_s: rate, .. } = growth;
        Self { since_s: now_s, grew_s: now_s, from, rate, accused_at: open }
    }

    fn near(track: &Track, open: f64, now_s: f64) -> Self {
        let from = f64::from(track.first_descriptors.unwrap_or(0));
        Self { since_s: now_s, grew_s: now_s, from, rate: 0.0, accused_at: open }
    }

    /// Whether it still grows, or still stands near its limit.
    fn goes_on(&mut self, track: &Track, open: f64, is_near: bool, now_s: f64) -> bool {
        let past = track.fine.iter().rev().find(|point| now_s - point.at_s >= 12.0);
        if let Some((past_s, past)) = past.and_then(|one| Some((one.at_s, one.descriptors?))) {
            let rate = (open - f64::from(past)) / (now_s - past_s);
            if rate > 0.0 && rate >= 0.2 * self.rate {
                self.grew_s = now_s;
                self.rate = if self.rate > 0.0 { 0.8 * self.rate + 0.2 * rate } else { rate };
            }
        }
        (is_near || now_s - self.grew_s <= QUIET_S) && open >= 0.7 * self.accused_at
    }
}

impl DescriptorLeak {
    /// Sorts the answers of closer looks into classes.
    fn take_looks(&mut self, context: &Context<'_>) {
        for answer in &context.snapshot.answers {
            if answer.probe.kind != ProbeKind::Descriptors {
                continue;
            }
            if let (Entity::Process(id), Ok(ProbeResult::Descriptors(files))) =
                (&answer.probe.entity, &answer.result)
                && let Some(suspect) = self.suspects.get_mut(id)
            {
                let now = classes(files, context.snapshot);
                suspect.looks = Some(match suspect.looks.take() {
                    None => Seen { first: now.clone(), before: now.clone(), now },
                    Some(seen) => Seen { first: seen.first, before: seen.now, now },
                });
            }
        }
    }

    /// For how long most of the limit has been in use by a process that grew there. Unit: s.
    fn near_for(&mut self, process: &Process, track: &Track, open: f64, now_s: f64) -> Option<f64> {
        let limit = process.descriptor_limit.filter(|limit| *limit >= 64)? as f64;
        let grew = f64::from(track.first_descriptors?) < 0.8 * limit;
        let is_near = open >= NEAR_RATIO * limit && grew;
        if !is_near {
            if let Some(suspect) = self.suspects.get_mut(&process.id()) {
                suspect.near_since_s = None;
            }
            return None;
        }
        let suspect = self.suspects.entry(process.id()).or_default();
        Some(now_s - *suspect.near_since_s.get_or_insert(now_s))
    }
}

fn open(track: &Track) -> Option<f64> {
    track.fine.last()?.descriptors.map(f64::from)
}

/// Cheap look before the careful one.
fn may_grow(track: &Track, open: f64) -> bool {
    let fine = track.fine.first().and_then(|one| one.descriptors);
    let coarse = track.coarse.first().and_then(|one| one.descriptors);
    [fine, coarse].into_iter().flatten().any(|from| open - f64::from(from) >= GROWN_MIN)
}

/// Whether it has more open than some seconds ago.
fn rises(track: &Track, open: f64) -> bool {
    let last_s = track.fine.last().map_or(0.0, |point| point.at_s);
    let past = track.fine.iter().rev().find(|point| last_s - point.at_s >= 5.0).or(track.fine.first());
    past.and_then(|point| point.descriptors).is_some_and(|past| open > f64::from(past))
}

/// Growth that is long and steady enough.
fn grows(
    envelope: &mut Envelope,
    process: &Process,
    track: &Track,
    suspect: &Suspect,
    now_s: f64,
) -> Option<Growth> {
    let open = open(track)?;
    let is_pool = grew(suspect, OUTGOING);
    // What nobody may look at could be anything: an observer of another user holds files of all processes.
    let is_hidden =
        suspect.looks.is_none() && suspect.asked_s.is_some_and(|asked_s| now_s - asked_s >= LOOK_WAIT_S);
    let until_s = track.descriptor_cycle.judged_until(now_s, open);
    let left = process.descriptor_limit.map_or(f64::INFINITY, |limit| limit as f64 - open).max(0.0);
    let much = process.descriptor_limit.map_or(MUCH, |limit| MUCH.min(MUCH_RATIO * limit as f64));
    let is_much = open >= much;
    let is_enough = |growth: &Growth| {
        let never_level_s = if is_much { NEVER_LEVEL_MIN_S } else { NEVER_LEVEL_FEW_S };
        let is_some = process.descriptor_limit.is_none_or(|limit| open >= HURRY_RATIO * limit as f64);
        let is_hurry = is_some && left <= HURRY_S * growth.rate_per_s;
        let level_s = if is_hurry { 0.0 } else { NO_HURRY_S };
        let least_s = if growth.was_level() { level_s } else { never_level_s };
        let least_s = if is_pool { least_s.max(POOL_S) } else { least_s };
        growth.grown >= GROWN_MIN && growth.window_s >= least_s && (is_hurry || !is_hidden)
    };
    let points = track.fine.iter().filter_map(|one| Some((one.at_s, f64::from(one.descriptors?))));
    envelope.fill(points, until_s);
    for window_s in SHORT_WINDOWS_S {
        let short = envelope.growth(window_s, 3, track.first_s);
        let share = |one: &Growth| if one.was_level() { RUN_SHARE } else { RUN_SHARE_NEVER_LEVEL };
        let runs_out = |one: &Growth| window_s >= share(one) * (window_s + left / one.rate_per_s);
        if let Some(growth) = short.filter(|one| one.grown >= GROWN_MIN && runs_out(one)) {
            return Some(growth);
        }
    }
    let fine =
        FINE_WINDOWS_S.iter().filter_map(|one| envelope.growth(*one, 4, track.first_s)).find(is_enough);
    if fine.is_some() {
        return fine;
    }
    envelope.fill(
        track.coarse.iter().filter_map(|one| Some((one.start_s, f64::from(one.descriptors?)))),
        until_s,
    );
    COARSE_WINDOWS_S.iter().filter_map(|one| envelope.growth(*one, 4, track.first_s)).find(is_enough)
}

/// Whether established connections, or the processes it watches, explain the growth: by the tables, else by a closer look.
fn is_load(suspect: &Suspect, track: &Track, growth: &Growth) -> bool {
    let Some(last) = track.fine.last() else { return false };
    // The table of sockets is read less often than that of processes: a little before the window is fair.
    let past = track.fine.iter().find(|point| last.at_s - point.at_s <= growth.window_s + 5.0);
    let before = past.map_or(last.established, |point| point.established);
    explains(suspect, (before, last.established), growth)
}

/// The same, where established connections went from the first to the second number.
fn explains(suspect: &Suspect, (before, established): (u32, u32), growth: &Growth) -> bool {
    if grew(suspect, OUTGOING) {
        return false;
    }
    let by_table = f64::from(established.saturating_sub(before)) >= LOAD_RATIO * growth.grown;
    let by_look = by_looks(suspect, &[ESTABLISHED, WATCHED]).is_some_and(|look| {
        // Looks that do not cover the growth yet tell what it holds, not what grew.
        let covered = LOOK_GROWN_MIN.max(LOAD_RATIO * growth.grown);
        if look.all_grown < covered {
            // Whoever serves connections may hold many and leak: of those only files of processes tell.
            let names: &[&str] = if established == 0 { &[ESTABLISHED, WATCHED] } else { &[WATCHED] };
            by_looks(suspect, names).is_some_and(|held| held.now >= LOAD_RATIO * growth.grown)
        } else {
            look.grown >= LOAD_RATIO * look.all_grown.max(1.0)
        }
    });
    by_table || by_look
}

/// Whether that class makes up most of the growth between the first and the latest look.
fn grew(suspect: &Suspect, class: &str) -> bool {
    by_looks(suspect, &[class])
        .is_some_and(|look| look.all_grown >= LOOK_GROWN_MIN && look.grown >= LOAD_RATIO * look.all_grown)
}

/// What the first and the latest look say of some classes together.
struct Looks {
    /// How many there are now.
    now: f64,
    /// How many more than at first.
    grown: f64,
    /// How many more there are of all classes.
    all_grown: f64,
}

fn by_looks(suspect: &Suspect, names: &[&str]) -> Option<Looks> {
    let seen = suspect.looks.as_ref()?;
    let of = |classes: &Classes| {
        names.iter().filter_map(|name| classes.get(*name)).map(|one| f64::from(*one)).sum()
    };
    let (before, count): (f64, f64) = (of(&seen.first), of(&seen.now));
    Some(Looks { now: count, grown: count - before, all_grown: seen.all_grown() })
}

/// Counts open files by what leaks are made of.
fn classes(files: &[OpenFile], snapshot: &Snapshot) -> Classes {
    let mut classes = Classes::new();
    let mut seen = BTreeSet::new();
    for file in files {
        if watched(&file.target).is_some_and(|pid| snapshot.has_pid(pid)) && seen.insert(&file.target) {
            *classes.entry(WATCHED.to_string()).or_default() += 1;
            continue;
        }
        let class = match (file.kind.as_str(), file.tcp_state.as_deref()) {
            (_, Some("established")) if file.is_outgoing == Some(true) => OUTGOING.to_string(),
            (_, Some("established")) => ESTABLISHED.to_string(),
            (_, Some("close_wait")) => "connections closed by the peer only".to_string(),
            (_, Some(state)) => format!("TCP sockets in state {state}"),
            ("socket", None) => "sockets that are not TCP connections".to_string(),
            ("file", None) => format!("files like {}", file.target),
            (kind, None) => format!("descriptors of kind {kind}"),
        };
        *classes.entry(class).or_default() += 1;
    }
    classes
}

/// The process whose file below /proc this is.
fn watched(target: &str) -> Option<u32> {
    target.strip_prefix("/proc/")?.split_once('/')?.0.parse().ok()
}

/// The class that grew most between the first and the latest look, and by how much.
fn grown_class(suspect: &Suspect) -> Option<(&String, u32, u32)> {
    let Seen { first, now, .. } = suspect.looks.as_ref()?;
    let grown = now
        .iter()
        .map(|(class, count)| (class, *count, count.saturating_sub(first.get(class).copied().unwrap_or(0))));
    grown.max_by_key(|(_, count, by)| (*by, *count))
}

fn finding(context: &Context<'_>, process: &Process, open: f64, suspect: &Suspect, held: &Held) -> Finding {
    let limit = process.descriptor_limit;
    let left = limit.map(|limit| (limit as f64 - open).max(0.0));
    let exhaustion_s = left.filter(|_| held.rate > 0.0).map(|left| left / held.rate);
    let normal = Some(Value::from(held.from as u64));
    let grown =
        format!("open descriptors went from {:.0} to {open:.0}, {:.1} a second", held.from, held.rate);
    let mut evidence = Vec::from([say::of_process(process, "descriptors", open as u64, normal, grown)]);
    if let Some(limit) = limit {
        let sentence = format!("at {limit} it can open nothing more");
        evidence.push(say::of_process(process, "descriptor_limit", limit, None, sentence));
    }
    if let Some((class, count, by)) = grown_class(suspect) {
        let entity = Entity::Process(process.id());
        let sentence = format!("{count} of them are {class} ({by} more than at the first look)");
        evidence.push(say::cell("open_files", entity, "kind", (Value::from(class.clone()), None), sentence));
    }
    if let Some(close_wait) = process.close_wait.filter(|count| *count > 0) {
        let sentence = format!("{close_wait} connections were closed by the peer and not by it");
        let normal = Some(Value::Int(0));
        evidence.push(say::of_process(process, "close_wait", close_wait, normal, sentence));
    }
    let lasts =
        exhaustion_s.map_or(String::new(), |left_s| format!(", its limit lasts {}", say::seconds(left_s)));
    let used = left.map_or(0.0, |left| open / (open + left).max(1.0));
    let is_close = used >= NEAR_RATIO || exhaustion_s.is_some_and(|left_s| left_s < 60.0);
    let sure = if held.rate > 0.0 { 0.85 } else { 0.8 };
    Finding {
        at: context.snapshot.at,
        kind: FindingKind::DescriptorLeak,
        culprit: process.entity(),
        process: Some(process.id()),
        victims: Vec::from([process.entity()]),
        severity: if is_close { Severity::Critical } else { Severity::Warning },
        confidence: (sure + (context.memory.now_s - held.since_s) / 600.0).min(0.97),
        exhaustion_s,
        sentence: format!("{} leaks descriptors: {open:.0} open{lasts}", say::who(process)),
        evidence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Homeostat beside builds, as another one saw it: it held files of 427 processes at both looks, and growth from
    /// 423 to 509 was measured from a trough between them.
    #[test]
    fn looks_that_do_not_cover_the_growth_do_not_accuse_an_observer() {
        let look = |files: u32| Classes::from([(WATCHED.to_string(), 427), ("file".to_string(), files)]);
        let seen = |before, now| Seen { first: look(30), before: look(before), now: look(now) };
        let suspect = |files| Suspect { looks: Some(seen(files, files)), ..Suspect::default() };
        let growth =
            Growth { rate_per_s: 2.4, grown: 86.0, from: 423.0, window_s: 60.0, level_until_s: Some(1.0) };
        assert!(explains(&suspect(36), (0, 0), &growth));
        assert!(!explains(&suspect(110), (0, 0), &growth), "the files that it opens for itself leak");
        let holds_none = Suspect { looks: Some(Seen::default()), ..Suspect::default() };
        assert!(!explains(&holds_none, (0, 0), &growth));
    }

    /// The same beside a demo: it attached 14 probes for the five seconds of a profile, while the files that it held of
    /// others had grown by as many and fallen again.
    #[test]
    fn what_an_observer_opens_for_a_moment_does_not_accuse_it() {
        let look = |links: u32| Classes::from([(WATCHED.to_string(), 60), ("links".to_string(), links)]);
        let seen = |before| Seen { first: look(20), before: look(before), now: look(34) };
        let suspect = |before| Suspect { looks: Some(seen(before)), ..Suspect::default() };
        let growth =
            Growth { rate_per_s: 0.3, grown: 17.0, from: 207.0, window_s: 60.0, level_until_s: Some(1.0) };
        assert!(explains(&suspect(20), (0, 0), &growth));
        assert!(!explains(&suspect(34), (0, 0), &growth), "what it keeps leaks");
    }
}
