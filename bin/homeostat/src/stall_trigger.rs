//! The kernel's own alarm for stalls: it says when work waited for memory for too long within a window.
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// 60 ms of stall within 600 ms. Shorter windows than 500 ms the kernel refuses, and looks ten times a window.
/// Source: Documentation/accounting/psi.rst.
const TRIGGER: &[u8] = b"some 60000 600000\0";

/// An armed trigger; disarmed when dropped. Its descriptor gets POLLPRI when it fires, at most once a window.
pub struct StallTrigger(File);

impl StallTrigger {
    /// Arms a trigger in a pressure file.
    ///
    /// # Errors
    /// The kernel has no pressure information there, or wants more privilege for so short a window.
    pub fn arm(pressure: &Path) -> std::io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(pressure)?;
        file.write_all(TRIGGER)?;
        Ok(Self(file))
    }
}

impl AsFd for StallTrigger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
