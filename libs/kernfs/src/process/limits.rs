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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
