//! NAB and VUS-PR on the univariate series.
use std::path::Path;

use learning::univariate::{ALARM_SURPRISE, Reading, Tier0, Tier1, Tier2};

use crate::baseline::{ewma, forest, mutant, tail};
use crate::data::DataError;
use crate::data::nab::{Series, load};
use crate::report::{OURS, Report, add_published};
use crate::run::processor_s;
use crate::score::nab::{LOW_FN, LOW_FP, Profile, STANDARD, Tally, tally};
use crate::score::vus::{edge_width, vus_pr};

const PROFILES: [(&str, Profile); 3] =
    [("nab_standard", STANDARD), ("nab_low_fp", LOW_FP), ("nab_low_fn", LOW_FN)];
const FIXED: &str = "fixed configuration";
const BEST: &str = "threshold best for these labels";

/// Runs both scorers.
pub fn run(dir: &Path, report: &mut Report) -> Result<(), DataError> {
    let all = load(dir)?;
    let rows: usize = all.iter().map(|s| s.values.len()).sum();
    let ours: Vec<(&str, Vec<Vec<Reading>>, f64)> = vec![
        timed("tier 1", &all, rows, tier1),
        timed("tier 0", &all, rows, tier0),
        timed("tier 2 on tier 1", &all, rows, tier2),
    ];
    let simple = simple_scores(&all);
    for (figure, profile) in PROFILES {
        for (name, readings, _) in &ours {
            let alarms: Vec<Vec<bool>> =
                readings.iter().map(|r| r.iter().map(|x| x.alarm).collect()).collect();
            report.add(figure, &format!("{name}, {FIXED}"), OURS, score(&all, &alarms, profile), "points");
        }
        for (name, scores) in &simple {
            report.add(figure, BEST, name, best_score(&all, scores, profile), "points");
        }
        for name in mutant::NAMES {
            let alarms: Vec<Vec<bool>> =
                all.iter().enumerate().map(|(i, s)| mutant::alarms(name, s.values.len(), i as u64)).collect();
            report.add(figure, "mutant", name, score(&all, &alarms, profile), "points");
        }
        add_published(report, figure, "points");
    }
    vus(&all, &ours, report);
    for (name, _, micros) in &ours {
        report.add("cpu_us_per_sample", name, OURS, *micros, "us");
    }
    Ok(())
}

fn tier1(values: &[f64]) -> Vec<Reading> {
    let mut detector = Tier1::new(ALARM_SURPRISE);
    values.iter().map(|v| detector.push(*v).unwrap_or_default()).collect()
}

fn tier0(values: &[f64]) -> Vec<Reading> {
    let mut detector = Tier0::new(ALARM_SURPRISE);
    values.iter().map(|v| detector.push(*v).unwrap_or_default()).collect()
}

fn tier2(values: &[f64]) -> Vec<Reading> {
    let (mut below, mut detector) = (Tier1::new(ALARM_SURPRISE), Tier2::default());
    let mut read = |value: &f64| {
        let reading = below.push(*value)?;
        Some(detector.weigh(&below, &reading, true))
    };
    values.iter().map(|v| read(v).unwrap_or_default()).collect()
}

/// Readings of every series, and microseconds of CPU a sample on this machine.
fn timed<'a>(
    name: &'a str,
    all: &[Series],
    rows: usize,
    detect: impl Fn(&[f64]) -> Vec<Reading>,
) -> (&'a str, Vec<Vec<Reading>>, f64) {
    let start = processor_s();
    let readings = all.iter().map(|s| detect(&s.values)).collect();
    (name, readings, (processor_s() - start) * 1e6 / rows.max(1) as f64)
}

fn simple_scores(all: &[Series]) -> Vec<(&'static str, Vec<Vec<f64>>)> {
    let ewma: Vec<Vec<f64>> = all.iter().map(|s| tail::surprises(&ewma::scores(&s.values))).collect();
    let trees: Vec<Vec<f64>> = all.iter().map(|s| tail::surprises(&forest::scores(&s.values))).collect();
    let add = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(x, y)| x + y).collect();
    let both = ewma.iter().zip(&trees).map(add).collect();
    vec![
        ("EWMA-z + tail + refractory", ewma),
        ("half-space trees + tail + refractory", trees),
        ("EWMA-z + half-space trees", both),
    ]
}

fn score(all: &[Series], alarms: &[Vec<bool>], profile: Profile) -> f64 {
    let mut sum = Tally::default();
    all.iter().zip(alarms).for_each(|(s, a)| sum.add(tally(a, &s.windows)));
    sum.score(profile)
}

fn best_score(all: &[Series], scores: &[Vec<f64>], profile: Profile) -> f64 {
    let at = |threshold: f64| {
        let alarms: Vec<Vec<bool>> = scores.iter().map(|s| tail::alarms(s, threshold)).collect();
        score(all, &alarms, profile)
    };
    (0..100).map(|i| at(1.5 * 1.03f64.powi(i))).fold(f64::NEG_INFINITY, f64::max)
}

fn vus(all: &[Series], ours: &[(&str, Vec<Vec<Reading>>, f64)], report: &mut Report) {
    let widths: Vec<usize> = all.iter().map(|s| edge_width(&s.values)).collect();
    let mean = |scores: &[Vec<f64>]| {
        let each = |i: usize| vus_pr(&all[i].labels(), &scores[i], widths[i]);
        let areas: Vec<f64> = (0..all.len()).filter_map(each).collect();
        areas.iter().sum::<f64>() / areas.len().max(1) as f64
    };
    for (name, readings, _) in ours {
        let ranges: Vec<Vec<f64>> = readings.iter().map(|r| r.iter().map(|x| x.range).collect()).collect();
        report.add("vus_pr", &format!("{name}, {FIXED}"), OURS, mean(&ranges), "area");
    }
    let smooth = |f: fn(&[f64]) -> Vec<f64>| -> Vec<Vec<f64>> {
        all.iter().map(|s| ewma::moving_average(&f(&s.values), 100)).collect()
    };
    report.add(
        "vus_pr",
        "same data",
        "half-space trees + moving average",
        mean(&smooth(forest::scores)),
        "area",
    );
    report.add("vus_pr", "same data", "EWMA-z + moving average", mean(&smooth(ewma::scores)), "area");
    let random: Vec<Vec<f64>> =
        all.iter().enumerate().map(|(i, s)| mutant::random(s.values.len(), i as u64)).collect();
    report.add("vus_pr", "mutant", "random", mean(&random), "area");
    let constant: Vec<Vec<f64>> = all.iter().map(|s| vec![1.0; s.values.len()]).collect();
    report.add("vus_pr", "mutant", "always", mean(&constant), "area");
    add_published(report, "vus_pr", "area");
}
