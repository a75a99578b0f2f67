//! Threshold-free and threshold figures of one score a case: AUC, detection rate at a false-positive rate, F1.

/// Probability that a positive scores above a negative, ties counted half.
pub fn auc(negatives: &[f64], positives: &[f64]) -> f64 {
    let mut sorted = negatives.to_vec();
    sorted.sort_by(f64::total_cmp);
    let below = |p: f64| {
        let less = sorted.partition_point(|n| *n < p);
        let not_above = sorted.partition_point(|n| *n <= p);
        (less + not_above) as f64 / 2.0
    };
    positives.iter().map(|&p| below(p)).sum::<f64>() / (negatives.len() * positives.len()).max(1) as f64
}

/// Highest share of positives above a threshold that at most `rate` of the negatives exceed.
pub fn detected_at(negatives: &[f64], positives: &[f64], rate: f64) -> f64 {
    let mut sorted = negatives.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let allowed = (rate * negatives.len() as f64) as usize;
    match sorted.get(allowed) {
        Some(&cut) => share(positives, |p| p > cut),
        None => 1.0,
    }
}

/// Share of the scores for which `is` holds; 0 of none.
pub fn share(scores: &[f64], is: impl Fn(f64) -> bool) -> f64 {
    scores.iter().filter(|s| is(**s)).count() as f64 / scores.len().max(1) as f64
}

/// Harmonic mean of precision and recall, from counts.
pub fn f1(true_alarms: usize, false_alarms: usize, missed: usize) -> f64 {
    2.0 * true_alarms as f64 / (2 * true_alarms + false_alarms + missed).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_counts_pairs_and_halves_ties() {
        // Pairs (2 > 1), (2 = 2), (3 > 1), (3 > 2): 1 + .5 + 1 + 1 of 4.
        assert_eq!(auc(&[1.0, 2.0], &[2.0, 3.0]), 0.875);
    }

    #[test]
    fn detection_never_spends_more_false_positives_than_allowed() {
        let normal: Vec<f64> = (0..20).map(f64::from).collect();
        // 5 % of 20 is one: the cut is 18, so 18 itself is no alarm.
        assert_eq!(detected_at(&normal, &[18.0, 18.5, 19.5, 30.0], 0.05), 0.75);
        assert_eq!(detected_at(&normal, &[19.0, 19.5], 0.0), 0.5);
    }

    #[test]
    fn f1_of_two_hits_one_false_one_missed() {
        assert!((f1(2, 1, 1) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(f1(0, 0, 0), 0.0);
    }
}
