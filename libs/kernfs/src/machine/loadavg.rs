//! `/proc/loadavg` and `/proc/uptime`. See [`LoadAvg`] and [`Uptime`].

use crate::bytes::{dec, fields, fraction, split_once};
use crate::error::{Result, parsed};
use crate::proc_fs::ProcFs;

/// Tasks that run or wait uninterruptibly, averaged.
///
/// Source: `proc_loadavg(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LoadAvg {
    /// Mean of the last minute, tasks.
    pub load1: f64,
    /// Mean of the last five minutes, tasks.
    pub load5: f64,
    /// Mean of the last fifteen minutes, tasks.
    pub load15: f64,
    /// Tasks on a CPU or waiting for one now, count.
    pub runnable: u32,
    /// Processes and threads that exist now, count.
    pub tasks: u32,
    /// Id given to the newest process, in the pid namespace of the proc folder.
    pub last_pid: u32,
}

impl LoadAvg {
    /// Reads the text of `loadavg`. `None` for text in any other form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut columns = fields(text.trim_ascii());
        let mut load = || fraction(columns.next()?);
        let (load1, load5, load15) = (load()?, load()?, load()?);
        let (runnable, tasks) = split_once(columns.next()?, b'/')?;
        let last_pid = dec(columns.next()?)?;
        Some(Self { load1, load5, load15, runnable: dec(runnable)?, tasks: dec(tasks)?, last_pid })
    }
}

/// How long the machine runs.
///
/// Source: `proc_uptime(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Uptime {
    /// Since boot, sleep included, seconds with two decimals.
    pub uptime_s: f64,
    /// Idle time, summed over all CPUs, seconds with two decimals.
    pub idle_s: f64,
}

impl Uptime {
    /// Reads the text of `uptime`. `None` for text in any other form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut columns = fields(text.trim_ascii());
        Some(Self { uptime_s: fraction(columns.next()?)?, idle_s: fraction(columns.next()?)? })
    }
}

impl ProcFs {
    /// Reads `loadavg`.
    pub fn loadavg(&mut self) -> Result<LoadAvg> {
        parsed("loadavg", LoadAvg::parse(self.of_machine("loadavg")?))
    }

    /// Reads `uptime`.
    pub fn uptime(&mut self) -> Result<Uptime> {
        parsed("uptime", Uptime::parse(self.of_machine("uptime")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both() {
        let load = LoadAvg::parse(b"0.08 1.50 12.01 1/86 4817\n").unwrap();
        let expected =
            LoadAvg { load1: 0.08, load5: 1.5, load15: 12.01, runnable: 1, tasks: 86, last_pid: 4817 };
        assert_eq!(load, expected);
        assert_eq!(Uptime::parse(b"805.24 1570.93\n"), Some(Uptime { uptime_s: 805.24, idle_s: 1570.93 }));
    }

    #[test]
    fn broken_text_is_refused() {
        assert_eq!(LoadAvg::parse(b"0.08 1.50 12.01 1-86 4817\n"), None);
        assert_eq!(LoadAvg::parse(b"nan 1.50 12.01 1/86 4817\n"), None);
        assert_eq!(LoadAvg::parse(b""), None);
        assert_eq!(Uptime::parse(b"805.24\n"), None);
        assert_eq!(Uptime::parse(b"8.0.5 1\n"), None);
    }
}
