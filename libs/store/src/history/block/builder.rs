//! Writing a block, series by series.

use std::collections::HashMap;
use std::sync::Arc;

use super::{
    AXES, BOUNDS_FROM, CODECS, Header, KEY_BYTES, KEY_LENGTHS, KNOWN, LANES, LENGTHS, SAME, TIER_COLUMNS,
    VERSION,
};
use crate::bytes::{push_varint, zigzag};
use crate::codec::{self, Effort, Kind, Scratch, Summary};

/// A group of payload is closed at this many bytes or series: enough for LZ4 to find what repeats, little enough to
/// unpack for one series.
const GROUP_BYTES: usize = 16 << 10;
const GROUP_SERIES: u32 = 256;

/// Writes one block, series by series in the order of their keys.
pub(in crate::history) struct Builder {
    times: Arc<[i64]>,
    step_ms: u32,
    effort: Effort,
    scratch: Scratch,
    series: u32,
    samples: u64,
    axes: Vec<u8>,
    axis_ids: HashMap<Vec<u8>, u64>,
    last_axis: u64,
    first_key: Vec<u8>,
    last_key: Vec<u8>,
    lanes: [Vec<u8>; LANES],
    groups: Vec<u8>,
    group_count: u32,
    group_series: u32,
    group: Vec<u8>,
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
            last_axis: 0,
            first_key: Vec::new(),
            last_key: Vec::new(),
            lanes: Default::default(),
            groups: Vec::new(),
            group_count: 0,
            group_series: 0,
            group: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Number of series so far.
    pub fn series(&self) -> u32 {
        self.series
    }

    /// Bytes so far, about.
    pub fn bytes(&self) -> usize {
        self.payload.len() + self.group.len() + self.lanes.iter().map(Vec::len).sum::<usize>()
    }

    /// Adds a series: the places of its values among the block's times, ascending, and its columns.
    pub fn add(&mut self, key: &[u8], kind: Kind, places: &[u32], columns: &[&[u64]]) {
        let shared = self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count();
        push_varint(&mut self.lanes[KEY_LENGTHS], shared as u64);
        push_varint(&mut self.lanes[KEY_LENGTHS], (key.len() - shared) as u64);
        self.lanes[KEY_BYTES].extend_from_slice(&key[shared..]);
        if self.series == 0 {
            self.first_key.extend_from_slice(key);
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        let axis = self.axis(places);
        let is_same = axis == std::mem::replace(&mut self.last_axis, axis);
        push_varint(&mut self.lanes[AXES], if is_same { 0 } else { axis + 1 });
        for (column, values) in columns.iter().enumerate() {
            // The number of values is an integer whatever the series is.
            let kind = if column == 3 { Kind::Int } else { kind };
            match column > 0 && column != 3 && *values == columns[0] {
                true => self.lanes[CODECS].push(SAME),
                false => self.column(kind, values),
            }
        }
        self.samples += places.len() as u64;
        self.series += 1;
        self.group_series += 1;
        if self.group_series >= GROUP_SERIES || self.group.len() >= GROUP_BYTES {
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
        let start = self.group.len();
        let codec = codec::encode(kind, values, self.effort, &mut self.scratch, &mut self.group);
        self.lanes[CODECS].push(codec | u8::from(kind == Kind::Float) << 7);
        if codec::is_constant(codec) {
            self.group.truncate(start);
            push_value(&mut self.lanes[KNOWN], kind, values.first().copied().unwrap_or(0));
            return;
        }
        push_varint(&mut self.lanes[LENGTHS], (self.group.len() - start) as u64);
        if self.step_ms == 0 && values.len() >= BOUNDS_FROM {
            push_summary(&mut self.lanes[KNOWN], kind, Summary::of(kind, values).as_ref());
        }
    }

    fn end_group(&mut self) {
        let packed = lz4_flex::block::compress(&self.group);
        let is_packed = packed.len() < self.group.len();
        let stored = if is_packed { &packed } else { &self.group };
        let plain_bytes = if is_packed { self.group.len() } else { 0 };
        for number in [self.group_series as usize, stored.len(), plain_bytes] {
            push_varint(&mut self.groups, number as u64);
        }
        self.groups.extend_from_slice(&crc32fast::hash(stored).to_le_bytes());
        self.payload.extend_from_slice(stored);
        self.group.clear();
        self.group_series = 0;
        self.group_count += 1;
    }

    /// The finished block.
    pub fn finish(self, generations: (u64, u64), first_tick: u32) -> Vec<u8> {
        self.parts(generations, first_tick).concat()
    }

    /// The finished block in parts, for who writes them one after the other: the payload is most of it, and not copied.
    pub fn parts(mut self, generations: (u64, u64), first_tick: u32) -> [Vec<u8>; 3] {
        if self.group_series > 0 {
            self.end_group();
        }
        let bits: Vec<u64> = self.times.iter().map(|t| *t as u64).collect();
        let mut times = vec![0];
        let codec = codec::encode(Kind::Int, &bits, self.effort, &mut self.scratch, &mut times);
        times[0] = codec;
        let keys = joined(&self.lanes[KEY_LENGTHS..=KEY_BYTES]);
        let directory = joined(&self.lanes[AXES..=KNOWN]);
        let parts = [&times, &self.axes, &keys, &directory, &self.groups];
        let lengths = parts.map(|part| part.len() as u32);
        let plain = parts.map(Vec::as_slice).concat();
        let packed = lz4_flex::block::compress(&plain);
        let (stored, packed) = if packed.len() < plain.len() { (&packed, packed.len()) } else { (&plain, 0) };
        let meta = [self.first_key.as_slice(), stored].concat();
        let header = Header {
            version: VERSION,
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
            meta_crc: crc32fast::hash(&meta),
            packed: packed as u32,
            key_bytes: self.first_key.len() as u32,
            key_crc: crc32fast::hash(&self.first_key),
        };
        [header.write(), meta, self.payload]
    }
}

/// Lanes as one part: the lengths of all but the last, then all.
fn joined(lanes: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    lanes[..lanes.len() - 1].iter().for_each(|lane| push_varint(&mut out, lane.len() as u64));
    lanes.iter().for_each(|lane| out.extend_from_slice(lane));
    out
}

/// One value. Of a double the bytes of sign and exponent come last, so that 0 and short binary fractions are short.
fn push_value(out: &mut Vec<u8>, kind: Kind, bits: u64) {
    match kind {
        Kind::Int => push_varint(out, zigzag(bits as i64)),
        Kind::Float => push_varint(out, bits.swap_bytes()),
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
