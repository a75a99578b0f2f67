//! All that depends on the processor architecture: the numbers of system calls. Only x86-64 has a table;
//! on other architectures every answer is `None`.

/// Name of a system call in which a thread can sleep, by its number in [`crate::Syscall::In`].
///
/// `None` for calls that do not wait, and on architectures without a table.
/// Source: kernel `arch/x86/entry/syscalls/syscall_64.tbl`.
#[cfg(target_arch = "x86_64")]
pub fn syscall_name(number: u32) -> Option<&'static str> {
    let at = SLEEPING.binary_search_by_key(&number, |(known, _)| *known).ok()?;
    SLEEPING.get(at).map(|(_, name)| *name)
}

/// Always `None`: this architecture has no table.
#[cfg(not(target_arch = "x86_64"))]
pub fn syscall_name(_number: u32) -> Option<&'static str> {
    None
}

/// The calls that wait for something, by number; the 64-bit ABI, whose numbers never change.
#[cfg(target_arch = "x86_64")]
const SLEEPING: &[(u32, &str)] = &[
    (0, "read"),
    (1, "write"),
    (2, "open"),
    (3, "close"),
    (4, "stat"),
    (5, "fstat"),
    (6, "lstat"),
    (7, "poll"),
    (16, "ioctl"),
    (17, "pread64"),
    (18, "pwrite64"),
    (19, "readv"),
    (20, "writev"),
    (23, "select"),
    (26, "msync"),
    (34, "pause"),
    (35, "nanosleep"),
    (40, "sendfile"),
    (42, "connect"),
    (43, "accept"),
    (44, "sendto"),
    (45, "recvfrom"),
    (46, "sendmsg"),
    (47, "recvmsg"),
    (61, "wait4"),
    (65, "semop"),
    (69, "msgsnd"),
    (70, "msgrcv"),
    (72, "fcntl"),
    (73, "flock"),
    (74, "fsync"),
    (75, "fdatasync"),
    (78, "getdents"),
    (128, "rt_sigtimedwait"),
    (130, "rt_sigsuspend"),
    (137, "statfs"),
    (162, "sync"),
    (202, "futex"),
    (208, "io_getevents"),
    (217, "getdents64"),
    (220, "semtimedop"),
    (230, "clock_nanosleep"),
    (232, "epoll_wait"),
    (242, "mq_timedsend"),
    (243, "mq_timedreceive"),
    (247, "waitid"),
    (257, "openat"),
    (262, "newfstatat"),
    (270, "pselect6"),
    (271, "ppoll"),
    (275, "splice"),
    (277, "sync_file_range"),
    (281, "epoll_pwait"),
    (288, "accept4"),
    (295, "preadv"),
    (296, "pwritev"),
    (299, "recvmmsg"),
    (306, "syncfs"),
    (307, "sendmmsg"),
    (332, "statx"),
    (426, "io_uring_enter"),
    (441, "epoll_pwait2"),
    (449, "futex_waitv"),
    (455, "futex_wait"),
];

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_agrees_with_libc() {
        assert!(SLEEPING.is_sorted_by(|a, b| a.0 < b.0));
        let known = [
            (libc::SYS_read, "read"),
            (libc::SYS_futex, "futex"),
            (libc::SYS_epoll_wait, "epoll_wait"),
            (libc::SYS_fsync, "fsync"),
            (libc::SYS_fdatasync, "fdatasync"),
            (libc::SYS_wait4, "wait4"),
            (libc::SYS_flock, "flock"),
            (libc::SYS_clock_nanosleep, "clock_nanosleep"),
            (libc::SYS_io_uring_enter, "io_uring_enter"),
            (libc::SYS_statx, "statx"),
            (libc::SYS_futex_waitv, "futex_waitv"),
            (libc::SYS_ppoll, "ppoll"),
            (libc::SYS_accept4, "accept4"),
            (libc::SYS_recvmsg, "recvmsg"),
            (libc::SYS_pselect6, "pselect6"),
        ];
        for (number, name) in known {
            assert_eq!(syscall_name(u32::try_from(number).unwrap()), Some(name));
        }
        assert_eq!(syscall_name(39), None);
    }
}
