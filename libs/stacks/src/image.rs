//! A program file as it was mapped: its segments, its call frame information and its symbols, read piece by piece.
//!
//! Nothing is mapped, because a file that is cut short while it is mapped would end this process; and nothing is kept
//! but its headers: tables are read through piece by piece, once for all that is asked for.
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use object::LittleEndian as Little;
use object::elf::{
    FileHeader64, ProgramHeader64, SHF_ALLOC, SHT_DYNSYM, SHT_STRTAB, SHT_SYMTAB, SectionHeader64, Sym64,
};
use object::pod::{from_bytes, slice_from_bytes};

/// Sections and segments of a file that are looked at.
const HEADERS_MAX: usize = 4_096;
/// Sections by which what is asked for is found, beside symbols and their names.
const SECTIONS: [&str; 3] = [".eh_frame", ".eh_frame_hdr", BUILD_ID];
const BUILD_ID: &str = ".note.gnu.build-id";
/// Longest name of a symbol that is read. Unit: bytes.
const NAME_BYTES_MAX: usize = 1_024;
/// Symbols that are read at a time, and bytes of their names.
const SYMBOLS_AT_ONCE: usize = 2_048;
const NAMES_AT_ONCE: usize = 32 << 10;

/// Where the bytes of a program are.
#[derive(Debug)]
pub(crate) enum Source {
    /// In a file.
    File(File),
    /// In memory: code that the kernel gives to every process.
    Bytes(Vec<u8>),
}

impl Source {
    fn read(&self, offset: u64, into: &mut [u8]) -> Option<()> {
        match self {
            Self::File(file) => file.read_exact_at(into, offset).ok(),
            Self::Bytes(bytes) => {
                let from = usize::try_from(offset).ok()?;
                into.copy_from_slice(bytes.get(from..from.checked_add(into.len())?)?);
                Some(())
            }
        }
    }

    fn bytes(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read(offset, &mut bytes)?;
        Some(bytes)
    }
}

/// A part of the file with code.
#[derive(Clone, Debug)]
struct Segment {
    file: Range<u64>,
    address: u64,
}

/// A section of the file.
#[derive(Clone, Debug)]
struct Section {
    /// One of [`SECTIONS`], or empty.
    name: &'static str,
    kind: u32,
    link: u32,
    is_loaded: bool,
    address: u64,
    offset: u64,
    bytes: u64,
}

/// The best symbol for an address so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    start: u64,
    bytes: u64,
    name_at: u64,
}

/// A 64-bit ELF file of this machine's byte order.
#[derive(Debug)]
pub(crate) struct Image {
    source: Source,
    segments: Vec<Segment>,
    /// Those that are of use, each by its number in the file.
    sections: BTreeMap<u32, Section>,
}

impl Image {
    /// Reads the headers; `None` for anything that is not such a file.
    pub(crate) fn read(source: Source) -> Option<Self> {
        let head = source.bytes(0, size_of::<FileHeader64<Little>>())?;
        let (head, _) = from_bytes::<FileHeader64<Little>>(&head).ok()?;
        if head.e_ident.magic != object::elf::ELFMAG || head.e_ident.class != object::elf::ELFCLASS64 {
            return None;
        }
        let segments: Vec<ProgramHeader64<Little>> =
            array(&source, head.e_phoff.get(Little), head.e_phnum.get(Little))?;
        let segments = segments.iter().filter(|one| is_code(one)).map(segment).collect();
        let sections = array(&source, head.e_shoff.get(Little), head.e_shnum.get(Little)).unwrap_or_default();
        let sections = sections_of(&source, &sections, usize::from(head.e_shstrndx.get(Little)));
        Some(Self { segments, sections, source })
    }

    /// The address, as the file states it, of the byte at `offset` in the file, where a mapping of code begins: at the
    /// start of a page, which may lie before the start of its segment and in another one.
    pub(crate) fn address_of(&self, offset: u64) -> Option<u64> {
        let page = rustix::param::page_size() as u64;
        let segment = self
            .segments
            .iter()
            .find(|one| (one.file.start / page * page..one.file.end).contains(&offset))?;
        Some(segment.address.wrapping_add(offset.wrapping_sub(segment.file.start)))
    }

    /// Where the file says that a loaded section lies.
    pub(crate) fn section_range(&self, name: &str) -> Option<Range<u64>> {
        let one = self.loaded(name)?;
        Some(one.address..one.address.checked_add(one.bytes)?)
    }

    /// Bytes of a loaded section from `at` on; `None` unless all of them lie in it.
    pub(crate) fn bytes_of(&self, name: &str, at: u64, into: &mut [u8]) -> Option<()> {
        let one = self.loaded(name)?;
        let end = at.checked_add(into.len() as u64)?;
        (end <= one.bytes).then(|| self.source.read(one.offset.checked_add(at)?, into)).flatten()
    }

    /// Code at `address`, which the file states.
    pub(crate) fn code(&self, address: u64, into: &mut [u8]) -> Option<()> {
        self.source.read(self.offset_of(address)?, into)
    }

    fn loaded(&self, name: &str) -> Option<&Section> {
        self.sections.values().find(|one| one.name == name && one.is_loaded)
    }

    /// The build id, in hexadecimal: the name of the file's debug information.
    pub(crate) fn build_id(&self) -> Option<String> {
        let note = self.sections.values().find(|one| one.name == BUILD_ID)?;
        let bytes = self.source.bytes(note.offset, usize::try_from(note.bytes).ok().filter(|n| *n < 256)?)?;
        // Three words of header, the name `GNU` and its end, then the id.
        let id = bytes.get(16..).filter(|id| id.len() >= 8)?;
        Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether it has the table of all its symbols, not of the exported ones only.
    pub(crate) fn has_all_symbols(&self) -> bool {
        self.sections.values().any(|one| one.kind == SHT_SYMTAB)
    }

    /// The names of the functions at `addresses`, which ascend; `None` where no symbol covers one.
    pub(crate) fn functions(&self, addresses: &[u64]) -> Vec<Option<String>> {
        let kind = if self.has_all_symbols() { SHT_SYMTAB } else { SHT_DYNSYM };
        let mut found = vec![None; addresses.len()];
        let table = self.sections.values().find(|one| one.kind == kind);
        if let Some(table) = table {
            // A torn table names what was read of it.
            let _ = self.search(table, addresses, &mut found);
        }
        let name = |one: Option<Found>| self.name(one?.name_at);
        found.into_iter().map(name).collect()
    }

    fn search(&self, table: &Section, addresses: &[u64], found: &mut [Option<Found>]) -> Option<()> {
        let names = self.sections.get(&table.link)?;
        self.each_symbol(table, |symbol| {
            let one = Found {
                start: symbol.st_value.get(Little),
                bytes: symbol.st_size.get(Little),
                name_at: names.offset.saturating_add(u64::from(symbol.st_name.get(Little))),
            };
            if is_function(symbol) {
                cover(&one, addresses, found);
            }
        })
    }

    /// Shows every symbol of a table that the file itself has; `None` where the table is torn.
    fn each_symbol(&self, table: &Section, mut each: impl FnMut(&Sym64<Little>)) -> Option<()> {
        let size = size_of::<Sym64<Little>>();
        let mut left = usize::try_from(table.bytes).ok()? / size;
        let mut offset = table.offset;
        while left > 0 {
            let count = left.min(SYMBOLS_AT_ONCE);
            let bytes = self.source.bytes(offset, count * size)?;
            let (symbols, _) = slice_from_bytes::<Sym64<Little>>(&bytes, count).ok()?;
            symbols.iter().filter(|one| is_defined(one)).for_each(&mut each);
            left -= count;
            offset = offset.checked_add((count * size) as u64)?;
        }
        Some(())
    }

    /// Where in the file the exported functions of these names begin; `None` for those that it does not export.
    pub(crate) fn offsets_of(&self, names: &[&str]) -> Vec<Option<u64>> {
        let mut found = vec![None; names.len()];
        self.each_exported(names, |index, symbol| {
            let is_first = |seat: &&mut Option<u64>| seat.is_none() && is_function(symbol);
            if let Some(seat) = found.get_mut(index).filter(is_first) {
                *seat = self.offset_of(symbol.st_value.get(Little));
            }
        });
        found
    }

    /// Where the file says that the exported functions and objects of these names lie.
    pub(crate) fn exported(&self, names: &[&str]) -> Vec<Option<Range<u64>>> {
        let mut found = vec![None; names.len()];
        self.each_exported(names, |index, symbol| {
            if let Some(seat) = found.get_mut(index) {
                let start = symbol.st_value.get(Little);
                *seat = Some(start..start.saturating_add(symbol.st_size.get(Little)));
            }
        });
        found
    }

    /// Shows every exported symbol that has one of these names, with the index of the name; of a torn table those that
    /// could be read.
    fn each_exported(&self, names: &[&str], mut each: impl FnMut(usize, &Sym64<Little>)) {
        let Some(table) = self.sections.values().find(|one| one.kind == SHT_DYNSYM) else { return };
        let Some(places) = self.sections.get(&table.link).and_then(|texts| self.places_of(texts, names))
        else {
            return;
        };
        let _ = self.each_symbol(table, |symbol| {
            if let Some(index) = places.get(&symbol.st_name.get(Little)) {
                each(*index, symbol);
            }
        });
    }

    /// Where each of `names` stands in a section of names: the end of a longer one is a name, too.
    fn places_of(&self, texts: &Section, names: &[&str]) -> Option<BTreeMap<u32, usize>> {
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0) as u64;
        let (mut places, mut at) = (BTreeMap::new(), 0);
        while at < texts.bytes {
            let length = (texts.bytes - at).min(NAMES_AT_ONCE as u64);
            let bytes = self.source.bytes(texts.offset.checked_add(at)?, usize::try_from(length).ok()?)?;
            for end in (0..bytes.len()).filter(|end| bytes[*end] == 0) {
                let is_here = |name: &&str| bytes[..end].ends_with(name.as_bytes());
                for (index, name) in names.iter().enumerate().filter(|(_, name)| is_here(name)) {
                    places.insert(u32::try_from(at + (end - name.len()) as u64).ok()?, index);
                }
            }
            // The next piece begins with as much of this one as a name could need that ends in it.
            at += if at + length < texts.bytes { length - longest } else { length };
        }
        Some(places)
    }

    /// Where in the file the code at `address` lies, which the file states.
    fn offset_of(&self, address: u64) -> Option<u64> {
        let within = |one: &&Segment| {
            (one.address..one.address.saturating_add(one.file.end - one.file.start)).contains(&address)
        };
        self.segments.iter().find(within).map(|one| address - one.address + one.file.start)
    }

    fn name(&self, at: u64) -> Option<String> {
        // A name near the end of the file has less room behind it.
        let mut room = NAME_BYTES_MAX;
        let bytes = loop {
            match self.source.bytes(at, room) {
                Some(bytes) => break bytes,
                None if room > 16 => room /= 2,
                None => return None,
            }
        };
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let name = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
        (!name.is_empty()).then_some(name)
    }
}

/// Reads `count` headers at `offset`.
fn array<T: object::pod::Pod + Clone>(source: &Source, offset: u64, count: u16) -> Option<Vec<T>> {
    let count = usize::from(count).min(HEADERS_MAX);
    let bytes = source.bytes(offset, count * size_of::<T>())?;
    slice_from_bytes::<T>(&bytes, count).ok().map(|(all, _)| all.to_vec())
}

fn is_code(one: &ProgramHeader64<Little>) -> bool {
    one.p_type.get(Little) == object::elf::PT_LOAD && one.p_flags.get(Little) & object::elf::PF_X != 0
}

fn segment(one: &ProgramHeader64<Little>) -> Segment {
    let offset = one.p_offset.get(Little);
    Segment {
        file: offset..offset.saturating_add(one.p_filesz.get(Little)),
        address: one.p_vaddr.get(Little),
    }
}

fn sections_of(source: &Source, all: &[SectionHeader64<Little>], names: usize) -> BTreeMap<u32, Section> {
    let names = all.get(names).and_then(|one| {
        let bytes = usize::try_from(one.sh_size.get(Little)).ok().filter(|bytes| *bytes < 1 << 20)?;
        source.bytes(one.sh_offset.get(Little), bytes)
    });
    let names = names.unwrap_or_default();
    let name = |at: u32| {
        let rest = names.get(at as usize..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        SECTIONS.into_iter().find(|one| one.as_bytes() == &rest[..end]).unwrap_or_default()
    };
    let section = |one: &SectionHeader64<Little>| Section {
        name: name(one.sh_name.get(Little)),
        kind: one.sh_type.get(Little),
        link: one.sh_link.get(Little),
        is_loaded: one.sh_flags.get(Little) & u64::from(SHF_ALLOC) != 0,
        address: one.sh_addr.get(Little),
        offset: one.sh_offset.get(Little),
        bytes: one.sh_size.get(Little),
    };
    let is_of_use =
        |one: &Section| !one.name.is_empty() || matches!(one.kind, SHT_SYMTAB | SHT_DYNSYM | SHT_STRTAB);
    (0..).zip(all.iter().map(section)).filter(|(_, one)| is_of_use(one)).collect()
}

/// What this file has; what it only asks for has no section.
fn is_defined(symbol: &Sym64<Little>) -> bool {
    symbol.st_shndx.get(Little) != object::elf::SHN_UNDEF && symbol.st_value.get(Little) != 0
}

fn is_function(symbol: &Sym64<Little>) -> bool {
    let kind = symbol.st_info & 0xf;
    kind == object::elf::STT_FUNC || kind == object::elf::STT_GNU_IFUNC
}

/// Takes the symbol for every address in it that had none, or a wider one.
fn cover(one: &Found, addresses: &[u64], found: &mut [Option<Found>]) {
    let end = one.start.saturating_add(one.bytes.max(1));
    let first = addresses.partition_point(|address| *address < one.start);
    for (address, seat) in addresses.iter().zip(found).skip(first) {
        if *address >= end {
            break;
        }
        if seat.is_none_or(|before| one.bytes > 0 && (before.bytes == 0 || one.bytes < before.bytes)) {
            *seat = Some(*one);
        }
    }
}
