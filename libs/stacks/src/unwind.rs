//! From registers and a copy of the stack to the addresses of the calls that led there.
use std::collections::BTreeSet;
use std::ops::Range;

use framehop::{FrameAddress, Module, ModuleSectionInfo, Unwinder as _};
use kernfs::ProcFs;

use crate::arch::{Cache, Registers, Unwinder, frame_bytes};
use crate::image::Image;
use crate::region::Region;
use crate::space::Space;

/// Frames of one stack at most, from the innermost on.
pub(crate) const FRAMES_MAX: usize = 64;
/// Call frame information that is held for one process at most. Unit: bytes.
const TABLES_BYTES_MAX: u64 = 48 << 20;
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

/// The unwinder of one process: tables of a file are read when the first frame in it is met.
pub(crate) struct Walker {
    unwinder: Unwinder,
    cache: Cache,
    known: BTreeSet<u64>,
    left_bytes: u64,
    /// Where the part of the stack begins that belongs to each frame of the last walk.
    pub(crate) parts: Vec<u64>,
}

impl Walker {
    pub(crate) fn new() -> Self {
        Self {
            unwinder: Unwinder::new(),
            cache: Cache::new(),
            known: BTreeSet::new(),
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

    /// Hands the unwinder the tables of the code at `address`.
    fn prepare(&mut self, space: &Space, address: u64) {
        let Some(module) = space.module(address) else { return };
        if !self.known.insert(module.start) {
            return;
        }
        let Some(image) = module.image.and_then(|index| space.images.get(index)) else { return };
        let bytes = TABLES.iter().map(|name| image.section_bytes(name)).sum();
        let Some(left) = self.left_bytes.checked_sub(bytes) else { return };
        self.left_bytes = left;
        let range = module.start..module.end;
        self.unwinder.add_module(Module::new(module.name.clone(), range, module.bias, Tables(image)));
    }
}

/// The frame pointer of a function that keeps one and sleeps with its stack pointer at `sp`: the kernel tells the stack
/// pointer only.
fn frame_pointer(space: &Space, address: u64, sp: u64) -> Option<u64> {
    let module = space.module(address)?;
    let image = space.images.get(module.image?)?;
    let start = image.function_start(address.wrapping_sub(module.bias))?;
    let mut code = [0; 48];
    image.code(start, &mut code)?;
    sp.checked_add(frame_bytes(&code)?)
}

/// Call frame information and its index.
const TABLES: [&str; 2] = [".eh_frame", ".eh_frame_hdr"];

/// The tables of a file, as the unwinder asks for them. What code is in them it need not know.
struct Tables<'a>(&'a Image);

impl Tables<'_> {
    fn known(name: &[u8]) -> Option<&'static str> {
        TABLES.into_iter().find(|one| one.as_bytes() == name)
    }
}

impl ModuleSectionInfo<Region> for Tables<'_> {
    fn base_svma(&self) -> u64 {
        0
    }

    fn section_svma_range(&mut self, name: &[u8]) -> Option<Range<u64>> {
        self.0.section_range(Self::known(name)?)
    }

    fn section_data(&mut self, name: &[u8]) -> Option<Region> {
        self.0.section(Self::known(name)?)
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
