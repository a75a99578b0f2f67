//! From registers and a copy of the stack to the addresses of the calls that led there.
use std::collections::BTreeMap;
use std::ops::Range;

use framehop::{FrameAddress, Module as Unwound, ModuleSectionInfo, Unwinder as _};
use kernfs::ProcFs;

use crate::arch::{Cache, Registers, Unwinder, frame_bytes};
use crate::call_frames::{CallFrames, function_start};
use crate::space::Space;

/// Frames of one stack at most, from the innermost on.
pub(crate) const FRAMES_MAX: usize = 64;
/// Functions whose call frame information is held for one process, and what it may take. Unit: bytes.
const FUNCTIONS_MAX: usize = 4_096;
const TABLES_BYTES_MAX: usize = 1 << 20;
/// What is read at a time of a stack beyond its copy. Unit: bytes.
const BLOCK_BYTES: u64 = 512;

/// The part of a stack that was copied, and the process to read the rest from.
pub(crate) struct StackCopy<'a> {
    /// Address of the first byte.
    pub(crate) start: u64,
    /// The bytes.
    pub(crate) bytes: &'a [u8],
    /// Who to ask for what lies beyond: older frames, which seldom change. `None`: nobody.
    pub(crate) rest: Option<(&'a mut ProcFs, u32)>,
}

/// The unwinder of one process: what a file says of a function is read when the first frame in it is met.
pub(crate) struct Walker {
    unwinder: Unwinder,
    cache: Cache,
    /// Start and end of what was asked for.
    known: BTreeMap<u64, u64>,
    left_bytes: usize,
    /// Where the part of the stack begins that belongs to each frame of the last walk.
    pub(crate) parts: Vec<u64>,
}

impl Walker {
    pub(crate) fn new() -> Self {
        Self {
            unwinder: Unwinder::new(),
            cache: Cache::new(),
            known: BTreeMap::new(),
            left_bytes: TABLES_BYTES_MAX,
            parts: Vec::new(),
        }
    }

    /// Writes the addresses of a stack, innermost first: each lies in the instruction of the call.
    pub(crate) fn walk(
        &mut self,
        space: &Space,
        registers: Registers,
        stack: &mut StackCopy<'_>,
        frames: &mut Vec<u64>,
    ) {
        frames.clear();
        self.parts.clear();
        let mut block = (0, [0; BLOCK_BYTES as usize], 0);
        let mut read = |address: u64| stack.word(address, &mut block).ok_or(());
        let mut regs = registers.unwind();
        let mut address = FrameAddress::from_instruction_pointer(registers.ip);
        while frames.len() < FRAMES_MAX {
            let at = address.address_for_lookup();
            frames.push(at);
            self.parts.push(regs.sp());
            self.prepare(space, at);
            let mut next = self.unwinder.unwind_frame(address, &mut regs, &mut self.cache, &mut read);
            // Without a frame pointer the unwinder takes a stack for ended.
            if !matches!(next, Ok(Some(_)))
                && regs.bp() == 0
                && let Some(fp) = frame_pointer(space, at, regs.sp())
            {
                regs.set_bp(fp);
                next = self.unwinder.unwind_frame(address, &mut regs, &mut self.cache, &mut read);
            }
            let next = next.ok().flatten().and_then(FrameAddress::from_return_address);
            // What lies in no code is no caller: the stack ends, or cannot be followed.
            match next.filter(|next| space.module(next.address_for_lookup()).is_some()) {
                Some(next) => address = next,
                None => break,
            }
        }
    }

    /// Hands the unwinder what is said of the code at `address`.
    fn prepare(&mut self, space: &Space, address: u64) {
        let is_known = self.known.range(..=address).next_back().is_some_and(|(_, end)| address < *end);
        let Some(module) = space.module(address).filter(|_| !is_known && self.known.len() < FUNCTIONS_MAX)
        else {
            return;
        };
        let image = module.image.and_then(|index| space.images.get(index));
        let stated = address.wrapping_sub(module.bias);
        let found = image.and_then(|image| CallFrames::of(image, stated));
        let found = found.filter(|one| one.bytes.len() <= self.left_bytes);
        let Some((range, found)) = found.and_then(|one| Some((one.within(module, address)?, one))) else {
            self.known.insert(address, address + 1);
            return;
        };
        self.left_bytes -= found.bytes.len();
        self.known.insert(range.start, range.end);
        self.unwinder.add_module(Unwound::new(String::new(), range, module.bias, Tables(found)));
    }
}

/// The frame pointer of a function that keeps one and sleeps with its stack pointer at `sp`: the kernel tells the stack
/// pointer only.
fn frame_pointer(space: &Space, address: u64, sp: u64) -> Option<u64> {
    let module = space.module(address)?;
    let image = space.images.get(module.image?)?;
    let start = function_start(image, address.wrapping_sub(module.bias))?;
    let mut code = [0; 48];
    image.code(start, &mut code)?;
    sp.checked_add(frame_bytes(&code)?)
}

/// What is said of a function, as the unwinder asks for it. What code is in it need not be known.
struct Tables(CallFrames);

impl ModuleSectionInfo<Vec<u8>> for Tables {
    fn base_svma(&self) -> u64 {
        0
    }

    fn section_svma_range(&mut self, name: &[u8]) -> Option<Range<u64>> {
        let end = self.0.address.checked_add(self.0.bytes.len() as u64)?;
        (name == b".eh_frame").then_some(self.0.address..end)
    }

    fn section_data(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        (name == b".eh_frame").then(|| std::mem::take(&mut self.0.bytes))
    }
}

impl StackCopy<'_> {
    /// The word at `address`; `block` holds what was last read beyond the copy.
    fn word(&mut self, address: u64, block: &mut (u64, [u8; BLOCK_BYTES as usize], usize)) -> Option<u64> {
        let within = |start: u64, bytes: &[u8]| {
            let from = usize::try_from(address.checked_sub(start)?).ok()?;
            bytes.get(from..from.checked_add(8)?)?.try_into().ok().map(u64::from_ne_bytes)
        };
        if let Some(word) = within(self.start, self.bytes) {
            return Some(word);
        }
        // Only further up: what lies below the stack pointer is nobody's.
        if address < self.start {
            return None;
        }
        if let Some(word) = within(block.0, block.1.get(..block.2)?) {
            return Some(word);
        }
        let (proc, pid) = self.rest.as_mut()?;
        block.0 = address;
        block.2 = proc.mem_read(*pid, address, &mut block.1).ok()?;
        within(block.0, block.1.get(..block.2)?)
    }
}
