//! What is remembered of one process between ticks, and what of it is read when: [`Tracked`].
//!
//! Unchanged processes allocate nothing. Of one that is in the task iterator's table, only what its rows do not tell is
//! read from /proc: see [`crate::told`].
use std::path::Path;
use std::sync::Arc;

use bpfload::TaskRow;
use kernfs::{Comm, ProcFs, SchedStat, Stat, Status};
use vocab::sample::{ProcessInfo, ProcessStat, Sample};
use vocab::{ProcessId, Timestamp};

use crate::held_file::{Held, HeldFiles};
use crate::ledger::boot_ns;
use crate::process_detail::{self, Detail};
use crate::process_info::{self, Cgroups, Extent, Told};
use crate::task_table::{Mark, times};
use crate::thread_waits::ThreadWaits;
use crate::told::{self, Memory, Standing};

/// A process that did not move is looked at closer this often. Unit: s.
const IDLE_S: f64 = 10.0;
/// One that belongs to a service, whose health is judged by these figures: this often. Unit: s.
const SERVICE_S: f64 = 2.0;
/// Command line and executable are read again this often: programs rewrite the one to show what they do, and may
/// become another without a change of name. Unit: s.
const COMMAND_S: f64 = 60.0;
/// A process counts as active for this long after it used the CPU. Unit: s.
const ACTIVE_S: f64 = 10.0;
/// CPU time in one tick from which the waits of all threads are read, not only of services. Unit: clock ticks.
const BUSY_TICKS: u64 = 5;
/// One that is younger when it is first seen is read whole at the next look. Unit: s.
const NEWBORN_S: u64 = 2;

/// What is remembered of one process.
#[derive(Debug)]
pub(crate) struct Tracked {
    /// The cheap counters of this tick.
    pub(crate) stat: ProcessStat,
    /// What seldom changes, as last delivered.
    pub(crate) info: ProcessInfo,
    /// Whether it moved in a way that may have opened or closed sockets since the sockets were last read.
    pub(crate) is_unscanned: bool,
    /// Whether its private files are refused to us.
    pub(crate) is_denied: bool,
    /// Its network namespace, where we may know it.
    pub(crate) network_namespace: Option<u64>,
    pub(crate) files: HeldFiles,
    /// By what it is known, without a look at /proc, that nothing moved since `stat` was read.
    mark: Option<Mark>,
    /// How far its rows are off, and by what it was known when that was read.
    memory: Option<(Memory, Option<Mark>)>,
    /// What its row said of what seldom changes when `info` was read.
    pub(crate) standing: Option<Standing>,
    /// How long its main thread ran and waited, read before `stat`.
    times: Option<SchedStat>,
    /// How long all its threads waited.
    waits: ThreadWaits,
    /// When `stat` is read again at the latest, though its only thread did not run.
    stat_next: Timestamp,
    comm: Comm,
    pub(crate) session: i32,
    /// How many descriptors it had at the last closer look.
    pub(crate) descriptors: Option<u64>,
    /// Whether it was first seen in this tick, and began just before.
    pub(crate) is_new: bool,
    is_newborn: bool,
    /// Whether it used the CPU or memory in this tick.
    is_moved: bool,
    /// When it last used notable CPU time in a tick.
    busy_at: Option<Timestamp>,
    moved_at: Timestamp,
    /// When the dearer counters are due, if it does not move before.
    detail_next: Timestamp,
    /// Whether what seldom changes is due, and when else it is.
    pub(crate) info_due: bool,
    info_next: Timestamp,
    command_next: Timestamp,
    /// Whether `info` is to be delivered even if a read changes nothing.
    pub(crate) info_unsent: bool,
}

impl Tracked {
    /// Reads a process that was not there before; `None` if it ended or is hidden from us.
    ///
    /// `threads` are rows of the iterator, read before; empty where it does not tell of this process.
    pub(crate) fn read(
        proc: &mut ProcFs,
        pid: u32,
        threads: &[TaskRow],
        at: Timestamp,
        may_be_newborn: bool,
    ) -> Option<Box<Self>> {
        // The name of a thread of the kernel may be longer than its row has it.
        let told = told::stat(proc, threads, None).filter(|stat| !stat.is_kernel_thread());
        let stat = told.or_else(|| proc.stat(pid).ok())?;
        let mut new = Box::new(Self::new(&stat, at));
        let began_s = stat.start_ticks / proc.ticks_per_s().max(1);
        new.is_newborn =
            may_be_newborn && (began_s..began_s + NEWBORN_S).contains(&(boot_ns() / 1_000_000_000));
        if new.wants_times(at) {
            let times = times(threads).or_else(|| proc.schedstat(pid).ok());
            new.note_times(proc, times, threads, at);
        }
        Some(new)
    }

    /// Reads the cheap counters anew; `None` if it ended. Another process of the same pid is a new one.
    pub(crate) fn read_again(
        mut self: Box<Self>,
        proc: &mut ProcFs,
        held: &mut Held,
        threads: &[TaskRow],
        at: Timestamp,
    ) -> Option<Box<Self>> {
        // One that lived through a tick is likely to live on.
        let (pid, may_hold) = (self.stat.pid, !self.is_new);
        let mark = Mark::of(threads);
        if may_hold && mark.is_some() && mark == self.mark {
            self.rest(at);
            return Some(self);
        }
        self.mark = mark;
        if let Some(stat) = told::stat(proc, threads, Some(&self.stat)) {
            if stat.start_ticks != self.stat.start_ticks {
                return Self::read(proc, pid, threads, at, true);
            }
            let comm = if self.info.is_kernel { self.comm } else { stat.comm };
            self.update(&Stat { comm, ..stat }, at);
            self.note_times(proc, times(threads), threads, at);
            return Some(self);
        }
        self.read_files(proc, held, at)
    }

    /// The same, from /proc.
    fn read_files(
        mut self: Box<Self>,
        proc: &mut ProcFs,
        held: &mut Held,
        at: Timestamp,
    ) -> Option<Box<Self>> {
        let (pid, may_hold) = (self.stat.pid, !self.is_new);
        let may_rest = self.stat.threads == 1 && may_hold;
        let wants_times = may_rest || self.wants_times(at);
        let times = if wants_times { held.schedstat(&mut self.files, pid, may_hold) } else { None };
        if may_rest && self.is_at_rest(times, at) {
            self.rest(at);
            return Some(self);
        }
        let times = times.or_else(|| if wants_times { proc.schedstat(pid).ok() } else { None });
        let stat = held.stat(&mut self.files, pid, may_hold).or_else(|| proc.stat(pid).ok())?;
        if stat.start_ticks != self.stat.start_ticks {
            return Self::read(proc, pid, &[], at, true);
        }
        self.update(&stat, at);
        self.note_times(proc, times, &[], at);
        Some(self)
    }

    /// Whether its only thread did not run since `stat` was read: then all that it counts is unchanged. What others
    /// may change meanwhile (its nice value, its parent, pages taken away) is read when `stat` is due.
    fn is_at_rest(&self, times: Option<SchedStat>, at: Timestamp) -> bool {
        // Without CONFIG_SCHED_INFO all figures are zero.
        let has_times = times.is_some_and(|times| times.slices > 0);
        has_times && times == self.times && self.stat.state != b'R' && !is_reached(at, self.stat_next)
    }

    /// Has `stat` read at the next look, whatever does not move.
    pub(crate) fn expect_change(&mut self) {
        (self.stat_next, self.mark) = (Timestamp::default(), None);
    }

    fn rest(&mut self, at: Timestamp) {
        self.is_moved = false;
        self.info_due |= !self.info.is_kernel && is_reached(at, self.info_next);
    }

    fn note_times(
        &mut self,
        proc: &mut ProcFs,
        times: Option<SchedStat>,
        threads: &[TaskRow],
        at: Timestamp,
    ) {
        self.times = times;
        if !self.info.is_kernel {
            // One that wants a CPU and gets little of it is not busy in each tick.
            let was_busy = self.busy_at.is_some_and(|then| at.seconds_since(then) <= ACTIVE_S);
            let is_whole = self.stat.threads > 1 && (was_busy || self.is_of_service());
            let (pid, waits) = (self.stat.pid, &mut self.waits);
            self.stat.run_delay_ns = times.map(|main| match threads {
                [] => waits.sum(proc, pid, main.run_delay_ns, is_whole),
                all => waits.sum_of(all, main.run_delay_ns),
            });
        }
    }

    fn new(stat: &Stat, at: Timestamp) -> Self {
        let id = ProcessId { pid: stat.pid, start_ticks: stat.start_ticks };
        // Looks at idle processes are spread over the seconds by pid.
        let next = at.plus_seconds(f64::from(stat.pid % 10) + 1.0);
        Self {
            stat: process_stat(stat),
            info: process_info::unknown(id, stat.is_kernel_thread()),
            is_unscanned: true,
            is_denied: false,
            network_namespace: None,
            files: HeldFiles::default(),
            mark: None,
            memory: None,
            standing: None,
            times: None,
            waits: ThreadWaits::default(),
            stat_next: next,
            comm: stat.comm,
            session: stat.session,
            descriptors: None,
            is_new: true,
            is_newborn: false,
            is_moved: true,
            busy_at: None,
            moved_at: at,
            detail_next: next,
            info_due: true,
            info_next: next,
            command_next: at,
            info_unsent: true,
        }
    }

    fn update(&mut self, stat: &Stat, at: Timestamp) {
        let before = std::mem::replace(&mut self.stat, process_stat(stat));
        let now = &self.stat;
        self.is_moved = (now.user_ticks, now.system_ticks, now.rss_bytes, now.minor_faults)
            != (before.user_ticks, before.system_ticks, before.rss_bytes, before.minor_faults);
        let ticks = |one: &ProcessStat| one.user_ticks.saturating_add(one.system_ticks);
        if ticks(now).saturating_sub(ticks(&before)) >= BUSY_TICKS {
            self.busy_at = Some(at);
        }
        if self.is_moved {
            self.moved_at = at;
            self.is_unscanned = true;
        }
        // exec follows fork within a tick: what was read of a new process may be its parent's.
        self.is_newborn = false;
        if std::mem::replace(&mut self.is_new, false) || self.comm != stat.comm {
            self.info_due = true;
            self.is_denied = false;
            self.command_next = at;
        }
        self.info_due |= !self.info.is_kernel && is_reached(at, self.info_next);
        if is_reached(at, self.stat_next) {
            self.stat_next = at.plus_seconds(IDLE_S);
        }
        self.comm = stat.comm;
        self.session = stat.session;
    }

    /// The service it belongs to: one of ours, else its systemd unit.
    pub(crate) fn service(&self) -> Option<&Arc<str>> {
        self.info.service.as_ref().or(self.info.unit.as_ref())
    }

    fn is_of_service(&self) -> bool {
        self.service().is_some()
    }

    /// The wait of a process for a CPU is asked for while it may matter: it runs, ran lately or serves.
    fn wants_times(&self, at: Timestamp) -> bool {
        let is_active = at.seconds_since(self.moved_at) <= ACTIVE_S;
        !self.info.is_kernel && (self.stat.state == b'R' || is_active || self.is_of_service())
    }

    pub(crate) fn is_detail_due(&self, at: Timestamp) -> bool {
        !self.info.is_kernel && (self.is_moved || is_reached(at, self.detail_next))
    }

    /// Reads the dearer counters and, where it is due, what seldom changes.
    pub(crate) fn look_closer(
        &mut self,
        (proc, root, held): (&mut ProcFs, &Path, &mut Held),
        threads: &[TaskRow],
        stretch: f64,
        sample: &mut Sample,
    ) {
        let at = sample.at;
        let detail = self.read_detail(proc, held, threads);
        let status = detail.as_ref().map(|one| one.status);
        if let Some(detail) = detail {
            self.is_denied = detail.is_denied && !self.is_newborn;
            self.is_unscanned |= detail.row.descriptors != self.descriptors;
            self.descriptors = detail.row.descriptors;
            sample.process_details.push(detail.row);
        }
        let period_s = if self.is_of_service() { SERVICE_S } else { IDLE_S };
        // A look out of turn at what does not move leaves the looks spread over the seconds.
        if self.is_moved && !self.is_new || is_reached(at, self.detail_next) {
            self.detail_next = at.plus_seconds(period_s * stretch);
        }
        if self.info_due {
            self.read_info((proc, root, held), (status.as_ref(), threads), stretch, sample);
        }
    }

    /// A process that lived long enough to have a file held is likely to be looked at again.
    fn read_detail(&mut self, proc: &mut ProcFs, held: &mut Held, threads: &[TaskRow]) -> Option<Detail> {
        if self.info.is_kernel {
            return None;
        }
        let (pid, may_hold) = (self.stat.pid, self.files.count() > 0 || !self.is_new);
        if let Some(standing) = Standing::of(threads) {
            self.read_memory(proc, held, threads);
            let memory = self.memory.as_ref().map(|(memory, _)| memory);
            let mut row = told::detail(proc, self.stat.id(), threads, memory)?;
            row.descriptors = row.descriptors.or_else(|| proc.fd_count(pid).ok());
            let status = Status { euid: standing.euid, ..Status::default() };
            return Some(Detail { row, status, is_denied: false });
        }
        let status = held.status(&mut self.files, pid, may_hold);
        let without_io = self.is_denied || self.is_newborn;
        let io = if without_io { None } else { held.io(&mut self.files, pid, may_hold) };
        process_detail::read(proc, self.stat.id(), without_io, (status, io))
    }

    /// Finds out by how much its rows are off, as often as what seldom changes is read, unless nothing moved since. One
    /// that was born just now will mostly not live long enough.
    fn read_memory(&mut self, proc: &mut ProcFs, held: &mut Held, threads: &[TaskRow]) {
        let is_known = self.memory.as_ref().is_some_and(|(_, mark)| mark.is_some() && *mark == self.mark);
        if !self.info_due || self.is_newborn || is_known {
            return;
        }
        let status = held.status(&mut self.files, self.stat.pid, !self.is_new);
        let status = status.or_else(|| proc.status(self.stat.pid).ok());
        self.memory = status.and_then(|status| Some((Memory::new(threads, &status)?, self.mark)));
    }

    fn read_info(
        &mut self,
        (proc, root, held): (&mut ProcFs, &Path, &mut Held),
        (status, threads): (Option<&Status>, &[TaskRow]),
        stretch: f64,
        sample: &mut Sample,
    ) {
        let at = sample.at;
        let extent = match is_reached(at, self.command_next) {
            _ if self.is_newborn => Extent::Newborn,
            true => Extent::Whole,
            false => Extent::Usual,
        };
        if extent == Extent::Whole {
            self.command_next = at.plus_seconds(COMMAND_S);
            self.read_namespace(root);
        }
        if is_reached(at, self.info_next) {
            self.info_next = at.plus_seconds(IDLE_S * stretch);
        }
        self.info_due = false;
        let (pid, may_hold) = (self.stat.pid, self.files.count() > 0);
        let before = std::mem::replace(&mut self.standing, Standing::of(threads));
        let now = self.standing.as_ref();
        let is_current = extent == Extent::Usual && now.is_some() && self.standing == before;
        let is_changed = !is_current && {
            let is_there = now.is_some_and(|now| before.is_some_and(|before| before.groups == now.groups));
            let cgroups = match self.info.is_kernel || is_there {
                true => Cgroups::AsBefore,
                false => held.cgroup(&mut self.files, pid, may_hold).map_or(Cgroups::Ask, Cgroups::Read),
            };
            let told = Told { status, cgroups, limits: now.map(|one| one.limits) };
            process_info::refresh(proc, self.comm.as_bytes(), told, extent, &mut self.info)
        };
        if is_changed || std::mem::take(&mut self.info_unsent) {
            self.info_unsent = false;
            sample.process_infos.push(self.info.clone());
        }
    }

    /// The inode behind `ns/net`; not ours to know for other users' processes.
    fn read_namespace(&mut self, root: &Path) {
        if !self.info.is_kernel && !self.is_denied {
            let link = root.join(format!("{}/ns/net", self.stat.pid));
            self.network_namespace = rustix::fs::stat(&link).ok().map(|stat| stat.st_ino);
        }
    }
}

/// Whether `next` is reached, with half a tick of tolerance for ticks that come a little early.
fn is_reached(at: Timestamp, next: Timestamp) -> bool {
    at.plus_seconds(0.5) >= next
}

/// The cheap counters as `stat` gives them; the wait for a CPU is not among them.
pub(crate) fn process_stat(stat: &Stat) -> ProcessStat {
    ProcessStat {
        pid: stat.pid,
        start_ticks: stat.start_ticks,
        ppid: stat.ppid,
        state: stat.state,
        user_ticks: stat.utime_ticks,
        system_ticks: stat.stime_ticks,
        nice: i8::try_from(stat.nice).unwrap_or(0),
        policy: u8::try_from(stat.policy).unwrap_or(0),
        threads: stat.num_threads,
        rss_bytes: stat.rss_bytes,
        virtual_bytes: stat.vsize_bytes,
        minor_faults: stat.minflt,
        major_faults: stat.majflt,
        run_delay_ns: None,
    }
}
