//! The handle on one cgroup. The readers of the files are in `v1` and `v2`.

use crate::error::{Result, os, parsed};
use crate::machine::pressure::{Pressure, Resource};
use crate::read::{self, End};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::path::Arg;
use std::path::Path;

/// The folder of one cgroup in one hierarchy, held open: it stays this group even if another is made with its name.
#[derive(Debug)]
pub struct CgroupDir {
    dir: OwnedFd,
    text: Vec<u8>,
}

impl CgroupDir {
    /// Opens the folder at `path`, which includes the mount point of the hierarchy.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_at(rustix::fs::CWD, path)
    }

    /// Opens another cgroup, at `path` below this one; the path's leading slash is optional.
    pub fn child(&self, path: &[u8]) -> Result<Self> {
        let below = path.trim_ascii_start();
        let below = below.strip_prefix(b"/").unwrap_or(below);
        Self::open_at(self.dir.as_fd(), if below.is_empty() { b"." } else { below })
    }

    fn open_at(dir: BorrowedFd<'_>, path: impl Arg) -> Result<Self> {
        let dir = read::open(dir, path, OFlags::DIRECTORY).map_err(os("cgroup"))?;
        Ok(Self { dir, text: Vec::new() })
    }

    /// Inode of the folder: the id of the cgroup as BPF programs see it, unique until the hierarchy is remounted.
    pub fn inode(&self) -> Result<u64> {
        rustix::fs::fstat(&self.dir).map(|stat| stat.st_ino).map_err(os("cgroup"))
    }

    /// The folder's descriptor.
    pub fn fd(&self) -> &OwnedFd {
        &self.dir
    }

    /// Reads `cpu.pressure`, `memory.pressure` or `io.pressure` (v2). `None` where the group has no such file.
    pub fn pressure(&mut self, of: Resource) -> Result<Option<Pressure>> {
        match of {
            Resource::Cpu => self.value("cpu.pressure", Pressure::parse),
            Resource::Memory => self.value("memory.pressure", Pressure::parse),
            Resource::Io => self.value("io.pressure", Pressure::parse),
        }
    }

    /// What `parse` makes of a file; `None` when the group has no such file, as a controller that is not enabled
    /// or a root group has none.
    pub(crate) fn value<T>(
        &mut self,
        file: &'static str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>> {
        match read::file(self.dir.as_fd(), file, file, End::ShortRead, &mut self.text) {
            Ok(()) => parsed(file, parse(&self.text)).map(Some),
            Err(crate::Error::Os {
                errno: rustix::io::Errno::NOENT | rustix::io::Errno::OPNOTSUPP, ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn opens_children_and_knows_the_inode() {
        let tree = Tree::new("cgroup-dir");
        tree.write("a/b/cpu.pressure", "some avg10=1.50 avg60=0 avg300=0 total=9\n")
            .write("a/io.pressure", "junk");
        let root = CgroupDir::open(tree.path()).unwrap();
        let mut group = root.child(b"/a/b").unwrap();
        assert_eq!(group.inode(), Ok(std::fs::metadata(tree.path().join("a/b")).unwrap().ino()));
        assert_eq!(group.pressure(Resource::Cpu).unwrap().unwrap().some.total_us, 9);
        assert_eq!(group.pressure(Resource::Memory), Ok(None));
        assert!(root.child(b"a").unwrap().pressure(Resource::Io).is_err());
        assert_eq!(root.child(b"/").unwrap().inode(), root.inode());
        assert!(root.child(b"/none").unwrap_err().is_gone());
    }
}
