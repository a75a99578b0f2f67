//! `/proc/PID/stat` held open: a third cheaper than opening it anew each tick, and bound to its process.
use std::path::Path;

use kernfs::Stat;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

/// Room for one `stat`: 52 numbers of at most 20 digits and a name. Unit: bytes.
const STAT_BYTES: usize = 2_048;
/// Files that are held open at most; each keeps a page in the kernel.
const HELD_MAX: u64 = 1_024;

/// How many files this process may hold open for this purpose: a quarter of its limit, at most 1,024.
pub(crate) fn held_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    usize::try_from(limit.unwrap_or(u64::MAX).min(HELD_MAX * 4) / 4).unwrap_or(0)
}

/// An open `stat` file.
#[derive(Debug)]
pub(crate) struct StatFile(OwnedFd);

impl StatFile {
    /// Opens the file of a process; `None` if it ended or no more files may be opened.
    pub(crate) fn open(root: &Path, pid: u32) -> Option<Self> {
        let path = root.join(format!("{pid}/stat"));
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok().map(Self)
    }

    /// Reads it; `None` once the process ended.
    pub(crate) fn read(&self, page_bytes: u64) -> Option<Stat> {
        let mut text = [0; STAT_BYTES];
        let len = rustix::io::pread(&self.0, &mut text, 0).ok()?;
        Stat::parse(text.get(..len)?, page_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_file_shows_the_process_of_now_and_nothing_once_it_ended() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let file = StatFile::open(Path::new("/proc"), child.id()).unwrap();
        assert_eq!(file.read(4096).map(|stat| stat.pid), Some(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(file.read(4096), None);
    }
}
