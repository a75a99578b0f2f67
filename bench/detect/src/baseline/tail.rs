//! The ladder's post-processing: stochastic 99.5 % quantile, mean excess, and a refractory rule.

/// Turns raw scores into -log10 p, streaming.
pub fn surprises(scores: &[f64]) -> Vec<f64> {
    const RATE: f64 = 0.005;
    let (mut quantile, mut excess, mut spread) = (0.0, 0.0, 0.0);
    let mut out = Vec::with_capacity(scores.len());
    for (i, &score) in scores.iter().enumerate() {
        let seen = i as f64 + 1.0;
        if i == 0 {
            (quantile, spread, excess) = (score, score.abs().max(1e-9), score.abs().max(1e-9));
        }
        let over = score - quantile;
        let beyond = if excess > 0.0 { over / excess * std::f64::consts::LOG10_E } else { 0.0 };
        out.push(if over > 0.0 && i > 0 { -RATE.log10() + beyond } else { 0.0 });
        spread += (1.0 / seen).max(0.001) * (over.abs().min(5.0 * spread + 1e-12) - spread);
        let step = (4.0 / seen).max(0.02) * spread.max(1e-12);
        if over > 0.0 {
            excess += (2.0 / (2.0 + seen * RATE)).max(0.02) * (over.min(10.0 * excess + 1e-12) - excess);
            quantile += step * (1.0 - RATE);
        } else {
            quantile -= step * RATE;
        }
    }
    out
}

/// Alarms at a threshold: for 60 samples after one, only a score 1.5 times as high may alarm.
pub fn alarms(surprises: &[f64], threshold: f64) -> Vec<bool> {
    let mut last: Option<(usize, f64)> = None;
    let mut raise = |(i, &s): (usize, &f64)| {
        let free = last.is_none_or(|(at, height)| i - at >= 60 || s > 1.5 * height);
        let alarm = s >= threshold && free;
        last = if alarm { Some((i, s)) } else { last };
        alarm
    };
    surprises.iter().enumerate().map(&mut raise).collect()
}
