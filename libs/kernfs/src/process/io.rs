//! `/proc/PID/io`: bytes moved by a process. See [`Io`].

use crate::bytes::{dec, value_of};
use crate::error::{Result, parsed};
use crate::proc_fs::ProcFs;

/// Input and output of a process since it started, ended threads included.
///
/// Source: `proc_pid_io(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Io {
    /// Asked for by read calls, bytes; page cache and pipes included.
    pub rchar_bytes: u64,
    /// Handed to write calls, bytes; page cache and pipes included.
    pub wchar_bytes: u64,
    /// Read calls, count.
    pub syscr: u64,
    /// Write calls, count.
    pub syscw: u64,
    /// Fetched from block devices, bytes.
    pub read_bytes: u64,
    /// Sent, or to be sent, to block devices, bytes.
    pub write_bytes: u64,
    /// Dirtied but removed before it reached a device, bytes.
    pub cancelled_write_bytes: u64,
}

impl Io {
    /// Reads the text of `io`. `None` when a counter is missing or not a number.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let counter = |key: &str| dec(value_of(text, key.as_bytes())?);
        Some(Self {
            rchar_bytes: counter("rchar")?,
            wchar_bytes: counter("wchar")?,
            syscr: counter("syscr")?,
            syscw: counter("syscw")?,
            read_bytes: counter("read_bytes")?,
            write_bytes: counter("write_bytes")?,
            cancelled_write_bytes: counter("cancelled_write_bytes")?,
        })
    }
}

impl ProcFs {
    /// Reads `PID/io`. Denied for processes of other users without `CAP_SYS_PTRACE`.
    pub fn io(&mut self, pid: u32) -> Result<Io> {
        parsed("io", Io::parse(self.of_pid(pid, "io")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n";

    #[test]
    fn reads_every_counter() {
        let io = Io::parse(TEXT.as_bytes()).unwrap();
        assert_eq!((io.rchar_bytes, io.wchar_bytes, io.syscr, io.syscw), (1, 2, 3, 4));
        assert_eq!((io.read_bytes, io.write_bytes, io.cancelled_write_bytes), (5, 6, 7));
    }

    #[test]
    fn broken_text_is_refused() {
        assert_eq!(Io::parse(b""), None);
        assert_eq!(Io::parse(TEXT.replace("syscw: 4\n", "").as_bytes()), None);
        assert_eq!(Io::parse(TEXT.replace(": 5", ": -5").as_bytes()), None);
    }

    #[test]
    fn counts_its_own_reads() {
        let mut proc = ProcFs::open("/proc".as_ref()).unwrap();
        let first = proc.io(std::process::id()).unwrap();
        let second = proc.io(std::process::id()).unwrap();
        assert!(second.syscr > first.syscr);
    }
}
