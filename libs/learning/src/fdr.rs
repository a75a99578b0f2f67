//! From many p-values to few findings: ten thousand series may not mean more false alarms than ten.
use alloc::vec::Vec;

/// One p-value for an entity from the p-values of its metrics, however they depend on each other: the Cauchy
/// combination (Liu and Xie, 2020). 1 of nothing.
pub fn combine(probabilities: &[f64]) -> f64 {
    if probabilities.is_empty() {
        return 1.0;
    }
    let angle = |p: f64| libm::tan((0.5 - p.clamp(1e-15, 1.0 - 1e-15)) * core::f64::consts::PI);
    let mean = probabilities.iter().map(|p| angle(*p)).sum::<f64>() / probabilities.len() as f64;
    (0.5 - libm::atan(mean) / core::f64::consts::PI).clamp(1e-15, 1.0)
}

/// Which p-values are findings when at most a share `rate` of the findings may be false: Benjamini and Hochberg's
/// step-up rule, ties and all. Returns positions, most surprising first.
pub fn discoveries(probabilities: &[f64], rate: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]).then(a.cmp(b)));
    let per_rank = rate / probabilities.len().max(1) as f64;
    let passes = |rank: &usize| probabilities[order[*rank]] <= per_rank * (*rank + 1) as f64;
    let count = (0..order.len()).rev().find(passes).map_or(0, |rank| rank + 1);
    order.truncate(count);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn step_up_by_hand() {
        // Bars at rate .05: .01 .02 .03 .04 .05. Sorted .005 .021 .029 .2 .9: the third passes, so three do.
        assert_eq!(discoveries(&[0.2, 0.005, 0.029, 0.9, 0.021], 0.05), [1, 4, 2]);
        assert!(discoveries(&[0.2, 0.9], 0.05).is_empty());
        assert!(discoveries(&[], 0.05).is_empty());
    }

    #[test]
    fn ten_thousand_quiet_series_alarm_no_more_than_ten() {
        let mut rng = Rng::new(77);
        for (series, ticks) in [(10, 20_000), (10_000, 200)] {
            let alarmed = (0..ticks).filter(|_| {
                let p: Vec<f64> = (0..series).map(|_| rng.unit()).collect();
                !discoveries(&p, 0.05).is_empty()
            });
            let share = alarmed.count() as f64 / f64::from(ticks);
            assert!(share < 0.1, "{series} series: {share}");
        }
    }

    #[test]
    fn a_combined_p_value_is_uniform_enough_and_one_strong_metric_carries_it() {
        let mut rng = Rng::new(78);
        let low = (0..20_000).filter(|_| {
            let shared = rng.unit();
            combine(&[shared, shared, rng.unit(), rng.unit()]) < 0.01
        });
        let share = low.count() as f64 / 20_000.0;
        assert!((0.007..0.013).contains(&share), "{share}");
        assert!(combine(&[1e-6, 0.5, 0.6, 0.9]) < 1e-5);
        assert!((combine(&[0.3]) - 0.3).abs() < 1e-9);
    }
}
