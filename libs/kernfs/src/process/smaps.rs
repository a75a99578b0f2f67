//! `/proc/PID/smaps_rollup`: exact memory of a process, at the price of walking its page tables.

use crate::bytes::{kib, lines, value_of};
use crate::error::{Result, parsed};
use crate::proc_fs::ProcFs;

/// Sums over all mappings of a process, bytes.
///
/// Source: kernel `Documentation/filesystems/proc.rst`. Linux 4.14.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SmapsRollup {
    /// Resident.
    pub rss_bytes: u64,
    /// Resident, each page divided by the number of its sharers: summable over processes.
    pub pss_bytes: u64,
    /// Resident and anonymous.
    pub anonymous_bytes: u64,
    /// Resident, dirty and mapped by this process only: what its end would free or write back.
    pub private_dirty_bytes: u64,
    /// Swapped out.
    pub swap_bytes: u64,
}

impl SmapsRollup {
    /// Reads the text of `smaps_rollup`. `None` when a sum is missing or not a number.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let sum = |key: &str| kib(value_of(text, key.as_bytes())?);
        Some(Self {
            rss_bytes: sum("Rss")?,
            pss_bytes: sum("Pss")?,
            anonymous_bytes: sum("Anonymous")?,
            private_dirty_bytes: sum("Private_Dirty")?,
            swap_bytes: sum("Swap")?,
        })
    }
}

impl ProcFs {
    /// Reads `PID/smaps_rollup`. Needs the ptrace right; `None` for tasks without memory of their own.
    pub fn smaps_rollup(&mut self, pid: u32) -> Result<Option<SmapsRollup>> {
        let text = self.of_pid(pid, "smaps_rollup")?;
        if lines(text).next().is_none() {
            return Ok(None);
        }
        parsed("smaps_rollup", SmapsRollup::parse(text)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    const TEXT: &str = "55a3-7ffe ---p 00000000 00:00 0    [rollup]\nRss:    1756 kB\nPss:     457 kB\n\
        Pss_Dirty:  112 kB\nPrivate_Clean:   88 kB\nPrivate_Dirty:   112 kB\nAnonymous:  100 kB\n\
        Swap:  8 kB\nSwapPss:  4 kB\n";

    #[test]
    fn reads_sums() {
        let sums = SmapsRollup::parse(TEXT.as_bytes()).unwrap();
        assert_eq!((sums.rss_bytes, sums.pss_bytes), (1756 << 10, 457 << 10));
        assert_eq!(
            (sums.anonymous_bytes, sums.private_dirty_bytes, sums.swap_bytes),
            (102_400, 114_688, 8192)
        );
        assert_eq!(SmapsRollup::parse(TEXT.replace("Pss:", "Psx:").as_bytes()), None);
        assert_eq!(SmapsRollup::parse(TEXT.replace("457", "?").as_bytes()), None);
    }

    #[test]
    fn a_task_without_memory_is_none() {
        let tree = Tree::new("smaps");
        tree.write("2/smaps_rollup", "").write("3/smaps_rollup", TEXT);
        let mut proc = ProcFs::open(tree.path()).unwrap();
        assert_eq!(proc.smaps_rollup(2), Ok(None));
        assert!(proc.smaps_rollup(3).unwrap().is_some());
    }
}
