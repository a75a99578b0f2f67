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
pub(crate) type Unwinder = framehop::x86_64::UnwinderX86_64<Vec<u8>>;
/// What it keeps between frames.
pub(crate) type Cache = framehop::x86_64::CacheX86_64;

/// How far below its frame pointer the stack pointer of a function stands in its body, from how it begins: `push rbp; mov
/// rbp, rsp`, then registers saved and room made for variables. `None` for one that begins otherwise. Unit: bytes.
pub(crate) fn frame_bytes(code: &[u8]) -> Option<u64> {
    const LANDING: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa];
    const FRAME: &[u8] = &[0x55, 0x48, 0x89, 0xe5];
    let mut rest = code.strip_prefix(LANDING).unwrap_or(code).strip_prefix(FRAME)?;
    let mut bytes = 0;
    loop {
        rest = match rest {
            [0x50..=0x57, rest @ ..] | [0x41, 0x50..=0x57, rest @ ..] => rest,
            [0x48, 0x83, 0xec, room, ..] => return Some(bytes + u64::try_from(room.cast_signed()).ok()?),
            [0x48, 0x81, 0xec, a, b, c, d, ..] => {
                return Some(bytes + u64::from(u32::from_le_bytes([*a, *b, *c, *d])));
            }
            // The stack is aligned by an amount that only the registers tell.
            [0x48, 0x83, 0xe4, ..] => return None,
            _ => return Some(bytes),
        };
        bytes += 8;
    }
}

#[cfg(test)]
mod tests {
    use super::frame_bytes;

    #[test]
    fn the_room_of_a_frame_is_read_from_how_it_begins() {
        let push_all = [0x55, 0x48, 0x89, 0xe5, 0x41, 0x57, 0x53, 0x48, 0x83, 0xec, 0x48, 0x90];
        assert_eq!(frame_bytes(&push_all), Some(16 + 0x48));
        let large = [0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x81, 0xec, 0x10, 2, 0, 0];
        assert_eq!(frame_bytes(&large), Some(0x210));
        assert_eq!(frame_bytes(&[0x55, 0x48, 0x89, 0xe5, 0xc3]), Some(0));
        assert_eq!(frame_bytes(&[0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xe4, 0xe0]), None, "aligned");
        assert_eq!(frame_bytes(&[0x48, 0x83, 0xec, 0x18]), None, "without a frame pointer");
        assert_eq!(frame_bytes(&[]), None);
    }
}
