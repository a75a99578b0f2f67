//! The files of v1 cgroups, one hierarchy a controller. See [`V1`].

use crate::bytes::{dec, value_of_word};
use crate::cgroup::{CgroupDir, Limit};
use crate::error::Result;

/// What the v1 hierarchies say of a group; `None` for what was not read or the group has not.
///
/// Each `read_v1_*` of [`CgroupDir`] fills the fields of its controller and leaves the others.
/// Source: kernel `Documentation/admin-guide/cgroup-v1/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct V1 {
    /// CPU time of the group and all below it, ns (`cpuacct.usage`).
    pub cpu_usage_ns: Option<u64>,
    /// Share of the CPU against its neighbours, 1024 by default (`cpu.shares`).
    pub cpu_shares: Option<u64>,
    /// Memory used, cache included, bytes (`memory.usage_in_bytes`).
    pub memory_usage_bytes: Option<u64>,
    /// Most memory allowed, bytes (`memory.limit_in_bytes`; the kernel's largest page count is [`Limit::Max`]).
    pub memory_limit: Option<Limit>,
    /// Anonymous memory of the group and all below it, bytes (`total_rss` of `memory.stat`).
    pub memory_rss_bytes: Option<u64>,
    /// Frozen by now: `FROZEN`; `FREEZING` and `THAWED` are false (`freezer.state`).
    pub is_frozen: Option<bool>,
}

/// Limits from here on mean none: the kernel prints its largest page count, rounded down to a page (up to 64 KiB).
const NO_LIMIT_BYTES: u64 = i64::MAX as u64 & !0xffff;

/// Reads the text of `memory.limit_in_bytes`. `None` for text in another form.
fn memory_limit(text: &[u8]) -> Option<Limit> {
    let bytes: u64 = dec(text.trim_ascii())?;
    Some(if bytes >= NO_LIMIT_BYTES { Limit::Max } else { Limit::At(bytes) })
}

/// Reads the text of `freezer.state`. `None` for text in another form.
fn frozen(text: &[u8]) -> Option<bool> {
    match text.trim_ascii() {
        b"FROZEN" => Some(true),
        b"FREEZING" | b"THAWED" => Some(false),
        _ => None,
    }
}

impl CgroupDir {
    /// Reads a group of the `cpuacct` hierarchy.
    pub fn read_v1_cpuacct(&mut self, out: &mut V1) -> Result<()> {
        out.cpu_usage_ns = self.number("cpuacct.usage")?;
        Ok(())
    }

    /// Reads a group of the `cpu` hierarchy.
    pub fn read_v1_cpu(&mut self, out: &mut V1) -> Result<()> {
        out.cpu_shares = self.number("cpu.shares")?;
        Ok(())
    }

    /// Reads a group of the `memory` hierarchy.
    pub fn read_v1_memory(&mut self, out: &mut V1) -> Result<()> {
        out.memory_usage_bytes = self.number("memory.usage_in_bytes")?;
        out.memory_limit = self.value("memory.limit_in_bytes", memory_limit)?;
        out.memory_rss_bytes = self.value("memory.stat", |text| dec(value_of_word(text, b"total_rss")?))?;
        Ok(())
    }

    /// Reads a group of the `freezer` hierarchy.
    pub fn read_v1_freezer(&mut self, out: &mut V1) -> Result<()> {
        out.is_frozen = self.value("freezer.state", frozen)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    #[test]
    fn reads_each_controller() {
        let tree = Tree::new("v1");
        tree.write("cpuacct.usage", "9\n")
            .write("cpu.shares", "1024\n")
            .write("memory.usage_in_bytes", "8192\n")
            .write("memory.limit_in_bytes", "9223372036854771712\n")
            .write("memory.stat", "rss 1\ntotal_rss_huge 2\ntotal_rss 4096\n")
            .write("freezer.state", "FREEZING\n");
        let mut group = CgroupDir::open(tree.path()).unwrap();
        let mut out = V1::default();
        group.read_v1_cpuacct(&mut out).unwrap();
        assert_eq!((out.cpu_usage_ns, out.cpu_shares), (Some(9), None));
        group.read_v1_cpu(&mut out).unwrap();
        group.read_v1_memory(&mut out).unwrap();
        group.read_v1_freezer(&mut out).unwrap();
        let expected = V1 {
            cpu_usage_ns: Some(9),
            cpu_shares: Some(1024),
            memory_usage_bytes: Some(8192),
            memory_limit: Some(Limit::Max),
            memory_rss_bytes: Some(4096),
            is_frozen: Some(false),
        };
        assert_eq!(out, expected);
        tree.write("freezer.state", "MELTED").write("cpu.shares", "much").write("memory.stat", "rss 1\n");
        assert!(group.read_v1_freezer(&mut out).is_err());
        assert!(group.read_v1_cpu(&mut out).is_err());
        assert!(group.read_v1_memory(&mut out).is_err());
    }
}
