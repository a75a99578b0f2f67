//! Reading: samples and rows by key and time, cold files and hot memory as one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::block::{Cursor, Header, TIER_COLUMNS};
use super::cold::{ColdFile, Place, Reader, Tier};
use super::hot::{Generation, Standing};
use super::merge::{self, Row, rows_of};
use crate::codec::{Kind, Summary};
use crate::error::Result;
use crate::medium::Medium;

/// Which series.
#[derive(Clone, Copy)]
pub enum Select<'a> {
    /// The one with this key.
    Key(&'a [u8]),
    /// All whose key begins so.
    Prefix(&'a [u8]),
    /// All whose key passes.
    Where(&'a dyn Fn(&[u8]) -> bool),
    /// All whose key begins so and passes.
    PrefixWhere(&'a [u8], &'a dyn Fn(&[u8]) -> bool),
}

/// What to read.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// Which series.
    pub select: Select<'a>,
    /// First instant, in ms.
    pub from_ms: i64,
    /// First instant no more wanted, in ms.
    pub to_ms: i64,
    /// Leave out raw chunks that hold no value at or above this; by the chunk's bounds, without decoding it.
    pub at_least: Option<f64>,
    /// Most samples or rows to deliver; a read that finds more ends early and says so.
    pub limit: usize,
}

impl<'a> Query<'a> {
    /// All samples of the series in a span of time.
    pub fn new(select: Select<'a>, from_ms: i64, to_ms: i64) -> Self {
        Self { select, from_ms, to_ms, at_least: None, limit: usize::MAX }
    }

    fn overlaps(&self, from: i64, to: i64) -> bool {
        from < self.to_ms && to >= self.from_ms
    }
}

impl Select<'_> {
    fn takes(&self, key: &[u8]) -> bool {
        match self {
            Self::Key(wanted) => key == *wanted,
            Self::Prefix(prefix) => begins(key, prefix),
            Self::Where(passes) => passes(key),
            Self::PrefixWhere(prefix, passes) => begins(key, prefix) && passes(key),
        }
    }

    /// Whether nothing wanted is among keys less than this one.
    fn is_from(&self, key: &[u8]) -> bool {
        match self {
            Self::Key(wanted) | Self::Prefix(wanted) | Self::PrefixWhere(wanted, _) => key <= *wanted,
            Self::Where(_) => false,
        }
    }

    /// Whether no later key can be wanted.
    fn is_past(&self, key: &[u8]) -> bool {
        match self {
            Self::Key(wanted) => key > *wanted,
            Self::Prefix(prefix) | Self::PrefixWhere(prefix, _) => !begins(key, prefix) && key > *prefix,
            Self::Where(_) => false,
        }
    }
}

/// Whether a key begins so. The empty prefix, which means all, is not compared: it lies nowhere, and a processor whose
/// `memcmp` masks its loads takes 100 ns to find that nothing is read from there.
fn begins(key: &[u8], prefix: &[u8]) -> bool {
    prefix.is_empty() || key.starts_with(prefix)
}

/// Samples of one series, in order of time.
pub struct Chunk<'a> {
    /// Key of the series.
    pub key: &'a [u8],
    /// What the bits mean.
    pub kind: Kind,
    /// Times in ms, ascending.
    pub times: &'a [i64],
    /// Values as bits, as many as times.
    pub values: &'a [u64],
}

/// Rows of one series, in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesRows {
    /// Key of the series.
    pub key: Vec<u8>,
    /// One row a span of time that has values.
    pub rows: Vec<Row>,
}

/// What a read did and could not do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Blocks looked into.
    pub blocks: usize,
    /// Chunks decoded.
    pub chunks: usize,
    /// Chunks left out by their bounds.
    pub pruned: usize,
    /// Whether there was more than the limit; what was delivered is then worth nothing.
    pub is_cut: bool,
    /// Damage met, one line each; the rest was delivered.
    pub notes: Vec<String>,
}

/// The files that together hold every sample, at the coarsest tier that suffices for a step.
pub(super) fn plan(files: &[Arc<ColdFile>], step_ms: i64) -> Vec<Arc<ColdFile>> {
    let suffices = |tier: Tier| tier.is_raw() || (step_ms > 0 && step_ms % i64::from(tier.step_ms()) == 0);
    let mut chosen: Vec<Arc<ColdFile>> = Vec::new();
    let mut done = 0;
    for tier in Tier::ALL.into_iter().rev().filter(|tier| suffices(*tier)) {
        let own = |f: &&Arc<ColdFile>| f.tier == tier && f.generations.1 > done;
        let more: Vec<Arc<ColdFile>> = files.iter().filter(own).cloned().collect();
        done = more.iter().map(|f| f.generations.1).max().unwrap_or(0).max(done);
        chosen.extend(more);
    }
    chosen.sort_by_key(|file| file.generations);
    chosen
}

/// Buffers of a scan.
#[derive(Default)]
struct Buffers {
    times: Vec<i64>,
    values: Vec<u64>,
    columns: [Vec<u64>; TIER_COLUMNS],
}

/// Where a scan delivers.
pub(super) trait Deliver {
    /// Takes samples of one series.
    fn samples(&mut self, chunk: Chunk<'_>);
    /// Takes a row of a tier.
    fn row(&mut self, key: &[u8], row: Row);
    /// Whether the limit was passed.
    fn is_full(&self) -> bool;
}

/// Hands samples on.
pub(super) struct Each<F> {
    pub each: F,
    pub seen: usize,
    pub limit: usize,
}

impl<F: FnMut(Chunk<'_>)> Deliver for Each<F> {
    fn samples(&mut self, chunk: Chunk<'_>) {
        self.seen += chunk.times.len();
        if !self.is_full() {
            (self.each)(chunk);
        }
    }

    fn row(&mut self, _: &[u8], _: Row) {}

    fn is_full(&self) -> bool {
        self.seen > self.limit
    }
}

/// Reads the chosen files.
pub(super) fn files(
    medium: &dyn Medium,
    chosen: &[Arc<ColdFile>],
    query: &Query<'_>,
    deliver: &mut dyn Deliver,
    scanned: &mut Scanned,
) -> Result<()> {
    let mut buffers = Buffers::default();
    for cold in chosen {
        let reach = i64::from(cold.tier.step_ms().max(1)) - 1;
        let is_in_time = |h: &Header| query.overlaps(h.t_min, h.t_max.saturating_add(reach));
        let is_wanted = |(n, block): &(usize, &Place)| {
            is_in_time(&block.header) && may_hold(block, cold.blocks.get(n + 1), &query.select)
        };
        let mut wanted = cold.blocks.iter().enumerate().filter(is_wanted).peekable();
        if wanted.peek().is_none() {
            continue;
        }
        let file = match medium.open_to_read(&cold.name) {
            Ok(file) => file,
            Err(error) => {
                scanned.notes.push(error.to_string());
                continue;
            }
        };
        for (_, place) in wanted {
            if deliver.is_full() {
                scanned.is_cut = true;
                return Ok(());
            }
            scanned.blocks += 1;
            match Reader::open(&*file, &cold.name, place.at, place.header) {
                Ok(mut reader) => block(&mut reader, query, deliver, &mut buffers, scanned),
                Err(error) => scanned.notes.push(error.to_string()),
            }
        }
    }
    Ok(())
}

/// Whether a block may hold what is wanted: by its first key and, where their keys follow each other, that of the next.
fn may_hold(block: &Place, next: Option<&Place>, select: &Select<'_>) -> bool {
    let follows = |next: &&Place| next.header.row_of_times() == block.header.row_of_times();
    let is_before =
        next.filter(follows).is_some_and(|b| !b.first_key.is_empty() && select.is_from(&b.first_key));
    let is_behind = !block.first_key.is_empty() && select.is_past(&block.first_key);
    !is_before && !is_behind
}

fn block(
    reader: &mut Reader<'_>,
    query: &Query<'_>,
    deliver: &mut dyn Deliver,
    buffers: &mut Buffers,
    scanned: &mut Scanned,
) {
    let mut cursor = reader.meta.cursor();
    while cursor.advance(&reader.meta).is_some() {
        if query.select.is_past(&cursor.key) || deliver.is_full() {
            break;
        }
        if !query.select.takes(&cursor.key) {
            continue;
        }
        if is_pruned(&cursor, query) {
            scanned.pruned += 1;
            continue;
        }
        match chunk(reader, &cursor, query, deliver, buffers) {
            Ok(()) => scanned.chunks += 1,
            Err(error) => {
                let error = error.to_string();
                if scanned.notes.last() != Some(&error) {
                    scanned.notes.push(error);
                }
            }
        }
    }
}

fn is_pruned(cursor: &Cursor, query: &Query<'_>) -> bool {
    let (Some(least), Some(column)) = (query.at_least, cursor.columns.first()) else { return false };
    let number = |bits: u64| match column.kind {
        Kind::Int => bits as i64 as f64,
        Kind::Float => f64::from_bits(bits),
    };
    let max = column.constant.or(column.bounds.map(|(_, max, _)| max));
    max.is_some_and(|max| number(max) < least)
}

fn chunk(
    reader: &mut Reader<'_>,
    cursor: &Cursor,
    query: &Query<'_>,
    deliver: &mut dyn Deliver,
    buffers: &mut Buffers,
) -> Result<()> {
    let kind = cursor.columns.first().map_or(Kind::Int, |column| column.kind);
    let Buffers { times, values, columns } = buffers;
    if let [_] = cursor.columns[..] {
        reader.column(cursor, 0, values)?;
        let times = reader.meta.times_of(cursor.axis, times);
        let is_within = times.first() >= Some(&query.from_ms) && times.last() < Some(&query.to_ms);
        let (from, to) = match is_within {
            true => (0, times.len()),
            false => {
                let from = times.partition_point(|t| *t < query.from_ms);
                (from, times.partition_point(|t| *t < query.to_ms).max(from))
            }
        };
        let (Some(times), Some(values)) = (times.get(from..to), values.get(from..to)) else {
            return Ok(());
        };
        if !times.is_empty() {
            deliver.samples(Chunk { key: &cursor.key, kind, times, values });
        }
        return Ok(());
    }
    for (n, column) in columns.iter_mut().enumerate() {
        reader.column(cursor, n, column)?;
    }
    let wanted = |row: &Row| row.at_ms >= query.from_ms && row.at_ms < query.to_ms;
    rows_of(kind, reader.meta.times_of(cursor.axis, times).iter().copied(), columns)
        .filter(wanted)
        .for_each(|row| deliver.row(&cursor.key, row));
    Ok(())
}

/// Samples of one generation of the hot memory, by key.
pub(super) type HotRead = BTreeMap<Vec<u8>, HotSeries>;

/// Samples of one generation of the hot memory, by key; `None` where it was given back meanwhile.
pub(super) fn hot(generation: &Generation<'_>, query: &Query<'_>) -> Option<HotRead> {
    let number = generation.number();
    let ticks: Vec<_> = generation.ticks().collect();
    let keys = generation.keys();
    let mut standing = Standing::new(keys.len());
    let is_wanted = |(n, (kind, key)): (usize, &(Kind, Vec<u8>))| {
        query.select.takes(key).then_some((n, HotSeries { kind: *kind, times: vec![], values: vec![] }))
    };
    let mut found: Vec<(usize, HotSeries)> = keys.iter().enumerate().filter_map(is_wanted).collect();
    for tick in &ticks {
        standing.step(tick);
        if tick.at_ms < query.from_ms || tick.at_ms >= query.to_ms {
            continue;
        }
        for (series, own) in &mut found {
            if let Some(bits) = standing.at(*series) {
                own.times.push(tick.at_ms);
                own.values.push(bits);
            }
        }
    }
    if generation.number() != number {
        return None;
    }
    let mut named = HotRead::new();
    for (series, own) in found.into_iter().filter(|(_, own)| !own.times.is_empty()) {
        let Some((_, key)) = keys.get(series) else { continue };
        // A key declared twice is one series; its parts follow each other in time.
        match named.get_mut(key) {
            Some(earlier) => {
                earlier.times.extend(own.times);
                earlier.values.extend(own.values);
            }
            None => drop(named.insert(key.clone(), own)),
        }
    }
    Some(named)
}

/// Samples of a series in the hot memory.
pub(super) struct HotSeries {
    pub kind: Kind,
    pub times: Vec<i64>,
    pub values: Vec<u64>,
}

/// Gathers samples and rows into rows of a step.
pub(super) struct Fold {
    series: BTreeMap<Vec<u8>, Vec<Row>>,
    step_ms: u32,
    rows: usize,
    limit: usize,
}

impl Fold {
    pub fn new(step_ms: u32, limit: usize) -> Self {
        Self { series: BTreeMap::new(), step_ms, rows: 0, limit }
    }

    /// All rows; spans that a clock jump visited twice are made one.
    pub fn finish(self) -> Vec<SeriesRows> {
        let whole = |(key, rows)| SeriesRows { key, rows: merge::join(rows, self.step_ms) };
        self.series.into_iter().map(whole).collect()
    }
}

impl Deliver for Fold {
    fn row(&mut self, key: &[u8], row: Row) {
        let at_ms = merge::floor(row.at_ms, self.step_ms);
        if !self.series.contains_key(key) {
            self.series.insert(key.to_vec(), Vec::new());
        }
        let Some(rows) = self.series.get_mut(key) else { return };
        match rows.last_mut() {
            Some(last) if last.at_ms == at_ms => last.summary = last.summary.join(&row.summary),
            _ if self.rows <= self.limit => {
                rows.push(Row { at_ms, ..row });
                self.rows += 1;
            }
            _ => {}
        }
    }

    fn samples(&mut self, chunk: Chunk<'_>) {
        let mut at = 0;
        while at < chunk.times.len() {
            let start = merge::floor(chunk.times[at], self.step_ms);
            let end = start + i64::from(self.step_ms);
            let n = chunk.times[at..].partition_point(|t| *t < end).max(1);
            if let Some(summary) = Summary::of(chunk.kind, &chunk.values[at..at + n]) {
                self.row(chunk.key, Row { at_ms: start, summary });
            }
            at += n;
        }
    }

    fn is_full(&self) -> bool {
        self.rows > self.limit
    }
}
