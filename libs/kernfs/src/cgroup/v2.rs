//! The files of a v2 cgroup. See [`V2`].

use crate::bytes::{collect, dec, fields, lines, split_once};
use crate::cgroup::CgroupDir;
use crate::error::Result;
use crate::keyed::{each, keyed};
use crate::machine::pressure::{Pressure, Resource};

/// A limit that may be `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// None set.
    Max,
    /// This many, in the unit of the field.
    At(u64),
}

impl Limit {
    /// Reads a number or `max`. `None` for any other text.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text.trim_ascii() {
            b"max" => Some(Self::Max),
            number => dec(number).map(Self::At),
        }
    }
}

keyed! {
    /// CPU time of a group and all below it since it was made (`cpu.stat`).
    CpuUse {
        /// All, us.
        usage_us = "usage_usec",
        /// In user mode, us.
        user_us = "user_usec",
        /// In the kernel, us.
        system_us = "system_usec",
        /// Periods that had work, count; `None` without the cpu controller.
        nr_periods = "nr_periods",
        /// Periods in which the quota ran out, count; `None` without the cpu controller.
        nr_throttled = "nr_throttled",
        /// Time held back by the quota, us; `None` without the cpu controller.
        throttled_us = "throttled_usec",
    }
}

impl CpuUse {
    /// Reads the text of `cpu.stat`. `None` for text in another form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut cpu = Self::default();
        each(text, |key, value| cpu.set(key, value))?;
        cpu.usage_us.map(|_| cpu)
    }
}

keyed! {
    /// What the memory limits did to a group and all below it, counts since it was made (`memory.events`).
    MemoryEvents {
        /// Reclaimed although below `memory.low`.
        low = "low",
        /// Slowed down at `memory.high`.
        high = "high",
        /// About to pass `memory.max`.
        max = "max",
        /// Allocation failed for want of memory.
        oom = "oom",
        /// Processes killed for want of memory.
        oom_kill = "oom_kill",
    }
}

impl MemoryEvents {
    /// Reads the text of `memory.events`. `None` for text in another form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut events = Self::default();
        each(text, |key, value| events.set(key, value))?;
        events.max.map(|_| events)
    }
}

/// Traffic of a group with one block device since it was made (a line of `io.stat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IoUse {
    /// Major device number.
    pub major: u32,
    /// Minor device number.
    pub minor: u32,
    /// Read, bytes.
    pub read_bytes: u64,
    /// Written, bytes.
    pub write_bytes: u64,
    /// Reads, count.
    pub reads: u64,
    /// Writes, count.
    pub writes: u64,
}

/// Reads the text of `io.stat` into `devices`; answers how many lines were in another form and left out.
pub fn parse_io_stat(text: &[u8], devices: &mut Vec<IoUse>) -> usize {
    collect(lines(text), devices, |line| {
        let mut columns = fields(line);
        let (major, minor) = split_once(columns.next()?, b':')?;
        let mut device = IoUse { major: dec(major)?, minor: dec(minor)?, ..IoUse::default() };
        for column in columns {
            let (key, value) = split_once(column, b'=')?;
            match key {
                b"rbytes" => device.read_bytes = dec(value)?,
                b"wbytes" => device.write_bytes = dec(value)?,
                b"rios" => device.reads = dec(value)?,
                b"wios" => device.writes = dec(value)?,
                _ => {}
            }
        }
        Some(device)
    })
}

/// The files of a v2 cgroup; `None` (and no devices) for those that the group has not.
///
/// Source: kernel `Documentation/admin-guide/cgroup-v2.rst`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct V2 {
    /// `cpu.stat`
    pub cpu: Option<CpuUse>,
    /// Share of the CPU against its neighbours, 1..=10000 (`cpu.weight`).
    pub cpu_weight: Option<u64>,
    /// Memory used, bytes (`memory.current`).
    pub memory_current_bytes: Option<u64>,
    /// Where it is slowed down, bytes (`memory.high`).
    pub memory_high: Option<Limit>,
    /// Where it is killed, bytes (`memory.max`).
    pub memory_max: Option<Limit>,
    /// `memory.events`
    pub memory_events: Option<MemoryEvents>,
    /// `io.stat`, a row a device.
    pub io: Vec<IoUse>,
    /// Lines of `io.stat` that were in another form and left out, count.
    pub io_skipped: usize,
    /// Whether it is frozen by now (`cgroup.events`).
    pub is_frozen: Option<bool>,
    /// `cpu.pressure`
    pub cpu_pressure: Option<Pressure>,
    /// `memory.pressure`
    pub memory_pressure: Option<Pressure>,
    /// `io.pressure`
    pub io_pressure: Option<Pressure>,
}

impl V2 {
    /// Takes `frozen` from the text of `cgroup.events`. `None` for text in another form.
    pub fn parse_events(&mut self, text: &[u8]) -> Option<()> {
        each(text, |key, value| {
            if key == b"frozen" {
                self.is_frozen = Some(value != 0);
            }
        })
    }
}

impl CgroupDir {
    /// Reads all of `out`; what the group has not becomes `None`. For what a tick needs, call the two parts.
    pub fn read_v2(&mut self, out: &mut V2) -> Result<()> {
        self.read_v2_use(out)?;
        self.read_v2_settings(out)
    }

    /// Reads what changes by itself: use, events and pressure. 8 files.
    pub fn read_v2_use(&mut self, out: &mut V2) -> Result<()> {
        out.cpu = self.value("cpu.stat", CpuUse::parse)?;
        out.memory_current_bytes = self.number("memory.current")?;
        out.memory_events = self.value("memory.events", MemoryEvents::parse)?;
        let devices = &mut out.io;
        devices.clear();
        out.io_skipped = self.value("io.stat", |text| Some(parse_io_stat(text, devices)))?.unwrap_or(0);
        out.is_frozen = None;
        self.value("cgroup.events", |text| out.parse_events(text))?;
        out.cpu_pressure = self.pressure(Resource::Cpu)?;
        out.memory_pressure = self.pressure(Resource::Memory)?;
        out.io_pressure = self.pressure(Resource::Io)?;
        Ok(())
    }

    /// Reads what somebody set: weight and limits. 3 files.
    pub fn read_v2_settings(&mut self, out: &mut V2) -> Result<()> {
        out.cpu_weight = self.number("cpu.weight")?;
        out.memory_high = self.value("memory.high", Limit::parse)?;
        out.memory_max = self.value("memory.max", Limit::parse)?;
        Ok(())
    }

    /// A file of one number.
    pub(crate) fn number(&mut self, file: &'static str) -> Result<Option<u64>> {
        self.value(file, |text| dec(text.trim_ascii()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    fn tree() -> Tree {
        let tree = Tree::new("v2");
        tree.write(
            "cpu.stat",
            "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 3\nthrottled_usec 2\n",
        )
        .write("cpu.weight", "100\n")
        .write("memory.current", "4096\n")
        .write("memory.high", "8192\n")
        .write("memory.max", "max\n")
        .write("memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 0\n")
        .write("io.stat", "259:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:0\nx:1\n")
        .write("cgroup.events", "populated 1\nfrozen 0\n")
        .write("memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
        tree
    }

    #[test]
    fn reads_a_group() {
        let (tree, mut out) = (tree(), V2::default());
        CgroupDir::open(tree.path()).unwrap().read_v2(&mut out).unwrap();
        assert_eq!(out.cpu.unwrap().throttled_us, Some(2));
        assert_eq!((out.cpu_weight, out.memory_current_bytes), (Some(100), Some(4096)));
        assert_eq!((out.memory_high, out.memory_max), (Some(Limit::At(8192)), Some(Limit::Max)));
        assert_eq!(out.memory_events.unwrap().oom_kill, Some(4));
        let device = IoUse { major: 259, minor: 0, read_bytes: 1, write_bytes: 2, reads: 3, writes: 4 };
        assert_eq!((out.io[0], out.io.len(), out.io_skipped), (device, 2, 1));
        assert_eq!(out.is_frozen, Some(false));
        assert_eq!(out.memory_pressure.unwrap().some.total_us, 5);
        assert_eq!(out.io_pressure, None);
    }

    #[test]
    fn what_is_missing_becomes_none_again() {
        let (tree, mut out) = (tree(), V2::default());
        let mut group = CgroupDir::open(tree.path()).unwrap();
        group.read_v2(&mut out).unwrap();
        for file in std::fs::read_dir(tree.path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        group.read_v2(&mut out).unwrap();
        assert_eq!(out, V2::default());
        tree.write("memory.max", "lots\n");
        assert_eq!(group.read_v2(&mut out), Err(crate::Error::Malformed { file: "memory.max" }));
    }
}
