//! From the hot memory to a block: samples tick by tick become columns series by series.

use super::block::Builder;
use super::hot::{Generation, Standing, Tick};
use crate::codec::{CHUNK_MAX, Effort, Kind};

/// What could not be taken over from a generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Ticks whose checksum failed; what did not change after them within the generation is lost too.
    pub ticks: usize,
    /// Samples of series that were never declared.
    pub samples: usize,
}

/// Series taken out of the ticks at one time: what memory holds meanwhile is theirs alone, of five minutes half a megabyte.
const SERIES_AT_ONCE: usize = 128;

/// Encodes the ticks of a generation from `first_tick` up to `end_tick`; no blocks where there are none.
///
/// More than one block only where the times go back or a block would pass its limits.
pub(super) fn blocks(
    generation: &Generation<'_>,
    number: u64,
    ticks: std::ops::Range<usize>,
) -> (Vec<Vec<u8>>, Dropped) {
    let mut dropped = Dropped::default();
    let mut blocks = Vec::new();
    let all: Vec<_> = generation.ticks().take(ticks.end).collect();
    // After the ticks: a series is declared before its first sample.
    let keys = generation.keys();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|a, b| keys[*a].1.cmp(&keys[*b].1).then(a.cmp(b)));
    let mut standing = Standing::new(keys.len());
    let mut first = ticks.start.min(all.len());
    all[..first].iter().for_each(|tick| standing.step(tick));
    while first < all.len() {
        let ascending = all[first..].windows(2).take_while(|pair| pair[1].at_ms > pair[0].at_ms).count() + 1;
        let some = &all[first..first + ascending.min(CHUNK_MAX)];
        let times = some.iter().map(|tick| tick.at_ms).collect();
        let mut builder = Builder::new(times, 0, Effort::Fast);
        let mut left = &order[..];
        while !left.is_empty() {
            let (now, later) = left.split_at(group_end(left, &keys));
            for column in columns(now, &keys, some, standing.clone()) {
                if let Some((kind, key)) = keys.get(column.series).filter(|_| !column.places.is_empty()) {
                    builder.add(key, *kind, &column.places, &[&column.values]);
                }
            }
            left = later;
        }
        dropped.ticks += some.iter().filter(|tick| !tick.is_intact()).count();
        some.iter().for_each(|tick| standing.step(tick));
        if builder.series() > 0 {
            blocks.push(builder.finish((number, number), first as u32));
        }
        first += some.len();
    }
    dropped.samples = standing.undeclared;
    (blocks, dropped)
}

/// Samples of one key, in the order of the ticks.
struct Column {
    series: usize,
    places: Vec<u32>,
    values: Vec<u64>,
}

/// How many series go together: a key declared twice is one series and is not parted.
fn group_end(order: &[usize], keys: &[(Kind, Vec<u8>)]) -> usize {
    let is_parted = |end: &usize| match (order.get(end - 1), order.get(*end)) {
        (Some(a), Some(b)) => keys[*a].1 != keys[*b].1,
        _ => true,
    };
    (order.len().min(SERIES_AT_ONCE)..=order.len()).find(is_parted).unwrap_or(order.len())
}

/// Goes through the ticks once for some series.
fn columns(
    order: &[usize],
    keys: &[(Kind, Vec<u8>)],
    ticks: &[Tick<'_>],
    mut standing: Standing,
) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    let mut column_of = Vec::with_capacity(order.len());
    for series in order {
        let is_same = columns.last().is_some_and(|last| keys[last.series].1 == keys[*series].1);
        if !is_same {
            let (places, values) = (Vec::with_capacity(ticks.len()), Vec::with_capacity(ticks.len()));
            columns.push(Column { series: *series, places, values });
        }
        column_of.push((*series, columns.len() - 1));
    }
    for (place, tick) in ticks.iter().enumerate() {
        standing.step(tick);
        for (series, column) in &column_of {
            let Some(bits) = standing.at(*series) else { continue };
            let Column { places, values, .. } = &mut columns[*column];
            // One sample a tick, the last.
            if places.last() == Some(&(place as u32)) {
                values.pop();
            } else {
                places.push(place as u32);
            }
            values.push(bits);
        }
    }
    columns
}
