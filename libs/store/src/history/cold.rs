//! Cold files: a header, then blocks, appended only.
//!
//! A file is `TIER-FROM-TO.hst`: `fresh` files take blocks as generations close and are named by their first generation
//! and a number that keeps names apart; `raw`, `minute` and `hour` files are written whole by compaction and named by the generations they
//! hold. Header of 32 bytes: magic, format version, spare, CRC of what precedes.
//!
//! # Why a crash loses nothing promised
//!
//! A fresh file gets its name with its first block whole, and then only grows; a generation is given back after its block
//! was synced. What a power cut leaves of a block that was not synced is at the end of the file and fails one of its
//! CRCs: opening reads the fresh files whole and cuts such an end off, so that its generation counts as not written and
//! comes from hot memory or from the tail. A compacted file gets its name after it was synced, and the files it replaces
//! are removed after the name is durable; in between both are there, and the one that holds fewer generations of the same
//! samples is dropped at the next start.

use super::KEY_MAX;
use super::block::{self, Cursor, Meta};
use crate::bytes::u32_at;
use crate::codec;
use crate::error::{Result, StoreError};
use crate::medium::{Medium, MediumFile};

const MAGIC: &[u8; 8] = b"hsthist\n";
/// Format of the files written. Version 1 had no packed blocks, version 2 no lanes; they are read, and not appended to.
pub(super) const VERSION: u32 = 3;
const FILE_HEAD: usize = 32;

/// What the rows of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Samples as they came, written as generations closed.
    Fresh,
    /// Samples as they came, compacted.
    Raw,
    /// Least, greatest, total, number and last of every minute.
    Minute,
    /// The same of every hour.
    Hour,
}

impl Tier {
    /// All tiers.
    pub const ALL: [Self; 4] = [Self::Fresh, Self::Raw, Self::Minute, Self::Hour];

    /// The word in file names and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Raw => "raw",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }

    /// Width of a row in ms; 0 for samples.
    pub fn step_ms(self) -> u32 {
        match self {
            Self::Fresh | Self::Raw => 0,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
        }
    }

    /// Whether the rows are samples.
    pub fn is_raw(self) -> bool {
        self.step_ms() == 0
    }
}

/// A block of a file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Where it begins.
    pub at: u64,
    pub header: block::Header,
    /// Its first key; empty where it is not known.
    pub first_key: Box<[u8]>,
}

/// A cold file and where its blocks are.
#[derive(Debug, Clone)]
pub(super) struct ColdFile {
    pub name: String,
    pub tier: Tier,
    pub version: u32,
    pub generations: (u64, u64),
    pub blocks: Vec<Place>,
    /// Bytes up to the end of the last block.
    pub end: u64,
    pub bytes: u64,
}

pub(super) fn file_name(tier: Tier, generations: (u64, u64)) -> String {
    let (from, to) = generations;
    format!("{}-{from:016x}-{to:016x}.hst", tier.word())
}

/// Tier of a cold file's name; `None` for any other file.
pub(super) fn tier_of(name: &str) -> Option<Tier> {
    let stem = name.strip_suffix(".hst")?;
    Tier::ALL
        .into_iter()
        .find(|tier| stem.strip_prefix(tier.word()).is_some_and(|rest| rest.starts_with('-')))
}

fn file_head(version: u32) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&version.to_le_bytes());
    head.resize(FILE_HEAD - 4, 0);
    let crc = crc32fast::hash(&head);
    head.extend_from_slice(&crc.to_le_bytes());
    head
}

/// Walks a file's blocks. Bytes that are no block are named in `notes`, unless they are the unsynced end of a fresh file.
pub(super) fn open(medium: &dyn Medium, name: &str, tier: Tier, notes: &mut Vec<String>) -> Result<ColdFile> {
    let file = medium.open_to_read(name)?;
    let bytes = file.len()?;
    let damaged = |at, what| StoreError::Damaged { name: name.to_owned(), at, what };
    let mut head = [0; FILE_HEAD];
    let got = file.read_at(&mut head, 0)?;
    if got < FILE_HEAD || head[..8] != *MAGIC {
        return Err(damaged(0, "this is no history file"));
    }
    let found = u32_at(&head, 8).unwrap_or(0);
    if found > VERSION {
        return Err(StoreError::Newer { name: name.to_owned(), found, known: VERSION });
    }
    if head[..] != file_head(found) {
        notes.push(damaged(0, "the header fails its checksum").to_string());
    }
    let mut cold = ColdFile {
        name: name.to_owned(),
        tier,
        version: found,
        generations: (u64::MAX, 0),
        blocks: Vec::new(),
        end: 0,
        bytes,
    };
    cold.walk(&*file, notes)?;
    // What a compacted file stands for is in its name, whatever became of its blocks.
    match generations_of(name) {
        Some(named) if tier != Tier::Fresh => cold.generations = named,
        _ => {}
    }
    Ok(cold)
}

/// Highest generation a file name speaks of, whatever version wrote it: no new file may take its name.
pub(super) fn newest_named(name: &str) -> Option<u64> {
    tier_of(name)?;
    let parts = name.strip_suffix(".hst")?.split('-').skip(1);
    parts.filter_map(|part| u64::from_str_radix(part, 16).ok()).max()
}

fn generations_of(name: &str) -> Option<(u64, u64)> {
    let mut parts = name.strip_suffix(".hst")?.split('-').skip(1);
    let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
    Some((number()?, number()?))
}

impl ColdFile {
    fn walk(&mut self, file: &dyn MediumFile, notes: &mut Vec<String>) -> Result<()> {
        let mut at = FILE_HEAD as u64;
        self.end = at;
        let mut head = [0; block::HEAD + KEY_MAX];
        while at < self.bytes {
            let got = file.read_at(&mut head, at)?;
            let header = block::Header::parse(&head[..got]);
            let fits = |h: &block::Header| at + h.total_bytes() as u64 <= self.bytes;
            if let Some(header) = header.filter(fits) {
                self.note_block(at, header, &head[block::HEAD..got]);
                at = self.end;
                continue;
            }
            let next = find_block(file, at + 1, self.bytes)?;
            let what = match next {
                Some(_) => "bytes between two blocks are no block",
                None => "the end of the file is no block",
            };
            notes.push(StoreError::Damaged { name: self.name.clone(), at, what }.to_string());
            let Some(next) = next else { break };
            at = next;
        }
        Ok(())
    }

    /// `behind` are bytes that follow the header.
    fn note_block(&mut self, at: u64, header: block::Header, behind: &[u8]) {
        self.note_place(Place { at, header, first_key: header.first_key(behind).into() });
    }

    fn note_place(&mut self, place: Place) {
        let (from, to) = place.header.generations;
        self.generations = (self.generations.0.min(from), self.generations.1.max(to));
        self.end = place.at + place.header.total_bytes() as u64;
        self.blocks.push(place);
    }

    /// Whether another file's blocks are all in this one.
    pub fn covers(&self, other: &Self) -> bool {
        let same = self.tier == other.tier || (self.tier == Tier::Raw && other.tier == Tier::Fresh);
        let inside = self.generations.0 <= other.generations.0 && other.generations.1 <= self.generations.1;
        same && inside && self.name != other.name && !self.blocks.is_empty()
    }

    /// Least and greatest time of all blocks.
    pub fn span(&self) -> Option<(i64, i64)> {
        let from = self.blocks.iter().map(|b| b.header.t_min).min()?;
        let to = self.blocks.iter().map(|b| b.header.t_max).max()?;
        Some((from, to))
    }

    /// Samples, or rows of a tier.
    pub fn samples(&self) -> u64 {
        self.blocks.iter().map(|b| b.header.samples).sum()
    }

    /// Cuts off blocks at the end of a fresh file that were not finished; returns how many bytes.
    pub fn cut_unfinished(&mut self, medium: &dyn Medium) -> Result<u64> {
        let file = medium.open_to_read(&self.name)?;
        let is_whole = |at: u64, header: block::Header| -> Result<()> {
            let mut reader = Reader::open(&*file, &self.name, at, header)?;
            (0..reader.meta.groups.len()).try_for_each(|group| reader.load(group))
        };
        let whole = self.blocks.iter().rposition(|b| is_whole(b.at, b.header).is_ok());
        self.blocks.truncate(whole.map_or(0, |last| last + 1));
        (self.end, self.generations) = (FILE_HEAD as u64, (u64::MAX, 0));
        std::mem::take(&mut self.blocks).into_iter().for_each(|block| self.note_place(block));
        let cut = self.bytes - self.end;
        if cut > 0 {
            let file = medium.open(&self.name)?;
            file.truncate(self.end)?;
            file.sync()?;
            self.bytes = self.end;
        }
        Ok(cut)
    }

    /// A fresh file of these blocks in a medium of its own.
    pub fn in_memory(medium: &dyn Medium, blocks: &[Vec<u8>]) -> Result<Self> {
        let name = file_name(Tier::Fresh, (0, 0));
        let (tier, generations) = (Tier::Fresh, (u64::MAX, 0));
        let mut file =
            Self { name, tier, version: VERSION, generations, blocks: Vec::new(), end: 0, bytes: 0 };
        file.append(medium, blocks)?;
        Ok(file)
    }

    /// Appends blocks to a fresh file and syncs them; makes the file where it has none yet.
    pub fn append(&mut self, medium: &dyn Medium, blocks: &[Vec<u8>]) -> Result<()> {
        let mut added = Vec::new();
        let is_new = self.end == 0;
        let mut at = if is_new { FILE_HEAD as u64 } else { self.end };
        for bytes in blocks {
            let damaged =
                || StoreError::Damaged { name: self.name.clone(), at, what: "a new block is no block" };
            let header = block::Header::parse(bytes).ok_or_else(damaged)?;
            let first_key = header.first_key(bytes.get(block::HEAD..).unwrap_or(&[])).into();
            added.push(Place { at, header, first_key });
            at += bytes.len() as u64;
        }
        if is_new {
            let mut file = NewFile::create(medium, Tier::Fresh)?;
            blocks.iter().try_for_each(|bytes| file.push(bytes))?;
            file.finish(&self.name)?;
        } else {
            let file = medium.open(&self.name)?;
            // What a refused write left behind the last block must not be taken for damage later.
            if file.len()? > self.end {
                file.truncate(self.end)?;
            }
            blocks.iter().zip(&added).try_for_each(|(bytes, block)| file.write_at(bytes, block.at))?;
            file.sync()?;
        }
        added.into_iter().for_each(|block| self.note_place(block));
        self.bytes = at;
        Ok(())
    }
}

/// Offset of the next valid block header.
fn find_block(file: &dyn MediumFile, from: u64, to: u64) -> Result<Option<u64>> {
    const PIECE: usize = 1 << 16;
    let mut buffer = vec![0; PIECE + block::HEAD];
    let mut base = from;
    while base < to {
        let got = file.read_at(&mut buffer, base)?;
        let magic = block::MAGIC.to_le_bytes();
        for at in 0..got.min(PIECE) {
            if buffer[at..].starts_with(&magic) && block::Header::parse(&buffer[at..got]).is_some() {
                return Ok(Some(base + at as u64));
            }
        }
        base += PIECE as u64;
    }
    Ok(None)
}

/// Writes a whole file under a spare name, block by block, and gives it its name at the end.
pub(super) struct NewFile<'a> {
    medium: &'a dyn Medium,
    file: Box<dyn MediumFile>,
    spare: String,
    at: u64,
}

impl<'a> NewFile<'a> {
    pub fn create(medium: &'a dyn Medium, tier: Tier) -> Result<Self> {
        let spare = format!("{}.tmp", tier.word());
        let file = medium.create(&spare)?;
        file.write_at(&file_head(VERSION), 0)?;
        Ok(Self { medium, file, spare, at: FILE_HEAD as u64 })
    }

    pub fn push(&mut self, block: &[u8]) -> Result<()> {
        self.file.write_at(block, self.at)?;
        self.at += block.len() as u64;
        Ok(())
    }

    /// Makes everything durable, then the name.
    pub fn finish(self, name: &str) -> Result<()> {
        self.file.sync()?;
        self.medium.rename(&self.spare, name)?;
        self.medium.sync_folder()
    }
}

/// Reads the chunks of one block.
pub(super) struct Reader<'a> {
    file: &'a dyn MediumFile,
    name: &'a str,
    /// Where the block begins.
    at: u64,
    pub meta: Meta,
    group: Option<usize>,
    stored: Vec<u8>,
    payload: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Reads everything but the payload.
    pub fn open(file: &'a dyn MediumFile, name: &'a str, at: u64, header: block::Header) -> Result<Self> {
        let damaged = |what| StoreError::Damaged { name: name.to_owned(), at, what };
        let mut bytes = vec![0; header.meta_bytes()];
        let got = file.read_at(&mut bytes, at + block::HEAD as u64)?;
        bytes.truncate(got);
        let meta =
            Meta::parse(header, bytes).ok_or_else(|| damaged("the block's directory fails its checksum"))?;
        Ok(Self { file, name, at, meta, group: None, stored: Vec::new(), payload: Vec::new() })
    }

    /// Decodes one column of the series at the cursor into `out`.
    pub fn column(&mut self, cursor: &Cursor, column: usize, out: &mut Vec<u64>) -> Result<()> {
        let damaged =
            |at| StoreError::Damaged { name: self.name.to_owned(), at, what: "a chunk does not decode" };
        let column = cursor.columns.get(column).ok_or_else(|| damaged(self.at))?;
        // What is in it stays until it is written over: a chunk is decoded whole or not at all.
        out.resize(self.meta.count(cursor.axis), 0);
        if let Some(value) = column.constant {
            out.fill(value);
            return Ok(());
        }
        self.load(cursor.group)?;
        let at = self.start() + self.meta.groups.get(cursor.group).map_or(0, |g| g.at) as u64;
        let damaged =
            || StoreError::Damaged { name: self.name.to_owned(), at, what: "a chunk does not decode" };
        let end = column.at.saturating_add(column.len);
        let bytes = self.payload.get(column.at..end).ok_or_else(damaged)?;
        codec::decode(column.kind, column.codec, bytes, out).ok_or_else(damaged)
    }

    /// Where the payload begins.
    fn start(&self) -> u64 {
        self.at + (block::HEAD + self.meta.header.meta_bytes()) as u64
    }

    fn load(&mut self, group: usize) -> Result<()> {
        if self.group == Some(group) {
            return Ok(());
        }
        self.group = None;
        let start = self.start();
        let damaged = |at| StoreError::Damaged {
            name: self.name.to_owned(),
            at,
            what: "the payload of a group of series fails its checksum",
        };
        let &found = self.meta.groups.get(group).ok_or_else(|| damaged(start))?;
        let at = start + found.at as u64;
        if found.at + found.len > self.meta.header.payload as usize {
            return Err(damaged(at));
        }
        self.stored.resize(found.len, 0);
        let got = self.file.read_at(&mut self.stored, at)?;
        if got != found.len || crc32fast::hash(&self.stored) != found.crc {
            return Err(damaged(at));
        }
        if found.plain == 0 {
            std::mem::swap(&mut self.stored, &mut self.payload);
        } else {
            self.payload.resize(found.plain, 0);
            let unpacked = lz4_flex::block::decompress_into(&self.stored, &mut self.payload);
            if !matches!(unpacked, Ok(n) if n == found.plain) {
                return Err(damaged(at));
            }
        }
        self.group = Some(group);
        Ok(())
    }
}
