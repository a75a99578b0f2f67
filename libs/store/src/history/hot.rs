//! Hot: the open chunks in shared memory that outlives the process.
//!
//! The memory is a file on a tmpfs or a memfd that somebody else also holds. It has two generations: one takes samples
//! while the other is being written to the cold files. All room is allocated when the memory is made.
//!
//! # Layout
//!
//! Page 0 holds 64-bit words: magic, version, words for keys, words for ticks, check word; from word 8 on eight for
//! either generation: number (0 is empty), keys (words used, series << 32), ticks (words used, samples of the open
//! tick << 32), closed flag, ticks closed. Then for either generation the keys and the ticks, both in 32-bit words. A
//! key is length | kind << 16, then its bytes. A tick is time low, time high, entries | PARTIAL, CRC, then three words
//! an entry: series | ENDS, value low, value high.
//!
//! Only what changed is an entry: a series that stands and is not named has its last value in this tick too, until an
//! entry ends it. In a partial tick (cut short by a kill or for want of room) only what is named has a sample.
//!
//! # Why a kill loses nothing
//!
//! An entry's words are stored first and counted after by one release store of the tick word, the same word that closes
//! a tick. Whoever maps the memory next sees each entry counted and whole, or not at all. Of a tick that was not ended,
//! the samples that repeat the tick before are not known to have been taken.

use std::cell::OnceCell;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

use crate::codec::Kind;
use crate::error::{Result, StoreError};
use crate::medium::PAGE;

const MAGIC: u64 = 0x0a0d_746f_6874_7368;
/// Format version of the hot memory.
pub(super) const VERSION: u64 = 2;
/// Words in front of a tick's samples.
pub(super) const TICK_HEAD: usize = 4;
/// Words an entry.
pub(super) const SAMPLE: usize = 3;
/// Set in the series of an entry that ends it.
const ENDS: u32 = 1 << 31;
/// Set in the number of entries of a tick that was cut short.
const PARTIAL: u32 = 1 << 31;

/// Size of the hot memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotSize {
    /// Bytes for keys, a generation.
    pub key_bytes: usize,
    /// Bytes for samples, a generation; 12 a sample.
    pub tick_bytes: usize,
}

impl Default for HotSize {
    /// 550 changes a second for five minutes, and the keys of 12,000 series: 4.8 MiB in all.
    fn default() -> Self {
        Self { key_bytes: 384 << 10, tick_bytes: 2 << 20 }
    }
}

impl HotSize {
    fn words(self) -> (usize, usize) {
        (self.key_bytes / 4, self.tick_bytes / 4)
    }

    /// Bytes of the whole memory.
    pub fn total_bytes(self) -> usize {
        let (keys, ticks) = self.words();
        PAGE + 2 * 4 * (keys + ticks)
    }
}

/// The mapped hot memory.
pub struct Hot {
    base: *mut u8,
    size: HotSize,
    /// Keeps an anonymous memory alive and lets a caller hand it on.
    file: File,
}

// SAFETY: the mapping is shared memory that is only touched through atomics.
unsafe impl Send for Hot {}
// SAFETY: as above.
unsafe impl Sync for Hot {}

impl Drop for Hot {
    fn drop(&mut self) {
        // SAFETY: `base` was mapped with exactly this length, and no reference outlives `self`.
        let _ = unsafe { munmap(self.base.cast(), self.size.total_bytes()) };
    }
}

impl Hot {
    /// Maps the memory in a file, made where missing. Put it on a tmpfs.
    ///
    /// Returns the memory and, where the old content had to be given up, one line that says why.
    pub fn open(path: &Path, size: HotSize) -> Result<(Self, Option<String>)> {
        let name = path.display().to_string();
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|e| StoreError::from_io("open", &name, e))?;
        Self::from_file(file, size)
    }

    /// Maps the memory in a file to read it beside its writer; `None` where there is none, or none of this version.
    pub fn open_to_read(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut head = [0; 32];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut head, 0).ok()?;
        let word = |n: usize| crate::bytes::u64_at(&head, 8 * n);
        if word(0)? != MAGIC || word(1)? != VERSION {
            return None;
        }
        let bytes =
            |n: usize| usize::try_from(word(n)?).ok()?.checked_mul(4).filter(|bytes| *bytes < 1 << 31);
        let size = HotSize { key_bytes: bytes(2)?, tick_bytes: bytes(3)? };
        if file.metadata().ok()?.len() != size.total_bytes() as u64 {
            return None;
        }
        // SAFETY: a fresh shared mapping of a file of this length; nothing else uses the addresses, and what only reads
        // it never stores.
        let base = unsafe {
            mmap(std::ptr::null_mut(), size.total_bytes(), ProtFlags::READ, MapFlags::SHARED, &file, 0)
        };
        Some(Self { base: base.ok()?.cast(), size, file })
    }

    /// Maps memory that lives as long as somebody holds its descriptor.
    pub fn anonymous(size: HotSize) -> Result<Self> {
        let fd = memfd_create("store-hot", MemfdFlags::CLOEXEC)
            .map_err(|e| StoreError::from_io("create", "hot memory", e.into()))?;
        Ok(Self::from_file(File::from(fd), size)?.0)
    }

    /// Maps an open file or memfd.
    pub fn from_file(file: File, size: HotSize) -> Result<(Self, Option<String>)> {
        let fail = |doing| move |e| StoreError::from_io(doing, "hot memory", e);
        let total = size.total_bytes();
        let found = file.metadata().map_err(fail("read"))?.len();
        if found != total as u64 {
            // Another size is another layout: begin anew.
            file.set_len(0).and_then(|()| file.set_len(total as u64)).map_err(fail("size"))?;
        }
        // Without this a full tmpfs would end the process at the first touch of a page.
        fallocate(file.as_fd(), FallocateFlags::empty(), 0, total as u64)
            .map_err(|e| fail("allocate")(e.into()))?;
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a fresh shared mapping of a file that was just given this length; nothing else uses the addresses.
        let base = unsafe { mmap(std::ptr::null_mut(), total, prot, flags, file.as_fd(), 0) }
            .map_err(|e| fail("map")(e.into()))?;
        let hot = Self { base: base.cast(), size, file };
        let given_up = hot.validate(found);
        Ok((hot, given_up))
    }

    /// The file behind the memory, to hand it on.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Size of the memory.
    pub fn size(&self) -> HotSize {
        self.size
    }

    fn validate(&self, found: u64) -> Option<String> {
        let longs = self.longs();
        let (keys, ticks) = self.size.words();
        let want = [MAGIC, VERSION, keys as u64, ticks as u64];
        let check = want.iter().fold(0u64, |all, w| all.rotate_left(13) ^ w);
        let have: Vec<u64> = longs[..5].iter().map(|l| l.load(Ordering::Acquire)).collect();
        if have[..4] == want && have[4] == check {
            return None;
        }
        for long in longs {
            long.store(0, Ordering::Relaxed);
        }
        for (long, value) in longs.iter().zip(want.into_iter().chain([check])) {
            long.store(value, Ordering::Release);
        }
        (found != 0).then(|| match have[1] {
            v if have[0] == MAGIC && v > VERSION => {
                format!("the hot memory had format version {v}, this program knows {VERSION}: begun anew")
            }
            _ => "the hot memory was of another size or damaged: begun anew".to_owned(),
        })
    }

    /// Lets this process forget the pages of a generation that was given back; they come again when they are touched.
    pub(super) fn forget(&self, which: usize) {
        let (keys, ticks) = self.size.words();
        let half = 4 * (keys + ticks);
        let start = (PAGE + (which & 1) * half).next_multiple_of(PAGE);
        let end = (PAGE + ((which & 1) + 1) * half) / PAGE * PAGE;
        if start < end {
            // SAFETY: the range lies within the mapping and on page boundaries. The memory is shared: its content stays.
            let _ = unsafe { madvise(self.base.add(start).cast(), end - start, Advice::LinuxDontNeed) };
        }
    }

    fn longs(&self) -> &[AtomicU64] {
        // SAFETY: page 0 is mapped, page-aligned and lives as long as `self`; atomics may alias shared memory.
        unsafe { std::slice::from_raw_parts(self.base.cast::<AtomicU64>(), PAGE / 8) }
    }

    /// One of the two generations.
    pub(super) fn generation(&self, which: usize) -> Generation<'_> {
        let (keys, ticks) = self.size.words();
        let which = which & 1;
        let words = 2 * (keys + ticks);
        // SAFETY: behind page 0 lie exactly this many 32-bit words, mapped, aligned, living as long as `self`.
        let all = unsafe { std::slice::from_raw_parts(self.base.add(PAGE).cast::<AtomicU32>(), words) };
        let own = &all[which * (keys + ticks)..][..keys + ticks];
        let (keys, ticks) = own.split_at(keys);
        Generation { state: &self.longs()[8 + 8 * which..][..8], keys, ticks }
    }
}

/// Half of the hot memory.
#[derive(Clone, Copy)]
pub(super) struct Generation<'a> {
    state: &'a [AtomicU64],
    keys: &'a [AtomicU32],
    ticks: &'a [AtomicU32],
}

/// Splits a counter word.
fn halves(word: u64) -> (usize, usize) {
    ((word & 0xffff_ffff) as usize, (word >> 32) as usize)
}

fn join(low: usize, high: usize) -> u64 {
    low as u64 | (high as u64) << 32
}

/// One tick of a generation.
pub(super) struct Tick<'a> {
    pub at_ms: i64,
    /// Whether only what is named has a sample.
    is_partial: bool,
    samples: &'a [AtomicU32],
    /// CRC stored when the tick was closed; `None` for the open one.
    crc: Option<u32>,
    /// Whether it holds, once it was looked at.
    intact: OnceCell<bool>,
}

impl<'a> Generation<'a> {
    /// Number of the generation; 0 where it is empty.
    pub fn number(&self) -> u64 {
        self.state[0].load(Ordering::Acquire)
    }

    /// Whether the writer has moved on.
    pub fn is_closed(&self) -> bool {
        self.state[3].load(Ordering::Acquire) != 0
    }

    /// Lets the generation be written to the cold files.
    pub fn close(&self) {
        self.state[3].store(1, Ordering::Release);
    }

    /// Begins an empty generation.
    pub fn begin(&self, number: u64) {
        for word in &self.state[1..5] {
            word.store(0, Ordering::Relaxed);
        }
        self.state[0].store(number, Ordering::Release);
    }

    /// Gives the room back.
    pub fn clear(&self) {
        self.state[0].store(0, Ordering::Release);
    }

    /// Number of closed ticks.
    pub fn closed_ticks(&self) -> usize {
        self.state[4].load(Ordering::Acquire) as usize
    }

    /// Words left for keys and for ticks.
    pub fn room(&self) -> (usize, usize) {
        let (keys, _) = halves(self.state[1].load(Ordering::Relaxed));
        let (used, open) = halves(self.state[2].load(Ordering::Relaxed));
        (self.keys.len() - keys, self.ticks.len().saturating_sub(used + TICK_HEAD + open * SAMPLE))
    }

    /// Adds a key and returns the series' number in this generation; `None` where there is no room.
    pub fn declare(&self, key: &[u8], kind: Kind) -> Option<u32> {
        let (used, series) = halves(self.state[1].load(Ordering::Relaxed));
        let words = 1 + key.len().div_ceil(4);
        let room = self.keys.get(used..used + words)?;
        room[0].store(key.len() as u32 | u32::from(kind == Kind::Float) << 16, Ordering::Relaxed);
        for (word, bytes) in room[1..].iter().zip(key.chunks(4)) {
            let mut four = [0; 4];
            four[..bytes.len()].copy_from_slice(bytes);
            word.store(u32::from_le_bytes(four), Ordering::Relaxed);
        }
        self.state[1].store(join(used + words, series + 1), Ordering::Release);
        Some(series as u32)
    }

    /// Opens a tick; `false` where there is no room.
    pub fn open_tick(&self, at_ms: i64) -> bool {
        let (used, _) = halves(self.state[2].load(Ordering::Relaxed));
        let Some(head) = self.ticks.get(used..used + TICK_HEAD) else { return false };
        head[0].store(at_ms as u64 as u32, Ordering::Relaxed);
        head[1].store(((at_ms as u64) >> 32) as u32, Ordering::Relaxed);
        self.state[2].store(join(used, 0), Ordering::Release);
        true
    }

    /// Ends a series in the open tick; `false` where there is no room.
    pub fn push_end(&self, series: u32) -> bool {
        self.push(series | ENDS, 0)
    }

    /// Adds a changed sample to the open tick; `false` where there is no room.
    #[inline]
    pub fn push(&self, series: u32, bits: u64) -> bool {
        let (used, open) = halves(self.state[2].load(Ordering::Relaxed));
        let at = used + TICK_HEAD + open * SAMPLE;
        let Some([low, middle, high]) = self.ticks.get(at..at + SAMPLE) else { return false };
        low.store(series, Ordering::Relaxed);
        middle.store(bits as u32, Ordering::Relaxed);
        high.store((bits >> 32) as u32, Ordering::Relaxed);
        self.state[2].store(join(used, open + 1), Ordering::Release);
        true
    }

    /// Entries of the open tick.
    pub fn open_entries(&self) -> usize {
        halves(self.state[2].load(Ordering::Relaxed)).1
    }

    /// Closes the open tick.
    pub fn close_tick(&self, is_partial: bool) {
        let (used, open) = halves(self.state[2].load(Ordering::Relaxed));
        let end = used + TICK_HEAD + open * SAMPLE;
        let Some(tick) = self.ticks.get(used..end) else { return };
        tick[2].store(open as u32 | if is_partial { PARTIAL } else { 0 }, Ordering::Relaxed);
        let crc = checksum(&tick[TICK_HEAD..]);
        tick[3].store(crc, Ordering::Relaxed);
        let ticks = self.state[4].load(Ordering::Relaxed);
        self.state[4].store(ticks + 1, Ordering::Relaxed);
        self.state[2].store(join(end, 0), Ordering::Release);
    }

    /// All keys declared so far.
    pub fn keys(&self) -> Vec<(Kind, Vec<u8>)> {
        let (used, series) = halves(self.state[1].load(Ordering::Acquire));
        let mut rest = self.keys.get(..used).unwrap_or(&[]);
        let mut keys = Vec::with_capacity(series.min(used));
        while let Some((head, behind)) = rest.split_first() {
            let head = head.load(Ordering::Relaxed);
            let len = (head & 0xffff) as usize;
            let Some((words, next)) = behind.split_at_checked(len.div_ceil(4)) else { break };
            let mut key: Vec<u8> =
                words.iter().flat_map(|w| w.load(Ordering::Relaxed).to_le_bytes()).collect();
            key.truncate(len);
            keys.push((if head >> 16 & 1 == 1 { Kind::Float } else { Kind::Int }, key));
            rest = next;
        }
        keys
    }

    /// Number of all samples so far.
    pub fn samples(&self) -> u64 {
        let ticks: Vec<_> = self.ticks().collect();
        let mut standing = Standing::new(self.keys().len());
        ticks
            .iter()
            .map(|tick| {
                standing.step(tick);
                standing.samples().count() as u64
            })
            .sum()
    }

    /// All ticks so far, the open one included. Stops where the memory makes no sense.
    pub fn ticks(&self) -> impl Iterator<Item = Tick<'a>> + use<'a> {
        let (used, open) = halves(self.state[2].load(Ordering::Acquire));
        let ticks = self.ticks;
        let mut at = 0;
        std::iter::from_fn(move || {
            let head = ticks.get(at..at + TICK_HEAD)?;
            let word = |n: usize| head[n].load(Ordering::Relaxed);
            let is_open = at == used;
            let samples = match is_open {
                true if open > 0 => open,
                false if at < used => (word(2) & !PARTIAL) as usize,
                _ => return None,
            };
            let from = at + TICK_HEAD;
            let end = from.checked_add(samples.checked_mul(SAMPLE)?)?;
            let samples = ticks.get(from..end).filter(|_| is_open || end <= used)?;
            at = if is_open { usize::MAX - TICK_HEAD } else { end };
            let at_ms = (u64::from(word(0)) | u64::from(word(1)) << 32) as i64;
            let is_partial = is_open || word(2) & PARTIAL != 0;
            let crc = (!is_open).then(|| word(3));
            Some(Tick { at_ms, is_partial, samples, crc, intact: OnceCell::new() })
        })
    }
}

impl Tick<'_> {
    /// Whether the entries are what was stored.
    pub fn is_intact(&self) -> bool {
        *self.intact.get_or_init(|| self.crc.is_none_or(|crc| checksum(self.samples) == crc))
    }

    /// Series and bits of every entry; no bits where the series ends.
    fn entries(&self) -> impl Iterator<Item = (u32, Option<u64>)> + '_ {
        self.samples.chunks_exact(SAMPLE).map(|s| {
            let word = |n: usize| s[n].load(Ordering::Relaxed);
            let bits = u64::from(word(1)) | u64::from(word(2)) << 32;
            (word(0) & !ENDS, (word(0) & ENDS == 0).then_some(bits))
        })
    }
}

/// The series that stand, tick after tick, from the first tick of a generation on.
#[derive(Clone)]
pub(super) struct Standing {
    /// Value of a series, and the tick that named it last.
    series: Vec<Option<(u64, u32)>>,
    tick: u32,
    is_partial: bool,
    /// Entries of series that were never declared.
    pub undeclared: usize,
}

impl Standing {
    /// Before the first tick of a generation with so many keys.
    pub fn new(keys: usize) -> Self {
        Self { series: vec![None; keys], tick: 0, is_partial: false, undeclared: 0 }
    }

    /// Goes on to the next tick. After a damaged one nothing is known but what later ticks name.
    pub fn step(&mut self, tick: &Tick<'_>) {
        self.tick += 1;
        self.is_partial = tick.is_partial;
        if !tick.is_intact() {
            self.series.fill(None);
            return;
        }
        for (series, bits) in tick.entries() {
            match self.series.get_mut(series as usize) {
                Some(place) => *place = bits.map(|bits| (bits, self.tick)),
                None => self.undeclared += 1,
            }
        }
    }

    /// The sample of a series in this tick.
    pub fn at(&self, series: usize) -> Option<u64> {
        let (bits, named) = (*self.series.get(series)?)?;
        (!self.is_partial || named == self.tick).then_some(bits)
    }

    /// Series and bits of every sample of this tick.
    pub fn samples(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        (0..self.series.len()).filter_map(|series| Some((series as u32, self.at(series)?)))
    }
}

fn checksum(words: &[AtomicU32]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = [0u8; 1024];
    for piece in words.chunks(buffer.len() / 4) {
        for (to, word) in buffer.chunks_exact_mut(4).zip(piece) {
            to.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        hasher.update(&buffer[..piece.len() * 4]);
    }
    hasher.finalize()
}
