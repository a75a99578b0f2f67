//! What is known of a chunk without decoding it.

use super::Kind;

/// Least, greatest and total of a row of values, with their number and the last one.
///
/// A float that is not a number is no value: it counts for nothing. Sums of integers stop at the ends of the range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// What the bits below mean.
    pub kind: Kind,
    /// Number of values.
    pub count: u64,
    /// Least value, as bits.
    pub min: u64,
    /// Greatest value, as bits.
    pub max: u64,
    /// Total, as bits.
    pub sum: u64,
    /// Last value in time, as bits.
    pub last: u64,
}

impl Summary {
    /// Summary of a row of values; `None` where there is not one.
    pub fn of(kind: Kind, values: &[u64]) -> Option<Self> {
        match kind {
            Kind::Int => Self::of_ints(values),
            Kind::Float => Self::of_floats(values),
        }
    }

    fn of_ints(values: &[u64]) -> Option<Self> {
        let last = *values.last()?;
        let (mut min, mut max) = (i64::MAX, i64::MIN);
        // High and low halves are added apart: no overflow below 2^32 values, and the loop vectorises.
        let (mut high, mut low) = (0i64, 0i64);
        for value in values.iter().map(|v| *v as i64) {
            min = min.min(value);
            max = max.max(value);
            high += value >> 32;
            low += value & 0xffff_ffff;
        }
        let sum = (i128::from(high) << 32) + i128::from(low);
        Some(Self {
            kind: Kind::Int,
            count: values.len() as u64,
            min: min as u64,
            max: max as u64,
            sum: clamp(sum),
            last,
        })
    }

    fn of_floats(values: &[u64]) -> Option<Self> {
        let mut all: Option<Self> = None;
        for &bits in values.iter().filter(|bits| !f64::from_bits(**bits).is_nan()) {
            let one = Self { kind: Kind::Float, count: 1, min: bits, max: bits, sum: bits, last: bits };
            all = Some(all.map_or(one, |all| all.join(&one)));
        }
        all
    }

    /// Summary of this row followed by a later one of the same kind.
    pub fn join(&self, later: &Self) -> Self {
        let float = f64::from_bits;
        let (min, max, sum) = match self.kind {
            Kind::Int => (
                (self.min as i64).min(later.min as i64) as u64,
                (self.max as i64).max(later.max as i64) as u64,
                clamp(i128::from(self.sum as i64) + i128::from(later.sum as i64)),
            ),
            Kind::Float => (
                float(self.min).min(float(later.min)).to_bits(),
                float(self.max).max(float(later.max)).to_bits(),
                (float(self.sum) + float(later.sum)).to_bits(),
            ),
        };
        Self { kind: self.kind, count: self.count + later.count, min, max, sum, last: later.last }
    }

    /// Mean of all values.
    pub fn mean(&self) -> f64 {
        self.number(self.sum) / self.count as f64
    }

    /// One of the summary's own values as a number.
    pub fn number(&self, bits: u64) -> f64 {
        match self.kind {
            Kind::Int => bits as i64 as f64,
            Kind::Float => f64::from_bits(bits),
        }
    }
}

fn clamp(sum: i128) -> u64 {
    sum.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64 as u64
}
