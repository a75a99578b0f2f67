//! How often each template comes: bursts and silences, by the Poisson bound.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Weight of the newest interval.
const RATE: f64 = 0.02;
/// Intervals a template must be known before its silence or its burst means something.
const KNOWN: u32 = 20;

/// What is odd about a template in the interval that just ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Oddity {
    /// Many more lines than usual.
    Burst,
    /// None for longer than its rate allows.
    Silence,
}

/// One odd template; `surprise` is -ln of a bound on the chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Odd {
    /// Template number.
    pub template: u32,
    /// Burst or silence.
    pub oddity: Oddity,
    /// -ln of an upper bound on the probability.
    pub surprise: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Rate {
    now: u32,
    mean: f64,
    intervals: u32,
    silent: u32,
}

/// Rates of all templates of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    rates: Vec<Rate>,
}

impl Rates {
    /// Counts one line.
    pub fn count(&mut self, template: u32) {
        let index = template as usize;
        if self.rates.len() <= index {
            self.rates.resize(index + 1, Rate::default());
        }
        self.rates[index].now += 1;
    }

    /// Lines an interval of one template, as learnt.
    pub fn mean(&self, template: u32) -> f64 {
        self.rates.get(template as usize).map_or(0.0, |rate| rate.mean)
    }

    /// Ends an interval: what is odd at `surprise` or more. A silence is told once, when it becomes certain.
    pub fn close(&mut self, surprise: f64) -> Vec<Odd> {
        let mut out = Vec::new();
        for (template, rate) in self.rates.iter_mut().enumerate().filter(|r| r.1.intervals > 0 || r.1.now > 0)
        {
            let template = template as u32;
            let (burst, silence) = (rate.burst(), rate.silence());
            if rate.intervals >= KNOWN && burst >= surprise {
                out.push(Odd { template, oddity: Oddity::Burst, surprise: burst });
            }
            if rate.intervals >= KNOWN && silence >= surprise && silence - rate.mean < surprise {
                out.push(Odd { template, oddity: Oddity::Silence, surprise: silence });
            }
            rate.close();
        }
        out
    }
}

impl Rate {
    /// Chernoff's bound for a Poisson count above its mean; the mean is taken as at least one line in 50 intervals.
    fn burst(&self) -> f64 {
        let (count, mean) = (f64::from(self.now), self.mean.max(RATE));
        if count <= mean { 0.0 } else { count * libm::log(count / mean) - count + mean }
    }

    /// No line in s intervals at mean m has the chance e^(-m s).
    fn silence(&self) -> f64 {
        if self.now > 0 { 0.0 } else { self.mean * f64::from(self.silent + 1) }
    }

    /// The mean is frozen during a silence, else it would forget what it waits for.
    fn close(&mut self) {
        self.silent = if self.now > 0 { 0 } else { self.silent.saturating_add(1) };
        self.intervals = self.intervals.saturating_add(1);
        let weight = (1.0 / f64::from(self.intervals)).max(RATE);
        if self.now > 0 || self.mean * f64::from(self.silent) < 3.0 {
            self.mean += weight * (f64::from(self.now) - self.mean);
        }
        self.now = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_and_silences_are_told_and_a_steady_rate_is_not() {
        let mut rates = Rates::default();
        for _ in 0..100 {
            (0..3).for_each(|_| rates.count(1));
            assert!(rates.close(12.0).is_empty());
        }
        (0..40).for_each(|_| rates.count(1));
        assert_eq!(rates.close(12.0)[0].oddity, Oddity::Burst);
        let told: Vec<Odd> = (0..30).flat_map(|_| rates.close(12.0)).collect();
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].template, told[0].oddity), (1, Oddity::Silence));
    }
}
