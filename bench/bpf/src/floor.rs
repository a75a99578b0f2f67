//! The least programs that there can be, and the clock that they stamp events with.

/// The programs of the bench.
pub(crate) static FLOOR: &[u8] = aya::include_bytes_aligned!("../../../bpf/floor/floor.bpf.o");

/// The clock that the programs stamp events with.
pub(crate) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills the struct that we own.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
