//! Medians of the last values of a series, recent ones weighing more: kept sorted, several memories at once.
use serde::{Deserialize, Serialize};

use super::sorted::{Blocks, Exchange, Sorted, WINDOW, replace};

/// Samples after which a value's weight has fallen to 1/e, for the memories that forget.
pub const FADING: [f64; 2] = [12.0, 36.0];
/// Memories: those that forget, and one that weighs all of the window alike.
pub const MEMORIES: usize = FADING.len() + 1;
/// What of a weight is left one sample later: `exp(-1 / memory)`.
const KEPT: [f64; FADING.len()] = [0.920_044_414_629_323_3, 0.972_604_477_116_348_3];
/// Weights by age, one row an age.
static WEIGHTS: [[f64; FADING.len()]; WINDOW + 1] = weights();

const fn weights() -> [[f64; FADING.len()]; WINDOW + 1] {
    let mut rows = [[1.0; FADING.len()]; WINDOW + 1];
    let mut age = 1;
    while age <= WINDOW {
        rows[age] = [rows[age - 1][0] * KEPT[0], rows[age - 1][1] * KEPT[1]];
        age += 1;
    }
    rows
}

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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recency {
    window: Sorted,
    /// Slot in the order of arrival of each sorted value; of equal ones the older comes first.
    slots: Blocks<u8>,
    newest: u8,
    cursors: [Cursor; FADING.len()],
}

impl Recency {
    /// An empty window.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one finite value in, and lets the oldest go.
    pub fn push(&mut self, value: f32) {
        let Exchange { is_full, gone, place, slot } = self.window.push(value);
        replace(&mut self.slots, gone, place, slot as u8);
        self.newest = slot as u8;
        let is_alone = self.window.len() == 1;
        for memory in 0..FADING.len() {
            let Cursor { mut at, mut below, mut total } = self.cursors[memory];
            (below, total) = (below * KEPT[memory], total * KEPT[memory]);
            if is_full {
                let weight = WEIGHTS[WINDOW][memory];
                let was_before = gone < at;
                total -= weight;
                at -= usize::from(was_before);
                below -= weight * f64::from(u8::from(was_before));
            }
            let is_before = place <= at && !is_alone;
            let cursor = Cursor {
                at: at + usize::from(is_before),
                below: below + f64::from(u8::from(is_before)),
                total: total + 1.0,
            };
            self.cursors[memory] = self.settled(memory, cursor);
        }
    }

    /// Medians in all memories, that of the whole window last; infinite of nothing.
    pub fn medians(&self) -> [f32; MEMORIES] {
        let mut out = [self.window.at(self.window.len().saturating_sub(1) / 2); MEMORIES];
        out.iter_mut().zip(&self.cursors).for_each(|(median, cursor)| *median = self.window.at(cursor.at));
        out
    }

    /// The value in the window that is nearest to this one; this one itself while the window is empty.
    pub fn nearest(&self, value: f32) -> f32 {
        let at = self.window.count(|v| v < value);
        let upper = self.window.at(at);
        let lower = if at > 0 { self.window.at(at - 1) } else { f32::NEG_INFINITY };
        let nearest = if value - lower < upper - value { lower } else { upper };
        if nearest.is_finite() { nearest } else { value }
    }

    /// A cursor moved to the first value at which half of the weight is reached.
    fn settled(&self, memory: usize, Cursor { mut at, mut below, total }: Cursor) -> Cursor {
        let (slots, last) = (self.slots.as_flattened(), self.window.len() - 1);
        let weight = |at: usize| {
            let age = usize::from(self.newest.wrapping_sub(slots[at])) % WINDOW;
            WEIGHTS[age][memory]
        };
        while at < last && below + weight(at) < 0.5 * total {
            below += weight(at);
            at += 1;
        }
        while at > 0 && below >= 0.5 * total {
            at -= 1;
            below -= weight(at);
        }
        Cursor { at, below, total }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

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
        assert_eq!(window.window.len(), WINDOW);
        assert_eq!(KEPT, FADING.map(|memory| libm::exp(-1.0 / memory)));
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
