//! EWMA-z: distance from an exponentially weighted mean in standard deviations.

/// Scores of a whole series; causal.
pub fn scores(values: &[f64]) -> Vec<f64> {
    let (mut mean, mut variance) = (values.first().copied().unwrap_or(0.0), 0.0f64);
    let mut out = Vec::with_capacity(values.len());
    for (i, value) in values.iter().enumerate() {
        let deviation = value - mean;
        out.push((deviation / variance.sqrt().max(1e-6 * mean.abs()).max(1e-9)).abs().min(50.0));
        let rate = (1.0 / (i as f64 + 2.0)).max(0.005);
        mean += rate * deviation;
        variance = (1.0 - rate) * (variance + rate * deviation * deviation);
    }
    out
}

/// Causal moving average over `length` rows.
pub fn moving_average(values: &[f64], length: usize) -> Vec<f64> {
    let mut sum = 0.0;
    let mut step = |i: usize| {
        sum += values[i] - if i >= length { values[i - length] } else { 0.0 };
        sum / length.min(i + 1) as f64
    };
    (0..values.len()).map(&mut step).collect()
}
