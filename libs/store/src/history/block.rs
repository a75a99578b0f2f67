//! Blocks: the chunks of many series over one row of times, the unit of a cold file.
//!
//! Header of 112 bytes: magic, version, tier, columns, series, ticks, payload groups, step in ms, generations from and to,
//! first tick, least and greatest time, samples, length of times, axes, keys, directory, groups and payload, CRC of the
//! five parts before the payload as they are stored, their length where they are packed together with LZ4 (version 2;
//! names and directories of one kind of thing repeat each other, and are most of a block of things that live short),
//! CRC of the header. The parts:
//!
//! - times: one integer chunk, shared by all series;
//! - axes: for series that miss ticks, runs of (ticks skipped, ticks present); axis 0 is every tick and is not stored;
//! - keys: sorted; bytes shared with the key before, bytes that follow, those bytes;
//! - directory: a series' axis, then for every column codec | kind << 7, payload length and, in raw blocks for a chunk
//!   that is not constant, least, range and total; a single 0 for a column that equals the series' first;
//! - groups: length and CRC of the payload of every 32 series, so damage costs 32 series at most;
//! - payload: the chunks.
//!
//! A raw block has one column, a tier block five: least, greatest, total, number, last.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bytes::{push_varint, take, take_varint, u16_at, u32_at, u64_at, unzigzag, zigzag};
use crate::codec::{self, Effort, Kind, Scratch, Summary};

pub(super) const MAGIC: u32 = 0x6b6c_6268;
/// Of a block whose parts are packed; 1 where they are not.
const PACKED: u16 = 2;
/// LZ4 cannot make more of a byte than this: nothing that claims more is unpacked.
const PACKED_RATIO_MAX: usize = 256;
pub(super) const HEAD: usize = 112;
/// Series whose payload shares a CRC. Four bytes for 32 chunks keeps it under 0.0005 B a sample in an hour's chunk.
const GROUP: u32 = 32;
/// Codec byte of a column that is the same as the series' first: of a value that did not move, all but two are.
const SAME: u8 = 0;
/// Columns of a tier block.
pub(super) const TIER_COLUMNS: usize = 5;

/// What a block's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
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
}

impl Header {
    /// Bytes between header and payload.
    pub fn meta_bytes(&self) -> usize {
        if self.packed == 0 { self.part_bytes() } else { self.packed as usize }
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
        let version = if self.packed == 0 { 1 } else { PACKED };
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&[self.columns, 0]);
        for word in [self.step_ms, self.series, self.ticks, self.groups] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for long in
            [self.generations.0, self.generations.1, self.t_min as u64, self.t_max as u64, self.samples]
        {
            out.extend_from_slice(&long.to_le_bytes());
        }
        for word in self.parts.into_iter().chain([self.payload, self.first_tick, self.meta_crc, self.packed])
        {
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
        if u32_at(head, 0)? != MAGIC || !(1..=PACKED).contains(&u16_at(head, 4)?) {
            return None;
        }
        if crc32fast::hash(&head[..HEAD - 4]) != u32_at(head, HEAD - 4)? {
            return None;
        }
        let word = |n: usize| u32_at(head, 8 + 4 * n).unwrap_or(0);
        let long = |n: usize| u64_at(head, 24 + 8 * n).unwrap_or(0);
        let part = |n: usize| u32_at(head, 64 + 4 * n).unwrap_or(0);
        Some(Self {
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
        })
    }
}

/// Writes one block, series by series in the order of their keys.
pub(super) struct Builder {
    times: Arc<[i64]>,
    step_ms: u32,
    effort: Effort,
    scratch: Scratch,
    series: u32,
    samples: u64,
    axes: Vec<u8>,
    axis_ids: HashMap<Vec<u8>, u64>,
    keys: Vec<u8>,
    last_key: Vec<u8>,
    directory: Vec<u8>,
    groups: Vec<u8>,
    group_count: u32,
    group_start: usize,
    payload: Vec<u8>,
}

impl Builder {
    /// An empty block over `times`, ascending. A `step_ms` of 0 makes a raw block.
    pub fn new(times: Arc<[i64]>, step_ms: u32, effort: Effort) -> Self {
        Self {
            times,
            step_ms,
            effort,
            scratch: Scratch::default(),
            series: 0,
            samples: 0,
            axes: Vec::new(),
            axis_ids: HashMap::new(),
            keys: Vec::new(),
            last_key: Vec::new(),
            directory: Vec::new(),
            groups: Vec::new(),
            group_count: 0,
            group_start: 0,
            payload: Vec::new(),
        }
    }

    /// Number of series so far.
    pub fn series(&self) -> u32 {
        self.series
    }

    /// Bytes so far, about.
    pub fn bytes(&self) -> usize {
        self.payload.len() + self.keys.len() + self.directory.len()
    }

    /// Adds a series: the places of its values among the block's times, ascending, and its columns.
    pub fn add(&mut self, key: &[u8], kind: Kind, places: &[u32], columns: &[&[u64]]) {
        let shared = self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count();
        push_varint(&mut self.keys, shared as u64);
        push_varint(&mut self.keys, (key.len() - shared) as u64);
        self.keys.extend_from_slice(&key[shared..]);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        let axis = self.axis(places);
        push_varint(&mut self.directory, axis);
        for (column, values) in columns.iter().enumerate() {
            // The number of values is an integer whatever the series is.
            let kind = if column == 3 { Kind::Int } else { kind };
            match column > 0 && column != 3 && *values == columns[0] {
                true => self.directory.push(SAME),
                false => self.column(kind, values),
            }
        }
        self.samples += places.len() as u64;
        self.series += 1;
        if self.series.is_multiple_of(GROUP) {
            self.end_group();
        }
    }

    fn axis(&mut self, places: &[u32]) -> u64 {
        if places.len() == self.times.len() {
            return 0;
        }
        let mut runs = Vec::new();
        let (mut next, mut at, mut count) = (0, 0, 0);
        while at < places.len() {
            let start = places[at];
            let run = (at..places.len()).take_while(|n| places[*n] == start + (n - at) as u32).count();
            push_varint(&mut runs, u64::from(start - next));
            push_varint(&mut runs, run as u64);
            next = start + run as u32;
            at += run;
            count += 1;
        }
        let known = self.axis_ids.len() as u64 + 1;
        if let Some(id) = self.axis_ids.get(&runs) {
            return *id;
        }
        push_varint(&mut self.axes, count);
        self.axes.extend_from_slice(&runs);
        self.axis_ids.insert(runs, known);
        known
    }

    fn column(&mut self, kind: Kind, values: &[u64]) {
        let start = self.payload.len();
        let codec = codec::encode(kind, values, self.effort, &mut self.scratch, &mut self.payload);
        self.directory.push(codec | u8::from(kind == Kind::Float) << 7);
        push_varint(&mut self.directory, (self.payload.len() - start) as u64);
        if self.step_ms == 0 && !codec::is_constant(codec) {
            let summary = Summary::of(kind, values);
            push_summary(&mut self.directory, kind, summary.as_ref());
        }
    }

    fn end_group(&mut self) {
        let payload = &self.payload[self.group_start..];
        push_varint(&mut self.groups, payload.len() as u64);
        self.groups.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
        self.group_start = self.payload.len();
        self.group_count += 1;
    }

    /// The finished block.
    pub fn finish(mut self, generations: (u64, u64), first_tick: u32) -> Vec<u8> {
        if !self.series.is_multiple_of(GROUP) {
            self.end_group();
        }
        let bits: Vec<u64> = self.times.iter().map(|t| *t as u64).collect();
        let mut times = vec![0];
        let codec = codec::encode(Kind::Int, &bits, self.effort, &mut self.scratch, &mut times);
        times[0] = codec;
        let parts = [&times, &self.axes, &self.keys, &self.directory, &self.groups];
        let lengths = parts.map(|part| part.len() as u32);
        let plain = parts.map(Vec::as_slice).concat();
        let packed = lz4_flex::block::compress(&plain);
        let (meta, packed) = if packed.len() < plain.len() { (&packed, packed.len()) } else { (&plain, 0) };
        let header = Header {
            columns: if self.step_ms == 0 { 1 } else { TIER_COLUMNS as u8 },
            step_ms: self.step_ms,
            series: self.series,
            ticks: self.times.len() as u32,
            groups: self.group_count,
            generations,
            first_tick,
            t_min: self.times.first().copied().unwrap_or(0),
            t_max: self.times.last().copied().unwrap_or(0),
            samples: self.samples,
            parts: lengths,
            payload: self.payload.len() as u32,
            meta_crc: crc32fast::hash(meta),
            packed: packed as u32,
        };
        let mut out = header.write();
        out.extend_from_slice(meta);
        out.extend_from_slice(&self.payload);
        out
    }
}

fn push_summary(out: &mut Vec<u8>, kind: Kind, summary: Option<&Summary>) {
    match (kind, summary) {
        (Kind::Int, Some(s)) => {
            let (min, max, sum) = (s.min as i64, s.max as i64, s.sum as i64);
            push_varint(out, zigzag(min));
            push_varint(out, max.wrapping_sub(min) as u64);
            push_varint(out, zigzag(sum.wrapping_sub(min.wrapping_mul(s.count as i64))));
        }
        (_, Some(s)) => {
            [s.min, s.max, s.sum].iter().for_each(|bits| out.extend_from_slice(&bits.to_le_bytes()))
        }
        // A chunk of nothing but NaN has no least value.
        (_, None) => {
            [f64::NAN.to_bits(); 3].iter().for_each(|bits| out.extend_from_slice(&bits.to_le_bytes()))
        }
    }
}

/// Least, greatest and total of a chunk, as bits; `None` where the chunk is constant or a tier's.
pub(super) type Bounds = Option<(u64, u64, u64)>;

fn take_bounds(bytes: &mut &[u8], kind: Kind, count: usize) -> Option<(u64, u64, u64)> {
    match kind {
        Kind::Int => {
            let min = unzigzag(take_varint(bytes)?);
            let max = min.wrapping_add(take_varint(bytes)? as i64);
            let sum = unzigzag(take_varint(bytes)?).wrapping_add(min.wrapping_mul(count as i64));
            Some((min as u64, max as u64, sum as u64))
        }
        Kind::Float => {
            let raw = take(bytes, 24)?;
            Some((u64_at(raw, 0)?, u64_at(raw, 8)?, u64_at(raw, 16)?))
        }
    }
}

/// One column of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub codec: u8,
    pub kind: Kind,
    /// Where the chunk is in its group's payload.
    pub at: usize,
    pub len: usize,
    pub bounds: Bounds,
}

/// Everything of a block but its payload.
pub(super) struct Meta {
    pub header: Header,
    pub times: Vec<i64>,
    /// Runs of (first place, number of places), by axis; axis 0 is all.
    axes: Vec<Vec<(u32, u32)>>,
    bytes: Vec<u8>,
    /// Offset in the payload, length and CRC of every group.
    pub groups: Vec<(usize, usize, u32)>,
}

impl Meta {
    /// Takes the bytes between header and payload; `None` where they are damaged.
    pub fn parse(header: Header, bytes: Vec<u8>) -> Option<Self> {
        let columns = usize::from(header.columns);
        if bytes.len() != header.meta_bytes() || crc32fast::hash(&bytes) != header.meta_crc {
            return None;
        }
        let bytes = match header.packed {
            0 => bytes,
            _ if header.part_bytes() > bytes.len() * PACKED_RATIO_MAX => return None,
            _ => lz4_flex::block::decompress(&bytes, header.part_bytes()).ok()?,
        };
        if bytes.len() != header.part_bytes() {
            return None;
        }
        if header.ticks as usize > codec::CHUNK_MAX || !matches!(columns, 1 | TIER_COLUMNS) {
            return None;
        }
        let [times_len, axes_len, keys_len, directory_len, _] = header.parts.map(|p| p as usize);
        let (&codec, payload) = bytes[..times_len].split_first()?;
        let mut times = vec![0; header.ticks as usize];
        codec::decode(Kind::Int, codec, payload, &mut times)?;
        let mut axes = vec![vec![(0, header.ticks)]];
        let mut rest = &bytes[times_len..times_len + axes_len];
        while !rest.is_empty() {
            axes.push(take_axis(&mut rest, header.ticks)?);
        }
        let mut groups = Vec::new();
        let mut rest = &bytes[times_len + axes_len + keys_len + directory_len..];
        let mut at = 0;
        for _ in 0..header.groups {
            let len = take_varint(&mut rest)? as usize;
            groups.push((at, len, u32_at(take(&mut rest, 4)?, 0)?));
            at += len;
        }
        let times = times.into_iter().map(|t| t as i64).collect();
        Some(Self { header, times, axes, bytes, groups })
    }

    /// A walk over the series in the order of their keys.
    pub fn cursor(&self) -> Cursor {
        let [times, axes, keys, ..] = self.header.parts.map(|p| p as usize);
        Cursor {
            key: Vec::new(),
            columns: Vec::with_capacity(TIER_COLUMNS),
            axis: 0,
            group: 0,
            done: 0,
            keys_at: times + axes,
            directory_at: times + axes + keys,
            group_at: 0,
        }
    }

    /// The runs of an axis.
    pub fn axis(&self, axis: usize) -> &[(u32, u32)] {
        self.axes.get(axis).map_or(&[], Vec::as_slice)
    }

    /// Number of values on an axis.
    pub fn count(&self, axis: usize) -> usize {
        self.axis(axis).iter().map(|(_, n)| *n as usize).sum()
    }
}

fn take_axis(bytes: &mut &[u8], ticks: u32) -> Option<Vec<(u32, u32)>> {
    let runs = take_varint(bytes)?;
    let mut next = 0u64;
    let mut axis = Vec::new();
    for _ in 0..runs.min(u64::from(ticks)) {
        let start = next.checked_add(take_varint(bytes)?)?;
        let len = take_varint(bytes)?;
        next = start.checked_add(len).filter(|end| *end <= u64::from(ticks))?;
        axis.push((start as u32, len as u32));
    }
    Some(axis)
}

/// A place among the series of a block. [`Cursor::advance`] first.
pub(super) struct Cursor {
    pub key: Vec<u8>,
    pub columns: Vec<Column>,
    pub axis: usize,
    /// Payload group of the series.
    pub group: usize,
    done: u32,
    keys_at: usize,
    directory_at: usize,
    group_at: usize,
}

impl Cursor {
    /// Goes to the next series; `None` behind the last one, or where the directory makes no sense.
    pub fn advance(&mut self, meta: &Meta) -> Option<()> {
        if self.done >= meta.header.series {
            return None;
        }
        let bytes = &meta.bytes;
        let mut keys = &bytes[self.keys_at..];
        let before = keys.len();
        let shared = take_varint(&mut keys)? as usize;
        let fresh = take_varint(&mut keys)? as usize;
        let suffix = take(&mut keys, fresh)?;
        if shared > self.key.len() {
            return None;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(suffix);
        self.keys_at += before - keys.len();
        let group = (self.done / GROUP) as usize;
        if group != self.group {
            (self.group, self.group_at) = (group, 0);
        }
        let mut directory = &bytes[self.directory_at..];
        let before = directory.len();
        self.axis = take_varint(&mut directory)? as usize;
        let count = meta.count(self.axis);
        self.columns.clear();
        for _ in 0..meta.header.columns {
            let byte = take(&mut directory, 1)?[0];
            if byte == SAME {
                self.columns.push(*self.columns.first()?);
                continue;
            }
            let (codec, kind) = (byte & 0x7f, if byte >> 7 == 1 { Kind::Float } else { Kind::Int });
            let len = take_varint(&mut directory)? as usize;
            let has_bounds = meta.header.columns == 1 && !codec::is_constant(codec);
            let bounds = if has_bounds { Some(take_bounds(&mut directory, kind, count)?) } else { None };
            self.columns.push(Column { codec, kind, at: self.group_at, len, bounds });
            self.group_at += len;
        }
        self.directory_at += before - directory.len();
        self.done += 1;
        Some(())
    }
}
