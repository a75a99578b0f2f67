//! Medians of the values of the same phase, one and more periods before: as they were, and smoothed.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::few::Few;

/// Values as they were, of each phase.
const RAW: usize = 3;
/// Smoothed values, of each phase.
const SMOOTH: usize = 12;

/// What is known of one phase.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Phase {
    raw: [f32; RAW],
    raw_known: u8,
    smooth: Few,
}

/// The last values of every phase of a period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    phases: Vec<Phase>,
    /// Phase of the next sample.
    now: usize,
    /// The last two values, older first.
    last: Option<[f32; 2]>,
}

impl Phases {
    /// Of a period of so many samples, 1 at least.
    pub fn new(period: usize) -> Self {
        let empty = Phase { raw: [0.0; RAW], raw_known: 0, smooth: Few::new(SMOOTH) };
        Phases { phases: alloc::vec![empty; period.max(1)], now: 0, last: None }
    }

    /// Takes one value in. Its neighbourhood is known one sample later: the median of three belongs to the one before.
    pub fn push(&mut self, value: f32) {
        let now = self.now;
        self.phases[now].take_raw(value);
        let Some([older, newer]) = self.last else {
            self.advance([value; 2]);
            return;
        };
        let before = now.checked_sub(1).unwrap_or(self.phases.len() - 1);
        self.phases[before].smooth.push(median_of_three(older, newer, value));
        self.advance([newer, value]);
    }

    /// Medians of the last values of the phase that lies `steps` samples after the newest, raw and smoothed; `None` where none is
    /// known.
    pub fn ahead(&self, steps: usize) -> [Option<f32>; 2] {
        let mut at = self.now + steps - 1;
        if at >= self.phases.len() {
            at %= self.phases.len();
        }
        let phase = &self.phases[at];
        [phase.raw_median(), phase.smooth.median()]
    }

    fn advance(&mut self, last: [f32; 2]) {
        self.last = Some(last);
        self.now = if self.now + 1 == self.phases.len() { 0 } else { self.now + 1 };
    }
}

impl Phase {
    fn take_raw(&mut self, value: f32) {
        self.raw = [self.raw[1], self.raw[2], value];
        self.raw_known = (self.raw_known + 1).min(RAW as u8);
    }

    fn raw_median(&self) -> Option<f32> {
        match self.raw_known {
            0 => None,
            1 => Some(self.raw[2]),
            2 => Some(median_of_three(self.raw[1], self.raw[2], f32::NEG_INFINITY)),
            _ => Some(median_of_three(self.raw[0], self.raw[1], self.raw[2])),
        }
    }
}

fn median_of_three(a: f32, b: f32, c: f32) -> f32 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if c < low {
        low
    } else if c > high {
        high
    } else {
        c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lower median of the last `count` of the values.
    fn slow(values: impl DoubleEndedIterator<Item = f32>, count: usize) -> Option<f32> {
        let mut last: Vec<f32> = values.rev().take(count).collect();
        last.sort_by(f32::total_cmp);
        last.get(last.len().checked_sub(1)? / 2).copied()
    }

    #[test]
    fn medians_of_a_phase_equal_their_definition() {
        let (mut rng, mut phases, mut all) = (crate::rng::Rng::new(5), Phases::new(7), Vec::new());
        for t in 0..400_usize {
            let value = libm::floorf((rng.unit() * 20.0) as f32);
            phases.push(value);
            all.push(value);
            for steps in [1, 6, 9] {
                let of_phase = |upto: usize| (0..upto).filter(move |i| i % 7 == (t + steps) % 7);
                let smooth = |i: usize| median_of_three(all[i.saturating_sub(1)], all[i], all[i + 1]);
                let want = [slow(of_phase(t + 1).map(|i| all[i]), 3), slow(of_phase(t).map(smooth), 12)];
                assert_eq!(phases.ahead(steps), want, "row {t} steps {steps}");
            }
        }
    }
}
