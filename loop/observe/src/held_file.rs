//! Files of `/proc/PID` held open: a third to two thirds cheaper than opening them anew each tick, and bound to
//! their process.
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

/// Room for one `stat`, the larger of them: 52 numbers of at most 20 digits and a name. Unit: bytes.
pub(crate) const FILE_BYTES: usize = 2_048;
/// Files that are held open at most; each keeps a page in the kernel.
const HELD_MAX: u64 = 1_024;

/// How many files this process may hold open for this purpose: a quarter of its limit, at most 1,024.
pub(crate) fn held_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    usize::try_from(limit.unwrap_or(u64::MAX).min(HELD_MAX * 4) / 4).unwrap_or(0)
}

/// An open file of one process, which the kernel prints as one short record.
#[derive(Debug)]
pub(crate) struct HeldFile(OwnedFd);

impl HeldFile {
    /// Opens the file; `None` if the process ended or no more files may be opened.
    pub(crate) fn open(root: &Path, pid: u32, name: &str) -> Option<Self> {
        let path = root.join(format!("{pid}/{name}"));
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok().map(Self)
    }

    /// Reads it anew; `None` once the process ended.
    pub(crate) fn read<'a>(&self, text: &'a mut [u8; FILE_BYTES]) -> Option<&'a [u8]> {
        let len = rustix::io::pread(&self.0, &mut text[..], 0).ok()?;
        text.get(..len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_file_shows_the_process_of_now_and_nothing_once_it_ended() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let file = HeldFile::open(Path::new("/proc"), child.id(), "schedstat").unwrap();
        let mut text = [0; FILE_BYTES];
        assert!(file.read(&mut text).is_some_and(|text| !text.is_empty()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(file.read(&mut text), None);
    }
}
