//! Medians of the last values of a series, recent ones weighing more: kept sorted, several memories at once.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Values held.
pub const WINDOW: usize = 128;
/// Samples after which a value's weight has fallen to 1/e, one memory each; the last forgets nothing in the window.
pub const MEMORIES: [f64; 4] = [4.0, 12.0, 36.0, f64::INFINITY];
/// Weights are scaled back before they reach this.
const HEAVY: f32 = 1e30;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    value: f32,
    born: u32,
    weights: [f32; MEMORIES.len()],
}

/// Sorted window. Weights grow with time instead of the old ones shrinking, so a sample costs one insertion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recency {
    entries: Vec<Entry>,
    values: Vec<f32>,
    seen: u32,
    next: [f32; MEMORIES.len()],
    growth: [f32; MEMORIES.len()],
    totals: [f32; MEMORIES.len()],
}

impl Default for Recency {
    fn default() -> Self {
        Self::new()
    }
}

impl Recency {
    /// An empty window.
    pub fn new() -> Self {
        let growth = MEMORIES.map(|m| libm::exp(1.0 / m) as f32);
        let (entries, values) = (Vec::with_capacity(WINDOW), Vec::with_capacity(WINDOW));
        Recency {
            entries,
            values,
            seen: 0,
            next: [1.0; MEMORIES.len()],
            growth,
            totals: [0.0; MEMORIES.len()],
        }
    }

    /// Takes one finite value in, and lets the oldest go.
    pub fn push(&mut self, value: f32) {
        let slot = self.seen as usize % WINDOW;
        if self.values.len() < WINDOW {
            self.values.push(value);
        } else {
            let old = core::mem::replace(&mut self.values[slot], value);
            self.forget(old, self.seen - WINDOW as u32);
        }
        let at = self.entries.partition_point(|e| e.value < value);
        self.entries.insert(at, Entry { value, born: self.seen, weights: self.next });
        for i in 0..MEMORIES.len() {
            self.totals[i] += self.next[i];
            self.next[i] *= self.growth[i];
            if self.next[i] > HEAVY {
                self.rescale(i);
            }
        }
        self.seen = self.seen.wrapping_add(1);
    }

    /// Medians in all memories, in one pass.
    pub fn medians(&self) -> [f32; MEMORIES.len()] {
        let half = self.totals.map(|t| 0.5 * t);
        let mut sums = [0.0; MEMORIES.len()];
        let mut out = [self.entries.last().map_or(0.0, |e| e.value); MEMORIES.len()];
        for block in self.entries.chunks(8) {
            for entry in block {
                for i in 0..MEMORIES.len() {
                    out[i] = if sums[i] < half[i] { entry.value } else { out[i] };
                    sums[i] += entry.weights[i];
                }
            }
            if (0..MEMORIES.len()).all(|i| sums[i] >= half[i]) {
                break;
            }
        }
        out
    }

    /// The value in the window that is nearest to this one; this one itself while the window is empty.
    pub fn nearest(&self, value: f32) -> f32 {
        let at = self.entries.partition_point(|e| e.value < value);
        let Some(upper) = self.entries.get(at) else { return self.entries.last().map_or(value, |e| e.value) };
        match at.checked_sub(1).map(|below| self.entries[below].value) {
            Some(lower) if value - lower < upper.value - value => lower,
            _ => upper.value,
        }
    }

    fn forget(&mut self, value: f32, born: u32) {
        let from = self.entries.partition_point(|e| e.value < value);
        let found = self.entries[from..].iter().position(|e| e.born == born);
        if let Some(at) = found {
            let gone = self.entries.remove(from + at);
            (0..MEMORIES.len()).for_each(|i| self.totals[i] -= gone.weights[i]);
        }
    }

    /// Divides one memory by its newest weight and sums again, which also clears rounding errors.
    fn rescale(&mut self, memory: usize) {
        let by = 1.0 / self.next[memory];
        self.entries.iter_mut().for_each(|e| e.weights[memory] *= by);
        self.totals[memory] = self.entries.iter().map(|e| e.weights[memory]).sum();
        self.next[memory] = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By definition: sort with weights exp(-age / memory), go half way.
    fn slow_median(all: &[f32], memory: f64) -> f32 {
        let aged = all.iter().rev().take(WINDOW).enumerate();
        let mut pairs: Vec<(f32, f64)> =
            aged.map(|(age, v)| (*v, libm::exp(-(age as f64) / memory))).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = pairs.iter().map(|p| p.1).sum::<f64>() / 2.0;
        let mut sum = 0.0;
        let found = pairs.iter().find(|p| {
            sum += p.1;
            sum >= half
        });
        found.map_or(0.0, |p| p.0)
    }

    #[test]
    fn medians_equal_a_sorted_copy_and_survive_rescaling() {
        let (mut rng, mut window, mut all) = (crate::rng::Rng::new(3), Recency::new(), Vec::new());
        for i in 0..3000usize {
            let value = (rng.unit() * 50.0) as f32;
            window.push(value);
            all.push(value);
            if i % 301 == 300 {
                let mut tail = all[all.len().saturating_sub(WINDOW)..].to_vec();
                tail.sort_by(f32::total_cmp);
                assert_eq!(window.medians()[3], tail[tail.len().div_ceil(2) - 1], "row {i}");
                assert_eq!(window.medians()[0], slow_median(&all, MEMORIES[0]), "row {i}");
            }
        }
        assert_eq!(window.entries.len(), WINDOW);
    }

    #[test]
    fn the_nearest_value_seen_is_found_at_both_ends_and_between() {
        let mut window = Recency::new();
        assert_eq!(window.nearest(3.5), 3.5);
        [4.0, 1.0, 9.0].into_iter().for_each(|v| window.push(v));
        assert_eq!([-5.0, 2.0, 3.0, 7.0, 50.0].map(|v| window.nearest(v)), [1.0, 1.0, 4.0, 9.0, 9.0]);
    }

    #[test]
    fn a_short_memory_follows_a_step_first() {
        let mut window = Recency::new();
        (0..100).for_each(|_| window.push(1.0));
        (0..5).for_each(|_| window.push(9.0));
        assert_eq!(window.medians(), [9.0, 1.0, 1.0, 1.0]);
    }
}
