//! The few calls of the kernel that the loader crate lacks: batched reads, statistics, waiting.

use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
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
