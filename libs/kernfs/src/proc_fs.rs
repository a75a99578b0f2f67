//! The handle on a proc folder: one held descriptor and two reused buffers. The readers of the files are
//! methods of [`ProcFs`], each beside its parser in `process/` and `machine/`.

use crate::error::{Error, Result, os};
use crate::read::{self, End};
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{OFlags, RawDir, SeekFrom};
use rustix::io::Errno;
use std::io::Write as _;
use std::path::Path;

/// Magic number of a real proc file system in `statfs` (`PROC_SUPER_MAGIC` in `linux/magic.h`).
const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// Room for one `getdents` answer, bytes: some 1,000 processes.
const DIR_BYTES: usize = 32 << 10;

/// A thread of a process; both numbers belong to the pid namespace of the proc folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskId {
    /// The process (thread group).
    pub pid: u32,
    /// The thread; equals `pid` for the first one.
    pub tid: u32,
}

/// A proc folder, held open. Not shared between threads: each collector opens its own.
#[derive(Debug)]
pub struct ProcFs {
    dir: OwnedFd,
    is_kernel: bool,
    is_own_namespace: bool,
    fd_size_counts: bool,
    page_bytes: u64,
    path: Vec<u8>,
    text: Vec<u8>,
    entries: Vec<u8>,
}

impl ProcFs {
    /// Opens the proc folder at `root`, which is `/proc` or a tree of fixture files.
    ///
    /// Errors: `root` is missing, is not a folder or may not be read.
    pub fn open(root: &Path) -> Result<Self> {
        let dir = read::open(rustix::fs::CWD, root, OFlags::DIRECTORY).map_err(os("proc"))?;
        let is_kernel = rustix::fs::fstatfs(&dir)
            .is_ok_and(|fs| u64::try_from(fs.f_type).is_ok_and(|magic| magic == PROC_SUPER_MAGIC));
        // Own descriptors are never none, so a size of zero means a kernel before 6.2.
        let fd_size_counts = is_kernel
            && rustix::fs::statat(&dir, "self/fd", rustix::fs::AtFlags::empty())
                .is_ok_and(|stat| stat.st_size > 0);
        let mut own = [0; 16];
        let len = rustix::fs::readlinkat_raw(&dir, "self", &mut own[..]);
        let own_pid = len.ok().and_then(|len| crate::bytes::dec(own.get(..len)?));
        let is_own_namespace = is_kernel && own_pid == Some(std::process::id());
        let page_bytes = rustix::param::page_size() as u64;
        let entries = Vec::with_capacity(DIR_BYTES);
        let (path, text) = (Vec::new(), Vec::new());
        Ok(Self { dir, is_kernel, is_own_namespace, fd_size_counts, page_bytes, path, text, entries })
    }

    /// True for a mounted proc file system, false for a tree of fixture files.
    pub fn is_kernel(&self) -> bool {
        self.is_kernel
    }

    /// True when its pids are those that this process' system calls mean.
    pub(crate) fn is_own_namespace(&self) -> bool {
        self.is_own_namespace
    }

    /// True when the size of a process' `fd` folder is the number of its descriptors (Linux 6.2).
    pub(crate) fn fd_size_counts(&self) -> bool {
        self.fd_size_counts
    }

    /// Size of a page of this machine, bytes.
    pub fn page_bytes(&self) -> u64 {
        self.page_bytes
    }

    /// How many ticks of `stat` files make a second (`USER_HZ`).
    pub fn ticks_per_s(&self) -> u64 {
        rustix::param::clock_ticks_per_second()
    }

    /// The processes that exist now, in the kernel's order (ascending), into `pids`.
    pub fn pids(&mut self, pids: &mut Vec<u32>) -> Result<()> {
        rustix::fs::seek(&self.dir, SeekFrom::Start(0)).map_err(os("proc"))?;
        pids.clear();
        numeric_entries(self.dir.as_fd(), &mut self.entries, |pid| pids.push(pid)).map_err(os("proc"))
    }

    /// The numeric names in `PID/folder`, passed to `each`.
    pub(crate) fn numbers(&mut self, pid: u32, folder: &'static str, each: impl FnMut(u32)) -> Result<()> {
        self.set_path(format_args!("{pid}/{folder}"));
        let dir =
            read::open(self.dir.as_fd(), self.path.as_slice(), OFlags::DIRECTORY).map_err(os(folder))?;
        numeric_entries(dir.as_fd(), &mut self.entries, each).map_err(os(folder))
    }

    /// The symbolic links in `PID/folder` whose names are numbers, each with its target, passed to `each`; those
    /// that vanish meanwhile are left out. The folder is opened once: half the cost of a path for each link.
    pub(crate) fn links(
        &mut self,
        pid: u32,
        folder: &'static str,
        mut each: impl FnMut(u32, &[u8]),
    ) -> Result<()> {
        self.set_path(format_args!("{pid}/{folder}"));
        let dir =
            read::open(self.dir.as_fd(), self.path.as_slice(), OFlags::DIRECTORY).map_err(os(folder))?;
        let mut numbers = Vec::new();
        numeric_entries(dir.as_fd(), &mut self.entries, |number| numbers.push(number)).map_err(os(folder))?;
        for number in numbers {
            self.set_path(format_args!("{number}"));
            self.text.clear();
            self.text.reserve(libc::PATH_MAX as usize);
            match rustix::fs::readlinkat_raw(&dir, self.path.as_slice(), spare_capacity(&mut self.text)) {
                Ok(_) => each(number, &self.text),
                Err(Errno::NOENT | Errno::SRCH) => {}
                Err(errno) => return Err(os(folder)(errno)),
            }
        }
        Ok(())
    }

    /// The text of `PID/file`, which the kernel prints as one record.
    pub(crate) fn of_pid(&mut self, pid: u32, file: &'static str) -> Result<&[u8]> {
        self.set_path(format_args!("{pid}/{file}"));
        self.read(file, End::ShortRead)
    }

    /// The text of `PID/file`, which may have many records.
    pub(crate) fn all_of_pid(&mut self, pid: u32, file: &'static str) -> Result<&[u8]> {
        self.set_path(format_args!("{pid}/{file}"));
        self.read(file, End::Zero)
    }

    /// The text of `PID/task/TID/file`, which the kernel prints as one record.
    pub(crate) fn of_task(&mut self, task: TaskId, file: &'static str) -> Result<&[u8]> {
        self.set_path(format_args!("{}/task/{}/{file}", task.pid, task.tid));
        self.read(file, End::ShortRead)
    }

    /// The text of a file of the machine, such as `meminfo`.
    pub(crate) fn of_machine(&mut self, file: &'static str) -> Result<&[u8]> {
        self.set_path(format_args!("{file}"));
        self.read(file, End::Zero)
    }

    /// The text of any file below the root; `name` is for the error.
    pub(crate) fn at(&mut self, path: std::fmt::Arguments<'_>, name: &'static str) -> Result<&[u8]> {
        self.set_path(path);
        self.read(name, End::Zero)
    }

    /// Where the symbolic link `path` points to, as the kernel prints it.
    pub(crate) fn link(&mut self, path: std::fmt::Arguments<'_>, name: &'static str) -> Result<&[u8]> {
        self.set_path(path);
        self.text.clear();
        self.text.reserve(libc::PATH_MAX as usize);
        rustix::fs::readlinkat_raw(&self.dir, self.path.as_slice(), spare_capacity(&mut self.text))
            .map_err(os(name))?;
        Ok(&self.text)
    }

    /// `st_size` of a file below the root, bytes.
    pub(crate) fn size(&mut self, path: std::fmt::Arguments<'_>, name: &'static str) -> Result<u64> {
        self.set_path(path);
        let stat = rustix::fs::statat(&self.dir, self.path.as_slice(), rustix::fs::AtFlags::empty());
        u64::try_from(stat.map_err(os(name))?.st_size).map_err(|_| Error::Malformed { file: name })
    }

    /// Opens a file below the root.
    pub(crate) fn descriptor(&mut self, path: std::fmt::Arguments<'_>) -> rustix::io::Result<OwnedFd> {
        self.set_path(path);
        read::open(self.dir.as_fd(), self.path.as_slice(), OFlags::empty())
    }

    fn set_path(&mut self, path: std::fmt::Arguments<'_>) {
        self.path.clear();
        // Writing to a Vec does not fail.
        let _ = self.path.write_fmt(path);
    }

    fn read(&mut self, name: &'static str, end: End) -> Result<&[u8]> {
        read::file(self.dir.as_fd(), self.path.as_slice(), name, end, &mut self.text)?;
        Ok(&self.text)
    }
}

/// Passes the entries of an open folder whose names are decimal numbers to `each`.
fn numeric_entries(
    dir: BorrowedFd<'_>,
    room: &mut Vec<u8>,
    mut each: impl FnMut(u32),
) -> rustix::io::Result<()> {
    let mut entries = RawDir::new(dir, room.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) => {
                if let Some(number) = crate::bytes::dec(entry.file_name().to_bytes()) {
                    each(number);
                }
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    #[test]
    fn lists_only_numbers() {
        let tree = Tree::new("pids");
        tree.write("7/stat", "").write("42/stat", "").write("meminfo", "").write("9x/stat", "");
        let mut proc = ProcFs::open(tree.path()).unwrap();
        assert!(!proc.is_kernel());
        let mut pids = vec![99];
        for _ in 0..2 {
            proc.pids(&mut pids).unwrap();
            pids.sort_unstable();
            assert_eq!(pids, [7, 42]);
        }
    }

    #[test]
    fn finds_itself_on_a_live_machine() {
        let mut proc = ProcFs::open(Path::new("/proc")).unwrap();
        assert!(proc.is_kernel());
        let mut pids = Vec::new();
        proc.pids(&mut pids).unwrap();
        assert!(pids.contains(&std::process::id()));
    }

    #[test]
    fn a_missing_root_is_an_error() {
        assert!(ProcFs::open(Path::new("/nonexistent")).unwrap_err().is_gone());
    }
}
