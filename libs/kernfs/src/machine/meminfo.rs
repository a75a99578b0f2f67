//! `/proc/meminfo`: what the memory of the machine is used for. See [`MemInfo`].

use crate::bytes::{dec, fields, lines, split_once};
use crate::error::{Result, parsed};
use crate::keyed::keyed;
use crate::proc_fs::ProcFs;

keyed! {
    /// Memory of the machine, bytes unless the name says count. `None` where this kernel has no such line.
    ///
    /// Source: `proc_meminfo(5)`.
    MemInfo {
        /// Usable memory.
        total_bytes = "MemTotal",
        /// Not used for anything.
        free_bytes = "MemFree",
        /// Estimate of what a new program could get without swapping. Linux 3.14.
        available_bytes = "MemAvailable",
        /// Cache of raw block devices.
        buffers_bytes = "Buffers",
        /// Cache of files, tmpfs and shared memory included.
        cached_bytes = "Cached",
        /// In memory and in swap at once.
        swap_cached_bytes = "SwapCached",
        /// Anonymous memory used recently.
        active_anon_bytes = "Active(anon)",
        /// Anonymous memory not used recently.
        inactive_anon_bytes = "Inactive(anon)",
        /// File cache used recently.
        active_file_bytes = "Active(file)",
        /// File cache not used recently.
        inactive_file_bytes = "Inactive(file)",
        /// Cannot be reclaimed.
        unevictable_bytes = "Unevictable",
        /// Locked by `mlock`.
        mlocked_bytes = "Mlocked",
        /// Swap space.
        swap_total_bytes = "SwapTotal",
        /// Swap space not used.
        swap_free_bytes = "SwapFree",
        /// Waits to be written to disk.
        dirty_bytes = "Dirty",
        /// Is being written to disk.
        writeback_bytes = "Writeback",
        /// Anonymous and mapped.
        anon_pages_bytes = "AnonPages",
        /// File cache that is mapped.
        mapped_bytes = "Mapped",
        /// Shared memory and tmpfs.
        shmem_bytes = "Shmem",
        /// Kernel memory that can be reclaimed. Linux 4.20.
        kernel_reclaimable_bytes = "KReclaimable",
        /// Kernel objects.
        slab_bytes = "Slab",
        /// Kernel objects that can be reclaimed.
        slab_reclaimable_bytes = "SReclaimable",
        /// Kernel objects that cannot be reclaimed.
        slab_unreclaimable_bytes = "SUnreclaim",
        /// Kernel stacks of all threads.
        kernel_stack_bytes = "KernelStack",
        /// Page tables.
        page_tables_bytes = "PageTables",
        /// What may be promised when overcommit is off.
        commit_limit_bytes = "CommitLimit",
        /// What is promised.
        committed_as_bytes = "Committed_AS",
        /// Anonymous memory in huge pages.
        anon_huge_pages_bytes = "AnonHugePages",
        /// Removed after hardware errors.
        hardware_corrupted_bytes = "HardwareCorrupted",
        /// Reserved huge pages, count.
        huge_pages_total_count = "HugePages_Total",
        /// Reserved huge pages not in use, count.
        huge_pages_free_count = "HugePages_Free",
        /// Size of a reserved huge page.
        huge_page_bytes = "Hugepagesize",
    }
}

impl MemInfo {
    /// Reads the text of `meminfo`. `None` without `MemTotal` or when a line has another form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut info = Self::default();
        for line in lines(text) {
            let (key, rest) = split_once(line, b':')?;
            let mut columns = fields(rest);
            let value: u64 = dec(columns.next()?)?;
            let unit_bytes = if columns.next() == Some(b"kB") { 1024 } else { 1 };
            info.set(key, value.checked_mul(unit_bytes)?);
        }
        info.total_bytes.map(|_| info)
    }
}

impl ProcFs {
    /// Reads `meminfo`.
    pub fn meminfo(&mut self) -> Result<MemInfo> {
        parsed("meminfo", MemInfo::parse(self.of_machine("meminfo")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_kilobytes_and_counts() {
        let text =
            b"MemTotal:       24669008 kB\nActive(anon):   8 kB\nHugePages_Total:       5\nFuture: 1 kB\n";
        let info = MemInfo::parse(text).unwrap();
        assert_eq!(info.total_bytes, Some(24_669_008 << 10));
        assert_eq!(info.active_anon_bytes, Some(8192));
        assert_eq!(info.huge_pages_total_count, Some(5));
        assert_eq!(info.available_bytes, None);
    }

    #[test]
    fn broken_text_is_refused() {
        for text in ["", "MemFree: 1 kB\n", "MemTotal: x kB\n", "MemTotal:\n", "MemTotal 1 kB\n"] {
            assert_eq!(MemInfo::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(MemInfo::parse(b"MemTotal: 18446744073709551615 kB\n"), None);
    }

    #[test]
    fn reads_this_machine() {
        let info = ProcFs::open("/proc".as_ref()).unwrap().meminfo().unwrap();
        assert!(info.free_bytes > Some(0) && info.free_bytes < info.total_bytes);
    }
}
