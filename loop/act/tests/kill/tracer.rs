//! A child that is killed at a chosen system call, by ptrace(2).

use std::path::Path;

/// How a traced child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Killed at the stop that was asked for. `is_quiet`: nothing can have changed since the stop before.
    Killed {
        /// The system call only reads, and the ring is as it was.
        is_quiet: bool,
    },
    /// It got to its end, with that exit code.
    Finished(i32),
}

/// Runs `work` in a child and answers its exit code, or 128 + the signal that ended it.
pub fn in_child(work: impl FnOnce() -> i32) -> i32 {
    wait_for(fork_child(work))
}

/// Waits for a child of [`fork_child`].
pub fn wait_for(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: our own child, and a valid place for its status.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    code(status)
}

/// Runs `work` in a child and kills it at its `stop`-th stop: each system call has two, before it and after it.
/// `ring` is compared between stops.
pub fn killed_at(stop: u32, ring: &Path, work: impl FnOnce()) -> Ended {
    let pid = fork_child(|| {
        // SAFETY: the child asks to be traced and waits for its tracer.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGSTOP);
        }
        work();
        0
    });
    trace(pid, stop, ring)
}

fn trace(pid: i32, stop: u32, ring: &Path) -> Ended {
    let (mut stops, mut status, mut deliver) = (0, 0, 0);
    let (mut is_reading, mut memory) = (false, Vec::new());
    // SAFETY: `pid` is our own child, traced by us, and stopped whenever it is told to go on.
    unsafe {
        libc::waitpid(pid, &raw mut status, 0);
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
        libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options);
        loop {
            libc::ptrace(libc::PTRACE_SYSCALL, pid, 0, deliver);
            libc::waitpid(pid, &raw mut status, 0);
            if !libc::WIFSTOPPED(status) {
                return Ended::Finished(code(status));
            }
            deliver = libc::WSTOPSIG(status);
            if deliver != libc::SIGTRAP | 0x80 {
                continue;
            }
            deliver = 0;
            stops += 1;
            let was_reading = is_reading;
            is_reading = only_reads(pid).unwrap_or(was_reading);
            // Only the two stops that matter are compared.
            let before =
                if stops + 1 >= stop { std::mem::replace(&mut memory, first_slots(ring)) } else { continue };
            if stops == stop {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, &raw mut status, 0);
                return Ended::Killed { is_quiet: was_reading && is_reading && before == memory };
            }
        }
    }
}

/// Whether the system call a child is about to make can change nothing but the child; `None` after the call.
fn only_reads(pid: i32) -> Option<bool> {
    // SAFETY: all zeros are a valid value of this plain struct, which the kernel fills.
    let (size, info) = unsafe {
        let mut info: libc::ptrace_syscall_info = std::mem::zeroed();
        let size = size_of::<libc::ptrace_syscall_info>();
        (libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, pid, size, &raw mut info), info)
    };
    if size <= 0 || info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    // SAFETY: `op` says that the entry variant was filled.
    let entry = unsafe { info.u.entry };
    let number = i64::try_from(entry.nr).unwrap_or(-1);
    let reads = [
        libc::SYS_read,
        libc::SYS_close,
        libc::SYS_lseek,
        libc::SYS_getdents64,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_readlinkat,
        libc::SYS_getpid,
        libc::SYS_poll,
    ];
    let opens_to_read = number == libc::SYS_openat
        && entry.args[2] & (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) as u64 == libc::O_RDONLY as u64;
    Some(opens_to_read || reads.contains(&number))
}

/// The ring's header and first two slots: the one action of a life is there.
fn first_slots(ring: &Path) -> Vec<u8> {
    let mut bytes = vec![0; 3 * act::ring::SLOT_BYTES];
    let read = std::fs::File::open(ring).and_then(|mut file| std::io::Read::read(&mut file, &mut bytes));
    bytes.truncate(read.unwrap_or(0));
    bytes
}

/// Starts `work` in a child.
pub fn fork_child(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this program has one thread, so the child may go on as if nothing had happened.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "no child could be made");
    if pid == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // SAFETY: ends the child without running what its parent registered for its own end.
        unsafe { libc::_exit(done.unwrap_or(101)) }
    }
    pid
}

fn code(status: i32) -> i32 {
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) }
}
