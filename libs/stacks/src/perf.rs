//! Perf events of one thread: opened with nothing but perf_event_open(2), closed with their descriptor.
//!
//! Only events that the kernel counts itself are used: they exist in virtual machines and for ordinary users.
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::arch::SAMPLE_REGISTERS;
use crate::profile::Kind;
use crate::ring::Ring;

const TYPE_SOFTWARE: u32 = 1;
const CPU_CLOCK: u64 = 0;
/// Faults without I/O, counted once they are served: the page is there when the sample is taken.
const PAGE_FAULTS_MIN: u64 = 5;

const SAMPLE_TID: u64 = 1 << 1;
const SAMPLE_ADDR: u64 = 1 << 3;
const SAMPLE_REGS_USER: u64 = 1 << 12;
const SAMPLE_STACK_USER: u64 = 1 << 13;
/// Size of the page at the address. Since Linux 5.11.
const SAMPLE_DATA_PAGE_SIZE: u64 = 1 << 22;

/// Bits of `flags`, in the order of the bit field of `struct perf_event_attr`.
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HV: u64 = 1 << 6;
const FREQUENCY: u64 = 1 << 10;
const WATERMARK: u64 = 1 << 14;

/// Top of the stack that a sample carries. Unit: bytes.
pub(crate) const STACK_BYTES: u32 = 4 << 10;

/// `struct perf_event_attr` up to its fifth version, which every kernel since 4.1 knows.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period_or_frequency: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_watermark: u32,
    breakpoint_kind: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

/// An event of one thread that samples.
#[derive(Debug)]
pub(crate) struct Event {
    descriptor: OwnedFd,
    /// Whether a sample ends with the size of the page at its address.
    pub(crate) has_page_size: bool,
}

impl Event {
    /// An event of the thread `tid` (0: the caller's). It counts at once. `often` is how many samples a second are due
    /// or, of memory, how many faults one sample stands for.
    ///
    /// What the thread does inside the kernel is left out where this user may not see it.
    pub(crate) fn open(kind: Kind, tid: u32, often: u64) -> io::Result<Self> {
        // Faults come in bursts, from which the kernel guesses a frequency wrongly. That samples do not say what they stand
        // for is on purpose: asked to, the kernel gives one for every event of a software counter.
        let (config, pace) = match kind {
            Kind::MemoryGrowth => (PAGE_FAULTS_MIN, 0),
            _ => (CPU_CLOCK, FREQUENCY),
        };
        let mut attributes = Attributes {
            kind: TYPE_SOFTWARE,
            size: size_of::<Attributes>() as u32,
            config,
            sample_period_or_frequency: often,
            sample_type: SAMPLE_TID
                | SAMPLE_ADDR
                | SAMPLE_REGS_USER
                | SAMPLE_STACK_USER
                | SAMPLE_DATA_PAGE_SIZE,
            flags: EXCLUDE_HV | WATERMARK | pace,
            wakeup_watermark: 2 * STACK_BYTES,
            sample_regs_user: SAMPLE_REGISTERS,
            sample_stack_user: STACK_BYTES,
            ..Attributes::default()
        };
        loop {
            let error = match open(&attributes, tid) {
                Ok(descriptor) => {
                    let has_page_size = attributes.sample_type & SAMPLE_DATA_PAGE_SIZE != 0;
                    return Ok(Self { descriptor, has_page_size });
                }
                Err(error) => error,
            };
            let may_not = matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM));
            if may_not && attributes.flags & EXCLUDE_KERNEL == 0 {
                attributes.flags |= EXCLUDE_KERNEL;
            } else if error.raw_os_error() == Some(libc::EINVAL)
                && attributes.sample_type & SAMPLE_DATA_PAGE_SIZE != 0
            {
                attributes.sample_type &= !SAMPLE_DATA_PAGE_SIZE;
            } else {
                return Err(error);
            }
        }
    }

    /// From now on a sample stands for so many events.
    pub(crate) fn set_period(&self, events: u64) {
        const SET_PERIOD: libc::c_ulong = 0x4008_2404;
        // SAFETY: the kernel reads one word, which outlives the call. A period that is not 0 is never
        // refused.
        unsafe { libc::ioctl(self.descriptor.as_raw_fd(), SET_PERIOD, std::ptr::from_ref(&events)) };
    }

    /// Maps the ring of this event, with room for `bytes` of samples, a power of two of pages.
    pub(crate) fn ring(&self, bytes: usize) -> io::Result<Ring> {
        Ring::map(self.descriptor.as_fd(), bytes)
    }

    /// What to wait for.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn open(attributes: &Attributes, tid: u32) -> io::Result<OwnedFd> {
    const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;
    let tid = libc::pid_t::try_from(tid).map_err(|_| io::ErrorKind::NotFound)?;
    // SAFETY: `attributes` outlives the call and says its own size; the kernel only reads it.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_ref(attributes),
            tid,
            -1 as libc::c_int,
            -1 as libc::c_int,
            CLOSE_ON_EXEC,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it. It fits an int by its contract.
    Ok(unsafe { OwnedFd::from_raw_fd(answer as libc::c_int) })
}

#[cfg(test)]
mod tests {
    use super::Attributes;

    #[test]
    fn the_attributes_are_as_long_as_the_kernel_s() {
        assert_eq!(size_of::<Attributes>(), 112, "PERF_ATTR_SIZE_VER5");
        assert_eq!(std::mem::offset_of!(Attributes, sample_regs_user), 80);
    }
}
