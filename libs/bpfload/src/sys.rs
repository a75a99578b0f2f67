//! The few calls of the kernel that the loader crate lacks: batched reads, statistics, waiting.

use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const LINK_CREATE: libc::c_long = 28;
const LOOKUP_AND_DELETE_BATCH: libc::c_long = 25;
const ENABLE_STATS: libc::c_long = 32;

/// Argument of the batch commands of bpf(2).
#[repr(C)]
#[derive(Default)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Keys and values of one batch, reused from tick to tick.
#[derive(Default)]
pub(crate) struct BatchBuffer {
    /// Keys, one after the other.
    pub(crate) keys: Vec<u8>,
    /// Values, one after the other.
    pub(crate) values: Vec<u8>,
}

/// Takes up to `max` entries out of a hash map from `cursor` on.
///
/// Returns how many, and whether there may be more. `cursor` is 0 for the start and set to go on.
/// Errors: ENOSPC when one bucket of the map holds more than `max` entries.
pub(crate) fn take_batch(
    map: BorrowedFd<'_>,
    cursor: &mut Option<u32>,
    buffer: &mut BatchBuffer,
    max: u32,
) -> io::Result<(usize, bool)> {
    let mut next = 0u32;
    let mut attr = Batch {
        in_batch: cursor.as_ref().map_or(0, |at| std::ptr::from_ref(at) as u64),
        out_batch: std::ptr::from_mut(&mut next) as u64,
        keys: buffer.keys.as_mut_ptr() as u64,
        values: buffer.values.as_mut_ptr() as u64,
        count: max,
        map_fd: map.as_raw_fd() as u32,
        ..Batch::default()
    };
    // SAFETY: the pointers in `attr` outlive the call, and the buffers hold `max` keys and values.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, LOOKUP_AND_DELETE_BATCH, &raw mut attr, size_of_val(&attr)) };
    let error = (result < 0).then(io::Error::last_os_error);
    match error {
        None => {
            *cursor = Some(next);
            Ok((attr.count as usize, true))
        }
        // The end of the map; `count` is what was still taken.
        Some(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok((attr.count as usize, false)),
        Some(e) => Err(e),
    }
}

/// What the kernel counts for a program.
pub(crate) struct ProgramInfo {
    pub(crate) id: u32,
    pub(crate) run_time_ns: u64,
    pub(crate) runs: u64,
    pub(crate) skipped: u64,
}

/// Reads `struct bpf_prog_info` up to `recursion_misses` (Linux 5.12), as 64-bit words.
pub(crate) fn program_info(program: BorrowedFd<'_>) -> io::Result<ProgramInfo> {
    let mut info = [0u64; 27];
    let mut attr = [
        u64::from(program.as_raw_fd() as u32) | (size_of_val(&info) as u64) << 32,
        std::ptr::from_mut(&mut info) as u64,
    ];
    // SAFETY: the kernel writes at most the size given; zeroed pointers ask for no further data.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, OBJ_GET_INFO_BY_FD, &raw mut attr, size_of_val(&attr)) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let id = u32::from_ne_bytes([4, 5, 6, 7].map(|byte| info[0].to_ne_bytes()[byte]));
    Ok(ProgramInfo { id, run_time_ns: info[24], runs: info[25], skipped: info[26] })
}

/// Makes the kernel measure the run time of programs until the descriptor is closed.
pub(crate) fn enable_stats() -> io::Result<OwnedFd> {
    let mut attr = [0u32; 2]; // BPF_STATS_RUN_TIME is 0
    // SAFETY: the command reads one u32; the array holds it and outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, ENABLE_STATS, &raw mut attr, size_of_val(&attr)) };
    owned(fd)
}

/// The type of the kernel's source of events for functions of programs.
pub(crate) fn uprobe_type() -> io::Result<u32> {
    let text = std::fs::read_to_string("/sys/bus/event_source/devices/uprobe/type")?;
    text.trim().parse().map_err(io::Error::other)
}

/// A probe on the code at `offset` of a file, in the process `pid` only; on the return of the function that begins there if
/// `at_return`. Source: perf_event_open(2); kernel/events/core.c, perf_uprobe.
pub(crate) fn open_uprobe(pid: u32, file: &Path, offset: u64, at_return: bool) -> io::Result<OwnedFd> {
    const WORDS: usize = 14;
    const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;
    let file = std::ffi::CString::new(file.as_os_str().as_bytes())?;
    let mut attr = [0u64; WORDS];
    attr[0] = u64::from(uprobe_type()?) | (size_of_val(&attr) as u64) << 32;
    // config: bit 0 is for returns; config1: the path; config2: the offset.
    (attr[1], attr[7], attr[8]) = (u64::from(at_return), file.as_ptr() as u64, offset);
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let (any_cpu, no_group) = (-1 as libc::c_int, -1 as libc::c_int);
    // SAFETY: the attributes say their own size; they and the path outlive the call, which only reads them.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, attr.as_ptr(), pid, any_cpu, no_group, CLOSE_ON_EXEC)
    };
    owned(fd)
}

/// Has a program run at each event of `event`, with a cookie, until the answer is closed. Since Linux 5.15.
pub(crate) fn link_perf_event(program: BorrowedFd<'_>, event: OwnedFd, cookie: u64) -> io::Result<OwnedFd> {
    const PERF_EVENT: u64 = 41;
    let word = |low: i32, high: u64| u64::from(low as u32) | high << 32;
    let mut attr = [word(program.as_raw_fd(), event.as_raw_fd() as u64), PERF_EVENT, cookie];
    // SAFETY: the array outlives the call; the size says how much of it there is.
    owned(unsafe { libc::syscall(libc::SYS_bpf, LINK_CREATE, attr.as_mut_ptr(), size_of_val(&attr)) })
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Waits until `fd` is readable; false when `timeout_ms` passed first.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout_ms: i32) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    match unsafe { libc::poll(&raw mut poll, 1, timeout_ms) } {
        0 => Ok(false),
        n if n > 0 => Ok(true),
        _ => match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::Interrupted => Ok(false),
            e => Err(e),
        },
    }
}

/// Gives freed heap pages back: reading the kernel's types takes tens of MiB for a moment.
pub(crate) fn release_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no argument that matters; only touches free memory of the allocator.
    unsafe {
        libc::malloc_trim(0);
    }
}
