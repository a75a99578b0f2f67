//! One incident, one alarm: after an alarm the series stays silent until it has been calm for a while.
use serde::{Deserialize, Serialize};

/// Turns surprise into alarms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refractory {
    silence: u32,
    left: u32,
}

impl Refractory {
    /// After an alarm, none for `silence` samples.
    pub fn new(silence: u32) -> Self {
        Refractory { silence, left: 0 }
    }

    /// Whether this sample raises an alarm; every sample counts down the silence.
    pub fn push(&mut self, surprising: bool) -> bool {
        if self.left > 0 {
            self.left -= 1;
            return false;
        }
        if surprising {
            self.left = self.silence;
        }
        surprising
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_silences_the_next_samples_and_then_the_series_may_speak_again() {
        let mut rule = Refractory::new(2);
        let got: [bool; 6] = core::array::from_fn(|_| rule.push(true));
        assert_eq!(got, [true, false, false, true, false, false]);
    }
}
