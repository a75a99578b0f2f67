//! A threshold that keeps its promised alarm rate while normal behaviour drifts.
//!
//! Adaptive conformal inference (Gibbs and Candes, 2021): every alarm raises the threshold, every quiet sequence lowers
//! it a little, in the ratio that balances at the promised rate whatever the scores do.
use serde::{Deserialize, Serialize};

/// Threshold on a score; starts from calibration scores, then follows the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    rate: f64,
    step: f64,
    value: f64,
}

impl Threshold {
    /// Starts at `value`, promises alarms on a share `rate` of normal sequences; `step` is the score by which one
    /// alarm moves the threshold.
    pub fn new(rate: f64, value: f64, step: f64) -> Self {
        Threshold { rate, step, value }
    }

    /// Whether a score is an alarm now; does not learn.
    pub fn is_alarm(&self, score: f64) -> bool {
        score > self.value
    }

    /// Follows one more score of the stream; returns whether it was an alarm.
    pub fn push(&mut self, score: f64) -> bool {
        let alarm = self.is_alarm(score);
        self.value += self.step * (f64::from(u8::from(alarm)) - self.rate);
        alarm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_promised_rate_is_kept_when_the_scores_drift() {
        let (mut rng, mut threshold) = (Rng::new(5), Threshold::new(0.05, 1.64, 0.2));
        let (mut alarms, mut fixed) = (0, 0);
        for i in 0..4000 {
            let score = rng.normal() + f64::from(i) / 2000.0;
            alarms += u32::from(threshold.push(score));
            fixed += u32::from(score > 1.64);
        }
        assert!((0.045..0.06).contains(&(f64::from(alarms) / 4000.0)), "{alarms}");
        assert!(fixed > 800, "a fixed threshold would have failed: {fixed}");
    }
}
