//! Where a thread of CPython stands in the program: the functions that its interpreter runs, read from its own frames.
//!
//! `_PyEval_EvalFrameDefault` keeps on the stack of its thread a `_PyCFrame` with the frame that it runs, and the one
//! before it. What is a frame is told by the type of the code that it runs, and by the symbols that every CPython exports;
//! so little depends on the version. Known: 3.11 and 3.12; later ones have no such record. Source: CPython
//! `Include/internal/pycore_frame.h`, `Include/cpython/{pystate,code,unicodeobject}.h`.
use std::ops::Range;

use kernfs::ProcFs;

use crate::names::cut;
use crate::profile::Frame;
use crate::space::Space;

/// Functions that are read of one thread, from the innermost on.
const FUNCTIONS_MAX: usize = 16;
/// Where a frame keeps its code and its caller: 3.11, 3.12. Unit: bytes.
const LAYOUTS: [(u64, u64); 2] = [(32, 48), (0, 8)];
/// Words of a code object among which its file and its name are: the first two texts, in this order.
const CODE_WORDS: usize = 24;
/// Longest text that is read. Unit: bytes.
const TEXT_BYTES_MAX: u64 = 512;
/// `compact` and `ascii` in the state of a text.
const COMPACT_ASCII: u64 = 3 << 5;
/// Where pointers of programs are.
const POINTERS: Range<u64> = 0x1_0000..1 << 47;

/// The interpreter of one process.
#[derive(Debug)]
pub(crate) struct Python {
    interpreter: Range<u64>,
    code_type: u64,
    text_type: u64,
}

/// The memory of a process.
struct Memory<'a>(&'a mut ProcFs, u32);

impl Memory<'_> {
    fn words<const N: usize>(&mut self, address: u64) -> Option<[u64; N]> {
        let mut bytes = vec![0; 8 * N];
        let read =
            POINTERS.contains(&address).then(|| self.0.mem_read(self.1, address, &mut bytes).ok())??;
        let words = bytes.as_chunks::<8>().0;
        (read == bytes.len()).then(|| std::array::from_fn(|at| u64::from_ne_bytes(words[at])))
    }

    fn word(&mut self, address: u64) -> Option<u64> {
        self.words::<1>(address).map(|[word]| word)
    }
}

impl Python {
    /// The interpreter that is mapped there, if there is one.
    pub(crate) fn of(space: &Space) -> Option<Self> {
        let module =
            |one: &&crate::space::Module| one.name.starts_with("libpython") || one.name.starts_with("python");
        space.modules.iter().filter(module).find_map(|module| {
            let image = space.images.get(module.image?)?;
            let names = ["_PyEval_EvalFrameDefault", "PyCode_Type", "PyUnicode_Type"];
            let [interpreter, code, text] = image.exported(&names).try_into().ok()?;
            let at = |one: Option<Range<u64>>| {
                one.map(|one| one.start.wrapping_add(module.bias)..one.end.wrapping_add(module.bias))
            };
            let (code_type, text_type) = (at(code)?.start, at(text)?.start);
            Some(Self { interpreter: at(interpreter)?, code_type, text_type })
        })
    }

    /// Whether that code is the interpreter's.
    pub(crate) fn runs(&self, address: u64) -> bool {
        self.interpreter.contains(&address)
    }

    /// The functions that it runs, innermost first, by what its part of the stack holds.
    pub(crate) fn functions(&self, proc: &mut ProcFs, pid: u32, stack: &[u64]) -> Vec<Frame> {
        let mut memory = Memory(proc, pid);
        let mut pairs = stack.iter().zip(stack.iter().skip(1));
        let found = pairs.find_map(|(frame, before)| {
            memory.words::<2>(*before)?;
            LAYOUTS
                .into_iter()
                .find_map(|layout| Some((layout, *frame, self.function(&mut memory, *frame, layout)?)))
        });
        let Some((layout, mut frame, function)) = found else { return Vec::new() };
        let mut functions = vec![function];
        while functions.len() < FUNCTIONS_MAX {
            let before = memory.word(frame.wrapping_add(layout.1));
            let function = before.and_then(|before| self.function(&mut memory, before, layout));
            let (Some(before), Some(function)) = (before, function) else { break };
            functions.push(function);
            frame = before;
        }
        functions
    }

    fn function(&self, memory: &mut Memory<'_>, frame: u64, layout: (u64, u64)) -> Option<Frame> {
        let code = memory.word(frame.checked_add(layout.0)?)?;
        let words = memory.words::<CODE_WORDS>(code).filter(|words| words[1] == self.code_type)?;
        let mut texts = words.into_iter().skip(2).filter_map(|one| self.text(memory, one));
        let (path, name) = (texts.next()?, texts.next()?);
        Some(named(&path, &name))
    }

    fn text(&self, memory: &mut Memory<'_>, at: u64) -> Option<String> {
        let [_, kind, length, _, state, first] = memory.words::<6>(at)?;
        if kind != self.text_type || state & COMPACT_ASCII != COMPACT_ASCII || length > TEXT_BYTES_MAX {
            return None;
        }
        // Until 3.11 a pointer that is seldom set stands before the text.
        let start = at + if first == 0 { 48 } else { 40 };
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        let read = memory.0.mem_read(memory.1, start, &mut bytes).ok()?;
        (read == bytes.len()).then(|| String::from_utf8(bytes).ok())?
    }
}

/// A function and its file, as perf writes them; those of the standard library are the run-time's.
fn named(path: &str, name: &str) -> Frame {
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_library = path.starts_with('<') || (path.contains("/python3") && !path.contains("-packages"));
    let name = if is_library { format!("[python {name}:{file}]") } else { format!("py::{name}:{file}") };
    Frame { name: cut(&name), file: cut(file), is_named: true }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn the_standard_library_is_told_from_a_program() {
        let name = |path: &str| named(path, "wait").name;
        assert_eq!(name("/usr/lib/python3.11/threading.py"), "[python wait:threading.py]");
        assert_eq!(name("<frozen runpy>"), "[python wait:<frozen runpy>]");
        assert_eq!(name("/usr/lib/python3/dist-packages/shop/cart.py"), "py::wait:cart.py");
        assert_eq!(name("shop.py"), "py::wait:shop.py");
    }
}
