//! Medians of the last values of a series, recent ones weighing more: kept sorted, several memories at once.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::sorted::{count, replace};

/// Values held.
pub const WINDOW: usize = 128;
/// Samples after which a value's weight has fallen to 1/e, for the memories that forget.
pub const FADING: [f64; 2] = [12.0, 36.0];
/// Memories: those that forget, and one that weighs all of the window alike.
pub const MEMORIES: usize = FADING.len() + 1;

/// Where the median of one memory lies. A sample moves it by a few places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// Place among the sorted values.
    at: usize,
    /// Weight of the values before that place.
    below: f64,
    /// Weight of all values.
    total: f64,
}

/// Window in order of size, with the cursors of the medians.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recency {
    sorted: Vec<f32>,
    /// Slot in the order of arrival of each sorted value; of equal ones the older comes first.
    slots: Vec<u8>,
    arrived: Vec<f32>,
    seen: usize,
    /// Weights by age, one row an age.
    weights: Vec<[f64; FADING.len()]>,
    cursors: [Cursor; FADING.len()],
}

impl Default for Recency {
    fn default() -> Self {
        Self::new()
    }
}

impl Recency {
    /// An empty window.
    pub fn new() -> Self {
        let keep = FADING.map(|memory| libm::exp(-1.0 / memory));
        let fade = |row: &[f64; FADING.len()]| Some(core::array::from_fn(|i| row[i] * keep[i]));
        Recency {
            sorted: Vec::with_capacity(WINDOW),
            slots: Vec::with_capacity(WINDOW),
            arrived: Vec::with_capacity(WINDOW),
            seen: 0,
            weights: core::iter::successors(Some([1.0; FADING.len()]), fade).take(WINDOW + 1).collect(),
            cursors: [Cursor::default(); FADING.len()],
        }
    }

    /// Takes one finite value in, and lets the oldest go.
    pub fn push(&mut self, value: f32) {
        let slot = self.seen % WINDOW;
        for (cursor, keep) in self.cursors.iter_mut().zip(self.weights[1]) {
            cursor.below *= keep;
            cursor.total *= keep;
        }
        let place = count(&self.sorted, |v| v <= value);
        let place = if self.arrived.len() < WINDOW {
            self.arrived.push(value);
            self.sorted.insert(place, value);
            self.slots.insert(place, slot as u8);
            place
        } else {
            let oldest = core::mem::replace(&mut self.arrived[slot], value);
            self.exchange(oldest, place, value, slot as u8)
        };
        self.seen += 1;
        for i in 0..FADING.len() {
            let cursor = &mut self.cursors[i];
            let is_before = place <= cursor.at && self.sorted.len() > 1;
            cursor.at += usize::from(is_before);
            cursor.below += f64::from(u8::from(is_before));
            cursor.total += 1.0;
            self.settle(i);
        }
    }

    /// Medians in all memories, that of the whole window last; 0 of nothing.
    pub fn medians(&self) -> [f32; MEMORIES] {
        let value = |at: usize| self.sorted.get(at).copied().unwrap_or(0.0);
        let mut out = [value(self.sorted.len().saturating_sub(1) / 2); MEMORIES];
        out.iter_mut().zip(&self.cursors).for_each(|(median, cursor)| *median = value(cursor.at));
        out
    }

    /// The value in the window that is nearest to this one; this one itself while the window is empty.
    pub fn nearest(&self, value: f32) -> f32 {
        let at = count(&self.sorted, |v| v < value);
        let Some(&upper) = self.sorted.get(at) else { return self.sorted.last().copied().unwrap_or(value) };
        match at.checked_sub(1).map(|below| self.sorted[below]) {
            Some(lower) if value - lower < upper - value => lower,
            _ => upper,
        }
    }

    /// Takes the oldest value out, the first of its equals, and puts a new one before `place`; where it comes to lie.
    fn exchange(&mut self, oldest: f32, place: usize, value: f32, slot: u8) -> usize {
        let gone = count(&self.sorted, |v| v < oldest);
        for (cursor, weight) in self.cursors.iter_mut().zip(self.weights[WINDOW]) {
            cursor.total -= weight;
            let was_before = gone < cursor.at;
            cursor.at -= usize::from(was_before);
            cursor.below -= weight * f64::from(u8::from(was_before));
        }
        replace(&mut self.slots, gone, place, slot);
        replace(&mut self.sorted, gone, place, value)
    }

    /// Moves a cursor to the first value at which half of the weight is reached.
    fn settle(&mut self, memory: usize) {
        let Cursor { mut at, mut below, total } = self.cursors[memory];
        let newest = self.seen - 1;
        let weight = |at: usize| {
            let age = newest.wrapping_sub(usize::from(self.slots[at])) % WINDOW;
            self.weights[age][memory]
        };
        while at + 1 < self.sorted.len() && below + weight(at) < 0.5 * total {
            below += weight(at);
            at += 1;
        }
        while at > 0 && below >= 0.5 * total {
            at -= 1;
            below -= weight(at);
        }
        self.cursors[memory] = Cursor { at, below, total };
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
    fn medians_equal_a_sorted_copy() {
        let (mut rng, mut window, mut all) = (crate::rng::Rng::new(3), Recency::new(), Vec::new());
        for i in 0..3000usize {
            // Few different values at first, so that many are equal.
            let value = (rng.unit() * 50.0) as f32;
            let value = if i < 1500 { libm::floorf(value / 8.0) } else { value };
            window.push(value);
            all.push(value);
            if i < 40 || i % 7 == 0 {
                let slow = [FADING[0], FADING[1], f64::INFINITY].map(|m| slow_median(&all, m));
                assert_eq!(window.medians(), slow, "row {i}");
            }
        }
        assert_eq!(window.sorted.len(), WINDOW);
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
        (0..12).for_each(|_| window.push(9.0));
        assert_eq!(window.medians(), [9.0, 1.0, 1.0]);
    }
}
