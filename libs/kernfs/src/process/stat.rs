//! `/proc/PID/stat`: the one cheap file that says who a process is and what it used. See [`Stat`].

use crate::bytes::{dec, fields, signed};
use crate::error::{Result, parsed};
use crate::name::Comm;
use crate::proc_fs::ProcFs;

/// Bit of [`Stat::flags`] that marks a kernel thread (`PF_KTHREAD` in `linux/sched.h`).
pub const PF_KTHREAD: u32 = 0x0020_0000;

/// What `stat` says of a process or thread.
///
/// Source: `proc_pid_stat(5)`; field numbers are those of that page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// Process or thread id (field 1).
    pub pid: u32,
    /// Name of the task, without the parentheses (field 2).
    pub comm: Comm,
    /// State letter: R, S, D, Z, T, t, X, I and older ones (field 3).
    pub state: u8,
    /// Process id of the parent; 0 for none (field 4).
    pub ppid: u32,
    /// Process group (field 5); 0 for kernel threads, -1 when the leader has been reaped.
    pub pgrp: i32,
    /// Session (field 6); 0 for kernel threads, -1 when the leader has been reaped.
    pub session: i32,
    /// Device number of the controlling terminal; 0 for none (field 7).
    pub tty: i32,
    /// `PF_*` flags of the task (field 9).
    pub flags: u32,
    /// Page faults that needed no disk, count since start (field 10).
    pub minflt: u64,
    /// Page faults that waited for a disk, count since start (field 12).
    pub majflt: u64,
    /// CPU time in user mode, clock ticks (field 14).
    pub utime_ticks: u64,
    /// CPU time in kernel mode, clock ticks (field 15).
    pub stime_ticks: u64,
    /// User CPU time of reaped children, clock ticks (field 16).
    pub cutime_ticks: u64,
    /// Kernel CPU time of reaped children, clock ticks (field 17).
    pub cstime_ticks: u64,
    /// Kernel priority: 20 + nice, or minus one minus the real-time priority (field 18).
    pub priority: i32,
    /// Nice value, -20..=19 (field 19).
    pub nice: i32,
    /// Threads of the process, count (field 20).
    pub num_threads: u32,
    /// When the task started, clock ticks since boot (field 22).
    pub start_ticks: u64,
    /// Virtual memory, bytes (field 23).
    pub vsize_bytes: u64,
    /// Resident memory, bytes (field 24 times the page size; the kernel batches it, `smaps_rollup` is exact).
    pub rss_bytes: u64,
    /// CPU it last ran on (field 39).
    pub processor: u32,
    /// Real-time priority, 1..=99; 0 for a normal task (field 40).
    pub rt_priority: u32,
    /// Scheduling policy, `SCHED_*` (field 41).
    pub policy: u32,
    /// Wait for block I/O, clock ticks; stays 0 unless `kernel.task_delayacct` is on (field 42).
    pub delayacct_blkio_ticks: u64,
}

impl Stat {
    /// Reads the text of `stat`. `None` for text in any other form.
    pub fn parse(text: &[u8], page_bytes: u64) -> Option<Self> {
        // The name may hold spaces, parentheses and newlines; only digits follow its last parenthesis.
        let open = text.iter().position(|b| *b == b'(')?;
        let close = text.iter().rposition(|b| *b == b')').filter(|close| *close > open)?;
        let (pid, comm) = (text.get(..open)?.trim_ascii(), text.get(open + 1..close)?);
        let mut rest = fields(text.get(close + 1..)?.trim_ascii());
        let mut stat = Self { pid: dec(pid)?, comm: Comm::new(comm), ..Self::default() };
        stat.identity(&mut rest)?;
        stat.usage(&mut rest, page_bytes)?;
        stat.placement(&mut rest)?;
        Some(stat)
    }

    /// True for a thread of the kernel.
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// Fields 3 to 9.
    fn identity<'a>(&mut self, rest: &mut impl Iterator<Item = &'a [u8]>) -> Option<()> {
        self.state = *rest.next().filter(|state| state.len() == 1)?.first()?;
        self.ppid = dec(rest.next()?)?;
        self.pgrp = signed(rest.next()?)?;
        self.session = signed(rest.next()?)?;
        self.tty = signed(rest.next()?)?;
        self.flags = dec(rest.nth(1)?)?;
        Some(())
    }

    /// Fields 10 to 24.
    fn usage<'a>(&mut self, rest: &mut impl Iterator<Item = &'a [u8]>, page_bytes: u64) -> Option<()> {
        self.minflt = dec(rest.next()?)?;
        self.majflt = dec(rest.nth(1)?)?;
        self.utime_ticks = dec(rest.nth(1)?)?;
        self.stime_ticks = dec(rest.next()?)?;
        self.cutime_ticks = dec(rest.next()?)?;
        self.cstime_ticks = dec(rest.next()?)?;
        self.priority = signed(rest.next()?)?;
        self.nice = signed(rest.next()?)?;
        self.num_threads = dec(rest.next()?)?;
        self.start_ticks = dec(rest.nth(1)?)?;
        self.vsize_bytes = dec(rest.next()?)?;
        self.rss_bytes = dec::<u64>(rest.next()?)?.checked_mul(page_bytes)?;
        Some(())
    }

    /// Fields 39 to 42.
    fn placement<'a>(&mut self, rest: &mut impl Iterator<Item = &'a [u8]>) -> Option<()> {
        self.processor = dec(rest.nth(14)?)?;
        self.rt_priority = dec(rest.next()?)?;
        self.policy = dec(rest.next()?)?;
        self.delayacct_blkio_ticks = dec(rest.next()?)?;
        Some(())
    }
}

impl ProcFs {
    /// Reads `PID/stat`. Needs no privilege.
    pub fn stat(&mut self, pid: u32) -> Result<Stat> {
        let page_bytes = self.page_bytes();
        parsed("stat", Stat::parse(self.of_pid(pid, "stat")?, page_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    const TAIL: &str = "S 4803 4803 3261 34816 -1 4194304 101 5 3 0 17 23 1 2 20 -5 4 0 80522 3133440 379 \
        18446744073709551615 1 1 1 0 0 0 0 0 0 0 0 0 17 1 50 2 9 0 0 0 0 0 0 0 0 0 0\n";

    fn parse(comm: &str) -> Option<Stat> {
        Stat::parse(format!("4805 ({comm}) {TAIL}").as_bytes(), 4096)
    }

    #[test]
    fn reads_every_field() {
        let stat = parse("cat").unwrap();
        let expected = Stat {
            pid: 4805,
            comm: Comm::new(b"cat"),
            state: b'S',
            ppid: 4803,
            pgrp: 4803,
            session: 3261,
            tty: 34816,
            flags: 4_194_304,
            minflt: 101,
            majflt: 3,
            utime_ticks: 17,
            stime_ticks: 23,
            cutime_ticks: 1,
            cstime_ticks: 2,
            priority: 20,
            nice: -5,
            num_threads: 4,
            start_ticks: 80_522,
            vsize_bytes: 3_133_440,
            rss_bytes: 379 * 4096,
            processor: 1,
            rt_priority: 50,
            policy: 2,
            delayacct_blkio_ticks: 9,
        };
        assert_eq!(stat, expected);
        assert!(!stat.is_kernel_thread());
    }

    #[test]
    fn the_name_may_hold_anything() {
        for comm in ["a b", ") R 1 1", "((", "))", "x\ny", ""] {
            assert_eq!(parse(comm).unwrap().comm.as_bytes(), comm.as_bytes(), "{comm:?}");
        }
    }

    #[test]
    fn broken_text_is_refused() {
        let good = format!("1 (a) {TAIL}");
        assert!(Stat::parse(b"", 4096).is_none());
        assert!(Stat::parse(b")1(", 4096).is_none());
        assert!(Stat::parse(good.replace("101", "-101").as_bytes(), 4096).is_none());
        assert!(Stat::parse(good.replace(" S ", " SS ").as_bytes(), 4096).is_none());
        assert!(Stat::parse(good.replace("379", "18446744073709551615").as_bytes(), 4096).is_none());
        assert!(Stat::parse(good.split(" 17 1 50").next().unwrap().as_bytes(), 4096).is_none());
    }

    #[test]
    fn reads_a_tree_and_itself() {
        let tree = Tree::new("stat");
        tree.write("8/stat", format!("8 (kworker/u8:1-events) {}", TAIL.replace("4194304", "69238880")));
        let mut fixture = ProcFs::open(tree.path()).unwrap();
        assert!(fixture.stat(8).unwrap().is_kernel_thread());
        assert!(fixture.stat(9).unwrap_err().is_gone());
        let mut live = ProcFs::open("/proc".as_ref()).unwrap();
        let own = live.stat(std::process::id()).unwrap();
        assert_eq!(own.pid, std::process::id());
        assert!(own.rss_bytes > 0 && own.start_ticks > 0);
    }
}
