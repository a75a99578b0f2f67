//! Collector `processes`: every process each tick, and of those that moved or are due, more.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernfs::ProcFs;
use vocab::sample::Sample;
use vocab::{ProcessId, Timestamp};

use crate::config::Bounds;
use crate::held_file::Held;
use crate::kernel::KernelSide;
use crate::ledger::Report;
use crate::services::Mains;
use crate::task_table::TaskTable;
use crate::told::{self, Standing};
use crate::tracked::Tracked;

/// Parents that are followed upwards to find the service of a new process.
const ANCESTORS: usize = 64;

/// By itself, for it is large: how many processes there were once shall not cost room for ever.
type Each = Box<Tracked>;

/// Every process, in order of pid.
#[derive(Debug)]
pub(crate) struct Processes {
    root: PathBuf,
    held: Held,
    tasks: TaskTable,
    pids: Vec<u32>,
    known: Vec<Each>,
    before: Vec<Each>,
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
        if report.take(self.tasks.list(proc, at, &mut self.pids)).is_none() {
            return;
        }
        report.dropped += self.pids.len().saturating_sub(bounds.processes) as u64;
        self.pids.truncate(bounds.processes);
        self.read_stats(proc, at);
        self.inherit_cgroups();
        self.assign_services(sample);
        self.read_details(proc, (bounds, stretch), sample, report);
        sample.processes.extend(self.known.iter().map(|one| one.stat));
        report.rows = sample.processes.len();
    }

    /// The processes of this tick, in order of pid.
    pub(crate) fn all(&mut self) -> &mut [Each] {
        &mut self.known
    }

    /// The process of that pid.
    pub(crate) fn get(&self, pid: u32) -> Option<&Tracked> {
        let index = self.known.binary_search_by_key(&pid, |one| one.stat.pid).ok()?;
        self.known.get(index).map(|one| &**one)
    }

    /// What the iterator told of its threads in this tick; nothing where it did not, or the process is another one.
    pub(crate) fn told(&self, id: ProcessId, ticks_per_s: u64) -> Vec<kernfs::Thread> {
        let is_it = self.get(id.pid).is_some_and(|one| one.stat.id() == id && one.standing.is_some());
        let threads = if is_it { self.tasks.threads(id.pid) } else { &[] };
        threads.iter().map(|one| told::thread(one, ticks_per_s)).collect()
    }

    /// Has the counters of a process read in the next tick even if it does not run until then: somebody is about
    /// to change it from outside.
    pub(crate) fn expect_change(&mut self, pid: u32) {
        if let Ok(index) = self.known.binary_search_by_key(&pid, |one| one.stat.pid)
            && let Some(one) = self.known.get_mut(index)
        {
            one.expect_change();
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
                None => Tracked::read(proc, *pid, threads, at, has_newborns),
            };
            // Ended between the listing and the read, or hidden from us: both are normal.
            self.known.extend(read);
        }
    }

    /// A new process that is in the same cgroups as its parent has them from there.
    fn inherit_cgroups(&mut self) {
        for index in 0..self.known.len() {
            let Some(one) = self.known.get(index).filter(|one| one.is_new && one.standing.is_none()) else {
                continue;
            };
            let now = Standing::of(self.tasks.threads(one.stat.pid));
            let is_same = |parent: &&Tracked| {
                let theirs = parent.standing.map(|one| one.groups);
                theirs.is_some() && theirs == now.map(|one| one.groups)
            };
            let Some(parent) = self.get(one.stat.ppid).filter(is_same) else { continue };
            let (cgroup, unit) = (parent.info.cgroup.clone(), parent.info.unit.clone());
            if let Some(one) = self.known.get_mut(index) {
                (one.info.cgroup, one.info.unit, one.standing) = (cgroup, unit, now);
            }
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
        let Self { root, held, tasks, known, .. } = self;
        let mut looks = 0;
        for one in known {
            if !one.info_due && !one.is_detail_due(at) {
                continue;
            }
            if looks >= bounds.details {
                report.dropped += 1;
                continue;
            }
            looks += 1;
            let threads = tasks.threads(one.stat.pid);
            one.look_closer((proc, root, held), threads, stretch, sample);
        }
    }
}
