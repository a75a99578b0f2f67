//! Compaction: several files become one of longer chunks, and the rows of the next tier.
//!
//! Memory is bounded: the series are merged in the order of their keys, one at a time, a block is written whenever enough
//! has gathered, and of the inputs only so many are open together as have [`OPEN_BYTES`] of directories.

use std::sync::Arc;

use super::block::{Builder, Cursor, TIER_COLUMNS};
use super::cold::{ColdFile, NewFile, Place, Reader, Tier, file_name};
use crate::codec::{CHUNK_MAX, Effort, Kind, Summary};
use crate::error::Result;
use crate::medium::{Medium, MediumFile};

/// A block is closed at this many series or bytes; either keeps a look-up of one series cheap.
const BLOCK_SERIES: u32 = 4096;
const BLOCK_BYTES: usize = 512 << 10;
/// Names and directories of the inputs that are merged together. An ordinary hour is all of it; where thousands of
/// processes came and went, it becomes several rows of blocks.
const OPEN_BYTES: usize = if cfg!(test) { 16 << 10 } else { 4 << 20 };

/// A row of a tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Start of the row's span of time, in ms.
    pub at_ms: i64,
    /// The values in it.
    pub summary: Summary,
}

/// Blocks over one row of times whose keys follow each other.
struct Stream<'a> {
    file: &'a dyn MediumFile,
    name: &'a str,
    blocks: Vec<Place>,
    next: usize,
    open: Option<(Reader<'a>, Cursor)>,
    /// Place of the first time in the merged times.
    offset: u32,
    times: Arc<[i64]>,
}

/// Compacts raw files into one, with its minutes; returns the names made.
pub(super) fn raw(
    medium: &dyn Medium,
    inputs: &[Arc<ColdFile>],
    notes: &mut Vec<String>,
) -> Result<Vec<(Tier, String)>> {
    let files = open_all(medium, inputs)?;
    let mut samples = Sink::create(medium, Tier::Raw)?;
    let mut minutes = Sink::create(medium, Tier::Minute)?;
    for mut group in chains(streams(inputs, &files)) {
        open_streams(&mut group, notes);
        if group.is_empty() {
            continue;
        }
        let mut times = Vec::new();
        for stream in &mut group {
            stream.offset = times.len() as u32;
            times.extend_from_slice(&stream.times);
        }
        let mut starts: Vec<i64> = times.iter().map(|t| floor(*t, Tier::Minute.step_ms())).collect();
        starts.dedup();
        let generations = generations(&group);
        samples.begin(times.clone().into(), generations)?;
        minutes.begin(starts.into(), generations)?;
        let (mut places, mut values, mut chunk) = (Vec::new(), Vec::new(), Vec::new());
        while let Some((key, of)) = smallest(&group) {
            places.clear();
            values.clear();
            let mut kind = Kind::Int;
            for n in &of {
                let Some(stream) = group.get_mut(*n) else { continue };
                if let Some(found) = stream.chunk(0, &mut chunk, notes) {
                    kind = found;
                    values.extend_from_slice(&chunk);
                    stream.places(&mut places);
                }
            }
            if !values.is_empty() {
                samples.add(&key, kind, &places, &[&values])?;
                let rows = fold(kind, places.iter().map(|p| times[*p as usize]), &values, Tier::Minute);
                minutes.add_rows(&key, kind, &rows)?;
            }
            of.iter().for_each(|n| group[*n].advance(notes));
        }
    }
    let minute = minutes.finish(inputs)?;
    Ok(vec![minute, samples.finish(inputs)?])
}

/// Compacts the minutes of a day into one file, with its hours; returns the names made.
pub(super) fn minutes(
    medium: &dyn Medium,
    inputs: &[Arc<ColdFile>],
    notes: &mut Vec<String>,
) -> Result<Vec<(Tier, String)>> {
    let files = open_all(medium, inputs)?;
    let mut group = streams(inputs, &files);
    open_streams(&mut group, notes);
    let mut sinks = [Sink::create(medium, Tier::Minute)?, Sink::create(medium, Tier::Hour)?];
    let times: Vec<i64> = group.iter().flat_map(|s| s.times.iter().copied()).collect();
    let generations = generations(&group);
    for sink in &mut sinks {
        let mut starts: Vec<i64> = times.iter().map(|t| floor(*t, sink.tier.step_ms())).collect();
        starts.sort_unstable();
        starts.dedup();
        sink.begin(starts.into(), generations)?;
    }
    while let Some((key, of)) = smallest(&group) {
        let mut rows = Vec::new();
        for n in &of {
            let Some(stream) = group.get_mut(*n) else { continue };
            stream.rows(&mut rows, notes);
        }
        if let Some(kind) = rows.first().map(|row| row.summary.kind) {
            for sink in &mut sinks {
                let joined = join(rows.clone(), sink.tier.step_ms());
                sink.add_rows(&key, kind, &joined)?;
            }
        }
        of.iter().for_each(|n| group[*n].advance(notes));
    }
    let [minutes, hours] = sinks;
    let hour = hours.finish(inputs)?;
    Ok(vec![hour, minutes.finish(inputs)?])
}

/// Start of the span of time a moment lies in.
pub(super) fn floor(at_ms: i64, step_ms: u32) -> i64 {
    at_ms - at_ms.rem_euclid(i64::from(step_ms.max(1)))
}

/// Samples to rows of a tier.
fn fold(kind: Kind, times: impl Iterator<Item = i64>, values: &[u64], tier: Tier) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let starts: Vec<i64> = times.map(|t| floor(t, tier.step_ms())).collect();
    let mut at = 0;
    while at < starts.len() {
        let n = starts[at..].iter().take_while(|start| **start == starts[at]).count();
        if let Some(summary) = Summary::of(kind, &values[at..at + n]) {
            rows.push(Row { at_ms: starts[at], summary });
        }
        at += n;
    }
    join(rows, tier.step_ms())
}

/// Rows sorted by time, with those of the same span made one.
pub(super) fn join(mut rows: Vec<Row>, step_ms: u32) -> Vec<Row> {
    rows.iter_mut().for_each(|row| row.at_ms = floor(row.at_ms, step_ms));
    rows.sort_by_key(|row| row.at_ms);
    let mut joined: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match joined.last_mut() {
            Some(last) if last.at_ms == row.at_ms => last.summary = last.summary.join(&row.summary),
            _ => joined.push(row),
        }
    }
    joined
}

fn open_all(medium: &dyn Medium, inputs: &[Arc<ColdFile>]) -> Result<Vec<Box<dyn MediumFile>>> {
    inputs.iter().map(|input| medium.open_to_read(&input.name)).collect()
}

fn streams<'a>(inputs: &'a [Arc<ColdFile>], files: &'a [Box<dyn MediumFile>]) -> Vec<Stream<'a>> {
    let mut streams: Vec<Stream<'a>> = Vec::new();
    for (input, file) in inputs.iter().zip(files) {
        let mut last = None;
        for block in &input.blocks {
            let same = block.header.row_of_times();
            match streams.last_mut() {
                Some(stream) if last == Some(same) => stream.blocks.push(block.clone()),
                _ => streams.push(Stream {
                    file: &**file,
                    name: &input.name,
                    blocks: vec![block.clone()],
                    next: 0,
                    open: None,
                    offset: 0,
                    times: [].into(),
                }),
            }
            last = Some(same);
        }
    }
    streams
}

/// Puts every stream at its first series; those of which nothing can be read go.
fn open_streams(streams: &mut Vec<Stream<'_>>, notes: &mut Vec<String>) {
    streams.iter_mut().for_each(|stream| stream.advance(notes));
    streams.retain(|stream| stream.open.is_some());
}

/// Streams whose times follow each other; a clock that went back, a full chunk or full memory begins the next chain.
fn chains(streams: Vec<Stream<'_>>) -> Vec<Vec<Stream<'_>>> {
    let mut chains: Vec<Vec<Stream<'_>>> = Vec::new();
    let (mut end, mut ticks, mut bytes) = (i64::MIN, 0, 0);
    for stream in streams {
        let Some(Place { header, .. }) = stream.blocks.first() else { continue };
        let (first, last, own_ticks) = (header.t_min, header.t_max, header.ticks as usize);
        // One block of a stream is open at a time.
        let own_bytes = stream.blocks.iter().map(|b| b.header.part_bytes()).max().unwrap_or(0);
        (ticks, bytes) = (ticks + own_ticks, bytes + own_bytes);
        match chains.last_mut() {
            Some(chain) if first > end && ticks <= CHUNK_MAX && bytes <= OPEN_BYTES => chain.push(stream),
            _ => {
                (ticks, bytes) = (own_ticks, own_bytes);
                chains.push(vec![stream]);
            }
        }
        end = last;
    }
    chains
}

fn generations(group: &[Stream<'_>]) -> (u64, u64) {
    let all = || group.iter().flat_map(|s| &s.blocks).map(|b| b.header.generations);
    (all().map(|g| g.0).min().unwrap_or(0), all().map(|g| g.1).max().unwrap_or(0))
}

/// The smallest key of all streams, and which streams stand at it.
fn smallest(group: &[Stream<'_>]) -> Option<(Vec<u8>, Vec<usize>)> {
    let key = |n: &usize| group[*n].open.as_ref().map(|(_, cursor)| &cursor.key);
    let smallest = (0..group.len()).filter_map(|n| key(&n)).min()?;
    let of = (0..group.len()).filter(|n| key(n) == Some(smallest)).collect();
    Some((smallest.clone(), of))
}

impl Stream<'_> {
    /// Goes to the next series, over damaged blocks.
    fn advance(&mut self, notes: &mut Vec<String>) {
        loop {
            if let Some((reader, cursor)) = &mut self.open
                && cursor.advance(&reader.meta).is_some()
            {
                return;
            }
            self.open = None;
            let Some(&Place { at, header, .. }) = self.blocks.get(self.next) else { return };
            self.next += 1;
            match Reader::open(self.file, self.name, at, header) {
                Ok(reader) => {
                    self.times = reader.meta.times.clone().into();
                    let cursor = reader.meta.cursor();
                    self.open = Some((reader, cursor));
                }
                Err(error) => notes.push(error.to_string()),
            }
        }
    }

    /// Decodes a column of the present series; `None`, with a note, where it is damaged.
    fn chunk(&mut self, column: usize, out: &mut Vec<u64>, notes: &mut Vec<String>) -> Option<Kind> {
        let (reader, cursor) = self.open.as_mut()?;
        match reader.column(cursor, column, out) {
            Ok(()) => cursor.columns.get(column).map(|c| c.kind),
            Err(error) => {
                let error = error.to_string();
                if notes.last() != Some(&error) {
                    notes.push(error);
                }
                None
            }
        }
    }

    /// Places of the present series in the merged times.
    fn places(&self, out: &mut Vec<u32>) {
        let Some((reader, cursor)) = &self.open else { return };
        for (first, n) in reader.meta.axis(cursor.axis) {
            out.extend(first + self.offset..first + n + self.offset);
        }
    }

    /// Rows of the present series of a tier.
    fn rows(&mut self, out: &mut Vec<Row>, notes: &mut Vec<String>) {
        let mut columns: [Vec<u64>; TIER_COLUMNS] = Default::default();
        let mut kind = Kind::Int;
        for (n, column) in columns.iter_mut().enumerate() {
            match self.chunk(n, column, notes) {
                Some(found) if n == 0 => kind = found,
                Some(_) => {}
                None => return,
            }
        }
        let mut places = Vec::new();
        self.offset = 0;
        self.places(&mut places);
        out.extend(rows_of(
            kind,
            places.iter().filter_map(|p| self.times.get(*p as usize).copied()),
            &columns,
        ));
    }
}

/// Rows out of a tier's columns.
pub(super) fn rows_of<'a>(
    kind: Kind,
    times: impl Iterator<Item = i64> + 'a,
    columns: &'a [Vec<u64>; TIER_COLUMNS],
) -> impl Iterator<Item = Row> + 'a {
    let [min, max, sum, count, last] = columns;
    times.enumerate().map(move |(n, at_ms)| Row {
        at_ms,
        summary: Summary { kind, count: count[n], min: min[n], max: max[n], sum: sum[n], last: last[n] },
    })
}

/// A file being written, tier and times known.
struct Sink<'a> {
    tier: Tier,
    file: NewFile<'a>,
    times: Arc<[i64]>,
    generations: (u64, u64),
    builder: Builder,
}

impl<'a> Sink<'a> {
    fn create(medium: &'a dyn Medium, tier: Tier) -> Result<Self> {
        let file = NewFile::create(medium, tier)?;
        let times: Arc<[i64]> = [].into();
        let builder = Builder::new(times.clone(), tier.step_ms(), Effort::Best);
        Ok(Self { tier, file, times, generations: (0, 0), builder })
    }

    fn begin(&mut self, times: Arc<[i64]>, generations: (u64, u64)) -> Result<()> {
        self.flush()?;
        self.generations = generations;
        self.times = times.clone();
        self.builder = Builder::new(times, self.tier.step_ms(), Effort::Best);
        Ok(())
    }

    fn add(&mut self, key: &[u8], kind: Kind, places: &[u32], columns: &[&[u64]]) -> Result<()> {
        self.builder.add(key, kind, places, columns);
        match self.builder.series() >= BLOCK_SERIES || self.builder.bytes() >= BLOCK_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn add_rows(&mut self, key: &[u8], kind: Kind, rows: &[Row]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let places: Vec<u32> =
            rows.iter().filter_map(|r| self.times.binary_search(&r.at_ms).ok()).map(|p| p as u32).collect();
        let column = |of: fn(&Summary) -> u64| rows.iter().map(|r| of(&r.summary)).collect::<Vec<u64>>();
        let columns = [
            column(|s| s.min),
            column(|s| s.max),
            column(|s| s.sum),
            column(|s| s.count),
            column(|s| s.last),
        ];
        self.add(key, kind, &places, &columns.each_ref().map(Vec::as_slice))
    }

    fn flush(&mut self) -> Result<()> {
        let fresh = Builder::new(self.times.clone(), self.tier.step_ms(), Effort::Best);
        let full = std::mem::replace(&mut self.builder, fresh);
        match full.series() {
            0 => Ok(()),
            _ => full.parts(self.generations, 0).iter().try_for_each(|part| self.file.push(part)),
        }
    }

    /// Gives the file the name of the generations it stands for.
    fn finish(mut self, inputs: &[Arc<ColdFile>]) -> Result<(Tier, String)> {
        self.flush()?;
        let from = inputs.iter().map(|i| i.generations.0).min().unwrap_or(0);
        let to = inputs.iter().map(|i| i.generations.1).max().unwrap_or(0);
        let name = file_name(self.tier, (from, to));
        self.file.finish(&name)?;
        Ok((self.tier, name))
    }
}
