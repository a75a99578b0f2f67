//! How a process ended, told by a descriptor of it that was opened while it lived: to anybody, without its parent's help.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Result, os};

/// `PIDFD_INFO_EXIT`: how it ended, once its parent has taken note.
const EXIT: u64 = 1 << 3;
/// `PIDFD_GET_INFO`: `_IOWR(0xFF, 11, struct pidfd_info)` of the first, 64 bytes long, version.
const GET_INFO: u32 = 0xc040_ff0b;

/// `struct pidfd_info` in its first version. Source: include/uapi/linux/pidfd.h.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    /// Process, group, parent, and eight user and group ids.
    ids: [u32; 11],
    status: i32,
}

/// A process that is watched for its end.
#[derive(Debug)]
pub struct Watched(OwnedFd);

impl Watched {
    /// Watches the process of that pid. Needs no privilege. Errors: it is gone.
    pub fn open(pid: u32) -> Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH);
        pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty())).map(Self).map_err(os("pidfd"))
    }

    /// Its exit code and the signal that ended it, of which one is `None`; `None` while it lives or waits for its parent.
    ///
    /// Linux 6.15. Errors: the kernel does not tell.
    pub fn ended(&self) -> Result<Option<(Option<i32>, Option<i32>)>> {
        let mut info = Info { mask: EXIT, ..Info::default() };
        // SAFETY: the request writes at most the 64 bytes that its number names, which is the size of `Info`.
        let done = unsafe { libc::ioctl(self.0.as_fd().as_raw_fd(), GET_INFO as _, &raw mut info) };
        if done < 0 {
            let error = std::io::Error::last_os_error();
            return match Errno::from_io_error(&error) {
                // It has ended and is not yet taken note of, or its place is being given up just now.
                Some(Errno::SRCH) => Ok(None),
                other => Err(os("pidfd")(other.unwrap_or(Errno::IO))),
            };
        }
        let signal = info.status & 0x7f;
        let end = if signal == 0 { (Some((info.status >> 8) & 0xff), None) } else { (None, Some(signal)) };
        Ok((info.mask & EXIT != 0).then_some(end))
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn ends(script: &str) -> Result<(Option<i32>, Option<i32>)> {
        let mut command = Command::new("/bin/sh");
        let mut child =
            command.args(["-c", &format!("read line; {script}")]).stdin(Stdio::piped()).spawn().unwrap();
        let watched = Watched::open(child.id()).unwrap();
        let living = watched.ended();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(living?, None, "it lives");
        Ok(watched.ended()?.expect("it ended and its parent knows"))
    }

    #[test]
    fn codes_and_signals_are_told() {
        match ends("exit 3") {
            Ok(end) => assert_eq!(end, (Some(3), None)),
            Err(error) => {
                assert!(error.to_string().contains("pidfd"), "{error}");
                return eprintln!("skipped: before Linux 6.15 the kernel does not tell: {error}");
            }
        }
        assert_eq!(ends("kill -SEGV $$").unwrap(), (None, Some(11)));
        assert_eq!(ends("exit 0").unwrap(), (Some(0), None));
    }

    #[test]
    fn one_that_is_gone_is_not_watched() {
        assert!(Watched::open(0).is_err() && Watched::open(u32::MAX).is_err());
    }
}
