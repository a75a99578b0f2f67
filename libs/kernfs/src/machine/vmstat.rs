//! `/proc/vmstat`: events of the memory manager since boot. See [`VmStat`].

use crate::error::{Result, parsed};
use crate::keyed::{each, keyed};
use crate::proc_fs::ProcFs;

keyed! {
    /// Counts since boot. `None` where this kernel has no such line.
    ///
    /// Source: kernel `include/linux/vm_event_item.h` and `mm/vmstat.c`.
    VmStat {
        /// Page faults.
        pgfault = "pgfault",
        /// Page faults that waited for a disk.
        pgmajfault = "pgmajfault",
        /// Pages looked at by the background reclaimer.
        pgscan_kswapd = "pgscan_kswapd",
        /// Pages looked at by tasks that had to reclaim for themselves.
        pgscan_direct = "pgscan_direct",
        /// Pages looked at on behalf of huge pages. Linux 6.2.
        pgscan_khugepaged = "pgscan_khugepaged",
        /// Pages reclaimed by the background reclaimer.
        pgsteal_kswapd = "pgsteal_kswapd",
        /// Pages reclaimed by tasks for themselves.
        pgsteal_direct = "pgsteal_direct",
        /// Pages reclaimed on behalf of huge pages. Linux 6.2.
        pgsteal_khugepaged = "pgsteal_khugepaged",
        /// Anonymous pages that came back after being evicted: thrashing. Linux 5.9.
        workingset_refault_anon = "workingset_refault_anon",
        /// File pages that came back after being evicted: thrashing. Linux 5.9.
        workingset_refault_file = "workingset_refault_file",
        /// Pages that came back after being evicted, before Linux 5.9.
        workingset_refault = "workingset_refault",
        /// Pages read from swap.
        pswpin = "pswpin",
        /// Pages written to swap.
        pswpout = "pswpout",
        /// KiB read from block devices.
        pgpgin_kib = "pgpgin",
        /// KiB written to block devices.
        pgpgout_kib = "pgpgout",
        /// Times a task had to reclaim before it got a page; sum over the zones (`allocstall_*`).
        allocstall = "allocstall",
        /// Times a task had to compact memory before it got a huge page.
        compact_stall = "compact_stall",
        /// Tasks killed for want of memory. Linux 4.13.
        oom_kill = "oom_kill",
        /// Pages that wait to be written, count now.
        nr_dirty = "nr_dirty",
        /// Pages being written, count now.
        nr_writeback = "nr_writeback",
    }
}

impl VmStat {
    /// Reads the text of `vmstat`. `None` for no lines or a line in another form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut stat = Self::default();
        let mut allocstall: Option<u64> = None;
        each(text, |key, value| {
            stat.set(key, value);
            if key.starts_with(b"allocstall") {
                allocstall = Some(allocstall.unwrap_or(0).wrapping_add(value));
            }
        })?;
        stat.allocstall = allocstall;
        stat.pgfault.map(|_| stat)
    }
}

impl ProcFs {
    /// Reads `vmstat`.
    pub fn vmstat(&mut self) -> Result<VmStat> {
        parsed("vmstat", VmStat::parse(self.of_machine("vmstat")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_zones() {
        let text = b"nr_free_pages 9\npgfault 100\npgmajfault 3\nallocstall_dma 1\nallocstall_normal 2\noom_kill 0\n";
        let stat = VmStat::parse(text).unwrap();
        assert_eq!((stat.pgfault, stat.pgmajfault), (Some(100), Some(3)));
        assert_eq!((stat.allocstall, stat.oom_kill, stat.pswpin), (Some(3), Some(0), None));
    }

    #[test]
    fn broken_text_is_refused() {
        for text in ["", "pgfault\n", "pgfault x\n", "pgfault -1\n", "nr_free_pages 9\n"] {
            assert_eq!(VmStat::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn reads_this_machine() {
        let stat = ProcFs::open("/proc".as_ref()).unwrap().vmstat().unwrap();
        assert!(stat.pgfault > Some(0) && stat.allocstall.is_some());
    }
}
