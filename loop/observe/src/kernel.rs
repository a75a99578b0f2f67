//! Collector `kernel`: what programs in the kernel counted since the last tick. Start at [`KernelSide::load`].
//!
//! Events come by way of [`crate::EventReader`], which runs on a thread of its own.
use std::collections::BTreeMap;
use std::sync::Arc;

use bpfload::{Hist, Kernel, Lost, MapMemory, Object, Options, SocketRow, State, TaskRow, Tick};
use vocab::capability::Capability;
use vocab::kernel::{
    self, BlockSample, CallSample, CallsSample, FsSample, KernelSample, NetSample, ProgramSample, WaitSample,
};
use vocab::sample::MachineSample;
use vocab::{ProcessId, Timestamp};

use crate::call_order::{cycle, order};
use crate::kernel_events::{EventReader, Queue, process_id};
use crate::ledger::Report;
use crate::rest::Rest;

/// Software interrupts are timed for one tick in so many seconds: always would cost a busy network too much. Unit: s.
const SOFTIRQS_S: f64 = 10.0;
/// Time between two readings of the programs' own costs and losses. Unit: s.
const PROGRAMS_S: f64 = 10.0;
/// The program that rests where it would cost too much.
const SWITCHES: &str = "sched_switch";
/// Disks whose name is remembered.
const DISKS_MAX: usize = 256;

/// Our programs in the kernel. Dropped, or when this process dies, they are gone.
pub struct KernelSide {
    kernel: Kernel,
    tick: Tick,
    lost: Lost,
    disks: BTreeMap<u32, Arc<str>>,
    /// Of code, and of maps: neither changes once it is loaded.
    memory: (Vec<(String, u64)>, Vec<MapMemory>),
    programs_at: Option<Timestamp>,
    softirqs_at: Option<Timestamp>,
    rest: Rest,
    events: Option<EventReader>,
    pub(crate) queue: Arc<Queue>,
}

impl Drop for KernelSide {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl KernelSide {
    /// Loads what this machine allows; never fails: what is missing is a row of `capabilities`.
    ///
    /// To be called on the main thread: reading the kernel's types takes some 25 MiB for a moment, and only there
    /// the allocator gives them back whole.
    pub fn load() -> Self {
        let mut kernel = Kernel::load(&Options::default());
        let queue = Arc::new(Queue::default());
        let events = kernel.take_events().map(|events| EventReader::new(events, Arc::clone(&queue)));
        let (tick, lost) = (Tick::default(), Lost::default());
        let memory = (kernel.code_memory(), kernel.map_memory());
        Self {
            kernel,
            tick,
            lost,
            disks: BTreeMap::new(),
            memory,
            programs_at: None,
            softirqs_at: None,
            rest: Rest::default(),
            events,
            queue,
        }
    }

    /// The reader of events, for a thread of its own; `None` when it was taken or cannot be had.
    pub fn take_events(&mut self) -> Option<EventReader> {
        self.events.take()
    }

    /// Whether the program of that name runs.
    pub fn runs(&self, name: &str) -> bool {
        self.kernel.programs().iter().any(|one| one.spec.name == name && one.state == State::Attached)
    }

    /// Whether the program of that name is there, attached or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        let is_there = |one: &bpfload::Program| !matches!(one.state, State::Missing(_));
        self.kernel.programs().iter().any(|one| one.spec.name == name && is_there(one))
    }

    /// A row for the whole, and one for each program that is missing.
    pub(crate) fn capabilities(&self) -> Vec<Capability> {
        let programs = self.kernel.programs();
        let missing = programs.iter().filter_map(|one| match &one.state {
            State::Missing(lack) => Some((one.spec, lack)),
            State::Attached | State::Detached => None,
        });
        let runs = programs.iter().filter(|one| one.state == State::Attached).count();
        let why = missing.clone().next().map(|(_, lack)| (lack.reason.clone(), lack.would_bring.clone()));
        let mut rows = vec![whole(runs > 0, why)];
        if runs > 0 {
            rows.extend(missing.map(|(spec, lack)| Capability {
                name: spec.name.to_owned(),
                kind: "kernel_program".to_owned(),
                lost: Some(spec.brings.to_owned()),
                reason: Some(lack.reason.clone()),
                remedy: Some(lack.would_bring.clone()),
                ..available("", false)
            }));
        }
        rows
    }

    /// Takes what was counted since the last call.
    pub(crate) fn read(&mut self, at: Timestamp, ticks_per_s: u64, report: &mut Report) -> KernelSample {
        let were_timed = self.time_softirqs(at, report);
        if let Err(error) = self.kernel.drain(&mut self.tick) {
            report.error = Some(error.to_string());
        }
        // It comes and goes between two ticks only: what it counted in one is all or nothing.
        let are_waits_counted = self.runs(SWITCHES);
        if !are_waits_counted {
            self.tick.sched.clear();
        }
        let are_programs_due = self.programs_at.is_none_or(|then| at.seconds_since(then) >= PROGRAMS_S);
        if are_programs_due {
            self.programs_at = Some(at);
            self.count_lost(report);
        }
        let sample = KernelSample {
            waits: self.waits(ticks_per_s),
            are_waits_counted,
            block: self.block(),
            fs: self.fs(ticks_per_s),
            net: self.net(),
            softirqs: were_timed.then(|| self.tick.softirq.iter().map(hist).collect()),
            programs: are_programs_due.then(|| self.programs()),
        };
        report.rows = sample.waits.len() + sample.block.len() + sample.fs.len() + sample.net.len();
        sample
    }

    /// Attaches the programs on software interrupts when they are due and takes them off a tick later; whether they
    /// ran until now.
    fn time_softirqs(&mut self, at: Timestamp, report: &mut Report) -> bool {
        let ran = self.runs("softirq_exit");
        let is_due = self.softirqs_at.is_none_or(|then| at.seconds_since(then) >= SOFTIRQS_S);
        if ran || is_due {
            if let Err(error) = self.kernel.set_attached(Object::Softirq, !ran) {
                report.error = Some(error.to_string());
            }
            self.softirqs_at = if ran { self.softirqs_at } else { Some(at) };
        }
        ran
    }

    /// Has the program on context switches run or rest until the next tick, by how frequent they were since the last one.
    pub(crate) fn rest(&mut self, at: Timestamp, machine: &MachineSample, report: &mut Report) {
        let Some(runs) = self.rest.turn(at, machine).filter(|_| self.has(SWITCHES)) else { return };
        if let Err(error) = self.kernel.set_attached(Object::Sched, runs) {
            report.error = Some(error.to_string());
        }
    }

    /// Appends a row for every thread of the machine until these are `max`; false if there were more.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) fn tasks_into(&mut self, rows: &mut Vec<TaskRow>, max: usize) -> Result<bool, String> {
        self.kernel.tasks_into(rows, max).map_err(|error| error.to_string())
    }

    /// Appends a row for every descriptor that is a TCP socket until these are `max`; false if there were more.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) fn sockets_into(&mut self, rows: &mut Vec<SocketRow>, max: usize) -> Result<bool, String> {
        self.kernel.sockets_into(rows, max).map_err(|error| error.to_string())
    }

    /// Counts the system calls of this process until [`KernelSide::end_watch`].
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) fn watch_calls(&mut self, pid: u32) -> Result<(), String> {
        self.kernel.watch_calls(pid).map_err(|error| error.to_string())
    }

    /// Ends the watch; what the process `id` called in `watched_s`.
    ///
    /// # Errors
    /// Why it cannot be told, in words.
    pub(crate) fn end_watch(&mut self, id: ProcessId, watched_s: f64) -> Result<CallsSample, String> {
        let watched = self.kernel.end_watch().map_err(|error| error.to_string())?;
        let name = |number: u32| {
            kernfs::arch::syscall_name(number).map_or_else(|| Arc::from(number.to_string()), Arc::from)
        };
        let call = |(number, stat): &(u32, bpfload::CallStat)| CallSample {
            call: name(*number),
            errors: stat.errors,
            latency: hist(&stat.latency),
        };
        let mut calls: Vec<CallSample> = watched.calls.iter().map(call).collect();
        calls.sort_by(|a, b| a.call.cmp(&b.call));
        let mut open: Vec<Arc<str>> = watched.open.iter().map(|(_, open)| name(open.number)).collect();
        open.sort();
        open.dedup();
        let repeats = cycle(&watched.sequence).into_iter().map(name).collect();
        let (names, sequences) = order(&watched.sequence, name);
        Ok(CallsSample { id, watched_s, calls, open, repeats, names, sequences })
    }

    fn net(&self) -> Vec<NetSample> {
        let row = |(cgroup, stat): &(u64, bpfload::NetStat)| NetSample {
            cgroup: *cgroup,
            retransmits: stat.retransmits,
            resets_sent: stat.resets_sent,
            resets_received: stat.resets_received,
            round_trip: hist(&stat.rtt),
            closed: stat.closed,
        };
        let mut rows: Vec<_> = self.tick.net.iter().map(row).collect();
        rows.sort_by_key(|one| one.cgroup);
        rows
    }

    fn waits(&self, ticks_per_s: u64) -> Vec<WaitSample> {
        let row = |(pid, stat): &(u32, bpfload::SchedStat)| WaitSample {
            id: process_id(*pid, stat.start_ns, ticks_per_s),
            run_queue: hist(&stat.runq),
            blocked_ns: stat.blocked.sum,
            memory_ns: stat.memory.sum,
            reclaim_ns: 0,
        };
        let mut waits: Vec<_> = self.tick.sched.iter().map(row).collect();
        waits.sort_unstable_by_key(|one| one.id);
        for (pid, stat) in &self.tick.reclaim {
            let id = process_id(*pid, stat.start_ns, ticks_per_s);
            let reclaim_ns = stat.direct.sum + stat.memcg.sum + stat.compaction.sum;
            match waits.binary_search_by_key(&id, |one| one.id) {
                Ok(index) => waits[index].reclaim_ns = reclaim_ns,
                Err(index) => waits.insert(index, WaitSample { id, reclaim_ns, ..WaitSample::default() }),
            }
        }
        waits
    }

    fn block(&mut self) -> Vec<BlockSample> {
        let Self { tick, disks, .. } = self;
        let mut rows: Vec<BlockSample> = Vec::new();
        for (key, stat) in &tick.block {
            rows.push(BlockSample {
                disk: disk_name(disks, key.dev),
                operation: Arc::from(operation(key.op)),
                latency: hist(&stat.latency),
                bytes: hist(&stat.bytes),
                errors: stat.errors,
            });
        }
        rows.sort_by(|a, b| (&a.disk, &a.operation).cmp(&(&b.disk, &b.operation)));
        rows
    }

    fn fs(&self, ticks_per_s: u64) -> Vec<FsSample> {
        let row = |(pid, stat): &(u32, bpfload::FsStat)| FsSample {
            id: process_id(*pid, stat.start_ns, ticks_per_s),
            fsync: hist(&stat.fsync),
            errors: stat.errors,
        };
        let mut rows: Vec<_> = self.tick.fs.iter().map(row).collect();
        rows.sort_by_key(|one| one.id);
        rows
    }

    /// The name of a disk as the kernel numbers it inside: `major << 20 | minor`.
    pub(crate) fn disk(&mut self, device: u32) -> Arc<str> {
        disk_name(&mut self.disks, device)
    }

    /// What was lost since it was counted last.
    fn count_lost(&mut self, report: &mut Report) {
        match self.kernel.lost() {
            Ok(lost) => {
                report.dropped += lost_of(&lost).saturating_sub(lost_of(&self.lost));
                self.lost = lost;
            }
            Err(error) => report.error = Some(error.to_string()),
        }
    }

    fn programs(&mut self) -> Vec<ProgramSample> {
        let rests = self.rest.reason().filter(|_| self.has(SWITCHES));
        let (costs, (code, maps)) = (self.kernel.costs(), &self.memory);
        let mut objects = Vec::new();
        let row = |one: &bpfload::Program| {
            let is_first = !objects.contains(&one.spec.object);
            objects.push(one.spec.object);
            let cost = costs.iter().find(|cost| cost.name == one.spec.name);
            let code_bytes = code.iter().find(|(name, _)| name == one.spec.name);
            let of_object = maps.iter().filter(|map| is_first && map.object == one.spec.object);
            let ring =
                if is_first && one.spec.object == Object::Events { self.queue.memory_bytes() } else { 0 };
            let memory_bytes = of_object.map(|map| map.bytes).sum::<u64>() + ring;
            ProgramSample {
                name: Arc::from(one.spec.name),
                hook: Arc::from(one.spec.hook.name()),
                is_attached: one.state == State::Attached || (rests.is_some() && one.spec.name == SWITCHES),
                calls: cost.map_or(0, |cost| cost.runs),
                run_ns: cost.map_or(0, |cost| cost.run_time_ns),
                skipped: cost.map_or(0, |cost| cost.skipped),
                memory_bytes: memory_bytes + code_bytes.map_or(0, |(_, bytes)| *bytes),
                lost: if is_first { self.kernel.lost_of(one.spec.object) } else { 0 },
                reason: match &one.state {
                    State::Missing(lack) => Some(Arc::from(&*lack.reason)),
                    State::Attached | State::Detached => rests.clone().filter(|_| one.spec.name == SWITCHES),
                },
            }
        };
        self.kernel.programs().iter().map(row).collect()
    }
}

/// The row of `capabilities` for all programs together; `why` they are missing, and what would bring them.
fn whole(is_available: bool, why: Option<(String, String)>) -> Capability {
    let mut row = available("kernel_programs", is_available);
    if !is_available {
        let (reason, remedy) = why.unwrap_or_default();
        row.lost = Some(
            "waits by percentile, how processes end, signals, file syncs; ends and starts are seen a tick late".to_owned(),
        );
        (row.reason, row.remedy) = (Some(reason), Some(remedy));
    }
    row
}

/// The same where nothing was loaded: whether it could be.
pub(crate) fn could_load() -> Capability {
    let has_types = std::path::Path::new("/sys/kernel/btf/vmlinux").exists();
    let why = if bpfload::has_capabilities() {
        ("this kernel does not describe its types", "a kernel built with CONFIG_DEBUG_INFO_BTF=y")
    } else {
        ("this process may not load programs into the kernel", "run as root, or with CAP_BPF and CAP_PERFMON")
    };
    whole(has_types && bpfload::has_capabilities(), Some((why.0.to_owned(), why.1.to_owned())))
}

fn available(name: &str, is_available: bool) -> Capability {
    Capability {
        name: name.to_owned(),
        kind: "collector".to_owned(),
        is_available,
        can_apply: None,
        can_undo: None,
        lost: None,
        reason: None,
        remedy: None,
    }
}

fn lost_of(lost: &Lost) -> u64 {
    // Requests without a start time and skipped calls are no fault of a bound.
    lost.map_full + lost.task_state + lost.ring_full
}

fn hist(from: &Hist) -> kernel::Hist {
    kernel::Hist { sum: from.sum, slots: from.slots }
}

fn disk_name(disks: &mut BTreeMap<u32, Arc<str>>, device: u32) -> Arc<str> {
    if disks.len() > DISKS_MAX {
        disks.clear();
    }
    let find = || {
        let number = format!("{}:{}", device >> 20, device & 0xf_ffff);
        let target = std::fs::read_link(format!("/sys/dev/block/{number}")).unwrap_or_default();
        target.file_name().map_or(number, |name| name.to_string_lossy().into_owned())
    };
    disks.entry(device).or_insert_with(|| Arc::from(find())).clone()
}

/// The kernel's REQ_OP in words. Source: linux/blk_types.h.
const fn operation(op: u32) -> &'static str {
    match op {
        0 => "read",
        1 => "write",
        2 => "flush",
        3 => "discard",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_time_is_cut_to_the_tick_of_proc() {
        assert_eq!(process_id(7, 1_239_999_999, 100), ProcessId { pid: 7, start_ticks: 123 });
    }

    #[test]
    fn what_is_missing_says_what_it_costs() {
        let row = whole(false, Some(("no".into(), "root".into())));
        assert!(
            row.lost.is_some()
                && row.reason.as_deref() == Some("no")
                && row.remedy.as_deref() == Some("root")
        );
        assert_eq!(whole(true, None), available("kernel_programs", true));
    }
}
