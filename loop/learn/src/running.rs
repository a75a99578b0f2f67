//! Running median, spread and upper end of a quantity in four numbers, whatever the length of the run.
//!
//! Each estimate moves a step towards a new sample, whatever its distance: a sample counts for its side, not for
//! its size, so that a minority of odd ones moves the median little. Steps shrink as samples come and stay above
//! a least size, so that a slow change of habit is followed. (Ma, Muthukrishnan, Sandler: "Frugal Streaming for
//! Estimating Quantiles", 2013.)
use vocab::baseline::{Baseline, Metric};

/// Samples whose plain mean is the first estimate.
const FIRST: u64 = 5;
/// Samples after which steps shrink no more: at one each five seconds, a quarter of an hour.
const MEMORY: u64 = 180;
/// The upper end is exceeded by this share of the samples.
const ABOVE: f64 = 0.01;

/// Width of a step of a quantity that never moved, in its unit.
const fn grain(metric: Metric) -> f64 {
    match metric {
        Metric::CpuPercent | Metric::RunDelayPercent => 0.5,
        Metric::AnonBytes => 262_144.0,
        Metric::Descriptors => 1.0,
    }
}

/// Takes one more sample.
pub fn take(baseline: &mut Baseline, metric: Metric, value: f64) {
    let grain = grain(metric).max(0.01 * baseline.center.abs());
    baseline.samples = baseline.samples.saturating_add(1);
    let count = baseline.samples.min(MEMORY) as f64;
    let distance = (value - baseline.center).abs();
    if baseline.samples <= FIRST {
        baseline.center += (value - baseline.center) / count;
        baseline.spread += (distance - baseline.spread) / count * f64::from(u8::from(count > 1.0));
        baseline.high = if count > 1.0 { baseline.high.max(value) } else { value };
        return;
    }
    let width = baseline.spread.max(grain);
    let step = 2.0 * width / count;
    baseline.center += step.min(distance) * sign(value - baseline.center);
    let distance = (value - baseline.center).abs();
    let error = distance - baseline.spread;
    baseline.spread = (baseline.spread + step.min(error.abs()) * sign(error)).max(0.0);
    let excess = value - baseline.high;
    let rise = (1.0 - ABOVE) * excess.min(4.0 * width);
    let fall = ABOVE * width;
    baseline.high = (baseline.high + if excess > 0.0 { rise } else { -fall }).max(baseline.center);
}

fn sign(value: f64) -> f64 {
    match value {
        value if value > 0.0 => 1.0,
        value if value < 0.0 => -1.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(values: impl IntoIterator<Item = f64>) -> Baseline {
        let mut baseline = Baseline::default();
        values.into_iter().for_each(|value| take(&mut baseline, Metric::CpuPercent, value));
        baseline
    }

    /// Numbers that fill 0..100 evenly, in no order.
    fn even(count: u32) -> impl Iterator<Item = f64> {
        (0..count).map(|one| f64::from(one.wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 24) * 100.0)
    }

    #[test]
    fn a_constant_is_its_own_median() {
        let one = after((0..500).map(|_| 40.0));
        assert_eq!((one.samples, one.center, one.spread, one.high), (500, 40.0, 0.0, 40.0));
    }

    #[test]
    fn the_median_spread_and_upper_end_of_even_numbers_are_found() {
        let one = after(even(4_000));
        assert!((one.center - 50.0).abs() < 8.0, "{one:?}");
        assert!((one.spread - 25.0).abs() < 6.0, "{one:?}");
        assert!(one.high > 85.0 && one.high < 140.0, "{one:?}");
    }

    #[test]
    fn a_minority_of_odd_samples_moves_the_median_little() {
        let odd = after((0..2_000).map(|one| if one % 10 == 3 { 1e6 } else { 5.0 + f64::from(one % 3) }));
        assert!((odd.center - 6.0).abs() < 1.5, "{odd:?}");
        assert!(odd.spread < 4.0, "{odd:?}");
    }

    #[test]
    fn a_change_of_habit_is_followed() {
        let moved = after((0..300).map(|_| 5.0).chain((0..3_000).map(|one| 60.0 + f64::from(one % 5))));
        assert!((moved.center - 62.0).abs() < 4.0, "{moved:?}");
    }
}
