//! `/dev/kmsg`: the kernel's log, read without waiting. See [`Kmsg`].

use crate::bytes::{dec, split_once, unescape_hex};
use crate::error::{Error, Result, os};
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, SeekFrom};
use rustix::io::Errno;
use std::path::Path;

/// Longest record the kernel hands out, bytes (`CONSOLE_EXT_LOG_MAX` and `PRINTK_MESSAGE_MAX` are smaller).
const RECORD_BYTES: usize = 8 << 10;

/// One record of the kernel's log.
///
/// Source: kernel `Documentation/ABI/testing/dev-kmsg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsgRecord {
    /// Severity, 0 (emergency) to 7 (debug).
    pub priority: u8,
    /// Who wrote it: 0 for the kernel.
    pub facility: u32,
    /// Number of the record: a gap means that records were lost.
    pub seq: u64,
    /// When it was written, us since boot by the monotonic clock.
    pub ts_us: u64,
    /// The text, control bytes unescaped; bytes that are not UTF-8 become U+FFFD.
    pub text: String,
}

impl KmsgRecord {
    /// Reads one record. `None` for text in any other form; the `KEY=value` lines behind the text are left out.
    pub fn parse(record: &[u8]) -> Option<Self> {
        let (head, body) = split_once(record, b';')?;
        let mut columns = head.split(|b| *b == b',');
        let prefix: u32 = dec(columns.next()?)?;
        let text = body.split(|b| *b == b'\n').next()?;
        Some(Self {
            priority: u8::try_from(prefix & 7).ok()?,
            facility: prefix >> 3,
            seq: dec(columns.next()?)?,
            ts_us: dec(columns.next()?)?,
            text: String::from_utf8_lossy(&unescape_hex(text)).into_owned(),
        })
    }
}

/// An open reader of the kernel's log.
#[derive(Debug)]
pub struct Kmsg {
    fd: OwnedFd,
    record: Vec<u8>,
    lost: u64,
}

impl Kmsg {
    /// Opens the log at its oldest record. Denied without `CAP_SYSLOG` where `kernel.dmesg_restrict` is on.
    pub fn open(path: &Path) -> Result<Self> {
        let fd = crate::read::open(rustix::fs::CWD, path, OFlags::NONBLOCK).map_err(os("kmsg"))?;
        Ok(Self::from_fd(fd))
    }

    /// Reads from an open, non-blocking descriptor that gives one record a read.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd, record: Vec::with_capacity(RECORD_BYTES), lost: 0 }
    }

    /// Passes over all records written so far.
    pub fn seek_end(&mut self) -> Result<()> {
        rustix::fs::seek(&self.fd, SeekFrom::End(0)).map(drop).map_err(os("kmsg"))
    }

    /// The next record, or `None` when there is none yet.
    ///
    /// Errors: a record in another form (the next call goes on behind it), or a failing device.
    pub fn next_record(&mut self) -> Result<Option<KmsgRecord>> {
        loop {
            self.record.clear();
            match rustix::io::read(self.fd.as_fd(), spare_capacity(&mut self.record)) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(None),
                Ok(_) => {
                    let record = KmsgRecord::parse(&self.record);
                    return crate::error::parsed("kmsg", record).map(Some);
                }
                // The ring went round: the kernel set the position to the oldest record that is left.
                Err(Errno::PIPE) => self.lost += 1,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::Os { file: "kmsg", errno }),
            }
        }
    }

    /// How often records were overwritten before they were read; how many, the gap in `seq` says.
    pub fn overruns(&self) -> u64 {
        self.lost
    }

    /// The descriptor, to wait on until it is readable.
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn reads_a_record() {
        let record = b"30,339,5140900,-;NET: a\\x0ab; c\n SUBSYSTEM=net\n DEVICE=n1\n";
        let expected =
            KmsgRecord { priority: 6, facility: 3, seq: 339, ts_us: 5_140_900, text: "NET: a\nb; c".into() };
        assert_eq!(KmsgRecord::parse(record), Some(expected));
        for broken in [&b""[..], b";x", b"6,1;x", b"x,1,2,-;x", b"6,1,2,-"] {
            assert_eq!(KmsgRecord::parse(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn reads_record_by_record_and_never_waits() {
        let (write, read) = UnixDatagram::pair().unwrap();
        read.set_nonblocking(true).unwrap();
        let mut kmsg = Kmsg::from_fd(read.into());
        assert_eq!(kmsg.next_record(), Ok(None));
        write.send(b"4,1,10,-;one\n").unwrap();
        write.send(b"broken").unwrap();
        write.send(b"3,2,20,-;two\n").unwrap();
        assert_eq!(kmsg.next_record().unwrap().unwrap().text, "one");
        assert_eq!(kmsg.next_record(), Err(Error::Malformed { file: "kmsg" }));
        let two = kmsg.next_record().unwrap().unwrap();
        assert_eq!((two.priority, two.seq, two.ts_us), (3, 2, 20));
        assert_eq!(kmsg.next_record(), Ok(None));
        assert_eq!(kmsg.overruns(), 0);
    }
}
