//! `/proc/PID/status`: owner, kinds of memory, context switches, capabilities. See [`Status`].

use crate::bytes::{dec, fields, hex, kib, lines, split_once};
use crate::error::{Result, parsed};
use crate::proc_fs::ProcFs;

/// What `status` says of a process or thread. Memory is `None` for kernel threads and zombies.
///
/// Source: `proc_pid_status(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Process that traces this one; 0 for none.
    pub tracer_pid: Option<u32>,
    /// Id in the innermost pid namespace it lives in (last of `NSpid`). Linux 4.1.
    pub ns_pid: Option<u32>,
    /// Number of pid namespaces it is seen from, 1 when it is not in one of its own (length of `NSpid`).
    pub ns_levels: u32,
    /// Anonymous resident memory, bytes (`RssAnon`). Linux 4.5.
    pub rss_anon_bytes: Option<u64>,
    /// Resident memory mapped from files, bytes (`RssFile`). Linux 4.5.
    pub rss_file_bytes: Option<u64>,
    /// Resident shared memory, bytes (`RssShmem`). Linux 4.5.
    pub rss_shmem_bytes: Option<u64>,
    /// Anonymous memory swapped out, bytes (`VmSwap`).
    pub swap_bytes: Option<u64>,
    /// Memory locked by `mlock`, bytes (`VmLck`).
    pub vm_lock_bytes: Option<u64>,
    /// Peak of resident memory, bytes (`VmHWM`).
    pub rss_peak_bytes: Option<u64>,
    /// Threads of the process, count.
    pub threads: Option<u32>,
    /// Times the task gave up the CPU to wait, count (of the one thread, not the process).
    pub voluntary_ctxt_switches: Option<u64>,
    /// Times the task was taken off the CPU, count (of the one thread, not the process).
    pub nonvoluntary_ctxt_switches: Option<u64>,
    /// Effective capabilities, one bit each (`CAP_*`).
    pub cap_eff: Option<u64>,
}

impl Status {
    /// Reads the text of `status`. `None` when the owner is missing or a known line holds another form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut status = Self::default();
        let mut has_owner = false;
        // The kernel escapes newlines in `Name`, so a name cannot forge a line.
        for line in lines(text) {
            let Some((key, value)) = split_once(line, b':') else { continue };
            has_owner |= key == b"Uid";
            status.set(key, value.trim_ascii())?;
        }
        has_owner.then_some(status)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"Uid" => {
                let mut ids = fields(value);
                self.uid = dec(ids.next()?)?;
                self.euid = dec(ids.next()?)?;
            }
            b"NSpid" => {
                self.ns_levels = u32::try_from(fields(value).count()).ok()?;
                self.ns_pid = Some(dec(fields(value).last()?)?);
            }
            b"TracerPid" => self.tracer_pid = Some(dec(value)?),
            b"RssAnon" => self.rss_anon_bytes = Some(kib(value)?),
            b"RssFile" => self.rss_file_bytes = Some(kib(value)?),
            b"RssShmem" => self.rss_shmem_bytes = Some(kib(value)?),
            b"VmSwap" => self.swap_bytes = Some(kib(value)?),
            b"VmLck" => self.vm_lock_bytes = Some(kib(value)?),
            b"VmHWM" => self.rss_peak_bytes = Some(kib(value)?),
            b"Threads" => self.threads = Some(dec(value)?),
            b"voluntary_ctxt_switches" => self.voluntary_ctxt_switches = Some(dec(value)?),
            b"nonvoluntary_ctxt_switches" => self.nonvoluntary_ctxt_switches = Some(dec(value)?),
            b"CapEff" => self.cap_eff = Some(hex(value)?),
            _ => {}
        }
        Some(())
    }
}

impl ProcFs {
    /// Reads `PID/status`. Needs no privilege.
    pub fn status(&mut self, pid: u32) -> Result<Status> {
        parsed("status", Status::parse(self.of_pid(pid, "status")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:\tweb\\nUid:\t9\nState:\tS (sleeping)\nTracerPid:\t0\nUid:\t1000\t0\t1000\t1000\n\
        NSpid:\t4806\t17\t1\nVmLck:\t       8 kB\nVmHWM:\t    1756 kB\nRssAnon:\t     112 kB\n\
        RssFile:\t    1644 kB\nRssShmem:\t       4 kB\nVmSwap:\t      20 kB\nThreads:\t3\n\
        CapEff:\t000001fffeffffff\nvoluntary_ctxt_switches:\t11\nnonvoluntary_ctxt_switches:\t7\n";

    #[test]
    fn reads_every_line() {
        let expected = Status {
            uid: 1000,
            euid: 0,
            tracer_pid: Some(0),
            ns_pid: Some(1),
            ns_levels: 3,
            rss_anon_bytes: Some(112 << 10),
            rss_file_bytes: Some(1644 << 10),
            rss_shmem_bytes: Some(4 << 10),
            swap_bytes: Some(20 << 10),
            vm_lock_bytes: Some(8 << 10),
            rss_peak_bytes: Some(1756 << 10),
            threads: Some(3),
            voluntary_ctxt_switches: Some(11),
            nonvoluntary_ctxt_switches: Some(7),
            cap_eff: Some(0x1ff_feff_ffff),
        };
        assert_eq!(Status::parse(TEXT.as_bytes()), Some(expected));
    }

    #[test]
    fn kernel_threads_have_no_memory_and_broken_text_is_refused() {
        let thread = Status::parse(b"Name:\tkthreadd\nUid:\t0\t0\t0\t0\n").unwrap();
        assert_eq!((thread.rss_anon_bytes, thread.swap_bytes), (None, None));
        assert_eq!(Status::parse(b""), None);
        assert_eq!(Status::parse(b"Name:\tx\n"), None);
        assert_eq!(Status::parse(TEXT.replace("112 kB", "many kB").as_bytes()), None);
        assert_eq!(Status::parse(TEXT.replace("\t17\t1\n", "\t17\t\x01\n").as_bytes()), None);
    }

    #[test]
    fn reads_itself() {
        let own = ProcFs::open("/proc".as_ref()).unwrap().status(std::process::id()).unwrap();
        assert!(own.rss_anon_bytes > Some(0) && own.threads > Some(1) && own.ns_levels >= 1);
    }
}
