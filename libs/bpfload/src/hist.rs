//! Log2 histograms as the programs keep them, and what can be read from one.

/// Slots of a histogram.
pub const SLOTS: usize = 28;
/// Slot 0 ends at `2^(SHIFT + 1)`.
const SHIFT: u32 = 9;

/// Counts by power of two: slot 0 holds values below 1,024, slot k those in `[2^(9+k), 2^(10+k))`,
/// the last slot everything above 2^36.
///
/// Unit: that of the values, nanoseconds unless the field says bytes. Source: `bpf/core/count.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hist {
    /// Sum of all values.
    pub sum: u64,
    /// Values per slot.
    pub slots: [u32; SLOTS],
}

impl Hist {
    /// Values counted.
    pub fn count(&self) -> u64 {
        self.slots.iter().map(|&n| u64::from(n)).sum()
    }

    /// Mean value; `None` when nothing was counted.
    pub fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.count())
    }

    /// The value below which a share `ratio` (0..=1) of all values lies; `None` when empty.
    ///
    /// Interpolated inside its slot, so it is off by less than a factor of two, whatever the shape.
    pub fn percentile(&self, ratio: f64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = ratio.clamp(0.0, 1.0) * count as f64;
        let mut below = 0.0;
        for (slot, &n) in self.slots.iter().enumerate().filter(|(_, n)| **n > 0) {
            let inside = f64::from(n);
            if below + inside >= rank {
                let (low, high) = bounds(slot);
                let share = ((rank - below) / inside).clamp(0.0, 1.0);
                return Some(low + ((high - low) as f64 * share) as u64);
            }
            below += inside;
        }
        self.slots.iter().rposition(|&n| n > 0).map(|slot| bounds(slot).1)
    }

    /// Adds the values of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        for (mine, theirs) in self.slots.iter_mut().zip(other.slots) {
            *mine = mine.wrapping_add(theirs);
        }
    }

    /// What was counted since `older`, an earlier reading of the same histogram.
    pub fn since(&self, older: &Self) -> Self {
        let mut delta = Self { sum: self.sum.wrapping_sub(older.sum), ..Self::default() };
        for (slot, value) in delta.slots.iter_mut().enumerate() {
            *value = self.slots[slot].wrapping_sub(older.slots[slot]);
        }
        delta
    }
}

/// First value of a slot and first value after it.
pub fn bounds(slot: usize) -> (u64, u64) {
    let slot = slot.min(SLOTS - 1) as u32;
    let low = if slot == 0 { 0 } else { 1 << (SHIFT + slot) };
    (low, 1 << (SHIFT + slot + 1))
}

#[cfg(test)]
mod tests {
    use super::{Hist, SLOTS, bounds};

    fn hist(values: &[u64]) -> Hist {
        let mut h = Hist::default();
        for &v in values {
            let slot = (0..SLOTS).find(|&s| v < bounds(s).1).unwrap_or(SLOTS - 1);
            h.slots[slot] += 1;
            h.sum += v;
        }
        h
    }

    #[test]
    fn slots_meet_without_gap_or_overlap() {
        assert_eq!(bounds(0), (0, 1024));
        for slot in 1..SLOTS {
            assert_eq!(bounds(slot).0, bounds(slot - 1).1);
        }
    }

    #[test]
    fn an_empty_histogram_has_no_percentile() {
        assert_eq!(Hist::default().percentile(0.5), None);
        assert_eq!(Hist::default().mean(), None);
    }

    #[test]
    fn percentiles_are_within_a_factor_of_two_of_the_exact_ones() {
        let mut values: Vec<u64> = (0..5000u64).map(|i| 1500 + i * i * 7).collect();
        values.sort_unstable();
        let h = hist(&values);
        for ratio in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let exact = values[((values.len() - 1) as f64 * ratio) as usize] as f64;
            let got = h.percentile(ratio).unwrap() as f64;
            assert!(got >= exact / 2.0 && got <= exact * 2.0, "{ratio}: {got} for {exact}");
        }
    }

    #[test]
    fn a_difference_merged_back_gives_the_later_reading() {
        let early = hist(&[10, 5000, 70_000]);
        let mut late = early;
        late.merge(&hist(&[100, 1 << 40]));
        let mut again = early;
        again.merge(&late.since(&early));
        assert_eq!(again, late);
        assert_eq!(late.since(&early).count(), 2);
    }
}
