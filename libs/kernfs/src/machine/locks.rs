//! `/proc/locks`: file locks held and waited for. See [`FileLock`].

use crate::bytes::{collect, dec, fields, hex, lines, split_once};
use crate::error::Result;
use crate::name::Name;
use crate::proc_fs::ProcFs;

/// A file lock, or a task that waits for one.
///
/// Source: `proc_locks(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLock {
    /// Number of the lock: those that wait have the number of the lock they wait for.
    pub id: u64,
    /// True for a waiter.
    pub is_blocked: bool,
    /// `FLOCK`, `POSIX`, `OFDLCK`, `LEASE`.
    pub kind: Name<16>,
    /// True for a lock on writing, which excludes all others.
    pub is_write: bool,
    /// Process that asked for it; `None` for open file descriptions and for other pid namespaces.
    pub pid: Option<u32>,
    /// Major number of the device of the file.
    pub dev_major: u32,
    /// Minor number of the device of the file.
    pub dev_minor: u32,
    /// Inode of the file.
    pub inode: u64,
}

/// Reads the text of `locks` into `locks`; answers how many lines were in another form and left out.
pub fn parse_locks(text: &[u8], locks: &mut Vec<FileLock>) -> usize {
    collect(lines(text), locks, parse_line)
}

fn parse_line(line: &[u8]) -> Option<FileLock> {
    let (id, rest) = split_once(line.trim_ascii_start(), b':')?;
    let mut columns = fields(rest).peekable();
    let is_blocked = columns.next_if_eq(&&b"->"[..]).is_some();
    let kind = Name::new(columns.next()?);
    let is_write = columns.nth(1)? == b"WRITE";
    let pid = dec(columns.next()?).filter(|pid| *pid != 0);
    let mut file = columns.next()?.split(|b| *b == b':');
    Some(FileLock {
        id: dec(id)?,
        is_blocked,
        kind,
        is_write,
        pid,
        dev_major: hex(file.next()?)?,
        dev_minor: hex(file.next()?)?,
        inode: dec(file.next()?)?,
    })
}

impl ProcFs {
    /// Reads `locks` into `locks`; answers how many lines were left out.
    pub fn locks(&mut self, locks: &mut Vec<FileLock>) -> Result<usize> {
        Ok(parse_locks(self.of_machine("locks")?, locks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_holders_and_waiters() {
        let text = b"1: POSIX  ADVISORY  WRITE 1234 fe:01:789 0 EOF\n1: -> POSIX  ADVISORY  READ 1235 fe:01:789 0 EOF\n\
            2: OFDLCK ADVISORY  READ -1 00:17:5 128 128\n3: FLOCK\n";
        let mut locks = Vec::new();
        assert_eq!(parse_locks(text, &mut locks), 1);
        let holder = FileLock {
            id: 1,
            is_blocked: false,
            kind: Name::new(b"POSIX"),
            is_write: true,
            pid: Some(1234),
            dev_major: 0xfe,
            dev_minor: 1,
            inode: 789,
        };
        assert_eq!(locks[0], holder);
        assert_eq!(locks[1], FileLock { is_blocked: true, is_write: false, pid: Some(1235), ..holder });
        assert_eq!((locks[2].pid, locks[2].dev_minor), (None, 0x17));
    }
}
