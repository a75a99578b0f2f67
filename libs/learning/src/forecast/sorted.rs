//! The last values of a series in order, for plain quantiles by rank.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// How many of the values are so. A pass over all of them, which a machine does several at a time, is faster than the
/// seven steps of a search that wait for each other.
pub fn count(values: &[f32], is: impl Fn(f32) -> bool) -> usize {
    values.iter().map(|v| u32::from(is(*v))).sum::<u32>() as usize
}

/// Puts a value in its place in order and takes out the one at `gone`; the place.
pub fn replace<T: Copy>(sorted: &mut [T], gone: usize, place: usize, value: T) -> usize {
    let place = if gone < place { place - 1 } else { place };
    match gone < place {
        true => sorted.copy_within(gone + 1..=place, gone),
        false => sorted.copy_within(place..gone, place + 1),
    }
    sorted[place] = value;
    place
}

/// A window of fixed length, once in the order of arrival and once sorted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sorted {
    length: usize,
    next: usize,
    arrived: Vec<f32>,
    sorted: Vec<f32>,
}

impl Sorted {
    /// An empty window of this length.
    pub fn new(length: usize) -> Self {
        Sorted { length: length.max(1), ..Self::default() }
    }

    /// Takes one finite value in, and lets the oldest go.
    pub fn push(&mut self, value: f32) {
        let place = count(&self.sorted, |v| v < value);
        if self.arrived.len() < self.length {
            self.arrived.push(value);
            self.sorted.insert(place, value);
            return;
        }
        let old = core::mem::replace(&mut self.arrived[self.next], value);
        self.next = if self.next + 1 == self.length { 0 } else { self.next + 1 };
        let gone = count(&self.sorted, |v| v < old);
        replace(&mut self.sorted, gone, place, value);
    }

    /// The smallest value that a share `level` of the values does not exceed; 0 of nothing. A level below 0 or above 1
    /// asks for more than was ever seen: the range is extended by ten times the overshoot.
    pub fn quantile(&self, level: f64) -> f64 {
        let (Some(least), Some(most)) = (self.sorted.first(), self.sorted.last()) else { return 0.0 };
        // Rounded up, less one, and never below the first.
        let rank = level * (self.sorted.len() as f64 + 1.0);
        let at = (rank as usize)
            .saturating_sub(usize::from(rank as usize as f64 == rank))
            .min(self.sorted.len() - 1);
        let overshoot = (level - 1.0).max(0.0) + level.min(0.0);
        f64::from(self.sorted[at]) + 10.0 * overshoot * f64::from(most - least)
    }

    /// Values held now.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_values_leave_and_quantiles_go_by_rank() {
        let mut window = Sorted::new(9);
        (0..100).for_each(|i| window.push((i * 37 % 100) as f32));
        let mut last: Vec<f32> = (91..100).map(|i| (i * 37 % 100) as f32).collect();
        last.sort_by(f32::total_cmp);
        assert_eq!(window.sorted, last);
        let ends = [0.0, 0.5, 1.0].map(|level| window.quantile(level) as f32);
        assert_eq!(ends, [last[0], last[4], last[8]]);
        assert!(window.quantile(1.1) > window.quantile(1.0) && window.quantile(-0.1) < window.quantile(0.0));
    }
}
