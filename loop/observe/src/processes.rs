//! Collector `processes`: every process each tick, and of those that moved or are due, more.
//!
//! [`Tracked`] is what is remembered of a process between ticks; unchanged processes allocate nothing.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bpfload::TaskRow;
use kernfs::{Comm, ProcFs, SchedStat, Stat, Status};
use vocab::sample::{ProcessDetail, ProcessInfo, ProcessStat, Sample};
use vocab::{ProcessId, Timestamp};

use crate::config::Bounds;
use crate::held_file::{Held, HeldFiles};
use crate::kernel::KernelSide;
use crate::ledger::{Report, boot_ns};
use crate::process_detail::{self, Detail};
use crate::process_info::{self, Extent};
use crate::services::Mains;
use crate::task_table::{Mark, TaskTable, times};
use crate::thread_waits::ThreadWaits;

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
/// Parents that are followed upwards to find the service of a new process.
const ANCESTORS: usize = 64;

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
    files: HeldFiles,
    /// By what it is known, without a look at /proc, that nothing moved since `stat` was read.
    mark: Option<Mark>,
    /// The dearer counters, if nothing moved since they were read.
    detail: Option<ProcessDetail>,
    /// Whether nothing moved since `info` was read.
    is_info_current: bool,
    /// How long its main thread ran and waited, read before `stat`.
    times: Option<SchedStat>,
    /// How long all its threads waited.
    waits: ThreadWaits,
    /// When `stat` is read again at the latest, though its only thread did not run.
    stat_next: Timestamp,
    comm: Comm,
    session: i32,
    /// How many descriptors it had at the last closer look.
    pub(crate) descriptors: Option<u64>,
    /// Whether it was first seen in this tick, and began just before.
    is_new: bool,
    is_newborn: bool,
    /// Whether it used the CPU or memory in this tick.
    is_moved: bool,
    /// Whether it used notable CPU time in this tick.
    is_busy: bool,
    moved_at: Timestamp,
    /// When the dearer counters are due, if it does not move before.
    detail_next: Timestamp,
    /// Whether what seldom changes is due, and when else it is.
    info_due: bool,
    info_next: Timestamp,
    command_next: Timestamp,
    /// Whether `info` is to be delivered even if a read changes nothing.
    info_unsent: bool,
}

/// Every process, in order of pid.
#[derive(Debug)]
pub(crate) struct Processes {
    root: PathBuf,
    held: Held,
    tasks: TaskTable,
    pids: Vec<u32>,
    known: Vec<Tracked>,
    before: Vec<Tracked>,
    mains: Mains,
}

impl Processes {
    /// Nothing is known yet of the processes below `root`.
    pub(crate) fn new(root: &Path) -> Self {
        let (root, held, tasks) = (root.to_owned(), Held::new(root), TaskTable::new(root));
        let (pids, known, before) = (Vec::new(), Vec::new(), Vec::new());
        Self { root, held, tasks, pids, known, before, mains: Mains::default() }
    }

    /// Reads every process into `sample`. `stretch` multiplies the wait between looks at idle processes.
    pub(crate) fn read(
        &mut self,
        (proc, kernel): (&mut ProcFs, Option<&mut KernelSide>),
        (bounds, stretch): (&Bounds, f64),
        sample: &mut Sample,
        report: &mut Report,
    ) {
        let at = sample.at;
        self.tasks.read(kernel, at, report);
        if report.take(proc.pids(&mut self.pids)).is_none() {
            return;
        }
        self.pids.sort_unstable();
        report.dropped += self.pids.len().saturating_sub(bounds.processes) as u64;
        self.pids.truncate(bounds.processes);
        self.read_stats(proc, at);
        self.assign_services(sample);
        self.read_details(proc, (bounds, stretch), sample, report);
        sample.processes.extend(self.known.iter().map(|one| one.stat));
        report.rows = sample.processes.len();
    }

    /// The processes of this tick, in order of pid.
    pub(crate) fn all(&mut self) -> &mut [Tracked] {
        &mut self.known
    }

    /// The process of that pid.
    pub(crate) fn get(&self, pid: u32) -> Option<&Tracked> {
        let index = self.known.binary_search_by_key(&pid, |one| one.stat.pid).ok()?;
        self.known.get(index)
    }

    /// Has the counters of a process read in the next tick even if it does not run until then: somebody is about
    /// to change it from outside.
    pub(crate) fn expect_change(&mut self, pid: u32) {
        if let Ok(index) = self.known.binary_search_by_key(&pid, |one| one.stat.pid)
            && let Some(one) = self.known.get_mut(index)
        {
            one.stat_next = Timestamp::default();
            one.mark = None;
        }
    }

    fn read_stats(&mut self, proc: &mut ProcFs, at: Timestamp) {
        std::mem::swap(&mut self.known, &mut self.before);
        self.known.clear();
        // The first sample is whole.
        let has_newborns = !self.before.is_empty();
        self.held.begin(self.before.iter().map(|one| one.files.count()).sum());
        let mut before = self.before.drain(..).peekable();
        for pid in &self.pids {
            while before.next_if(|one| one.stat.pid < *pid).is_some() {}
            let same = before.next_if(|one| one.stat.pid == *pid);
            let threads = self.tasks.threads(*pid);
            let read = match same {
                Some(same) => same.read_again(proc, &mut self.held, threads, at),
                None => Tracked::read(proc, *pid, at, has_newborns),
            };
            // Ended between the listing and the read, or hidden from us: both are normal.
            self.known.extend(read);
        }
    }

    /// Finds the service of new processes by main process, session and ancestors; of all, when a main changed.
    fn assign_services(&mut self, sample: &Sample) {
        let is_changed = self.mains.update(&sample.services);
        if self.mains.is_empty() {
            return;
        }
        for index in 0..self.known.len() {
            let Some(one) = self.known.get(index) else { continue };
            if !(one.is_new || is_changed) || one.info.is_kernel || one.info.service.is_some() {
                continue;
            }
            let service = self.service_of(one);
            if let Some(one) = self.known.get_mut(index).filter(|_| service.is_some()) {
                one.info.service = service;
                (one.info_due, one.info_unsent) = (true, true);
            }
        }
    }

    fn service_of(&self, one: &Tracked) -> Option<Arc<str>> {
        if let Some(name) = self.mains.of_session(one.session) {
            return Some(name.clone());
        }
        let mut current = one;
        for _ in 0..ANCESTORS {
            let known = current.info.service.as_ref().or_else(|| self.mains.of(current.stat.id()));
            if let Some(name) = known {
                return Some(name.clone());
            }
            current = self.get(current.stat.ppid)?;
        }
        None
    }

    fn read_details(
        &mut self,
        proc: &mut ProcFs,
        (bounds, stretch): (&Bounds, f64),
        sample: &mut Sample,
        report: &mut Report,
    ) {
        let at = sample.at;
        let (root, held) = (&self.root, &mut self.held);
        let mut looks = 0;
        for one in &mut self.known {
            if !one.info_due && !one.is_detail_due(at) {
                continue;
            }
            if looks >= bounds.details {
                report.dropped += 1;
                continue;
            }
            looks += 1;
            one.look_closer((proc, root, held), stretch, sample);
        }
    }
}

impl Tracked {
    /// Reads a process that was not there before; `None` if it ended or is hidden from us.
    fn read(proc: &mut ProcFs, pid: u32, at: Timestamp, may_be_newborn: bool) -> Option<Self> {
        let stat = proc.stat(pid).ok()?;
        let mut new = Self::new(&stat, at);
        let began_s = stat.start_ticks / proc.ticks_per_s().max(1);
        new.is_newborn =
            may_be_newborn && (began_s..began_s + NEWBORN_S).contains(&(boot_ns() / 1_000_000_000));
        if new.wants_times(at) {
            let times = proc.schedstat(pid).ok();
            new.note_times(proc, times, &[]);
        }
        Some(new)
    }

    /// Reads the cheap counters anew; `None` if it ended. Another process of the same pid is a new one.
    ///
    /// `threads` are rows of the iterator, read before; empty where it does not tell of this process.
    fn read_again(
        mut self,
        proc: &mut ProcFs,
        held: &mut Held,
        threads: &[TaskRow],
        at: Timestamp,
    ) -> Option<Self> {
        // One that lived through a tick is likely to live on.
        let (pid, may_hold) = (self.stat.pid, !self.is_new);
        let mark = Mark::of(threads);
        if may_hold && mark.is_some() && mark == self.mark {
            self.rest(at);
            return Some(self);
        }
        (self.mark, self.detail, self.is_info_current) = (mark, None, false);
        let told = times(threads);
        let may_rest = self.stat.threads == 1 && may_hold && told.is_none();
        let wants_times = may_rest || self.wants_times(at);
        let read = told.is_none() && wants_times;
        let times = if read { held.schedstat(&mut self.files, pid, may_hold) } else { told };
        if may_rest && self.is_at_rest(times, at) {
            self.rest(at);
            return Some(self);
        }
        let times = times.or_else(|| if wants_times { proc.schedstat(pid).ok() } else { None });
        let stat = held.stat(&mut self.files, pid, may_hold).or_else(|| proc.stat(pid).ok())?;
        if stat.start_ticks != self.stat.start_ticks {
            return Self::read(proc, pid, at, true);
        }
        self.update(&stat, at);
        self.note_times(proc, times, threads);
        Some(self)
    }

    /// Whether its only thread did not run since `stat` was read: then all that it counts is unchanged. What others
    /// may change meanwhile (its nice value, its parent, pages taken away) is read when `stat` is due.
    fn is_at_rest(&self, times: Option<SchedStat>, at: Timestamp) -> bool {
        // Without CONFIG_SCHED_INFO all figures are zero.
        let has_times = times.is_some_and(|times| times.slices > 0);
        has_times && times == self.times && self.stat.state != b'R' && !is_reached(at, self.stat_next)
    }

    fn rest(&mut self, at: Timestamp) {
        self.is_moved = false;
        self.info_due |= !self.info.is_kernel && is_reached(at, self.info_next);
    }

    fn note_times(&mut self, proc: &mut ProcFs, times: Option<SchedStat>, threads: &[TaskRow]) {
        self.times = times;
        if !self.info.is_kernel {
            let is_whole = self.stat.threads > 1 && (self.is_busy || self.is_of_service());
            let (pid, waits) = (self.stat.pid, &mut self.waits);
            self.stat.run_delay_ns = times.map(|main| match threads {
                [] => waits.sum(proc, pid, main.run_delay_ns, is_whole),
                all => waits.sum_of(all, main.run_delay_ns, is_whole),
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
            detail: None,
            is_info_current: false,
            times: None,
            waits: ThreadWaits::default(),
            stat_next: next,
            comm: stat.comm,
            session: stat.session,
            descriptors: None,
            is_new: true,
            is_newborn: false,
            is_moved: true,
            is_busy: false,
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
        self.is_busy = ticks(now).saturating_sub(ticks(&before)) >= BUSY_TICKS;
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

    fn is_detail_due(&self, at: Timestamp) -> bool {
        !self.info.is_kernel && (self.is_moved || is_reached(at, self.detail_next))
    }

    /// Reads the dearer counters and, where it is due, what seldom changes.
    fn look_closer(
        &mut self,
        (proc, root, held): (&mut ProcFs, &Path, &mut Held),
        stretch: f64,
        sample: &mut Sample,
    ) {
        let at = sample.at;
        // Whatever others may have changed unseen is read with the command line; `info` needs `status`.
        let is_info_wanted = self.info_due && !self.is_info_current;
        let may_repeat = !is_info_wanted && !is_reached(at, self.command_next);
        let repeated = self.detail.filter(|_| may_repeat);
        sample.process_details.extend(repeated);
        let detail =
            if self.info.is_kernel || repeated.is_some() { None } else { self.read_detail(proc, held) };
        let status = detail.as_ref().map(|one| one.status);
        if let Some(detail) = detail {
            self.is_denied = detail.is_denied && !self.is_newborn;
            self.is_unscanned |= detail.row.descriptors != self.descriptors;
            self.descriptors = detail.row.descriptors;
            self.detail = self.mark.map(|_| detail.row);
            sample.process_details.push(detail.row);
        }
        let period_s = if self.is_of_service() { SERVICE_S } else { IDLE_S };
        // A look out of turn at what does not move leaves the looks spread over the seconds.
        if self.is_moved && !self.is_new || is_reached(at, self.detail_next) {
            self.detail_next = at.plus_seconds(period_s * stretch);
        }
        if self.info_due {
            self.read_info((proc, root, held), status.as_ref(), stretch, sample);
        }
    }

    /// A process that lived long enough to have a file held is likely to be looked at again.
    fn read_detail(&mut self, proc: &mut ProcFs, held: &mut Held) -> Option<Detail> {
        let (pid, may_hold) = (self.stat.pid, self.files.count() > 0);
        let status = held.status(&mut self.files, pid, may_hold);
        let without_io = self.is_denied || self.is_newborn;
        let io = if without_io { None } else { held.io(&mut self.files, pid, may_hold) };
        process_detail::read(proc, self.stat.id(), without_io, (status, io))
    }

    fn read_info(
        &mut self,
        (proc, root, held): (&mut ProcFs, &Path, &mut Held),
        status: Option<&Status>,
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
        let comm = self.comm.as_bytes();
        let may_hold = self.files.count() > 0;
        let pid = self.stat.pid;
        let is_current =
            std::mem::replace(&mut self.is_info_current, self.mark.is_some()) && extent == Extent::Usual;
        let is_changed = !is_current && {
            let cgroups =
                if self.info.is_kernel { None } else { held.cgroup(&mut self.files, pid, may_hold) };
            process_info::refresh(proc, comm, (status, cgroups), extent, &mut self.info)
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
        minor_faults: stat.minflt,
        major_faults: stat.majflt,
        run_delay_ns: None,
    }
}
