//! What the rows of the task iterator tell of one process: the counters of `stat`, `status` and `io`, without a look at
//! /proc. Start at [`stat`].
//!
//! All are those of the kernel's own files, with two liberties. How CPU time divides into user and system is the timer's
//! estimate there as here, each rounded in its own way. And anonymous pages that the CPUs still hold back (at most 32 a
//! CPU on a small machine) are not in a row: [`Memory`] says by how much it was off when `status` was read last.
use bpfload::TaskRow;
use kernfs::{Comm, ProcFs, Stat, Status, Thread};
use vocab::ProcessId;
use vocab::sample::{ProcessDetail, ProcessStat};

/// Bits of a task's state. Source: include/linux/sched.h.
const TASK_IDLE: u32 = 0x402;
const TASK_RTLOCK_WAIT: u32 = 0x1000;
const TASK_FROZEN: u32 = 0x8000;

/// The row of the first thread, if the process is told of whole: one that ends is not.
fn main(threads: &[TaskRow]) -> Option<&TaskRow> {
    threads.first().filter(|one| one.tid == one.pid && !one.is_exiting())
}

/// What `stat` would say; `before` is what it said last, for no counter may run backwards.
pub(crate) fn stat(proc: &ProcFs, threads: &[TaskRow], before: Option<&ProcessStat>) -> Option<Stat> {
    let main = main(threads)?;
    let tick_ns = 1_000_000_000 / proc.ticks_per_s().max(1);
    let start_ticks = main.start_ns / tick_ns.max(1);
    let before = before.filter(|one| one.pid == main.pid && one.start_ticks == start_ticks);
    let (utime_ticks, stime_ticks) = times(threads, tick_ns.max(1), before);
    let pages = main.file_pages.cast_signed().max(0) + rest(main.anon_pages) + rest(main.shmem_pages);
    Some(Stat {
        pid: main.pid,
        comm: Comm::new(main.comm_bytes()),
        state: letter(main.state),
        ppid: main.ppid,
        session: main.session,
        flags: main.flags,
        minflt: sum(threads, |one| one.minor_faults),
        majflt: sum(threads, |one| one.major_faults),
        utime_ticks,
        stime_ticks,
        nice: main.nice,
        num_threads: u32::try_from(threads.len()).unwrap_or(u32::MAX),
        start_ticks,
        rss_bytes: pages.cast_unsigned().saturating_mul(proc.page_bytes()),
        policy: main.policy,
        vsize_bytes: main.total_pages.saturating_mul(proc.page_bytes()),
        ..Stat::default()
    })
}

/// What of a row seldom changes: owner, cgroups and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Effective user id.
    pub(crate) euid: u32,
    /// The set of cgroups, as the kernel names it.
    pub(crate) groups: u64,
    /// Soft and hard limit of open files.
    pub(crate) limits: (u64, u64),
}

impl Standing {
    /// `None` where the process is not told of.
    pub(crate) fn of(threads: &[TaskRow]) -> Option<Self> {
        let main = main(threads)?;
        let limits = (main.files_soft, main.files_hard);
        Some(Self { euid: main.euid, groups: main.groups, limits })
    }
}

/// How far the pages of a row were off when `status` was read last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    row_pages: [u64; 3],
    bytes: [Option<u64>; 3],
}

impl Memory {
    /// By the row of this tick and `status` as read in it.
    pub(crate) fn new(threads: &[TaskRow], status: &Status) -> Option<Self> {
        let main = main(threads)?;
        let row_pages = [main.anon_pages, main.swap_pages, main.shmem_pages];
        let bytes = [status.rss_anon_bytes, status.swap_bytes, status.rss_shmem_bytes];
        Some(Self { row_pages, bytes })
    }

    fn bytes(&self, index: usize, pages: u64, page_bytes: u64) -> Option<u64> {
        let change = pages.wrapping_sub(*self.row_pages.get(index)?).cast_signed();
        let change = change.saturating_mul(i64::try_from(page_bytes).ok()?);
        Some((*self.bytes.get(index)?)?.saturating_add_signed(change))
    }
}

/// The dearer counters. Descriptors are `None` where they have to be asked for.
pub(crate) fn detail(
    proc: &ProcFs,
    id: ProcessId,
    threads: &[TaskRow],
    memory: Option<&Memory>,
) -> Option<ProcessDetail> {
    let main = main(threads)?;
    let page_bytes = proc.page_bytes();
    let bytes = |index, pages: u64| match memory {
        Some(memory) => memory.bytes(index, pages, page_bytes),
        None => Some(rest(pages).cast_unsigned().saturating_mul(page_bytes)),
    };
    let is_counted = main.descriptors != TaskRow::DESCRIPTORS_UNKNOWN;
    Some(ProcessDetail {
        id,
        anon_bytes: bytes(0, main.anon_pages),
        swap_bytes: bytes(1, main.swap_pages),
        shmem_bytes: bytes(2, main.shmem_pages),
        descriptors: is_counted.then_some(u64::from(main.descriptors)),
        read_bytes: Some(sum(threads, |one| one.read_bytes)),
        write_bytes: Some(sum(threads, |one| one.write_bytes)),
        io_chars: Some(sum(threads, |one| one.io_chars)),
        io_calls: Some(sum(threads, |one| one.io_calls)),
        voluntary_switches: Some(main.voluntary_switches),
    })
}

/// One thread, but for where it stands.
pub(crate) fn thread(row: &TaskRow, ticks_per_s: u64) -> Thread {
    Thread {
        tid: row.tid,
        comm: Comm::new(row.comm_bytes()),
        state: letter(row.state),
        // Nobody divides them.
        utime_ticks: row.cpu_ns / (1_000_000_000 / ticks_per_s.max(1)).max(1),
        stime_ticks: 0,
        voluntary_switches: Some(row.voluntary_switches),
        wchan: None,
        syscall: None,
    }
}

fn sum(threads: &[TaskRow], of: fn(&TaskRow) -> u64) -> u64 {
    threads.iter().map(of).fold(0, u64::wrapping_add)
}

/// A counter of pages may be below zero while CPUs hold back what they added.
fn rest(pages: u64) -> i64 {
    pages.cast_signed().max(0)
}

/// User and system time: what the process ran, divided as the timer saw it. Source: `cputime_adjust` in the kernel's
/// kernel/sched/cputime.c.
fn times(threads: &[TaskRow], tick_ns: u64, before: Option<&ProcessStat>) -> (u64, u64) {
    let dead_ns = threads.first().map_or(0, |main| main.dead_cpu_ns);
    let ran_ns = sum(threads, |one| one.cpu_ns).wrapping_add(dead_ns);
    let (user, system) = (sum(threads, |one| one.user_ns), sum(threads, |one| one.system_ns));
    let (user_before, system_before) = before.map_or((0, 0), |one| (one.user_ticks, one.system_ticks));
    let ran = ran_ns / tick_ns;
    if ran <= user_before.saturating_add(system_before) {
        return (user_before, system_before);
    }
    let all = u128::from(user) + u128::from(system);
    let share = (u128::from(ran_ns) * u128::from(system)).checked_div(all).unwrap_or(0);
    let system_ns = u64::try_from(share).unwrap_or(ran_ns);
    let system = (system_ns / tick_ns).clamp(system_before, ran - user_before);
    let user = (ran_ns.saturating_sub(system_ns) / tick_ns).clamp(user_before, ran - system);
    (user, system)
}

/// The letter of a state in `stat`.
const fn letter(state: u32) -> u8 {
    match state {
        _ if state & TASK_IDLE == TASK_IDLE => b'I',
        _ if state & (TASK_FROZEN | TASK_RTLOCK_WAIT) != 0 => b'D',
        _ => match state & 0x7f {
            0 => b'R',
            1 => b'S',
            2..=3 => b'D',
            4..=7 => b'T',
            8..=15 => b't',
            16..=31 => b'X',
            32..=63 => b'Z',
            _ => b'P',
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cpu_ns: u64, user_ns: u64, system_ns: u64) -> TaskRow {
        let mut row = TaskRow::default();
        (row.cpu_ns, row.user_ns, row.system_ns) = (cpu_ns, user_ns, system_ns);
        row
    }

    #[test]
    fn time_is_divided_as_the_timer_saw_it_and_neither_part_runs_backwards() {
        let first = times(&[row(100, 3, 1)], 1, None);
        assert_eq!(first, (75, 25));
        let before = ProcessStat { user_ticks: first.0, system_ticks: first.1, ..ProcessStat::default() };
        // The timer saw it in user mode only since: the system's part stays what it was.
        assert_eq!(times(&[row(110, 30, 1)], 1, Some(&before)), (85, 25));
        assert_eq!(times(&[row(110, 1, 30)], 1, Some(&before)), (75, 35));
        assert_eq!(times(&[row(90, 1, 30)], 1, Some(&before)), first, "a clock that stood still");
        assert_eq!(times(&[row(10, 0, 0)], 1, None), (10, 0), "the timer never saw it");
    }

    #[test]
    fn memory_goes_on_from_what_status_said() {
        let mut main = TaskRow::default();
        (main.pid, main.tid, main.anon_pages) = (7, 7, (-3_i64).cast_unsigned());
        let status = Status { rss_anon_bytes: Some(40_960), ..Status::default() };
        let memory = Memory::new(&[main], &status).unwrap();
        assert_eq!(memory.bytes(0, main.anon_pages, 4_096), Some(40_960));
        main.anon_pages = 2;
        assert_eq!(memory.bytes(0, main.anon_pages, 4_096), Some(61_440));
        assert_eq!(memory.bytes(1, 0, 4_096), None, "unknown stays unknown");
    }

    #[test]
    fn states_have_the_letters_of_proc() {
        let letters = [0, 1, 2, 4, 8, 0x402, 0x8001].map(letter);
        assert_eq!(&letters, b"RSDTtID");
    }
}
