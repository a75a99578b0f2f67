//! How far the recent past of a series lies from the nearest thing that the series did before, on four time scales.
//!
//! For every lag k the squared difference between now and k samples ago is averaged exponentially: `d[k] = keep * d[k] +
//! (x[t] - x[t-k])^2`. The smallest `d[k]` is the distance of the last `1 / (1 - keep)` samples to their nearest
//! neighbour in the history: a left matrix profile with soft windows, no sum to drift, no subsequence to copy. Longer
//! scales look at every second, fourth, eighth lag only, so the history is kept as eight interleaved combs and every
//! pass runs over contiguous memory.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Interleaved parts of the history; lag k lives in comb (t - k) mod 8.
const COMBS: usize = 8;
/// Values kept in a comb; 8 x 375 = 3000 lags.
const DEPTH: usize = 375;
/// Room that lets a comb grow downwards before it is moved.
const SLACK: usize = 25;
/// Lanes of one pass; fixed, so that every machine computes the same.
const LANES: usize = 8;

/// One time scale: window in samples, distance between the lags it looks at, and depth in each comb.
struct Scale {
    window: usize,
    stride: usize,
    depth: usize,
}

/// The four scales; memory is 12.8 kB of history and 17.3 kB of distances.
const SCALES: [Scale; 4] = [
    Scale { window: 2, stride: 1, depth: DEPTH / 2 },
    Scale { window: 8, stride: 2, depth: DEPTH },
    Scale { window: 24, stride: 4, depth: DEPTH },
    Scale { window: 64, stride: 8, depth: DEPTH },
];

/// Number of time scales.
pub const SCALE_COUNT: usize = SCALES.len();
/// Samples before every scale has something to compare with: four windows of the slowest.
pub const WARM_UP: usize = 4 * SCALES[SCALE_COUNT - 1].window;

/// Values that are remembered.
pub const REACH: usize = COMBS * DEPTH;

/// History of one series and its distances by lag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    seen: usize,
    origin: f64,
    heads: [u16; COMBS],
    combs: Vec<f32>,
    distances: Vec<Vec<f32>>,
}

impl Default for Nearest {
    fn default() -> Self {
        Self::new()
    }
}

impl Nearest {
    /// An empty history.
    pub fn new() -> Self {
        let distances = SCALES.iter().map(|s| alloc::vec![0.0; COMBS / s.stride * s.depth]).collect();
        let combs = alloc::vec![0.0; COMBS * (DEPTH + SLACK)];
        Nearest { seen: 0, origin: 0.0, heads: [(DEPTH + SLACK) as u16; COMBS], combs, distances }
    }

    /// Root mean squared distance to the nearest neighbour on every scale, in the unit of the series; 0 while there is
    /// nothing to compare with. Values are held relative to the first one, so large levels keep their digits.
    pub fn push(&mut self, value: f64) -> [f64; SCALE_COUNT] {
        if self.seen == 0 {
            self.origin = value;
        }
        let now = (value - self.origin) as f32;
        let mut out = [0.0; SCALE_COUNT];
        for (i, scale) in SCALES.iter().enumerate() {
            if let Some(best) = self.pass(i, scale, now) {
                out[i] = libm::sqrt(f64::from(best) / scale.window as f64);
            }
        }
        self.store(now);
        out
    }

    /// How many of the last values are still known, the newest included.
    pub fn reach(&self) -> usize {
        self.seen.min(REACH)
    }

    /// The first value, which the others are relative to.
    pub fn origin(&self) -> f64 {
        self.origin
    }

    /// The value of `lag` samples ago, relative to the first one; 1 is the newest.
    pub fn past(&self, lag: usize) -> Option<f32> {
        if lag == 0 || lag > self.reach() {
            return None;
        }
        let comb = (self.seen - lag) % COMBS;
        self.combs.get(comb * (DEPTH + SLACK) + usize::from(self.heads[comb]) + (lag - 1) / COMBS).copied()
    }

    /// Bytes held on the heap.
    pub fn heap_bytes(&self) -> usize {
        (self.combs.len() + self.distances.iter().map(Vec::len).sum::<usize>()) * size_of::<f32>()
    }

    /// Updates every distance of one scale; the least of the lags that lie a window back and have a window of history.
    fn pass(&mut self, index: usize, scale: &Scale, now: f32) -> Option<f32> {
        let keep = 1.0 - 1.0 / scale.window as f32;
        let near = scale.window.div_ceil(COMBS);
        let known = self.seen.saturating_sub(scale.window) / COMBS;
        let mut best = f32::INFINITY;
        for (slot, offset) in (0..COMBS).step_by(scale.stride).enumerate() {
            // Comb (t - offset) mod 8 holds the lags offset, offset + 8, ...; offset 0 stands for lag 8.
            let comb = (self.seen + COMBS - offset) % COMBS;
            let start = comb * (DEPTH + SLACK) + usize::from(self.heads[comb]);
            let filled = (DEPTH + SLACK - usize::from(self.heads[comb])).min(scale.depth);
            let past = &self.combs[start..start + filled];
            let distances = &mut self.distances[index][slot * scale.depth..][..filled];
            let (near, known) = (near.min(filled), known.clamp(near.min(filled), filled));
            update(&mut distances[..near], &past[..near], now, keep);
            best = best.min(update(&mut distances[near..known], &past[near..known], now, keep));
            update(&mut distances[known..], &past[known..], now, keep);
        }
        best.is_finite().then_some(best)
    }

    fn store(&mut self, now: f32) {
        let comb = self.seen % COMBS;
        let base = comb * (DEPTH + SLACK);
        if self.heads[comb] == 0 {
            self.combs.copy_within(base..base + DEPTH, base + SLACK);
            self.heads[comb] = SLACK as u16;
        }
        self.heads[comb] -= 1;
        self.combs[base + usize::from(self.heads[comb])] = now;
        self.seen += 1;
    }
}

/// `d = keep * d + (now - past)^2` element by element; the least result.
fn update(distances: &mut [f32], past: &[f32], now: f32, keep: f32) -> f32 {
    let mut least = [f32::INFINITY; LANES];
    let mut blocks = distances.chunks_exact_mut(LANES);
    let mut values = past.chunks_exact(LANES);
    for (block, value) in (&mut blocks).zip(&mut values) {
        for lane in 0..LANES {
            let e = now - value[lane];
            let d = keep * block[lane] + e * e;
            block[lane] = d;
            least[lane] = if d < least[lane] { d } else { least[lane] };
        }
    }
    let mut best = least.iter().copied().fold(f32::INFINITY, f32::min);
    for (d, value) in blocks.into_remainder().iter_mut().zip(values.remainder()) {
        let e = now - value;
        *d = keep * *d + e * e;
        best = best.min(*d);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same quantity by its definition, over all admitted lags.
    fn slow(values: &[f64], scale: &Scale) -> f64 {
        let (t, keep) = (values.len() - 1, 1.0 - 1.0 / scale.window as f64);
        let near = scale.window.div_ceil(COMBS) * COMBS;
        let known = (t.saturating_sub(scale.window) / COMBS).min(scale.depth) * COMBS;
        let mut best = f64::INFINITY;
        for lag in (1..=t).filter(|k| k % scale.stride == 0) {
            let rank = (lag - 1) / COMBS + usize::from(lag % COMBS == 0);
            let rank = if lag % COMBS == 0 { rank - 1 } else { lag / COMBS };
            if rank < near / COMBS || rank >= known / COMBS {
                continue;
            }
            let sum: f64 =
                (lag..=t).map(|i| (values[i] - values[i - lag]).powi(2) * keep.powi((t - i) as i32)).sum();
            best = best.min(sum);
        }
        if best.is_finite() { (best / scale.window as f64).sqrt() } else { 0.0 }
    }

    #[test]
    fn distances_equal_their_definition() {
        let mut rng = crate::rng::Rng::new(7);
        let values: Vec<f64> = (0..700).map(|i| 1e6 + (i as f64 / 9.0).sin() * 5.0 + rng.normal()).collect();
        let mut nearest = Nearest::new();
        for (i, &value) in values.iter().enumerate() {
            let got = nearest.push(value);
            if i % 97 == 0 {
                for (scale, got) in SCALES.iter().zip(got) {
                    let want = slow(&values[..=i], scale);
                    assert!(
                        (got - want).abs() < 1e-3 * (1.0 + want),
                        "row {i} window {} {got} {want}",
                        scale.window
                    );
                }
            }
        }
    }

    #[test]
    fn the_last_three_thousand_values_are_known_and_no_more() {
        let mut nearest = Nearest::new();
        for i in 0..7_777_u32 {
            nearest.push(f64::from(i));
            for lag in [1, 2, 7, 8, 9, 500, 2_999, 3_000] {
                let want = (lag as u32 <= i + 1).then(|| (i + 1 - lag as u32) as f32);
                assert_eq!(nearest.past(lag), want, "lag {lag} after {i}");
            }
        }
        assert_eq!((nearest.past(0), nearest.past(3_001), nearest.reach()), (None, None, 3_000));
    }

    #[test]
    fn it_fits_its_memory_and_a_repeated_pattern_is_near() {
        let mut nearest = Nearest::new();
        let (mut last, mut odd) = ([0.0; SCALE_COUNT], [0.0; SCALE_COUNT]);
        for i in 0..10_000 {
            last = nearest.push(f64::from(i % 48));
        }
        for _ in 0..6 {
            odd = nearest.push(200.0);
        }
        assert!(last.iter().all(|d| *d < 1e-3), "{last:?}");
        assert!(odd.iter().all(|d| *d > 10.0), "{odd:?}");
        assert!(nearest.heap_bytes() + size_of::<Nearest>() < 31 * 1024, "{}", nearest.heap_bytes());
    }
}
