//! Signals as a descriptor: SIGINT and SIGTERM ask to end, SIGCHLD wakes.
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// The signals that were sent to this process, from now on.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signals {
    /// Blocks the signals for this thread, and those it starts, and receives them here.
    ///
    /// # Errors
    /// The kernel refuses a descriptor.
    pub fn take() -> io::Result<Self> {
        let mask = mask();
        // SAFETY: the mask is initialised; the descriptor is new and owned here only.
        unsafe {
            if libc::pthread_sigmask(libc::SIG_BLOCK, &raw const mask, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            let fd = libc::signalfd(-1, &raw const mask, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self { fd: OwnedFd::from_raw_fd(fd) })
        }
    }

    /// Readable when a signal waits.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Takes all signals that wait; true if one of them asks to end.
    pub fn is_asked_to_end(&self) -> bool {
        let mut asked = false;
        let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
        while matches!(rustix::io::read(&self.fd, &mut info), Ok(length) if length == info.len()) {
            // The signal's number is the first field, a u32.
            let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            asked |= number == libc::SIGINT as u32 || number == libc::SIGTERM as u32;
        }
        asked
    }
}

/// Lets a child receive what its parent had blocked.
pub fn unblock() {
    let mask = mask();
    // SAFETY: the mask is initialised; async-signal-safe.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const mask, std::ptr::null_mut()) };
}

fn mask() -> libc::sigset_t {
    // SAFETY: sigemptyset initialises the set before it is used.
    unsafe {
        let mut mask = std::mem::zeroed();
        libc::sigemptyset(&raw mut mask);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGCHLD] {
            libc::sigaddset(&raw mut mask, signal);
        }
        mask
    }
}
