//! What is remembered of the recent past: one bounded track a process, pressure and thread looks.
//!
//! The dead are forgotten in the turn in which they are missing. Nothing here grows with the length of a run.
use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocab::rows::Process;
use vocab::sample::Resource;
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId, Timestamp};

use crate::cycle::Cycle;
use crate::looks::Looks;
use crate::ring::{COARSE_MAX, FINE_MAX, Point, Ring, TROUGH_S, Trough, least};
use crate::shared::Shared;
use crate::watches::Watches;

/// Processes remembered at most: with 6 KiB each, 12 MiB in the worst case. The largest ones are kept.
pub const TRACKS_MAX: usize = 2_000;
/// Waits for a CPU in a second from which their percentiles are taken seriously.
const WAITS_MIN: u64 = 5;
/// Pressure series remembered at most.
const PRESSURES_MAX: usize = 512;
/// Rise of anonymous memory below which giving back is noise. Unit: KiB.
const ANON_RISE_MIN_KIB: f64 = 2_048.0;
/// Rise of open descriptors below which giving back is noise.
const DESCRIPTOR_RISE_MIN: f64 = 8.0;

/// The recent past of one process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Track {
    /// When it was first seen. Unit: s since the first snapshot.
    pub first_s: f64,
    /// Its age then. Unit: s.
    pub first_age_s: f64,
    /// Open descriptors when first seen.
    pub first_descriptors: Option<u32>,
    /// One point a turn.
    pub fine: Ring<Point>,
    /// One trough every five seconds.
    pub coarse: Ring<Trough>,
    /// Shared memory that it made.
    pub shared: Shared,
    /// Rise and fall of the memory that is its own.
    pub anon_cycle: Cycle,
    /// Rise and fall of its open descriptors.
    pub descriptor_cycle: Cycle,
    last_turn: u64,
}

/// What a process does at its start is no work. Unit: s.
const START_S: f64 = 5.0;

impl Track {
    /// When its start was over. Unit: s since the first snapshot.
    pub fn served_s(&self) -> f64 {
        self.first_s + (START_S - self.first_age_s).max(0.0)
    }

    /// Whether one of its points is so, once its start was over.
    pub fn was(&self, is: impl Fn(&Point) -> bool) -> bool {
        let served_s = self.served_s();
        self.fine.iter().any(|point| point.at_s > served_s && is(point))
    }

    fn new(process: &Process, at_s: f64) -> Self {
        Self {
            first_s: at_s,
            first_age_s: process.age_s,
            first_descriptors: None,
            fine: Ring::new(FINE_MAX),
            coarse: Ring::new(COARSE_MAX),
            shared: Shared::default(),
            anon_cycle: Cycle::default(),
            descriptor_cycle: Cycle::default(),
            last_turn: 0,
        }
    }

    fn push(&mut self, point: Point, turn: u64) {
        self.last_turn = turn;
        if let Some(anon) = point.anon_kib {
            self.anon_cycle.push(point.at_s, f64::from(anon), ANON_RISE_MIN_KIB);
        }
        if let Some(descriptors) = point.descriptors {
            self.first_descriptors.get_or_insert(descriptors);
            self.descriptor_cycle.push(point.at_s, f64::from(descriptors), DESCRIPTOR_RISE_MIN);
        }
        self.fine.push(point);
        match self.coarse.last_mut().filter(|trough| point.at_s - trough.start_s < TROUGH_S) {
            Some(trough) => {
                trough.end_s = point.at_s;
                trough.anon_kib = least(trough.anon_kib, point.anon_kib);
                trough.descriptors = least(trough.descriptors, point.descriptors);
                trough.points += 1;
                trough.cpu_pct += (point.cpu_pct - trough.cpu_pct) / trough.points as f32;
            }
            None => self.coarse.push(Trough {
                start_s: point.at_s,
                end_s: point.at_s,
                anon_kib: point.anon_kib,
                descriptors: point.descriptors,
                cpu_pct: point.cpu_pct,
                points: 1,
            }),
        }
    }

    /// Mean over the points of the last `seconds`; `None` without one.
    pub fn mean(&self, seconds: f64, of: impl Fn(&Point) -> f64) -> Option<f64> {
        let end_s = self.fine.last()?.at_s;
        mean(self.fine.iter().rev().take_while(|point| point.at_s > end_s - seconds), of)
    }

    /// Mean over the points from `from_s` until before `until_s`; `None` without one.
    pub fn mean_between(&self, from_s: f64, until_s: f64, of: impl Fn(&Point) -> f64) -> Option<f64> {
        mean(self.fine.iter().filter(|point| (from_s..until_s).contains(&point.at_s)), of)
    }

    /// Mean over the points before `until_s`, and how many there are.
    pub fn mean_before(&self, until_s: f64, of: impl Fn(&Point) -> f64) -> Option<(f64, usize)> {
        let points = self.fine.iter().filter(|point| point.at_s < until_s);
        let count = points.clone().count();
        mean(points, of).map(|value| (value, count))
    }

    /// Mean CPU use before `until_s`: of the last minute, or of the troughs where that is longer ago. Unit: 100 a core.
    pub fn cpu_before(&self, until_s: f64) -> Option<f64> {
        let fine = self.mean_before(until_s, |point| f64::from(point.cpu_pct));
        let troughs = self.coarse.iter().filter(|trough| trough.end_s < until_s);
        fine.map(|(cpu, _)| cpu).or_else(|| mean(troughs, |trough| f64::from(trough.cpu_pct)))
    }
}

fn mean<'a, T: 'a>(points: impl Iterator<Item = &'a T>, of: impl Fn(&T) -> f64) -> Option<f64> {
    let (sum, count) = points.fold((0.0, 0u32), |(sum, count), point| (sum + of(point), count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Stall shares of one entity and resource at one instant. Unit: per cent of the time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stall {
    pub at_s: f64,
    pub some_pct: f64,
    pub full_pct: f64,
}

/// The recent past of the machine.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    epoch: Option<Timestamp>,
    /// Time since the first snapshot. Unit: s.
    pub now_s: f64,
    /// One track a live process that is not a thread of the kernel.
    pub tracks: BTreeMap<ProcessId, Track>,
    /// Pressure by resource and entity.
    pub stalls: BTreeMap<(Resource, Entity), Ring<Stall>>,
    /// Closer looks at threads.
    pub looks: Looks,
    /// Watches of system calls.
    pub watches: Watches,
}

impl Memory {
    /// Adds a snapshot and forgets what is gone.
    pub fn remember(&mut self, snapshot: &Snapshot) {
        let epoch = *self.epoch.get_or_insert(snapshot.at);
        // Time that stands still or runs backwards would divide by nothing further down.
        self.now_s = snapshot.at.seconds_since(epoch).max(self.now_s);
        let bar = rss_bar(snapshot);
        for process in snapshot.processes.iter().filter(|one| is_watched(one) && one.rss_bytes >= bar) {
            let now_s = self.now_s;
            let track = self.tracks.entry(process.id()).or_insert_with(|| Track::new(process, now_s));
            track.shared.push(process, now_s);
            let made_kib = (track.shared.made_bytes() / 1024.0) as u32;
            let point = Point::of(process, now_s);
            let anon_kib = point.anon_kib.map(|kib| kib.saturating_add(made_kib));
            let wait_p99_us = wait_p99_us(snapshot, process.pid);
            track.push(Point { anon_kib, wait_p99_us, ..point }, snapshot.turn);
        }
        self.tracks.retain(|_, track| track.last_turn == snapshot.turn);
        self.remember_stalls(snapshot);
        self.looks.remember(snapshot, self.now_s);
        self.watches.remember(snapshot, self.now_s);
    }

    fn remember_stalls(&mut self, snapshot: &Snapshot) {
        let now_s = self.now_s;
        for row in &snapshot.pressures {
            let all = [Resource::Cpu, Resource::Memory, Resource::Io];
            let Some(resource) = all.into_iter().find(|one| one.as_str() == row.resource) else { continue };
            let Some(some_pct) = row.some_pct.filter(|one| one.is_finite()) else { continue };
            let stall = Stall { at_s: now_s, some_pct, full_pct: row.full_pct.unwrap_or(0.0) };
            let room = self.stalls.len() < PRESSURES_MAX;
            let key = (resource, row.entity.clone());
            if let Some(ring) = self.stalls.get_mut(&key) {
                ring.push(stall);
            } else if room {
                self.stalls.entry(key).or_insert_with(|| Ring::new(FINE_MAX)).push(stall);
            }
        }
        self.stalls.retain(|_, ring| ring.last().is_some_and(|last| now_s - last.at_s < 60.0));
    }

    /// Mean stall shares between two instants; `None` without a sample there.
    pub fn stall(&self, resource: Resource, entity: &Entity, from_s: f64, to_s: f64) -> Option<Stall> {
        let ring = self.stalls.get(&(resource, entity.clone()))?;
        let within = ring.iter().filter(|one| one.at_s > from_s && one.at_s <= to_s);
        let (some, full, count) =
            within.fold((0.0, 0.0, 0.0), |(s, f, n), one| (s + one.some_pct, f + one.full_pct, n + 1.0));
        (count > 0.0).then(|| Stall { at_s: to_s, some_pct: some / count, full_pct: full / count })
    }
}

/// The longest waits of a process for a CPU, where they were counted and are enough to speak of.
fn wait_p99_us(snapshot: &Snapshot, pid: u32) -> Option<f32> {
    let index = snapshot.runq_latency.binary_search_by_key(&pid, |one| one.pid).ok()?;
    let row = snapshot.runq_latency.get(index)?;
    row.p99_us.filter(|_| row.waits >= Some(WAITS_MIN)).map(|one| one as f32)
}

/// Whether a process is watched: not a thread of the kernel, not one that has ended.
pub fn is_watched(process: &Process) -> bool {
    !process.is_kernel && process.state != "Z" && process.state != "X"
}

/// Resident memory below which a process is not remembered: 0 unless there are more than we can hold.
fn rss_bar(snapshot: &Snapshot) -> u64 {
    if snapshot.processes.len() <= TRACKS_MAX {
        return 0;
    }
    let mut sizes: alloc::vec::Vec<u64> =
        snapshot.processes.iter().filter(|one| is_watched(one)).map(|one| one.rss_bytes).collect();
    if sizes.len() <= TRACKS_MAX {
        return 0;
    }
    sizes.sort_unstable();
    // One more than the size at the bound, so that equal ones cannot exceed it.
    sizes.get(sizes.len() - TRACKS_MAX - 1).map_or(0, |size| size.saturating_add(1))
}
