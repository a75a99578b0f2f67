//! Files of `/proc/PID` held open: a third to four fifths cheaper than opening them anew each tick, and bound to
//! their process. [`Held`] is the room for them, [`HeldFiles`] are those of one process.
use std::path::{Path, PathBuf};

use kernfs::{CgroupPaths, Io, SchedStat, Stat, Status};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

/// Room for one file; a text that fills it may be cut and counts as unread. `status` has some 1.5 KiB, on machines
/// with thousands of CPUs a few more. Unit: bytes.
const FILE_BYTES: usize = 8_192;
/// Files that are held open at most; each keeps a page in the kernel.
const HELD_MAX: u64 = 1_024;

/// Where the files are, and how many more may be held.
#[derive(Debug)]
pub(crate) struct Held {
    root: PathBuf,
    max: usize,
    left: usize,
    text: Vec<u8>,
}

/// The held files of one process.
#[derive(Debug, Default)]
pub(crate) struct HeldFiles {
    stat: Option<OwnedFd>,
    schedstat: Option<OwnedFd>,
    status: Option<OwnedFd>,
    io: Option<OwnedFd>,
    cgroup: Option<OwnedFd>,
}

impl Held {
    /// Room for half of the descriptors that this process may have, at most 1,024.
    pub(crate) fn new(root: &Path) -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let max = usize::try_from(limit.unwrap_or(u64::MAX).min(HELD_MAX * 2) / 2).unwrap_or(0);
        Self { root: root.to_owned(), max, left: max, text: vec![0; FILE_BYTES] }
    }

    /// Begins a tick in which `open` files are held.
    pub(crate) fn begin(&mut self, open: usize) {
        self.left = self.max.saturating_sub(open);
    }

    /// `stat` by its held file; `None` if there is none, or the process ended. `may_hold` says that it is to be
    /// held from now on. The same goes for the others.
    pub(crate) fn stat(&mut self, files: &mut HeldFiles, pid: u32, may_hold: bool) -> Option<Stat> {
        let page_bytes = rustix::param::page_size() as u64;
        Stat::parse(self.read(&mut files.stat, pid, "stat", may_hold)?, page_bytes)
    }

    /// `schedstat` by its held file.
    pub(crate) fn schedstat(&mut self, files: &mut HeldFiles, pid: u32, may_hold: bool) -> Option<SchedStat> {
        SchedStat::parse(self.read(&mut files.schedstat, pid, "schedstat", may_hold)?)
    }

    /// `status` by its held file.
    pub(crate) fn status(&mut self, files: &mut HeldFiles, pid: u32, may_hold: bool) -> Option<Status> {
        Status::parse(self.read(&mut files.status, pid, "status", may_hold)?)
    }

    /// `io` by its held file.
    pub(crate) fn io(&mut self, files: &mut HeldFiles, pid: u32, may_hold: bool) -> Option<Io> {
        Io::parse(self.read(&mut files.io, pid, "io", may_hold)?)
    }

    /// `cgroup` by its held file.
    pub(crate) fn cgroup(
        &mut self,
        files: &mut HeldFiles,
        pid: u32,
        may_hold: bool,
    ) -> Option<CgroupPaths<'_>> {
        self.read(&mut files.cgroup, pid, "cgroup", may_hold).map(CgroupPaths::new)
    }

    fn read(&mut self, file: &mut Option<OwnedFd>, pid: u32, name: &str, may_hold: bool) -> Option<&[u8]> {
        if file.is_none() && may_hold && self.left > 0 {
            let path = self.root.join(format!("{pid}/{name}"));
            *file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok();
            self.left -= usize::from(file.is_some());
        }
        let len = rustix::io::pread(file.as_ref()?, &mut self.text[..], 0).ok()?;
        self.text.get(..len).filter(|text| text.len() < FILE_BYTES)
    }
}

impl HeldFiles {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        [&self.stat, &self.schedstat, &self.status, &self.io, &self.cgroup].into_iter().flatten().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_file_shows_the_process_of_now_and_nothing_once_it_ended() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (mut held, mut files) = (Held::new(Path::new("/proc")), HeldFiles::default());
        assert_eq!(held.stat(&mut files, child.id(), false), None, "not opened unless told");
        assert_eq!(held.stat(&mut files, child.id(), true).map(|stat| stat.pid), Some(child.id()));
        assert!(held.status(&mut files, child.id(), true).is_some());
        assert!(held.io(&mut files, child.id(), true).is_some());
        assert!(held.schedstat(&mut files, child.id(), true).is_some());
        assert!(held.cgroup(&mut files, child.id(), true).is_some_and(|paths| paths.iter().count() > 0));
        assert_eq!(files.count(), 5);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(held.stat(&mut files, child.id(), true), None);
        assert_eq!(held.schedstat(&mut files, child.id(), true), None);
    }

    #[test]
    fn no_more_are_held_than_there_is_room_for() {
        let mut held = Held::new(Path::new("/proc"));
        let own = std::process::id();
        held.begin(held.max - 1);
        let mut files = [HeldFiles::default(), HeldFiles::default()];
        assert!(held.stat(&mut files[0], own, true).is_some());
        assert!(held.stat(&mut files[1], own, true).is_none());
        assert!(held.stat(&mut files[0], own, true).is_some(), "what is held stays");
    }
}
