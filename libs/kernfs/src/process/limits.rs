//! `/proc/PID/limits`: resource limits of a process. See [`Limits`].

use crate::bytes::{dec, fields, lines};
use crate::error::{Result, parsed};
use crate::proc_fs::ProcFs;

/// Soft and hard value of one limit; `None` means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SoftHard {
    /// What holds now.
    pub soft: Option<u64>,
    /// How far the process itself may raise the soft value.
    pub hard: Option<u64>,
}

/// The limits that a service runs into.
///
/// Source: `proc_pid_limits(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Open file descriptors, count (`Max open files`).
    pub nofile: SoftHard,
    /// Processes and threads of the user, count (`Max processes`).
    pub nproc: SoftHard,
    /// Virtual memory, bytes (`Max address space`).
    pub as_bytes: SoftHard,
    /// Locked memory, bytes (`Max locked memory`).
    pub memlock_bytes: SoftHard,
}

impl Limits {
    /// Reads the text of `limits`. `None` when one of the limits is missing or in another form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let limit = |key: &str| soft_hard(lines(text).find_map(|line| line.strip_prefix(key.as_bytes()))?);
        Some(Self {
            nofile: limit("Max open files ")?,
            nproc: limit("Max processes ")?,
            as_bytes: limit("Max address space ")?,
            memlock_bytes: limit("Max locked memory ")?,
        })
    }
}

fn soft_hard(rest: &[u8]) -> Option<SoftHard> {
    let value = |text: &[u8]| if text == b"unlimited" { Some(None) } else { dec(text).map(Some) };
    let mut columns = fields(rest);
    Some(SoftHard { soft: value(columns.next()?)?, hard: value(columns.next()?)? })
}

impl ProcFs {
    /// Reads `PID/limits`. Needs no privilege.
    pub fn limits(&mut self, pid: u32) -> Result<Limits> {
        parsed("limits", Limits::parse(self.of_pid(pid, "limits")?))
    }

    /// Open file descriptors that a process may have: by prlimit(2), a tenth of the cost of the file, where that
    /// is allowed and means the same process; else by `PID/limits`.
    pub fn descriptor_limit(&mut self, pid: u32) -> Result<SoftHard> {
        let asked = if self.is_own_namespace() { prlimit_nofile(pid) } else { None };
        asked.map_or_else(|| self.limits(pid).map(|limits| limits.nofile), Ok)
    }
}

fn prlimit_nofile(pid: u32) -> Option<SoftHard> {
    let pid = libc::pid_t::try_from(pid).ok()?;
    let mut now = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: no new limit is handed in, and `now` is a struct of ours that the kernel fills.
    let done = unsafe { libc::prlimit64(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut now) };
    let value = |limit: u64| (limit != libc::RLIM64_INFINITY).then_some(limit);
    (done == 0).then(|| SoftHard { soft: value(now.rlim_cur), hard: value(now.rlim_max) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    const TEXT: &str = "\
Limit                     Soft Limit           Hard Limit           Units     
Max processes             96365                unlimited            processes 
Max open files            1024                 524288               files     
Max locked memory         8388608              8388608              bytes     
Max address space         unlimited            unlimited            bytes     
";

    #[test]
    fn reads_numbers_and_unlimited() {
        let limits = Limits::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(limits.nofile, SoftHard { soft: Some(1024), hard: Some(524_288) });
        assert_eq!(limits.nproc, SoftHard { soft: Some(96_365), hard: None });
        assert_eq!(limits.as_bytes, SoftHard::default());
        assert_eq!(limits.memlock_bytes.soft, Some(8_388_608));
    }

    #[test]
    fn broken_text_is_refused() {
        assert_eq!(Limits::parse(b""), None);
        assert_eq!(Limits::parse(TEXT.replace("1024  ", "many  ").as_bytes()), None);
        assert_eq!(Limits::parse(TEXT.replace("Max processes", "Max proceeds").as_bytes()), None);
    }

    #[test]
    fn reads_itself() {
        let own = ProcFs::open("/proc".as_ref()).unwrap().limits(std::process::id()).unwrap();
        assert!(own.nofile.soft.is_none_or(|soft| soft > 2));
    }

    #[test]
    fn both_ways_to_the_descriptor_limit_agree() {
        let mut proc = ProcFs::open("/proc".as_ref()).unwrap();
        let own = std::process::id();
        assert!(proc.is_own_namespace() && prlimit_nofile(own).is_some());
        assert_eq!(prlimit_nofile(own), Some(proc.limits(own).unwrap().nofile));
        assert_eq!(proc.descriptor_limit(own).unwrap(), proc.limits(own).unwrap().nofile);
        let tree = Tree::new("nofile");
        let fixture = ProcFs::open(tree.path()).unwrap();
        assert!(!fixture.is_own_namespace(), "a pid of a recorded tree is not one of this machine");
    }
}
