//! `/proc/stat`: CPU time of the machine and of each CPU. See [`CpuStat`].

use crate::bytes::{dec, fields, lines};
use crate::error::{Result, parsed};
use crate::proc_fs::ProcFs;

/// Time of one CPU, or the sum of all, since boot; clock ticks.
///
/// The kernel's idle and iowait may step back a little. Source: `proc_stat(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuTicks {
    /// In user mode, guests included.
    pub user_ticks: u64,
    /// In user mode at low priority, guests included.
    pub nice_ticks: u64,
    /// In the kernel.
    pub system_ticks: u64,
    /// Idle.
    pub idle_ticks: u64,
    /// Idle while a task of this CPU waited for a disk.
    pub iowait_ticks: u64,
    /// Serving interrupts.
    pub irq_ticks: u64,
    /// Serving soft interrupts.
    pub softirq_ticks: u64,
    /// Taken by the hypervisor.
    pub steal_ticks: u64,
}

/// What `stat` says of the machine.
///
/// Source: `proc_stat(5)`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuStat {
    /// Sum of all CPUs.
    pub total: CpuTicks,
    /// Each CPU that is online, with its number.
    pub cpus: Vec<(u32, CpuTicks)>,
    /// Context switches since boot, count.
    pub ctxt: u64,
    /// When the machine booted, seconds since 1970 by today's clock; steps with it.
    pub btime_s: u64,
    /// Processes and threads made since boot, count.
    pub processes: u64,
    /// Tasks on a CPU or waiting for one now, count.
    pub procs_running: u64,
    /// Tasks that wait for a disk now, count.
    pub procs_blocked: u64,
    /// Software interrupts of all CPUs since boot by kind, count: HI, TIMER, NET_TX, NET_RX, BLOCK, IRQ_POLL, TASKLET,
    /// SCHED, HRTIMER, RCU.
    pub softirqs: [u64; SOFTIRQS],
}

/// Kinds of software interrupts.
pub const SOFTIRQS: usize = 10;

impl CpuStat {
    /// Reads the text of `stat` into `self`, whose list of CPUs is reused. `None` for text in another form.
    pub fn parse_into(&mut self, text: &[u8]) -> Option<()> {
        let mut cpus = std::mem::take(&mut self.cpus);
        cpus.clear();
        *self = Self { cpus, ..Self::default() };
        let mut has_total = false;
        for line in lines(text) {
            let mut columns = fields(line);
            let key = columns.next()?;
            match key {
                b"cpu" => {
                    self.total = ticks(&mut columns)?;
                    has_total = true;
                }
                b"ctxt" => self.ctxt = dec(columns.next()?)?,
                b"btime" => self.btime_s = dec(columns.next()?)?,
                b"processes" => self.processes = dec(columns.next()?)?,
                b"procs_running" => self.procs_running = dec(columns.next()?)?,
                b"procs_blocked" => self.procs_blocked = dec(columns.next()?)?,
                b"softirq" => {
                    // The first column is the sum.
                    for (count, column) in self.softirqs.iter_mut().zip(columns.skip(1)) {
                        *count = dec(column)?;
                    }
                }
                _ => {
                    if let Some(number) = key.strip_prefix(b"cpu") {
                        self.cpus.push((dec(number)?, ticks(&mut columns)?));
                    }
                }
            }
        }
        has_total.then_some(())
    }
}

fn ticks<'a>(columns: &mut impl Iterator<Item = &'a [u8]>) -> Option<CpuTicks> {
    let mut next = || dec(columns.next()?);
    Some(CpuTicks {
        user_ticks: next()?,
        nice_ticks: next()?,
        system_ticks: next()?,
        idle_ticks: next()?,
        iowait_ticks: next()?,
        irq_ticks: next()?,
        softirq_ticks: next()?,
        steal_ticks: next()?,
    })
}

impl ProcFs {
    /// Reads `stat` into `stat`.
    pub fn cpu_stat(&mut self, stat: &mut CpuStat) -> Result<()> {
        parsed("stat", stat.parse_into(self.of_machine("stat")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cpu  2197 15 1308 157093 146 1 15 7 0 0\ncpu0 960 3 537 78834 19 0 5 1 0 0\n\
        cpu3 1236 11 770 78259 126 0 9 5 0 0\nintr 106343 0 0\nctxt 229952\nbtime 1795000000\n\
        processes 4817\nprocs_running 2\nprocs_blocked 1\nsoftirq 1 2 3\n";

    #[test]
    fn reads_total_each_cpu_and_counts() {
        let mut stat = CpuStat { cpus: vec![(9, CpuTicks::default())], ..CpuStat::default() };
        stat.parse_into(TEXT.as_bytes()).unwrap();
        assert_eq!((stat.total.user_ticks, stat.total.steal_ticks, stat.total.irq_ticks), (2197, 7, 1));
        assert_eq!(stat.cpus.iter().map(|c| c.0).collect::<Vec<_>>(), [0, 3]);
        assert_eq!(stat.cpus[1].1.iowait_ticks, 126);
        assert_eq!((stat.ctxt, stat.btime_s, stat.processes), (229_952, 1_795_000_000, 4817));
        assert_eq!((stat.procs_running, stat.procs_blocked), (2, 1));
        assert_eq!(stat.softirqs, [2, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn broken_text_is_refused() {
        let mut stat = CpuStat::default();
        for text in ["", "cpu 1 2 3\n", "cpux 1 2 3 4 5 6 7 8\n", "ctxt 1\n", "cpu 1 2 3 4 5 6 7 -8\n"] {
            assert_eq!(stat.parse_into(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn reads_this_machine() {
        let mut stat = CpuStat::default();
        ProcFs::open("/proc".as_ref()).unwrap().cpu_stat(&mut stat).unwrap();
        assert!(!stat.cpus.is_empty() && stat.ctxt > 0 && stat.btime_s > 0 && stat.procs_running > 0);
    }
}
