//! `/proc/diskstats`: work of each block device. See [`DiskStat`].

use crate::bytes::{collect, dec, fields, lines};
use crate::error::Result;
use crate::name::Name;
use crate::proc_fs::ProcFs;

/// Size of the sector in which the kernel counts, whatever the device's own is; bytes.
const SECTOR_BYTES: u64 = 512;

/// Counts of one block device since boot.
///
/// Source: kernel `Documentation/admin-guide/iostats.rst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskStat {
    /// Major device number.
    pub major: u32,
    /// Minor device number.
    pub minor: u32,
    /// Name, such as `nvme0n1p1`.
    pub name: Name<32>,
    /// Reads completed, count.
    pub reads: u64,
    /// Reads merged into a neighbour, count.
    pub reads_merged: u64,
    /// Read, bytes.
    pub read_bytes: u64,
    /// Sum of the time of all reads, ms.
    pub read_ms: u64,
    /// Writes completed, count.
    pub writes: u64,
    /// Writes merged into a neighbour, count.
    pub writes_merged: u64,
    /// Written, bytes.
    pub write_bytes: u64,
    /// Sum of the time of all writes, ms.
    pub write_ms: u64,
    /// Requests in flight now, count.
    pub in_flight: u64,
    /// Time with at least one request in flight, ms.
    pub io_ms: u64,
    /// Time weighted by the number of requests in flight, ms.
    pub weighted_io_ms: u64,
    /// Flushes completed, count. Linux 5.5.
    pub flushes: Option<u64>,
    /// Sum of the time of all flushes, ms. Linux 5.5.
    pub flush_ms: Option<u64>,
}

/// Reads the text of `diskstats` into `disks`; answers how many lines were in another form and left out.
pub fn parse_diskstats(text: &[u8], disks: &mut Vec<DiskStat>) -> usize {
    collect(lines(text), disks, parse_line)
}

fn parse_line(line: &[u8]) -> Option<DiskStat> {
    let mut columns = fields(line);
    let (major, minor) = (dec(columns.next()?)?, dec(columns.next()?)?);
    let name = Name::new(columns.next()?);
    let mut next = || dec::<u64>(columns.next()?);
    let mut disk = DiskStat {
        major,
        minor,
        name,
        reads: next()?,
        reads_merged: next()?,
        read_bytes: next()?.checked_mul(SECTOR_BYTES)?,
        read_ms: next()?,
        writes: next()?,
        writes_merged: next()?,
        write_bytes: next()?.checked_mul(SECTOR_BYTES)?,
        write_ms: next()?,
        in_flight: next()?,
        io_ms: next()?,
        weighted_io_ms: next()?,
        ..DiskStat::default()
    };
    // Four columns on discards stand before the flushes.
    disk.flushes = columns.nth(4).and_then(dec);
    disk.flush_ms = columns.next().and_then(dec);
    Some(disk)
}

impl ProcFs {
    /// Reads `diskstats` into `disks`; answers how many lines were left out.
    pub fn diskstats(&mut self, disks: &mut Vec<DiskStat>) -> Result<usize> {
        Ok(parse_diskstats(self.of_machine("diskstats")?, disks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_old_and_new_kernels() {
        let text = b" 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n\
               8       1 sda1 1 2 3 4 5 6 7 8 9 10 11\n\
               8       2 sda2 1 2 x\n";
        let mut disks = Vec::new();
        assert_eq!(parse_diskstats(text, &mut disks), 1);
        let expected = DiskStat {
            major: 259,
            minor: 0,
            name: Name::new(b"nvme0n1"),
            reads: 1,
            reads_merged: 2,
            read_bytes: 3 * 512,
            read_ms: 4,
            writes: 5,
            writes_merged: 6,
            write_bytes: 7 * 512,
            write_ms: 8,
            in_flight: 9,
            io_ms: 10,
            weighted_io_ms: 11,
            flushes: Some(16),
            flush_ms: Some(17),
        };
        assert_eq!(disks[0], expected);
        assert_eq!((disks[1].weighted_io_ms, disks[1].flushes, disks[1].flush_ms), (11, None, None));
    }
}
