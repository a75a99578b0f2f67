//! `/proc/PID/schedstat`: how long a task ran and how long it waited for a CPU. See [`SchedStat`].

use crate::bytes::{dec, fields};
use crate::error::{Result, parsed};
use crate::proc_fs::{ProcFs, TaskId};

/// Run-queue times of one task (of the first thread when read for a process).
///
/// All zero on kernels without `CONFIG_SCHED_INFO`. Source: kernel `Documentation/scheduler/sched-stats.rst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SchedStat {
    /// Time on a CPU, ns.
    pub run_ns: u64,
    /// Time runnable but waiting for a CPU, ns.
    pub run_delay_ns: u64,
    /// Times it was put on a CPU, count.
    pub slices: u64,
}

impl SchedStat {
    /// Reads the text of `schedstat`. `None` unless it begins with three numbers.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut rest = fields(text.trim_ascii());
        Some(Self {
            run_ns: dec(rest.next()?)?,
            run_delay_ns: dec(rest.next()?)?,
            slices: dec(rest.next()?)?,
        })
    }
}

impl ProcFs {
    /// Reads `PID/schedstat`: the first thread only, see [`ProcFs::task_schedstat`] for the others.
    pub fn schedstat(&mut self, pid: u32) -> Result<SchedStat> {
        parsed("schedstat", SchedStat::parse(self.of_pid(pid, "schedstat")?))
    }

    /// Reads `PID/task/TID/schedstat`.
    pub fn task_schedstat(&mut self, task: TaskId) -> Result<SchedStat> {
        parsed("schedstat", SchedStat::parse(self.of_task(task, "schedstat")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_three_numbers_and_nothing_else() {
        let expected = SchedStat { run_ns: 5, run_delay_ns: 6, slices: 7 };
        assert_eq!(SchedStat::parse(b"5 6 7\n"), Some(expected));
        assert_eq!(SchedStat::parse(b"5 6\n"), None);
        assert_eq!(SchedStat::parse(b"5 x 7\n"), None);
        assert_eq!(SchedStat::parse(b""), None);
    }
}
