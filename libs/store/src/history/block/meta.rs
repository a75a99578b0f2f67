//! Reading what a block says of its series before their payload.

use super::{
    AXES, BOUNDS_FROM, CODECS, GROUP_BEFORE, Header, KEY_BYTES, KEY_LENGTHS, KNOWN, LANES, LENGTHS,
    PACKED_RATIO_MAX, SAME, TIER_COLUMNS, VERSION,
};
use crate::bytes::{take, take_varint, u32_at, u64_at, unzigzag};
use crate::codec::{self, Kind};

/// Least, greatest and total of a chunk, as bits; `None` where the chunk is constant, short or a tier's.
pub(in crate::history) type Bounds = Option<(u64, u64, u64)>;

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
pub(in crate::history) struct Column {
    pub codec: u8,
    pub kind: Kind,
    /// Where the chunk is in its group's payload.
    pub at: usize,
    pub len: usize,
    /// The value, where there is but one and the directory has it.
    pub constant: Option<u64>,
    pub bounds: Bounds,
}

/// A piece of the payload.
#[derive(Debug, Clone, Copy)]
pub(in crate::history) struct Group {
    /// Series whose chunks are in it.
    series: u32,
    /// Where it begins in the payload.
    pub at: usize,
    pub len: usize,
    /// Length unpacked; 0 where it is not packed.
    pub plain: usize,
    pub crc: u32,
}

/// Everything of a block but its payload.
pub(in crate::history) struct Meta {
    pub header: Header,
    pub times: Vec<i64>,
    /// Runs of (first place, number of places) of all axes.
    runs: Vec<(u32, u32)>,
    /// First run, end of the runs and number of places, by axis; axis 0 is all.
    axes: Vec<(usize, usize, usize)>,
    bytes: Vec<u8>,
    /// Where the lanes begin; up to version 2 some are the same.
    lanes: [usize; LANES],
    pub groups: Vec<Group>,
}

impl Meta {
    /// Takes the bytes between header and payload; `None` where they are damaged.
    pub fn parse(header: Header, bytes: Vec<u8>) -> Option<Self> {
        let columns = usize::from(header.columns);
        if bytes.len() != header.meta_bytes() || crc32fast::hash(&bytes) != header.meta_crc {
            return None;
        }
        let stored = bytes.get(header.key_bytes as usize..)?;
        let bytes = match header.packed {
            0 => stored.to_vec(),
            _ if header.part_bytes() > stored.len() * PACKED_RATIO_MAX => return None,
            _ => lz4_flex::block::decompress(stored, header.part_bytes()).ok()?,
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
        let times = times.into_iter().map(|t| t as i64).collect();
        let keys_at = times_len + axes_len;
        let (runs, axes) = take_axes(&bytes[times_len..keys_at], header.ticks)?;
        let directory_at = keys_at + keys_len;
        let mut lanes = [directory_at; LANES];
        lanes[..AXES].fill(keys_at);
        if header.version >= VERSION {
            begins(&bytes[..directory_at], keys_at, &mut lanes[..AXES])?;
            begins(&bytes, directory_at, &mut lanes[AXES..])?;
        }
        let groups = take_groups(&header, &bytes[directory_at + directory_len..])?;
        Some(Self { header, times, runs, axes, bytes, lanes, groups })
    }

    /// A walk over the series in the order of their keys.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            key: Vec::new(),
            columns: Vec::with_capacity(TIER_COLUMNS),
            axis: 0,
            group: 0,
            done: 0,
            lanes: self.lanes,
            group_series: 0,
            group_at: 0,
        }
    }

    /// The runs of an axis.
    pub fn axis(&self, axis: usize) -> &[(u32, u32)] {
        self.axes.get(axis).and_then(|(from, to, _)| self.runs.get(*from..*to)).unwrap_or(&[])
    }

    /// Times on an axis; put together in `spare` where there are gaps.
    pub fn times_of<'a>(&'a self, axis: usize, spare: &'a mut Vec<i64>) -> &'a [i64] {
        let of_run = |(first, n): (u32, u32)| {
            let (first, n) = (first as usize, n as usize);
            self.times.get(first..first + n).unwrap_or(&[])
        };
        if let [run] = *self.axis(axis) {
            return of_run(run);
        }
        spare.clear();
        self.axis(axis).iter().for_each(|run| spare.extend_from_slice(of_run(*run)));
        spare
    }

    /// Number of values on an axis.
    pub fn count(&self, axis: usize) -> usize {
        self.axes.get(axis).map_or(0, |axis| axis.2)
    }
}

/// Places of the lanes of a part, whose lengths stand in front.
fn begins(bytes: &[u8], at: usize, lanes: &mut [usize]) -> Option<()> {
    let mut rest = bytes.get(at..)?;
    let (first, others) = lanes.split_first_mut()?;
    for lane in others.iter_mut() {
        *lane = usize::try_from(take_varint(&mut rest)?).ok()?;
    }
    *first = bytes.len() - rest.len();
    let mut end = *first;
    for lane in others {
        end = end.checked_add(*lane)?;
        *lane = end;
    }
    Some(())
}

/// Runs and axes; see [`Meta`].
type Axes = (Vec<(u32, u32)>, Vec<(usize, usize, usize)>);

fn take_axes(mut bytes: &[u8], ticks: u32) -> Option<Axes> {
    let mut runs = vec![(0, ticks)];
    let mut axes = vec![(0, 1, ticks as usize)];
    while !bytes.is_empty() {
        let (first, mut count, mut next) = (runs.len(), 0, 0u64);
        for _ in 0..take_varint(&mut bytes)?.min(u64::from(ticks)) {
            let start = next.checked_add(take_varint(&mut bytes)?)?;
            let len = take_varint(&mut bytes)?;
            next = start.checked_add(len).filter(|end| *end <= u64::from(ticks))?;
            runs.push((start as u32, len as u32));
            count += len as usize;
        }
        axes.push((first, runs.len(), count));
    }
    Some((runs, axes))
}

fn take_groups(header: &Header, mut bytes: &[u8]) -> Option<Vec<Group>> {
    let mut groups = Vec::new();
    let mut at = 0;
    for _ in 0..header.groups {
        let is_before = header.version < VERSION;
        let series = if is_before { GROUP_BEFORE } else { take_varint(&mut bytes)? as u32 };
        let len = take_varint(&mut bytes)? as usize;
        let plain = if is_before { 0 } else { take_varint(&mut bytes)? as usize };
        if plain > len.saturating_mul(PACKED_RATIO_MAX) {
            return None;
        }
        groups.push(Group { series, at, len, plain, crc: u32_at(take(&mut bytes, 4)?, 0)? });
        at += len;
    }
    Some(groups)
}

/// A place among the series of a block. [`Cursor::advance`] first.
pub(in crate::history) struct Cursor {
    pub key: Vec<u8>,
    pub columns: Vec<Column>,
    pub axis: usize,
    /// Payload group of the series.
    pub group: usize,
    done: u32,
    /// Where to read on.
    lanes: [usize; LANES],
    /// Series of the group that were passed, and their bytes.
    group_series: u32,
    group_at: usize,
}

impl Cursor {
    /// Goes to the next series; `None` behind the last one, or where the directory makes no sense.
    pub fn advance(&mut self, meta: &Meta) -> Option<()> {
        if self.done >= meta.header.series {
            return None;
        }
        if meta.groups.get(self.group).is_some_and(|group| self.group_series >= group.series) {
            (self.group, self.group_series, self.group_at) = (self.group + 1, 0, 0);
        }
        let shared = self.varint(meta, KEY_LENGTHS)? as usize;
        let fresh = self.varint(meta, KEY_LENGTHS)? as usize;
        if shared > self.key.len() {
            return None;
        }
        self.key.truncate(shared);
        let suffix = self.take(meta, KEY_BYTES, fresh)?;
        self.key.extend_from_slice(suffix);
        let axis = self.varint(meta, AXES)? as usize;
        match meta.header.version {
            VERSION if axis == 0 => {}
            VERSION => self.axis = axis - 1,
            _ => self.axis = axis,
        }
        self.columns.clear();
        for _ in 0..meta.header.columns {
            let column = self.column(meta)?;
            self.columns.push(column);
        }
        self.done += 1;
        self.group_series += 1;
        Some(())
    }

    fn column(&mut self, meta: &Meta) -> Option<Column> {
        let byte = self.take(meta, CODECS, 1)?[0];
        if byte == SAME {
            return self.columns.first().copied();
        }
        let (codec, kind) = (byte & 0x7f, if byte >> 7 == 1 { Kind::Float } else { Kind::Int });
        let (at, is_constant) = (self.group_at, codec::is_constant(codec));
        let (is_before, count) = (meta.header.version < VERSION, meta.count(self.axis));
        if is_constant && !is_before {
            let value = self.varint(meta, KNOWN)?;
            let value = if kind == Kind::Float { value.swap_bytes() } else { unzigzag(value) as u64 };
            return Some(Column { codec, kind, at, len: 0, constant: Some(value), bounds: None });
        }
        let len = self.varint(meta, LENGTHS)? as usize;
        self.group_at += len;
        let has_bounds = meta.header.columns == 1 && !is_constant && (is_before || count >= BOUNDS_FROM);
        let bounds = if has_bounds { Some(self.bounds(meta, kind, count)?) } else { None };
        Some(Column { codec, kind, at, len, constant: None, bounds })
    }

    fn bounds(&mut self, meta: &Meta, kind: Kind, count: usize) -> Option<(u64, u64, u64)> {
        let mut rest = meta.bytes.get(self.lanes[KNOWN]..)?;
        let bounds = take_bounds(&mut rest, kind, count)?;
        self.moved(meta, KNOWN, meta.bytes.len() - rest.len());
        Some(bounds)
    }

    #[inline]
    fn varint(&mut self, meta: &Meta, lane: usize) -> Option<u64> {
        let mut rest = meta.bytes.get(self.lanes[lane]..)?;
        let value = take_varint(&mut rest)?;
        self.moved(meta, lane, meta.bytes.len() - rest.len());
        Some(value)
    }

    #[inline]
    fn take<'a>(&mut self, meta: &'a Meta, lane: usize, n: usize) -> Option<&'a [u8]> {
        let at = self.lanes[lane];
        let end = at.checked_add(n)?;
        let bytes = meta.bytes.get(at..end)?;
        self.moved(meta, lane, end);
        Some(bytes)
    }

    /// Up to version 2 all lanes of a part are one.
    #[inline]
    fn moved(&mut self, meta: &Meta, lane: usize, to: usize) {
        if meta.header.version >= VERSION {
            self.lanes[lane] = to;
        } else if lane <= KEY_BYTES {
            self.lanes[..=KEY_BYTES].fill(to);
        } else {
            self.lanes[AXES..].fill(to);
        }
    }
}
