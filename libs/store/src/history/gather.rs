//! From the hot memory to a block: samples tick by tick become columns series by series.

use super::block::Builder;
use super::hot::{Generation, Standing};
use crate::codec::{CHUNK_MAX, Effort, Kind};

/// What could not be taken over from a generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Ticks whose checksum failed; what did not change after them within the generation is lost too.
    pub ticks: usize,
    /// Samples of series that were never declared.
    pub samples: usize,
}

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
    let mut standing = Standing::new(keys.len());
    let mut first = ticks.start.min(all.len());
    all[..first].iter().for_each(|tick| standing.step(tick));
    while first < all.len() {
        let ascending = all[first..].windows(2).take_while(|pair| pair[1].at_ms > pair[0].at_ms).count() + 1;
        let some = &all[first..first + ascending.min(CHUNK_MAX)];
        let mut columns = Columns::new(keys.len());
        let mut ahead = standing.clone();
        for tick in some {
            ahead.step(tick);
            dropped.ticks += usize::from(!tick.is_intact());
            columns.count(ahead.samples());
        }
        columns.make_room();
        for (place, tick) in some.iter().enumerate() {
            standing.step(tick);
            columns.put(standing.samples(), place as u32);
        }
        let times = some.iter().map(|tick| tick.at_ms).collect();
        let mut builder = Builder::new(times, 0, Effort::Fast);
        columns.write(&keys, &mut builder);
        if builder.series() > 0 {
            blocks.push(builder.finish((number, number), first as u32));
        }
        first += some.len();
    }
    dropped.samples = standing.undeclared;
    (blocks, dropped)
}

/// All samples, sorted by series with one counting pass and one placing pass.
struct Columns {
    /// Where a series' samples end so far.
    ends: Vec<usize>,
    values: Vec<u64>,
    places: Vec<u32>,
}

impl Columns {
    fn new(series: usize) -> Self {
        Self { ends: vec![0; series], values: Vec::new(), places: Vec::new() }
    }

    fn count(&mut self, samples: impl Iterator<Item = (u32, u64)>) {
        for (series, _) in samples {
            if let Some(n) = self.ends.get_mut(series as usize) {
                *n += 1;
            }
        }
    }

    /// Turns counts into starts.
    fn make_room(&mut self) {
        let mut at = 0;
        for end in &mut self.ends {
            let n = *end;
            *end = at;
            at += n;
        }
        self.values.resize(at, 0);
        self.places.resize(at, 0);
    }

    fn put(&mut self, samples: impl Iterator<Item = (u32, u64)>, place: u32) {
        for (series, bits) in samples {
            let Some(end) = self.ends.get_mut(series as usize) else { continue };
            if let (Some(value), Some(at)) = (self.values.get_mut(*end), self.places.get_mut(*end)) {
                (*value, *at) = (bits, place);
                *end += 1;
            }
        }
    }

    /// Adds every series that has samples, in the order of the keys.
    fn write(&self, keys: &[(Kind, Vec<u8>)], builder: &mut Builder) {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|a, b| keys[*a].1.cmp(&keys[*b].1));
        let (mut places, mut values) = (Vec::new(), Vec::new());
        let mut next = 0;
        while next < order.len() {
            let (kind, key) = &keys[order[next]];
            places.clear();
            values.clear();
            // A key declared twice is one series; its parts follow each other in time.
            while next < order.len() && keys[order[next]].1 == *key {
                let series = order[next];
                let start = if series == 0 { 0 } else { self.ends[series - 1] };
                places.extend_from_slice(&self.places[start..self.ends[series]]);
                values.extend_from_slice(&self.values[start..self.ends[series]]);
                next += 1;
            }
            one_a_tick(&mut places, &mut values);
            if !places.is_empty() {
                builder.add(key, *kind, &places, &[&values]);
            }
        }
    }
}

/// Keeps one sample a tick, the last, in the order of time.
fn one_a_tick(places: &mut Vec<u32>, values: &mut Vec<u64>) {
    if places.windows(2).all(|pair| pair[0] < pair[1]) {
        return;
    }
    let mut pairs: Vec<(u32, u64)> = places.iter().copied().zip(values.iter().copied()).collect();
    pairs.sort_by_key(|(place, _)| *place);
    let last = |n: &usize| pairs.get(n + 1).is_none_or(|next| next.0 != pairs[*n].0);
    let kept: Vec<usize> = (0..pairs.len()).filter(last).collect();
    *places = kept.iter().map(|n| pairs[*n].0).collect();
    *values = kept.iter().map(|n| pairs[*n].1).collect();
}
