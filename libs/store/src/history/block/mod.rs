//! Blocks: the chunks of many series over one row of times, the unit of a cold file.
//!
//! Header of 112 bytes: magic, version, tier, columns, series, ticks, payload groups, step in ms, generations from and to,
//! first tick, least and greatest time, samples, length of times, axes, keys, directory, groups and payload, CRC of what
//! stands before the payload, length of the five parts where they are packed together with LZ4, length and CRC of the
//! first key, CRC of the header. Then:
//!
//! - the first key, so that a reader of one series opens only the block it is in;
//! - times: one integer chunk, shared by all series;
//! - axes: for series that miss ticks, runs of (ticks skipped, ticks present); axis 0 is every tick and is not stored;
//! - keys, sorted, in two lanes: bytes shared with the key before and bytes that follow; those bytes;
//! - directory, in four lanes: a series' axis plus 1, or 0 for that of the series before; codec | kind << 7 of every
//!   column, a single 0 for a column that equals the series' first; payload lengths; what is known without the payload:
//!   the value of a chunk that is constant, and least, range and total of a raw chunk long enough to be worth leaving out;
//! - groups: of series whose payload stands together, number, stored length, length where LZ4 packed it (else 0), and CRC,
//!   so damage costs one group at most;
//! - payload: the chunks, group by group.
//!
//! A lane holds one kind of thing, so things of one kind of process repeat each other from process to process, and LZ4
//! finds that: names and directories are most of a block of things that live short. A lane but the last has its length
//! in front of the part. Versions 1 and 2 are read: without the first key, with one lane a part, constants in the
//! payload, bounds everywhere and groups of 32 series that are not packed.
//!
//! A raw block has one column, a tier block five: least, greatest, total, number, last.

mod builder;
mod meta;

use crate::bytes::{u16_at, u32_at, u64_at};

pub(super) use builder::Builder;
pub(super) use meta::{Cursor, Meta};

pub(super) const MAGIC: u32 = 0x6b6c_6268;
/// Of the blocks that are written.
const VERSION: u16 = 3;
/// LZ4 cannot make more of a byte than this: nothing that claims more is unpacked.
const PACKED_RATIO_MAX: usize = 256;
pub(super) const HEAD: usize = 112;
/// Series whose payload shares a CRC, up to version 2.
const GROUP_BEFORE: u32 = 32;
/// Codec byte of a column that is the same as the series' first: of a value that did not move, all but two are.
const SAME: u8 = 0;
/// Columns of a tier block.
pub(super) const TIER_COLUMNS: usize = 5;

/// Lanes: where the parts of a series are, in the order they are written.
const KEY_LENGTHS: usize = 0;
const KEY_BYTES: usize = 1;
const AXES: usize = 2;
const CODECS: usize = 3;
const LENGTHS: usize = 4;
const KNOWN: usize = 5;
const LANES: usize = 6;

/// A chunk of so many samples says its bounds. To decode a shorter one takes as long as to read them.
const BOUNDS_FROM: usize = 128;

/// What a block's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    version: u16,
    /// Columns a series: 1 or [`TIER_COLUMNS`].
    pub columns: u8,
    /// Width of a row in ms; 0 in raw blocks.
    pub step_ms: u32,
    pub series: u32,
    pub ticks: u32,
    pub groups: u32,
    /// Generations the block holds.
    pub generations: (u64, u64),
    /// Place of the first tick in its generation; 0 unless the block is part of one.
    pub first_tick: u32,
    pub t_min: i64,
    pub t_max: i64,
    pub samples: u64,
    /// Length of times, axes, keys, directory, groups.
    pub parts: [u32; 5],
    pub payload: u32,
    pub meta_crc: u32,
    /// Length of the parts as they are stored; 0 where they are not packed.
    pub packed: u32,
    /// Length and CRC of the first key, which stands behind the header; none up to version 2.
    key_bytes: u32,
    key_crc: u32,
}

impl Header {
    /// Bytes between header and payload.
    pub fn meta_bytes(&self) -> usize {
        let parts = if self.packed == 0 { self.part_bytes() } else { self.packed as usize };
        self.key_bytes as usize + parts
    }

    /// The first key, from the bytes behind the header; empty where it is not known.
    pub fn first_key<'a>(&self, behind: &'a [u8]) -> &'a [u8] {
        let key = behind.get(..self.key_bytes as usize).unwrap_or(&[]);
        if crc32fast::hash(key) == self.key_crc { key } else { &[] }
    }

    /// What tells a row of times from every other: blocks that have it in common hold keys that follow each other.
    pub fn row_of_times(&self) -> ((u64, u64), u32, i64, u32) {
        (self.generations, self.first_tick, self.t_min, self.ticks)
    }

    /// Bytes of all parts before the payload.
    pub fn part_bytes(&self) -> usize {
        self.parts.iter().map(|p| *p as usize).sum()
    }

    /// Bytes of the whole block.
    pub fn total_bytes(&self) -> usize {
        HEAD + self.meta_bytes() + self.payload as usize
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&[self.columns, 0]);
        for word in [self.step_ms, self.series, self.ticks, self.groups] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for long in
            [self.generations.0, self.generations.1, self.t_min as u64, self.t_max as u64, self.samples]
        {
            out.extend_from_slice(&long.to_le_bytes());
        }
        let words = [self.payload, self.first_tick, self.meta_crc, self.packed, self.key_bytes, self.key_crc];
        for word in self.parts.into_iter().chain(words) {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.resize(HEAD - 4, 0);
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header; `None` where there is none or it is damaged.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD)?;
        if u32_at(head, 0)? != MAGIC || !(1..=VERSION).contains(&u16_at(head, 4)?) {
            return None;
        }
        if crc32fast::hash(&head[..HEAD - 4]) != u32_at(head, HEAD - 4)? {
            return None;
        }
        let word = |n: usize| u32_at(head, 8 + 4 * n).unwrap_or(0);
        let long = |n: usize| u64_at(head, 24 + 8 * n).unwrap_or(0);
        let part = |n: usize| u32_at(head, 64 + 4 * n).unwrap_or(0);
        Some(Self {
            version: u16_at(head, 4)?,
            columns: head[6],
            step_ms: word(0),
            series: word(1),
            ticks: word(2),
            groups: word(3),
            generations: (long(0), long(1)),
            t_min: long(2) as i64,
            t_max: long(3) as i64,
            samples: long(4),
            parts: std::array::from_fn(part),
            payload: part(5),
            first_tick: part(6),
            meta_crc: part(7),
            packed: part(8),
            key_bytes: part(9),
            key_crc: part(10),
        })
    }
}
