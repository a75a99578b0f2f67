//! The last values of a series in order of size, in blocks: found in two steps, nothing on the heap.
use serde::{Deserialize, Serialize};

/// Blocks, and values in each.
const BLOCKS: usize = 8;
const BLOCK: usize = 16;
/// Values held.
pub const WINDOW: usize = BLOCKS * BLOCK;

/// One of `T` for each value.
pub type Blocks<T> = [[T; BLOCK]; BLOCKS];

/// A window of [`WINDOW`] values, once in the order of arrival and once sorted; infinite where nothing came yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sorted {
    seen: usize,
    arrived: Blocks<f32>,
    sorted: Blocks<f32>,
}

/// What changed places in order of size: the value at `gone` left, then one came to lie at `place`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchange {
    /// Whether there was a value that left.
    pub is_full: bool,
    /// Place of the value that left, before it did.
    pub gone: usize,
    /// Place of the new one.
    pub place: usize,
    /// Place of both in the order of arrival.
    pub slot: usize,
}

impl Default for Sorted {
    fn default() -> Self {
        let empty = [[f32::INFINITY; BLOCK]; BLOCKS];
        Sorted { seen: 0, arrived: empty, sorted: empty }
    }
}

impl Sorted {
    /// Takes one finite value in, behind its equals, in the place of the oldest.
    pub fn push(&mut self, value: f32) -> Exchange {
        let (slot, is_full) = (self.seen % WINDOW, self.seen >= WINDOW);
        let oldest = core::mem::replace(&mut self.arrived.as_flattened_mut()[slot], value);
        let (gone, place) = (self.count(|v| v < oldest), self.count(|v| v <= value));
        let place = place - usize::from(gone < place);
        replace(&mut self.sorted, gone, place, value);
        self.seen += 1;
        Exchange { is_full, gone, place, slot }
    }

    /// The value at that place; infinite where there is none.
    pub fn at(&self, place: usize) -> f32 {
        self.sorted.as_flattened().get(place).copied().unwrap_or(f32::INFINITY)
    }

    /// Values held now.
    pub fn len(&self) -> usize {
        self.seen.min(WINDOW)
    }

    /// How many of the values are so, the smallest ones: first of the last ones of all blocks, then of one block.
    pub fn count(&self, is: impl Fn(f32) -> bool) -> usize {
        let ends: u32 = self.sorted.iter().map(|block| u32::from(is(block[BLOCK - 1]))).sum();
        let block = (ends as usize).min(BLOCKS - 1);
        let inside: u32 = self.sorted[block].iter().map(|v| u32::from(is(*v))).sum();
        block * BLOCK + inside as usize
    }

    /// The smallest value that a share `level` of the values does not exceed; 0 of nothing. A level below 0 or above 1
    /// asks for more than was ever seen: the range is extended by ten times the overshoot.
    pub fn quantile(&self, level: f64) -> f64 {
        let Some(last) = self.len().checked_sub(1) else { return 0.0 };
        // Rounded up, less one, and never below the first.
        let rank = level * (last as f64 + 2.0);
        let at = (rank as usize).saturating_sub(usize::from(rank as usize as f64 == rank)).min(last);
        let overshoot = (level - 1.0).max(0.0) + level.min(0.0);
        f64::from(self.at(at)) + 10.0 * overshoot * f64::from(self.at(last) - self.at(0))
    }
}

/// Takes out what lies at `gone` and puts another so that it lies at `place`.
pub fn replace<T: Copy>(blocks: &mut Blocks<T>, gone: usize, place: usize, value: T) {
    let all = blocks.as_flattened_mut();
    match gone < place {
        true => all.copy_within(gone + 1..=place, gone),
        false => all.copy_within(place..gone, place + 1),
    }
    all[place] = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_values_leave_and_quantiles_go_by_rank() {
        let (mut window, mut all) = (Sorted::default(), alloc::vec::Vec::new());
        for i in 0..500_u16 {
            // Each value comes up to three times in a window.
            let value = f32::from(i * 37 % 101 / 2);
            let before = window.clone();
            let exchange = window.push(value);
            all.push(value);
            let mut last = all[all.len().saturating_sub(WINDOW)..].to_vec();
            last.sort_by(f32::total_cmp);
            assert_eq!(window.sorted.as_flattened()[..last.len()], last);
            assert_eq!((window.len(), window.at(last.len())), (last.len(), f32::INFINITY));
            assert_eq!(window.at(exchange.place), value);
            assert!(!exchange.is_full || before.at(exchange.gone) == all[all.len() - 1 - WINDOW]);
            let ends = [0.0, 0.5, 1.0].map(|level| window.quantile(level) as f32);
            let half = (last.len() + 1).div_ceil(2) - 1;
            assert_eq!(ends, [last[0], last[half.min(last.len() - 1)], last[last.len() - 1]]);
            for value in [0.0, 7.0, 30.5, 99.0] {
                assert_eq!(window.count(|v| v < value), last.iter().filter(|v| **v < value).count());
            }
        }
        assert!(window.quantile(1.1) > window.quantile(1.0) && window.quantile(-0.1) < window.quantile(0.0));
        assert_eq!(Sorted::default().quantile(0.5), 0.0);
    }
}
