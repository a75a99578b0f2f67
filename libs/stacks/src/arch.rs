//! All that depends on the processor architecture: which registers the kernel copies, and which unwinder reads them.

/// Whether stacks can be unwound here.
pub(crate) const IS_SUPPORTED: bool = cfg!(target_arch = "x86_64");

/// The registers that an unwinder starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    /// Instruction pointer.
    pub(crate) ip: u64,
    /// Stack pointer.
    pub(crate) sp: u64,
    /// Frame pointer; 0 where it is not known.
    pub(crate) fp: u64,
}

/// Registers in a sample, as bits. Source: kernel `arch/x86/include/uapi/asm/perf_regs.h`: BP 6, SP 7, IP 8.
pub(crate) const SAMPLE_REGISTERS: u64 = 1 << 6 | 1 << 7 | 1 << 8;

impl Registers {
    /// From the values of [`SAMPLE_REGISTERS`], in the order of their bits.
    pub(crate) const fn of_sample([fp, sp, ip]: [u64; 3]) -> Self {
        Self { ip, sp, fp }
    }

    /// For the unwinder.
    pub(crate) fn unwind(self) -> framehop::x86_64::UnwindRegsX86_64 {
        framehop::x86_64::UnwindRegsX86_64::new(self.ip, self.sp, self.fp)
    }
}

/// The unwinder.
pub(crate) type Unwinder = framehop::x86_64::UnwinderX86_64<crate::region::Region>;
/// What it keeps between frames.
pub(crate) type Cache = framehop::x86_64::CacheX86_64;
