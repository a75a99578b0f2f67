//! Shared memory as atomic words: after the mapping itself no access to it is unsafe.
use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags};

/// Words of the memory.
pub(super) type Words = [AtomicU64];

/// A shared mapping of a file.
pub(super) struct Map {
    start: NonNull<AtomicU64>,
    words: usize,
    is_locked: bool,
}

// SAFETY: the memory is read and written as atomics only, from any thread.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    /// Maps the first `bytes` of a file that is at least so long.
    pub(super) fn new(file: &File, bytes: usize) -> io::Result<Self> {
        // SAFETY: a fresh mapping at an address of the kernel's choice; no memory of ours is touched.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        let start: NonNull<AtomicU64> =
            NonNull::new(start.cast()).ok_or_else(|| io::Error::other("the kernel mapped at address 0"))?;
        // SAFETY: the range was mapped just now. Locking is best effort: RLIMIT_MEMLOCK may forbid it.
        let is_locked = unsafe { rustix::mm::mlock(start.as_ptr().cast(), bytes) }.is_ok();
        Ok(Self { start, words: bytes / size_of::<AtomicU64>(), is_locked })
    }

    /// The memory.
    pub(super) const fn words(&self) -> &Words {
        // SAFETY: mapped for as long as `self` lives, page-aligned, and every bit pattern is a valid AtomicU64.
        // A file that is truncated by someone else would raise SIGBUS; it is 0600 and ours.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }

    pub(super) const fn is_locked(&self) -> bool {
        self.is_locked
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the range `new` mapped, which nothing borrows any more.
        let _ =
            unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.words * size_of::<AtomicU64>()) };
    }
}
