//! Single figures from cgroup files for which the readers of kernfs have no struct.
use std::ffi::CStr;

use kernfs::cgroup::CgroupDir;
use rustix::fs::{Mode, OFlags, openat};

/// Room for one file; `memory.stat` has about 2 KiB. Unit: bytes.
const FILE_BYTES: usize = 16 << 10;

/// A buffer that is kept from file to file.
#[derive(Default)]
pub(crate) struct CgroupFile {
    text: Vec<u8>,
}

impl CgroupFile {
    /// The number behind `key` at the start of a line.
    pub(crate) fn number(&mut self, dir: &CgroupDir, file: &CStr, key: &[u8]) -> Option<u64> {
        let mut lines = self.read(dir, file)?.split(|b| *b == b'\n');
        decimal(lines.find_map(|line| line.strip_prefix(key))?)
    }

    /// Threads of a group and all below it, and their limit; nothing where there is no limit. Source: pids.current,
    /// pids.max, of either version.
    pub(crate) fn threads(&mut self, dir: &CgroupDir) -> Option<(u32, u32)> {
        let mut number = |file| u32::try_from(decimal(self.read(dir, file)?)?).ok();
        let most = number(c"pids.max")?;
        Some((number(c"pids.current")?, most))
    }

    /// Bytes read and written by a group and all below it, over all devices.
    pub(crate) fn blkio(&mut self, dir: &CgroupDir) -> Option<(u64, u64)> {
        let text = self.read(dir, c"blkio.throttle.io_service_bytes_recursive")?;
        let mut sum = (0u64, 0u64);
        for line in text.split(|b| *b == b'\n') {
            // `8:0 Read 4096`
            let mut columns = line.split(|b| *b == b' ').skip(1);
            let (Some(kind), Some(bytes)) = (columns.next(), columns.next().and_then(decimal)) else {
                continue;
            };
            match kind {
                b"Read" => sum.0 = sum.0.saturating_add(bytes),
                b"Write" => sum.1 = sum.1.saturating_add(bytes),
                _ => {}
            }
        }
        Some(sum)
    }

    fn read(&mut self, dir: &CgroupDir, file: &CStr) -> Option<&[u8]> {
        let fd = openat(dir.fd(), file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        self.text.resize(FILE_BYTES, 0);
        let len = rustix::io::read(&fd, &mut self.text[..]).ok()?;
        self.text.get(..len)
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}
