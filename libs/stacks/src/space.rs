//! The address space of a process: what code is mapped where, and from which file.
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kernfs::{Map, ProcFs};

use crate::Refusal;
use crate::image::{Image, Source};
use crate::profile::Frame;

/// Code mappings of a process that are known.
const MODULES_MAX: usize = 512;
/// Files with code that are kept open.
const IMAGES_MAX: usize = 128;

/// Where no program has code: interpreted functions stand there, by their place in [`Space::interpreted`].
const INTERPRETED: u64 = 0xffff_fd00_0000_0000;

/// One mapping with code.
#[derive(Debug)]
pub(crate) struct Module {
    /// First address.
    pub(crate) start: u64,
    /// First address behind it.
    pub(crate) end: u64,
    /// What is added to an address of the file.
    pub(crate) bias: u64,
    /// Index of its file; `None` where it cannot be read, or is none.
    pub(crate) image: Option<usize>,
    /// The last part of its file's path, or the kernel's name in brackets.
    pub(crate) name: String,
}

/// The code of one process. Files stay open: the process may end before its stacks are named.
#[derive(Debug)]
pub(crate) struct Space {
    /// In order of address.
    pub(crate) modules: Vec<Module>,
    /// The files.
    pub(crate) images: Vec<Image>,
    /// Functions of programs that an interpreter runs, which have no code.
    pub(crate) interpreted: Vec<Frame>,
}

impl Space {
    /// Reads what is mapped now.
    pub(crate) fn read(proc: &mut ProcFs, pid: u32) -> Result<Self, Refusal> {
        let maps = proc.code_maps(pid).map_err(|error| refused(pid, &error))?;
        let mut space = Self { modules: Vec::new(), images: Vec::new(), interpreted: Vec::new() };
        let mut known: Vec<((u32, u32, u64), usize)> = Vec::new();
        for map in maps.iter().take(MODULES_MAX) {
            let key = (map.dev_major, map.dev_minor, map.inode);
            let image = match known.iter().find(|(other, _)| *other == key && map.inode != 0) {
                Some((_, index)) => Some(*index),
                None if space.images.len() >= IMAGES_MAX => None,
                None => open(proc, pid, map).and_then(Image::read).map(|image| {
                    space.images.push(image);
                    known.push((key, space.images.len() - 1));
                    space.images.len() - 1
                }),
            };
            let stated = image.and_then(|one| space.images.get(one)?.address_of(map.offset_bytes));
            space.modules.push(Module {
                start: map.start,
                end: map.end,
                bias: map.start.wrapping_sub(stated.unwrap_or(0)),
                image: image.filter(|_| stated.is_some()),
                name: name_of(map),
            });
        }
        Ok(space)
    }

    /// The address that stands for an interpreted function.
    pub(crate) fn interpreted(&mut self, frame: Frame) -> u64 {
        let known = self.interpreted.iter().position(|one| *one == frame);
        let index = known.unwrap_or_else(|| {
            self.interpreted.push(frame);
            self.interpreted.len() - 1
        });
        INTERPRETED | index as u64
    }

    /// The interpreted function that an address stands for.
    pub(crate) fn interpreted_at(&self, address: u64) -> Option<Frame> {
        self.interpreted.get(usize::try_from(address.checked_sub(INTERPRETED)?).ok()?).cloned()
    }

    /// The code at `address`.
    pub(crate) fn module(&self, address: u64) -> Option<&Module> {
        let index = self.modules.partition_point(|one| one.end <= address);
        self.modules.get(index).filter(|one| one.start <= address)
    }
}

/// What the kernel's refusal means.
pub(crate) fn refused(pid: u32, error: &kernfs::Error) -> Refusal {
    if error.is_gone() { Refusal::Gone(pid) } else { Refusal::Forbidden { pid, why: error.to_string() } }
}

pub(crate) fn name_of(map: &Map) -> String {
    let Some(path) = &map.path else { return "[anon]".to_owned() };
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned()
}

/// The bytes of a mapping: its file, reached through the mapping itself where we may, else through the root of the
/// process, which may be another one than ours; the vdso is read from its memory.
fn open(proc: &mut ProcFs, pid: u32, map: &Map) -> Option<Source> {
    let path = map.path.as_deref()?;
    if path == Path::new("[vdso]") {
        let mut bytes = vec![0; usize::try_from(map.end - map.start).ok().filter(|bytes| *bytes < 1 << 20)?];
        let read = proc.mem_read(pid, map.start, &mut bytes).ok()?;
        bytes.truncate(read);
        return Some(Source::Bytes(bytes));
    }
    if map.inode == 0 {
        return None;
    }
    path_of(pid, map).and_then(|path| File::open(path).ok()).map(Source::File)
}

/// Where the file of a mapping is: a regular file of its inode, for opening another kind could wait or have effects.
pub(crate) fn path_of(pid: u32, map: &Map) -> Option<PathBuf> {
    let path = map.path.as_deref()?;
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let by_mapping = folder.join(format!("map_files/{:x}-{:x}", map.start, map.end));
    let by_root = folder.join("root").join(path.strip_prefix("/").unwrap_or(path));
    let is_it =
        |path: &PathBuf| std::fs::metadata(path).is_ok_and(|one| one.is_file() && one.ino() == map.inode);
    [by_mapping, by_root, folder.join("exe")].into_iter().find(is_it)
}
