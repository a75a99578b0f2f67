//! The rows of what programs in the kernel counted and saw; where there are none, the same from /proc.
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vocab::event::EventKind;
use vocab::kernel::{
    BlockSample, FsSample, Happened, Hist, KernelEvent, KernelSample, ProgramSample, WaitSample,
};
use vocab::recent::Recent;
use vocab::rows::{
    BlockLatency, BpfProgram, ExecRow, ExitRow, FsLatency, MemoryVictim, OomKillRow, Process, RunqLatency,
    SignalRow,
};
use vocab::sample::{DiskSample, Sample};
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId, Timestamp};

use super::last_rows::{ROWS_MAX, push};

/// What is kept of a process for the tick in which it is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    ppid: u32,
    uid: Option<u32>,
    name: Arc<str>,
    service: Option<Arc<str>>,
    program: Arc<str>,
    start_s: f64,
}

/// Keeps the last rows of each table of events, and the last readings to compare with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct KernelDeriver {
    execs: Recent<ExecRow>,
    exits: Recent<ExitRow>,
    oom_kills: Recent<OomKillRow>,
    signals: Recent<SignalRow>,
    memory_victims: Recent<MemoryVictim>,
    programs: Arc<Vec<BpfProgram>>,
    seen: Option<BTreeMap<ProcessId, Seen>>,
    disks: BTreeMap<Arc<str>, DiskSample>,
    block: Vec<BlockLatency>,
}

impl KernelDeriver {
    /// Fills the tables of the kernel side of `snapshot`, whose processes stand already.
    pub fn fill(&mut self, sample: &Sample, snapshot: &mut Snapshot) {
        snapshot.kernel_events.clone_from(&sample.kernel_events);
        match &sample.kernel {
            Some(kernel) => self.take(kernel, snapshot),
            None => self.compare(sample, snapshot),
        }
        for event in &snapshot.kernel_events {
            self.note(event);
        }
        for row in &sample.memory_victims {
            push(&mut self.memory_victims, row.clone(), |row| &row.name);
        }
        snapshot.memory_victims = self.memory_victims.clone();
        snapshot.execs = self.execs.clone();
        snapshot.exits = self.exits.clone();
        snapshot.oom_kills = self.oom_kills.clone();
        snapshot.signals = self.signals.clone();
        snapshot.bpf_programs = self.programs.clone();
    }

    fn take(&mut self, kernel: &KernelSample, snapshot: &mut Snapshot) {
        // Whoever ended within the tick has no row: nothing can be done for it any more.
        let of = |one: &WaitSample| Some(waits(one, snapshot.process(one.id)?));
        let runq_latency = match kernel.are_waits_counted {
            true => kernel.waits.iter().filter_map(of).collect(),
            false => sums(snapshot, &kernel.waits),
        };
        let of = |one: &FsSample| Some(fs(one, snapshot.process(one.id)?));
        snapshot.fs_latency = kernel.fs.iter().filter_map(of).collect();
        snapshot.runq_latency = runq_latency;
        snapshot.block_latency = kernel.block.iter().map(block).collect();
        if let Some(programs) = &kernel.programs {
            self.programs = Arc::new(programs.iter().map(program).collect());
        }
    }

    /// Without programs in the kernel: sums of waits, requests of disks, processes that came and went.
    fn compare(&mut self, sample: &Sample, snapshot: &mut Snapshot) {
        snapshot.runq_latency = sums(snapshot, &[]);
        self.compare_disks(sample);
        snapshot.block_latency.clone_from(&self.block);
        self.compare_processes(sample, snapshot);
        for event in sample.events.iter().filter(|one| one.kind == EventKind::OomKill) {
            if let Entity::Process(id) = event.entity {
                snapshot.kernel_events.extend(self.killed(id, event.at));
            }
        }
        let now =
            snapshot.processes.iter().map(|one| (one.id(), seen(one, snapshot.machine.uptime_s))).collect();
        self.seen = Some(now);
    }

    fn compare_disks(&mut self, sample: &Sample) {
        let Some(disks) = &sample.disks else { return };
        self.block.clear();
        for now in disks {
            if let Some(before) = self.disks.get(&now.name) {
                self.block.extend(requests(before, now));
            }
        }
        self.disks = disks.iter().map(|one| (one.name.clone(), one.clone())).collect();
    }

    fn compare_processes(&self, sample: &Sample, snapshot: &mut Snapshot) {
        // Nothing is new in the first look.
        let Some(before) = &self.seen else { return };
        let uptime_s = snapshot.machine.uptime_s;
        let new = snapshot.processes.iter().filter(|one| !before.contains_key(&one.id()));
        let started = new.map(|one| event(sample.at, one.id(), &seen(one, uptime_s), Happened::Exec));
        let is_told = |id: ProcessId| sample.kernel_events.iter().any(|one| one.id == id);
        let gone = before.iter().filter(|(id, _)| snapshot.process(**id).is_none() && !is_told(**id));
        let ended = gone.map(|(id, one)| {
            let ran_s = (uptime_s - one.start_s).max(0.0);
            event(sample.at, *id, one, Happened::Exit { code: None, signal: None, cpu_us: None, ran_s })
        });
        let events = started.chain(ended).take(ROWS_MAX).collect::<Vec<_>>();
        snapshot.kernel_events.extend(events);
    }

    fn killed(&self, id: ProcessId, at: Timestamp) -> Option<KernelEvent> {
        let one = self.seen.as_ref()?.get(&id)?;
        Some(event(at, id, one, Happened::OomKill { rss_bytes: None }))
    }

    fn note(&mut self, event: &KernelEvent) {
        let KernelEvent { at, id, ppid, uid, .. } = *event;
        let (name, service, program) = (event.name.clone(), event.service.clone(), event.program.clone());
        let pid = id.pid;
        match event.what {
            Happened::Exec => push(
                &mut self.execs,
                ExecRow { at, pid, ppid, user_id: uid, name, program, service },
                |row| &row.name,
            ),
            Happened::Exit { code, signal, cpu_us, ran_s } => push(
                &mut self.exits,
                ExitRow { at, pid, ppid, user_id: uid, name, program, service, code, signal, ran_s, cpu_us },
                |row| &row.name,
            ),
            Happened::OomKill { rss_bytes } => {
                push(&mut self.oom_kills, OomKillRow { at, pid, name, service, rss_bytes }, |row| &row.name);
            }
            Happened::Signal { signal, code, sender_pid } => {
                push(
                    &mut self.signals,
                    SignalRow { at, pid, name, service, signal, code, sender_pid },
                    |row| &row.name,
                );
            }
        }
    }
}

fn seen(process: &Process, uptime_s: f64) -> Seen {
    Seen {
        ppid: process.ppid,
        uid: process.user_id,
        name: process.name.clone(),
        service: process.service.clone(),
        program: process.program.clone(),
        start_s: uptime_s - process.age_s,
    }
}

fn event(at: Timestamp, id: ProcessId, seen: &Seen, what: Happened) -> KernelEvent {
    KernelEvent {
        at,
        id,
        ppid: seen.ppid,
        uid: seen.uid,
        name: seen.name.clone(),
        program: Some(seen.program.clone()),
        service: seen.service.clone(),
        what,
    }
}

/// The row of a process that waited, without figures.
fn bare(process: &Process) -> RunqLatency {
    RunqLatency {
        pid: process.pid,
        name: process.name.clone(),
        service: process.service.clone(),
        waits: None,
        waited_us: 0,
        p50_us: None,
        p99_us: None,
        histogram: None,
        blocked_us: None,
        memory_stall_us: None,
        reclaim_us: None,
    }
}

/// What /proc says of waits, where nobody counted them: their sum. What was counted of reclaim stands in `counted`.
fn sums(snapshot: &Snapshot, counted: &[WaitSample]) -> Vec<RunqLatency> {
    let row = |process: &Process| {
        let waited_us = process.run_delay_pct.map_or(0.0, |percent| percent * snapshot.interval_s * 1e4);
        let one =
            counted.binary_search_by_key(&process.id(), |one| one.id).ok().and_then(|at| counted.get(at));
        let reclaim_us = one.map(|one| one.reclaim_ns / 1_000);
        let waited_us = waited_us.round() as u64;
        (waited_us > 0 || reclaim_us.is_some()).then(|| RunqLatency {
            waited_us,
            reclaim_us,
            ..bare(process)
        })
    };
    snapshot.processes.iter().filter_map(row).collect()
}

fn micros(ns: &Hist, percent: f64) -> Option<f64> {
    ns.percentile(percent).map(|ns| ns / 1e3)
}

fn waits(one: &WaitSample, process: &Process) -> RunqLatency {
    RunqLatency {
        waits: Some(one.run_queue.count()),
        waited_us: one.run_queue.sum / 1_000,
        p50_us: micros(&one.run_queue, 50.0),
        p99_us: micros(&one.run_queue, 99.0),
        histogram: Some(one.run_queue),
        blocked_us: Some(one.blocked_ns / 1_000),
        memory_stall_us: Some(one.memory_ns / 1_000),
        reclaim_us: Some(one.reclaim_ns / 1_000),
        ..bare(process)
    }
}

fn fs(one: &FsSample, process: &Process) -> FsLatency {
    FsLatency {
        pid: process.pid,
        name: process.name.clone(),
        service: process.service.clone(),
        calls: one.fsync.count(),
        waited_us: one.fsync.sum / 1_000,
        p50_us: micros(&one.fsync, 50.0),
        p99_us: micros(&one.fsync, 99.0),
        histogram: one.fsync,
        errors: one.errors,
    }
}

fn block(one: &BlockSample) -> BlockLatency {
    BlockLatency {
        disk: one.disk.clone(),
        operation: one.operation.clone(),
        requests: one.latency.count(),
        waited_us: one.latency.sum / 1_000,
        p50_us: micros(&one.latency, 50.0),
        p99_us: micros(&one.latency, 99.0),
        histogram: Some(one.latency),
        moved_bytes: one.bytes.sum,
        errors: Some(one.errors),
    }
}

/// Reads and writes of a disk between two readings of its counters; none where a counter ran backwards.
fn requests(before: &DiskSample, now: &DiskSample) -> Vec<BlockLatency> {
    type Side = fn(&DiskSample) -> [u64; 3];
    let sides: [(&str, Side); 2] = [
        ("read", |one| [one.reads, one.read_ms, one.read_bytes]),
        ("write", |one| [one.writes, one.write_ms, one.write_bytes]),
    ];
    let row = |(operation, side): (&str, Side)| {
        let (old, new) = (side(before), side(now));
        let grown = |index: usize| new[index].checked_sub(old[index]);
        let requests = grown(0).filter(|count| *count > 0)?;
        Some(BlockLatency {
            disk: now.name.clone(),
            operation: Arc::from(operation),
            requests,
            waited_us: grown(1)?.saturating_mul(1_000),
            p50_us: None,
            p99_us: None,
            histogram: None,
            moved_bytes: grown(2)?,
            errors: None,
        })
    };
    sides.into_iter().filter_map(row).collect()
}

fn program(one: &ProgramSample) -> BpfProgram {
    BpfProgram {
        name: one.name.clone(),
        hook: one.hook.clone(),
        is_attached: one.is_attached,
        calls: one.calls,
        run_us: one.run_ns / 1_000,
        skipped: one.skipped,
        memory_bytes: one.memory_bytes,
        lost: one.lost,
        reason: one.reason.as_deref().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
