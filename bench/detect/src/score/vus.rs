//! VUS-PR: area under the precision-recall curve whose labels grow soft edges, averaged over edge widths.
//!
//! Same figures as `RangeAUC_volume_opt` of TSB-AD (Paparrizos and others, PVLDB 15:11), by counting every point in
//! the bin of the first threshold that it reaches.

const THRESHOLDS: usize = 250;

/// Area for one series; `None` where nothing is labelled. `widest` is the largest edge width, in rows.
pub fn vus_pr(labels: &[bool], scores: &[f64], widest: usize) -> Option<f64> {
    let segments = runs(labels);
    if segments.is_empty() || labels.len() != scores.len() {
        return None;
    }
    let bins = Bins::new(scores);
    let sum: f64 = (0..=widest).map(|w| bins.average_precision(labels, &segments, w)).sum();
    Some(sum / (widest + 1) as f64)
}

/// Edge width that TSB-AD takes for a series: its strongest autocorrelation peak between 6 and 303 rows, else 125.
pub fn edge_width(values: &[f64]) -> usize {
    const BASE: usize = 3;
    let head = &values[..values.len().min(20_000)];
    let mean = head.iter().sum::<f64>() / head.len().max(1) as f64;
    let centred: Vec<f64> = head.iter().map(|v| v - mean).collect();
    let lags = 400.min(head.len().saturating_sub(1));
    let acf: Vec<f64> =
        (BASE..=lags).map(|k| centred[k..].iter().zip(&centred).map(|(a, b)| a * b).sum()).collect();
    let peaks = (1..acf.len().saturating_sub(1)).filter(|&i| acf[i] > acf[i - 1] && acf[i] > acf[i + 1]);
    match peaks.max_by(|&a, &b| acf[a].total_cmp(&acf[b])) {
        Some(peak) if (3..=300).contains(&peak) => peak + BASE,
        _ => 125,
    }
}

fn runs(labels: &[bool]) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for i in (0..labels.len()).filter(|&i| labels[i]) {
        match out.last_mut() {
            Some(last) if last.1 + 1 == i => last.1 = i,
            _ => out.push((i, i)),
        }
    }
    out
}

struct Bins {
    /// For every point the first (highest) threshold that it reaches.
    first: Vec<usize>,
    /// Points at or above each threshold.
    predicted: Vec<f64>,
}

impl Bins {
    fn new(scores: &[f64]) -> Self {
        let mut sorted = scores.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let step = (scores.len() - 1) as f64 / (THRESHOLDS - 1) as f64;
        let cuts: Vec<f64> = (0..THRESHOLDS).map(|k| sorted[(step * k as f64) as usize]).collect();
        let first = scores.iter().map(|s| cuts.partition_point(|c| c > s).min(THRESHOLDS - 1)).collect();
        let predicted = cuts.iter().map(|c| sorted.partition_point(|s| s >= c) as f64).collect();
        Bins { first, predicted }
    }

    fn average_precision(&self, labels: &[bool], segments: &[(usize, usize)], width: usize) -> f64 {
        let (mut inside, mut edge) = ([0.0; THRESHOLDS], [0.0; THRESHOLDS]);
        let soft = soften(labels, segments, width);
        for (i, &weight) in soft.iter().enumerate().filter(|s| *s.1 > 0.0) {
            if labels[i] { inside[self.first[i]] += 1.0 } else { edge[self.first[i]] += weight }
        }
        let found = self.found(&merged(segments, width, labels.len()));
        let positives: f64 = inside.iter().sum();
        let (mut sum_in, mut sum_edge, mut last, mut area) = (0.0, 0.0, 0.0, 0.0);
        for k in 0..THRESHOLDS {
            sum_in += inside[k];
            sum_edge += edge[k];
            let hits: f64 = sum_in + sum_edge;
            let recall = (hits / (positives + sum_edge / 2.0)).min(1.0) * found[k];
            area += (recall - last) * hits / self.predicted[k];
            last = recall;
        }
        area
    }

    /// Share of the softened segments with at least one predicted point, at each threshold.
    fn found(&self, segments: &[(usize, usize)]) -> Vec<f64> {
        let mut counts = vec![0.0; THRESHOLDS];
        for &(left, right) in segments {
            if let Some(&k) = self.first[left..=right].iter().min() {
                counts[k] += 1.0 / segments.len() as f64;
            }
        }
        (1..THRESHOLDS).for_each(|k| counts[k] += counts[k - 1]);
        counts
    }
}

/// Labels with square-root edges of half the width on both sides, at most 1.
fn soften(labels: &[bool], segments: &[(usize, usize)], width: usize) -> Vec<f64> {
    let mut soft: Vec<f64> = labels.iter().map(|&l| f64::from(u8::from(l))).collect();
    let weight = |d: usize| (1.0 - d as f64 / width as f64).sqrt();
    for &(left, right) in segments {
        (right + 1..(right + width / 2 + 1).min(labels.len())).for_each(|i| soft[i] += weight(i - right));
        (left.saturating_sub(width / 2)..left).for_each(|i| soft[i] += weight(left - i));
    }
    soft.iter_mut().for_each(|s| *s = s.min(1.0));
    soft
}

/// Segments grown by half the width, joined where they touch.
fn merged(segments: &[(usize, usize)], width: usize, rows: usize) -> Vec<(usize, usize)> {
    let half = width / 2;
    let mut out: Vec<(usize, usize)> = Vec::new();
    for &(left, right) in segments {
        let (left, right) = (left.saturating_sub(half), (right + half).min(rows - 1));
        match out.last_mut() {
            Some(last) if last.1 >= left => last.1 = right,
            _ => out.push((left, right)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_score_without_edges_is_one() {
        let labels: Vec<bool> = (0..1000).map(|i| (400..=499).contains(&i)).collect();
        let scores: Vec<f64> = labels.iter().map(|&l| f64::from(u8::from(l))).collect();
        assert!((vus_pr(&labels, &scores, 0).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(vus_pr(&[false; 10], &[0.0; 10], 0), None);
    }

    #[test]
    fn a_constant_score_without_edges_is_the_share_of_positives() {
        let labels: Vec<bool> = (0..1000).map(|i| (400..=499).contains(&i)).collect();
        assert!((vus_pr(&labels, &[0.5; 1000], 0).unwrap() - 0.1).abs() < 1e-12);
    }

    #[test]
    fn edges_follow_the_square_root_and_count_half() {
        // One label at row 2 of 5, width 2: neighbours weigh sqrt(1/2). Constant score: hits 1 + 2 sqrt(.5),
        // recall capped at 1, precision hits / 5; width 0 and 1 give 1/5 (half width 0).
        let labels = [false, false, true, false, false];
        let wide = (1.0 + 2.0 * 0.5f64.sqrt()) / 5.0;
        let got = vus_pr(&labels, &[1.0; 5], 2).unwrap();
        assert!((got - (0.2 + 0.2 + wide) / 3.0).abs() < 1e-12, "{got}");
    }

    #[test]
    fn half_the_segments_found_halves_the_recall() {
        // Rows 0 and 9 are labelled, only row 0 scores high. Thresholds: first = 1 (row 0 only), the rest = 0 (all).
        let mut labels = [false; 10];
        (labels[0], labels[9]) = (true, true);
        let mut scores = [0.0; 10];
        scores[0] = 1.0;
        // At the top: TP 1 of 2, one of two found: recall .5 * .5 = .25, precision 1. At the bottom: recall 1, precision .2.
        let got = vus_pr(&labels, &scores, 0).unwrap();
        assert!((got - (0.25 + 0.75 * 0.2)).abs() < 1e-12, "{got}");
    }

    #[test]
    fn the_edge_width_of_a_daily_wave_is_its_period() {
        let wave: Vec<f64> = (0..2000).map(|i| (i as f64 * core::f64::consts::TAU / 100.0).sin()).collect();
        assert_eq!(edge_width(&wave), 100);
    }
}
