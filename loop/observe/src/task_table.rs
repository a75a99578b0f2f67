//! What the kernel's task iterator tells of every thread in one read: which processes moved since the last tick, and
//! what of them did.
//!
//! Of a process none of whose figures moved, what was read stands. Of one that moved the counters are in its rows, see
//! [`crate::told`], which says how near they are to those of /proc.
use std::path::Path;

use bpfload::TaskRow;
use kernfs::{ProcFs, SchedStat};
use vocab::Timestamp;

use crate::kernel::KernelSide;
use crate::ledger::Report;

/// Threads up to which the table is read; with more, or after an error, every process is read from /proc.
const THREADS_MAX: usize = 8_192;
/// How long after that it is not tried again. Unit: s.
const PAUSE_S: f64 = 60.0;
/// How often /proc is listed beside the table. Unit: s.
const LISTED_S: f64 = 10.0;

/// Every thread as of this tick; empty where there is no iterator.
#[derive(Debug, Default)]
pub(crate) struct TaskTable {
    rows: Vec<TaskRow>,
    is_live: bool,
    next: Timestamp,
    /// Processes that were in /proc and not in the table.
    left_out: Vec<u32>,
    listed_next: Timestamp,
}

impl TaskTable {
    /// For the processes below `root`: the iterator knows those of this machine only.
    pub(crate) fn new(root: &Path) -> Self {
        Self { is_live: root == Path::new("/proc"), ..Self::default() }
    }

    /// Reads every thread, before anything of this tick is read from /proc.
    pub(crate) fn read(&mut self, kernel: Option<&mut KernelSide>, at: Timestamp, report: &mut Report) {
        let (had, room) = (self.rows.len(), self.rows.capacity());
        self.rows.clear();
        // What a storm made it grow to is given back.
        if room > had + had / 2 {
            self.rows.shrink_to(had + had / 4);
        }
        let Some(kernel) = kernel.filter(|one| self.is_live && at >= self.next && one.runs("task_rows"))
        else {
            return;
        };
        let read = kernel.tasks_into(&mut self.rows, THREADS_MAX);
        if !matches!(read, Ok(true)) {
            self.rows = Vec::new();
            self.next = at.plus_seconds(PAUSE_S);
        }
        report.error = read.err();
        self.rows.sort_unstable_by_key(|one| (one.pid, one.tid));
    }

    /// Every process in `pids`: those of this table and the few that it leaves out, which are looked for in /proc now and
    /// then; all from there, where there is no table.
    ///
    /// # Errors
    /// /proc cannot be listed.
    pub(crate) fn list(
        &mut self,
        proc: &mut ProcFs,
        at: Timestamp,
        pids: &mut Vec<u32>,
    ) -> kernfs::Result<()> {
        let is_told = |rows: &[TaskRow], pid: u32| {
            rows.binary_search_by_key(&(pid, pid), |one| (one.pid, one.tid)).is_ok()
        };
        if self.rows.is_empty() || at >= self.listed_next {
            proc.pids(pids)?;
            pids.sort_unstable();
            self.listed_next = at.plus_seconds(LISTED_S);
            self.left_out.clear();
            self.left_out.extend(pids.iter().filter(|pid| !is_told(&self.rows, **pid)));
            return Ok(());
        }
        pids.clear();
        pids.extend(self.rows.iter().filter(|one| one.tid == one.pid).map(|one| one.pid));
        pids.extend(self.left_out.iter().filter(|pid| !is_told(&self.rows, **pid)));
        pids.sort_unstable();
        Ok(())
    }

    /// The threads of a process, the first one first.
    pub(crate) fn threads(&self, pid: u32) -> &[TaskRow] {
        let start = self.rows.partition_point(|one| one.pid < pid);
        let rest = self.rows.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|one| one.pid == pid)).unwrap_or_default()
    }
}

/// How long the first of these threads ran and waited; `None` where it is not told.
pub(crate) fn times(threads: &[TaskRow]) -> Option<SchedStat> {
    let main = threads.first().filter(|one| one.tid == one.pid)?;
    Some(SchedStat { run_ns: main.cpu_ns, run_delay_ns: main.run_delay_ns, slices: main.switches.max(1) })
}

/// What a process cannot do anything without changing, nor others do to it what we would read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    start_ns: u64,
    threads: usize,
    states: u64,
    cpu_ns: u64,
    run_delay_ns: u64,
    switches: u64,
    faults: u64,
    /// Resident pages of files, anonymous, shared, and those in swap: others may take them away.
    pages: [u64; 4],
    parent: u32,
    priority: (i32, u32),
    groups: u64,
    file_limits: (u64, u64),
}

impl Mark {
    /// `None` where the process is not told of, or may be running: then it moves at any time.
    pub(crate) fn of(threads: &[TaskRow]) -> Option<Self> {
        let main = threads.first().filter(|one| one.tid == one.pid)?;
        if threads.iter().any(|one| one.state == 0) {
            return None;
        }
        let sum = |of: fn(&TaskRow) -> u64| threads.iter().map(of).fold(0, u64::wrapping_add);
        Some(Self {
            start_ns: main.start_ns,
            threads: threads.len(),
            states: sum(|one| u64::from(one.state)),
            cpu_ns: sum(|one| one.cpu_ns).wrapping_add(main.dead_cpu_ns),
            run_delay_ns: sum(|one| one.run_delay_ns),
            switches: sum(|one| one.switches),
            faults: sum(|one| one.minor_faults.wrapping_add(one.major_faults)),
            pages: [main.file_pages, main.anon_pages, main.shmem_pages, main.swap_pages],
            parent: main.ppid,
            priority: (main.nice, main.policy),
            groups: main.groups,
            file_limits: (main.files_soft, main.files_hard),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(pid: u32, tid: u32) -> TaskRow {
        let mut row = TaskRow::default();
        (row.pid, row.tid, row.state, row.cpu_ns) = (pid, tid, 1, 5);
        row
    }

    #[test]
    fn the_threads_of_a_process_are_together_and_its_first_is_first() {
        let mut table =
            TaskTable { rows: vec![thread(7, 9), thread(3, 3), thread(7, 7)], ..TaskTable::default() };
        table.rows.sort_unstable_by_key(|one| (one.pid, one.tid));
        let tids = |pid| table.threads(pid).iter().map(|one| one.tid).collect::<Vec<_>>();
        assert_eq!((tids(7), tids(3), tids(5)), (vec![7, 9], vec![3], vec![]));
    }

    #[test]
    fn who_is_not_in_the_table_is_listed_until_it_is() {
        let mut proc = ProcFs::open(Path::new("/proc")).unwrap();
        let rows = vec![thread(3, 3), thread(7, 7), thread(7, 9)];
        let listed_next = Timestamp::from_secs(9);
        let mut table = TaskTable { rows, left_out: vec![1, 7], listed_next, ..TaskTable::default() };
        let mut pids = Vec::new();
        table.list(&mut proc, Timestamp::from_secs(8), &mut pids).unwrap();
        assert_eq!(pids, [1, 3, 7]);
        table.list(&mut proc, listed_next, &mut pids).unwrap();
        assert!(pids.contains(&std::process::id()) && table.left_out.contains(&std::process::id()));
    }

    #[test]
    fn whoever_runs_or_is_not_told_of_has_no_mark_and_any_change_is_another_one() {
        let rest = [thread(7, 7), thread(7, 9)];
        let changed = |change: fn(&mut TaskRow), index: usize| {
            let mut rows = rest;
            change(&mut rows[index]);
            Mark::of(&rows)
        };
        let mark = Mark::of(&rest);
        assert!(mark.is_some() && mark == changed(|_| {}, 0));
        assert_eq!(
            (Mark::of(&rest[1..]), Mark::of(&[]), changed(|one| one.state = 0, 1)),
            (None, None, None)
        );
        let of_any: [fn(&mut TaskRow); 5] = [
            |one| one.cpu_ns += 1,
            |one| one.run_delay_ns += 1,
            |one| one.switches += 1,
            |one| one.major_faults += 1,
            |one| one.state = 2,
        ];
        assert!(of_any.iter().all(|change| changed(*change, 1).is_some_and(|now| Some(now) != mark)));
        let of_main: [fn(&mut TaskRow); 11] = [
            |one| one.start_ns += 1,
            |one| one.dead_cpu_ns += 1,
            |one| one.ppid += 1,
            |one| one.nice += 1,
            |one| one.policy += 1,
            |one| one.anon_pages += 1,
            |one| one.swap_pages += 1,
            |one| one.file_pages += 1,
            |one| one.shmem_pages += 1,
            |one| one.groups += 1,
            |one| one.files_hard += 1,
        ];
        assert!(of_main.iter().all(|change| changed(*change, 0).is_some_and(|now| Some(now) != mark)));
    }
}
