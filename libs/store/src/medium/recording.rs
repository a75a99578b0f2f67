//! A medium that remembers what was flushed and lists every state a power cut may leave.
//!
//! The model, stricter than any file system: a write that was not flushed is a set of 512-byte sectors, each of which
//! may be missing, whole or torn in the middle either way, in any combination; a creation, renaming, removal or cut that
//! was not flushed may or may not have happened, each on its own. A durable write is flushed when it returns and loose
//! while it runs. Syncing a file does not make its name durable: only syncing the folder does.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memory::{gone, write_into};
use super::{MediumFile, MemoryMedium, PageBuf};
use crate::error::Result;

/// Sector size of the model, in bytes.
const SECTOR: usize = 512;

type Inode = usize;

#[derive(Clone)]
enum Op {
    Create(String, Inode),
    Write { inode: Inode, at: u64, bytes: Vec<u8>, is_durable: bool },
    Cut(Inode, u64),
    Sync(Inode),
    Rename(String, String),
    Remove(String),
    SyncFolder,
    Promise(u64),
}

#[derive(Default, Clone)]
struct Folder {
    names: BTreeMap<String, Inode>,
    contents: Vec<Vec<u8>>,
}

#[derive(Default)]
struct State {
    now: Folder,
    ops: Vec<Op>,
}

/// What may or may not have reached the disk: an operation, or one sector of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Unit {
    op: usize,
    /// Sector of a write, counted from the sector it starts in.
    sector: Option<usize>,
}

/// What happened to one unit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Missing,
    Whole,
    FirstHalf,
    SecondHalf,
}

/// A folder in memory that records every operation; clones share it.
#[derive(Default, Clone)]
pub struct RecordingMedium {
    state: Arc<Mutex<State>>,
}

struct RecordingFile {
    inode: Inode,
    medium: RecordingMedium,
}

impl RecordingMedium {
    /// Notes that the program promised something to its caller at this point.
    pub fn promise(&self, what: u64) {
        self.lock().ops.push(Op::Promise(what));
    }

    /// Calls `visit` with the promises made so far and the folder as a power cut may leave it, for every point of the
    /// history and every combination of what was loose there. Where a point has more than `limit` combinations, the
    /// extreme ones (nothing, everything, all but one, only one) and a fixed pseudo-random choice up to `limit` stand for
    /// them. Returns how many images were visited and whether that was all of them.
    pub fn crash_images(&self, limit: usize, mut visit: impl FnMut(&[u64], MemoryMedium)) -> (usize, bool) {
        let ops = self.lock().ops.clone();
        let (mut images, mut is_complete) = (0, true);
        for cut in 0..=ops.len() {
            let seen = &ops[..(cut + 1).min(ops.len())];
            let promises: Vec<u64> = ops[..cut].iter().filter_map(promised).collect();
            let loose = loose_units(seen, cut);
            let (choices, all) = choices(seen, &loose, limit);
            is_complete &= all;
            for fates in choices {
                let fate: HashMap<Unit, Fate> = loose.iter().copied().zip(fates).collect();
                visit(&promises, image(seen, &fate));
                images += 1;
            }
        }
        (images, is_complete)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self, op: Op) {
        let mut state = self.lock();
        apply(&mut state.now, &op, 0, &|_| Fate::Whole);
        state.ops.push(op);
    }

    fn file(&self, inode: Inode) -> Box<dyn MediumFile> {
        Box::new(RecordingFile { inode, medium: self.clone() })
    }
}

fn promised(op: &Op) -> Option<u64> {
    match op {
        Op::Promise(what) => Some(*what),
        _ => None,
    }
}

/// The units of `ops` that no completed flush covers; the operation at `cut` is still running.
fn loose_units(ops: &[Op], cut: usize) -> Vec<Unit> {
    let mut loose = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        let flushed = |test: &dyn Fn(&Op) -> bool| ops.iter().take(cut).skip(at + 1).any(test);
        let data = |inode: &Inode| flushed(&|later| matches!(later, Op::Sync(i) if i == inode));
        let name = || flushed(&|later| matches!(later, Op::SyncFolder));
        match op {
            Op::Write { inode, at: start, bytes, is_durable }
                if !((*is_durable && at < cut) || data(inode)) =>
            {
                let first = *start as usize / SECTOR;
                let last = (*start as usize + bytes.len()).div_ceil(SECTOR);
                loose.extend((0..last - first).map(|s| Unit { op: at, sector: Some(s) }));
            }
            Op::Cut(inode, _) if !data(inode) => loose.push(Unit { op: at, sector: None }),
            Op::Create(..) | Op::Rename(..) | Op::Remove(_) if !name() => {
                loose.push(Unit { op: at, sector: None });
            }
            _ => {}
        }
    }
    drop_idle(ops, loose)
}

/// Leaves out sectors whose write changes nothing: the padding of a durable write over zeros.
fn drop_idle(ops: &[Op], loose: Vec<Unit>) -> Vec<Unit> {
    let missing: HashMap<Unit, Fate> = loose.iter().map(|unit| (*unit, Fate::Missing)).collect();
    let base = folder(ops, &missing);
    let place = |unit: &Unit| match (&ops[unit.op], unit.sector) {
        (Op::Write { inode, at, .. }, Some(sector)) => Some((*inode, *at as usize / SECTOR + sector)),
        _ => None,
    };
    let mut writers: HashMap<(Inode, usize), usize> = HashMap::new();
    loose.iter().filter_map(place).for_each(|p| *writers.entry(p).or_default() += 1);
    let changes = |unit: &Unit| {
        let Some((inode, sector)) = place(unit) else { return true };
        if writers[&(inode, sector)] > 1 {
            return true;
        }
        let mut after = base.clone();
        apply(&mut after, &ops[unit.op], unit.op, &|other| match *other == *unit {
            true => Fate::Whole,
            false => Fate::Missing,
        });
        after.contents[inode] != base.contents[inode]
    };
    loose.iter().copied().filter(changes).collect()
}

/// The combinations of fates to visit, and whether they are all.
fn choices(ops: &[Op], loose: &[Unit], limit: usize) -> (Vec<Vec<Fate>>, bool) {
    let fates = |unit: &Unit| match ops[unit.op] {
        Op::Write { .. } => &[Fate::Missing, Fate::Whole, Fate::FirstHalf, Fate::SecondHalf][..],
        _ => &[Fate::Missing, Fate::Whole][..],
    };
    let total = loose.iter().try_fold(1usize, |n, unit| n.checked_mul(fates(unit).len()));
    if let Some(total) = total.filter(|n| *n <= limit) {
        let nth = |mut n: usize| {
            let digit = |unit| {
                let fates: &[Fate] = fates(unit);
                let fate = fates[n % fates.len()];
                n /= fates.len();
                fate
            };
            loose.iter().map(digit).collect()
        };
        return ((0..total).map(nth).collect(), true);
    }
    let mut some = vec![vec![Fate::Missing; loose.len()], vec![Fate::Whole; loose.len()]];
    for one in 0..loose.len().min(limit / 4) {
        for (rest, odd) in [(Fate::Whole, Fate::Missing), (Fate::Missing, Fate::Whole)] {
            let mut all = vec![rest; loose.len()];
            all[one] = odd;
            some.push(all);
        }
    }
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    while some.len() < limit {
        let mut draw = |unit| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let fates: &[Fate] = fates(unit);
            fates[(random >> 33) as usize % fates.len()]
        };
        some.push(loose.iter().map(&mut draw).collect());
    }
    (some, false)
}

fn image(ops: &[Op], fate: &HashMap<Unit, Fate>) -> MemoryMedium {
    let folder = folder(ops, fate);
    let content = |inode: &Inode| folder.contents.get(*inode).cloned().unwrap_or_default();
    MemoryMedium::with_files(
        folder.names.iter().map(|(name, inode)| (name.clone(), content(inode))).collect(),
    )
}

fn folder(ops: &[Op], fate: &HashMap<Unit, Fate>) -> Folder {
    let mut folder = Folder::default();
    for (at, op) in ops.iter().enumerate() {
        apply(&mut folder, op, at, &|unit| fate.get(unit).copied().unwrap_or(Fate::Whole));
    }
    folder
}

fn apply(folder: &mut Folder, op: &Op, number: usize, fate: &dyn Fn(&Unit) -> Fate) {
    let happened = fate(&Unit { op: number, sector: None }) != Fate::Missing;
    match op {
        Op::Create(name, inode) => {
            folder.contents.resize_with(folder.contents.len().max(inode + 1), Vec::new);
            if happened {
                folder.names.insert(name.clone(), *inode);
            }
        }
        Op::Write { inode, at, bytes, .. } => {
            write_sectors(&mut folder.contents[*inode], *at, bytes, &|sector| {
                fate(&Unit { op: number, sector: Some(sector) })
            });
        }
        Op::Cut(inode, len) if happened => folder.contents[*inode].resize(*len as usize, 0),
        Op::Rename(from, to) if happened => {
            if let Some(inode) = folder.names.remove(from) {
                folder.names.insert(to.clone(), inode);
            }
        }
        Op::Remove(name) if happened => {
            folder.names.remove(name);
        }
        _ => {}
    }
}

fn write_sectors(file: &mut Vec<u8>, at: u64, bytes: &[u8], fate: &dyn Fn(usize) -> Fate) {
    let (start, end) = (at as usize, at as usize + bytes.len());
    let first = start / SECTOR;
    for sector in first..end.div_ceil(SECTOR) {
        let (low, high) = ((sector * SECTOR).max(start), ((sector + 1) * SECTOR).min(end));
        let middle = low + (high - low) / 2;
        let (low, high) = match fate(sector - first) {
            Fate::Missing => continue,
            Fate::Whole => (low, high),
            Fate::FirstHalf => (low, middle),
            Fate::SecondHalf => (middle, high),
        };
        write_into(file, &bytes[low - start..high - start], low as u64);
    }
}

impl super::Medium for RecordingMedium {
    fn list(&self) -> Result<Vec<String>> {
        Ok(self.lock().now.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let inode = self.lock().now.contents.len();
        self.act(Op::Create(name.to_owned(), inode));
        Ok(self.file(inode))
    }

    fn open(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let inode = self.lock().now.names.get(name).copied().ok_or_else(|| gone(name))?;
        Ok(self.file(inode))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.act(Op::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.act(Op::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_folder(&self) -> Result<()> {
        self.act(Op::SyncFolder);
        Ok(())
    }
}

impl MediumFile for RecordingFile {
    fn len(&self) -> Result<u64> {
        Ok(self.medium.lock().now.contents[self.inode].len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize> {
        let state = self.medium.lock();
        let file = &state.now.contents[self.inode];
        let start = (at as usize).min(file.len());
        let n = buffer.len().min(file.len() - start);
        buffer[..n].copy_from_slice(&file[start..start + n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> Result<()> {
        self.medium.act(Op::Write { inode: self.inode, at, bytes: bytes.to_vec(), is_durable: false });
        Ok(())
    }

    fn write_durable(&self, pages: &PageBuf, at: u64) -> Result<()> {
        let bytes = pages.padded().to_vec();
        self.medium.act(Op::Write { inode: self.inode, at, bytes, is_durable: true });
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.medium.act(Op::Sync(self.inode));
        Ok(())
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.medium.act(Op::Cut(self.inode, len));
        Ok(())
    }
}
