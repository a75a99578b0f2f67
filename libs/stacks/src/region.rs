//! Memory for one section of a file: mapped by itself, so that it is given back to the kernel when it is dropped.
use std::ffi::c_void;
use std::ops::Deref;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Bytes of their own.
#[derive(Debug)]
pub(crate) struct Region {
    start: *mut c_void,
    bytes: usize,
}

impl Region {
    /// `bytes` zeros, filled by `fill`; `None` where there is no memory, nothing to fill, or it fails.
    pub(crate) fn filled(bytes: usize, fill: impl FnOnce(&mut [u8]) -> Option<()>) -> Option<Self> {
        if bytes == 0 {
            return None;
        }
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new private mapping at an address that the kernel chooses touches no memory in use.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, protection, MapFlags::PRIVATE) }.ok()?;
        let region = Self { start, bytes };
        // SAFETY: the mapping is `bytes` long, initialised with zeros, and nobody else knows of it yet.
        fill(unsafe { std::slice::from_raw_parts_mut(start.cast::<u8>(), bytes) })?;
        Some(region)
    }
}

impl Deref for Region {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is `bytes` long, lives as long as `self`, and nobody writes to it any more.
        unsafe { std::slice::from_raw_parts(self.start.cast::<u8>(), self.bytes) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `filled` with this length, and no slice of it outlives `self`. That it cannot fail
        // for such a range is why its answer is not looked at.
        let _ = unsafe { munmap(self.start, self.bytes) };
    }
}

// SAFETY: the mapping belongs to the value alone, and is not written once it is shared.
unsafe impl Send for Region {}
// SAFETY: see above.
unsafe impl Sync for Region {}

#[cfg(test)]
mod tests {
    use super::Region;

    #[test]
    fn what_was_filled_in_is_read() {
        let fill = |into: &mut [u8]| {
            into.copy_from_slice(b"stack");
            Some(())
        };
        assert_eq!(&*Region::filled(5, fill).unwrap(), b"stack");
        assert!(Region::filled(0, |_| Some(())).is_none());
        assert!(Region::filled(5, |_| None).is_none());
    }
}
