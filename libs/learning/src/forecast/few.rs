//! The last few values of a series in order, for their median.
use serde::{Deserialize, Serialize};

/// Values held at most.
pub const MOST: usize = 12;

/// A window of at most [`MOST`] values, once in the order of arrival and once sorted; infinite where nothing came yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Few {
    length: u8,
    known: u8,
    next: u8,
    arrived: [f32; MOST],
    sorted: [f32; MOST],
}

impl Few {
    /// An empty window of this length, 1 to [`MOST`].
    pub fn new(length: usize) -> Self {
        let length = length.clamp(1, MOST) as u8;
        Few { length, known: 0, next: 0, arrived: [f32::INFINITY; MOST], sorted: [f32::INFINITY; MOST] }
    }

    /// Takes one finite value in, in the place of the oldest. Every place is computed alike, so that nothing is guessed.
    pub fn push(&mut self, value: f32) {
        let old = core::mem::replace(&mut self.arrived[usize::from(self.next)], value);
        self.next = if self.next + 1 == self.length { 0 } else { self.next + 1 };
        self.known = (self.known + 1).min(self.length);
        let gone = self.sorted.iter().map(|v| u32::from(*v < old)).sum::<u32>();
        let mut left = [f32::NEG_INFINITY; MOST + 1];
        for at in 0..MOST {
            let following = if at + 1 < MOST { self.sorted[at + 1] } else { f32::INFINITY };
            left[at + 1] = if (at as u32) < gone { self.sorted[at] } else { following };
        }
        for at in 0..MOST {
            let upper = if left[at + 1] < value { left[at + 1] } else { value };
            self.sorted[at] = if left[at] > upper { left[at] } else { upper };
        }
    }

    /// The lower median; `None` of nothing.
    pub fn median(&self) -> Option<f32> {
        let middle = usize::from(self.known).checked_sub(1)? / 2;
        self.sorted.get(middle).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_equals_that_of_a_sorted_copy() {
        let (mut rng, mut few, mut all) = (crate::rng::Rng::new(6), Few::new(8), alloc::vec::Vec::new());
        assert_eq!(few.median(), None);
        for _ in 0..500 {
            let value = libm::floorf((rng.unit() * 9.0) as f32);
            few.push(value);
            all.push(value);
            let mut last = all[all.len().saturating_sub(8)..].to_vec();
            last.sort_by(f32::total_cmp);
            assert_eq!(few.median(), Some(last[(last.len() - 1) / 2]));
        }
    }
}
