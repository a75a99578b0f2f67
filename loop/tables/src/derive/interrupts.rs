//! The rows of `softirq_time`: how often software interrupts are raised, and what they cost.
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vocab::Timestamp;
use vocab::kernel::{Hist, SOFTIRQS};
use vocab::rows::SoftirqTime;
use vocab::sample::{MachineSample, Sample};

use super::rate::Interval;

/// Where the CPU time of software interrupts stands in [`MachineSample::cpu_ticks`].
const SOFTIRQ: usize = 6;

/// Keeps the counters of the machine's last read, and how long the interrupts took when they were timed last.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct InterruptDeriver {
    before: Option<(Timestamp, MachineSample)>,
    timed: Vec<Hist>,
}

impl InterruptDeriver {
    /// The rows of this sample; none if the machine was not read, or for the first time.
    pub fn rows(&mut self, sample: &Sample) -> Vec<SoftirqTime> {
        if let Some(timed) = sample.kernel.as_ref().and_then(|kernel| kernel.softirqs.as_ref()) {
            self.timed.clone_from(timed);
        }
        let now = &sample.machine;
        if now.ticks_per_second == 0 {
            return Vec::new();
        }
        let Some((at, before)) = self.before.replace((sample.at, now.clone())) else { return Vec::new() };
        let interval = Interval::between(Some(at), sample.at);
        let mut rows: Vec<_> = (0..SOFTIRQS.len())
            .filter(|kind| now.softirqs[*kind] > 0)
            .map(|kind| self.row(kind, interval.rate(before.softirqs[kind], now.softirqs[kind])))
            .collect();
        rows.push(all(&before, now, interval));
        rows
    }

    fn row(&self, kind: usize, raised_per_s: Option<f64>) -> SoftirqTime {
        let timed = self.timed.get(kind).filter(|one| one.count() > 0);
        let mean_s = timed.map(|one| one.sum as f64 / one.count() as f64 / 1e9);
        let micros = |percent: f64| timed.and_then(|one| one.percentile(percent)).map(|ns| ns / 1e3);
        SoftirqTime {
            kind: Arc::from(SOFTIRQS[kind]),
            raised_per_s,
            cpu_pct: raised_per_s.zip(mean_s).map(|(rate, mean_s)| 100.0 * rate * mean_s),
            p50_us: micros(50.0),
            p99_us: micros(99.0),
            histogram: timed.copied(),
        }
    }
}

/// The time of all kinds as the kernel accounts it.
fn all(before: &MachineSample, now: &MachineSample, interval: Interval) -> SoftirqTime {
    let ticks = interval.rate(before.cpu_ticks[SOFTIRQ], now.cpu_ticks[SOFTIRQ]);
    let sum = |one: &MachineSample| one.softirqs.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
    SoftirqTime {
        kind: Arc::from("all"),
        raised_per_s: interval.rate(sum(before), sum(now)),
        cpu_pct: ticks.map(|ticks| 100.0 * ticks / f64::from(now.ticks_per_second)),
        p50_us: None,
        p99_us: None,
        histogram: None,
    }
}

#[cfg(test)]
mod tests {
    use vocab::kernel::KernelSample;

    use super::*;

    fn sample(second: i64, net_rx: u64, timed: Option<Vec<Hist>>) -> Sample {
        let mut machine = MachineSample { ticks_per_second: 100, ..Default::default() };
        machine.softirqs[3] = net_rx;
        machine.cpu_ticks[SOFTIRQ] = 2 * second as u64;
        let kernel = Some(KernelSample { softirqs: timed, ..Default::default() });
        Sample { at: Timestamp::from_secs(second), machine, kernel, ..Default::default() }
    }

    #[test]
    fn the_time_of_a_kind_is_how_often_times_how_long() {
        let hist = Hist { sum: 100_000, slots: std::array::from_fn(|slot| u32::from(slot == 4) * 10) };
        let timed = (0..10).map(|kind| if kind == 3 { hist } else { Hist::default() }).collect();
        let mut deriver = InterruptDeriver::default();
        assert_eq!(deriver.rows(&sample(1, 1_000, Some(timed))), []);
        let rows = deriver.rows(&sample(2, 3_000, None));
        // 2,000 a second of 10 us each; 2 ticks of 10 ms in all.
        let found: Vec<_> = rows.iter().map(|row| (&*row.kind, row.raised_per_s, row.cpu_pct)).collect();
        assert_eq!(found, [("net_rx", Some(2_000.0), Some(2.0)), ("all", Some(2_000.0), Some(2.0))]);
        assert!(rows[0].p99_us.is_some_and(|us| (8.192..16.385).contains(&us)), "{rows:?}");
    }

    #[test]
    fn what_was_never_timed_has_a_rate_and_no_time() {
        let mut deriver = InterruptDeriver::default();
        let rows = [deriver.rows(&sample(1, 5, None)), deriver.rows(&sample(3, 9, None))].concat();
        assert_eq!((rows[0].raised_per_s, rows[0].cpu_pct, rows[0].p50_us), (Some(2.0), None, None));
    }
}
