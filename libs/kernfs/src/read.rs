//! Reading a whole small file, relative to a held folder, into a buffer that is kept.

use crate::error::{Error, Result, os};
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::path::Arg;

/// Largest file that is read, bytes. The maps of a process with half a million mappings (the kernel's
/// default allows 65,530) fit; a file that never ends does not.
pub const MAX_FILE_BYTES: usize = 64 << 20;

/// First size of a buffer, bytes: `status` of a process with 1,000 supplementary groups fits in one read.
const FIRST_BYTES: usize = 16 << 10;

/// A buffer that grew beyond this is given back before the next read, bytes.
const KEPT_BYTES: usize = 256 << 10;

/// When the end of the file is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A read that leaves room in the buffer was the last: holds for files the kernel prints as one record
    /// (`single_open` and cgroup files) and saves the read that would only answer zero.
    ShortRead,
    /// Only a read of zero bytes: for files of many records, which stop at page borders.
    Zero,
}

/// Opens a file for reading below `dir`.
pub(crate) fn open(dir: BorrowedFd<'_>, path: impl Arg, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | flags, Mode::empty())
}

/// Replaces the content of `text` by that of the file; `name` is for the error.
pub(crate) fn file(
    dir: BorrowedFd<'_>,
    path: impl Arg,
    name: &'static str,
    end: End,
    text: &mut Vec<u8>,
) -> Result<()> {
    if text.capacity() > KEPT_BYTES {
        *text = Vec::new();
    }
    text.clear();
    let fd = open(dir, path, OFlags::empty()).map_err(os(name))?;
    loop {
        if text.len() >= MAX_FILE_BYTES {
            return Err(Error::TooLarge { file: name });
        }
        if text.len() == text.capacity() {
            text.reserve(FIRST_BYTES.max(text.capacity()));
        }
        match rustix::io::read(fd.as_fd(), spare_capacity(text)) {
            Ok(0) => return Ok(()),
            Ok(_) if end == End::ShortRead && text.len() < text.capacity() => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(os(name)(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    #[test]
    fn reads_any_size_and_gives_large_buffers_back() {
        let tree = Tree::new("read");
        let big = vec![b'x'; 3 * KEPT_BYTES + 1];
        tree.write("big", &big).write("small", b"abc").write("empty", b"");
        let dir = std::fs::File::open(tree.path()).unwrap();
        let mut text = Vec::new();
        for end in [End::Zero, End::ShortRead] {
            file(dir.as_fd(), "big", "big", end, &mut text).unwrap();
            assert_eq!(text.len(), big.len());
            file(dir.as_fd(), "small", "small", end, &mut text).unwrap();
            assert_eq!(text, b"abc");
            assert!(text.capacity() <= KEPT_BYTES);
            file(dir.as_fd(), "empty", "empty", end, &mut text).unwrap();
            assert_eq!(text, b"");
        }
        assert!(file(dir.as_fd(), "none", "none", End::Zero, &mut text).unwrap_err().is_gone());
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let dir = std::fs::File::open("/dev").unwrap();
        let mut text = Vec::new();
        let answer = file(dir.as_fd(), "zero", "zero", End::Zero, &mut text);
        assert_eq!(answer, Err(Error::TooLarge { file: "zero" }));
        assert!(text.len() <= 2 * MAX_FILE_BYTES);
    }
}
