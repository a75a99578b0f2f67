//! All that depends on the processor architecture: the numbers of system calls.

use syscalls::Sysno;

/// Name of a system call of this architecture by its number, as in [`crate::Syscall::In`]; `None` for a number that has no
/// call yet.
// Inlined, each caller would have a table of all names of its own.
#[inline(never)]
pub fn syscall_name(number: u32) -> Option<&'static str> {
    Sysno::new(usize::try_from(number).ok()?).map(|call| call.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_agree_with_libc() {
        let known = [
            (libc::SYS_read, "read"),
            (libc::SYS_futex, "futex"),
            (libc::SYS_fsync, "fsync"),
            (libc::SYS_getpid, "getpid"),
            (libc::SYS_wait4, "wait4"),
            (libc::SYS_clock_nanosleep, "clock_nanosleep"),
            (libc::SYS_io_uring_enter, "io_uring_enter"),
            (libc::SYS_futex_waitv, "futex_waitv"),
            (libc::SYS_accept4, "accept4"),
        ];
        for (number, name) in known {
            assert_eq!(syscall_name(u32::try_from(number).unwrap()), Some(name));
        }
        assert_eq!(syscall_name(9_999), None);
    }
}
