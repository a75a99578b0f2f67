//! HDFS and OpenStack runs: recall at 1 % false alarms, and F1 at a threshold that training alone sets.
use std::path::Path;

use learning::logs::flow::Flow;
use learning::ranks::Ranks;

use crate::baseline::{mutant, naive};
use crate::data::DataError;
use crate::data::logs::{Sequences, hdfs, openstack};
use crate::report::{OURS, Report, add_published};
use crate::run::processor_s;
use crate::score::roc::{detected_at, f1};

/// Normal runs of training that the threshold lets stand out.
const PROMISED: f64 = 0.01;
const TRAINED: &str = "threshold from training";
const BEST: &str = "threshold best for these labels";
const COUNTS: &str = "count-vector distance";

/// Both sets.
pub fn run(dir: &Path, report: &mut Report) -> Result<(), DataError> {
    let set = hdfs(dir)?;
    let flow = Flow::train(&set.train);
    let start = processor_s();
    let (normal, abnormal) = scores(&set, |r| flow.score(r));
    let events: usize = set.normal.iter().chain(&set.abnormal).map(Vec::len).sum();
    let nanos = (processor_s() - start) * 1e9 / events.max(1) as f64;
    let unseen = naive::Unseen::train(&set.train, 3);
    let simple = scores(&set, |r| unseen.score(r));
    report.add(
        "hdfs_recall",
        "at most 1 % false alarms",
        OURS,
        detected_at(&normal, &abnormal, 0.01),
        "share",
    );
    report.add(
        "hdfs_recall",
        "same data",
        "share of new 3-grams",
        detected_at(&simple.0, &simple.1, 0.01),
        "share",
    );
    let random = (mutant::random(normal.len(), 1), mutant::random(abnormal.len(), 2));
    report.add("hdfs_recall", "mutant", "random", detected_at(&random.0, &random.1, 0.01), "share");
    report.add(
        "hdfs_recall",
        "mutant",
        "always",
        detected_at(&[1.0], &vec![1.0; abnormal.len()], 0.01),
        "share",
    );
    add_published(report, "hdfs_recall", "share");

    let set = openstack(dir)?;
    let flow = Flow::train(&set.train);
    let (normal, abnormal) = scores(&set, |r| flow.score(r));
    let simple =
        (naive::count_distances(&set.train, &set.normal), naive::count_distances(&set.train, &set.abnormal));
    let usual = Ranks::new(naive::left_out_distances(&set.train)).quantile(PROMISED);
    let ours = f1_at(&normal, &abnormal, flow.threshold(PROMISED));
    report.add("openstack_f1", TRAINED, OURS, ours, "F1");
    report.add("openstack_f1", TRAINED, COUNTS, f1_at(&simple.0, &simple.1, usual), "F1");
    report.add("openstack_f1", BEST, OURS, best_f1(&normal, &abnormal), "F1");
    report.add("openstack_f1", BEST, COUNTS, best_f1(&simple.0, &simple.1), "F1");
    report.add("openstack_f1", "mutant", "always", f1_at(&normal, &abnormal, f64::NEG_INFINITY), "F1");
    report.add("openstack_f1", "mutant", "never", f1_at(&normal, &abnormal, f64::INFINITY), "F1");
    add_published(report, "openstack_f1", "F1");
    report.add("log_ns_per_event", "scoring HDFS", OURS, nanos, "ns");
    Ok(())
}

fn scores(set: &Sequences, score: impl Fn(&[u32]) -> f64) -> (Vec<f64>, Vec<f64>) {
    let of = |part: &[Vec<u32>]| part.iter().map(|r| score(r)).collect();
    (of(&set.normal), of(&set.abnormal))
}

fn f1_at(normal: &[f64], abnormal: &[f64], threshold: f64) -> f64 {
    let above = |scores: &[f64]| scores.iter().filter(|s| **s > threshold).count();
    f1(above(abnormal), above(normal), abnormal.len() - above(abnormal))
}

/// The best of all thresholds that one of the scores could be.
fn best_f1(normal: &[f64], abnormal: &[f64]) -> f64 {
    let mut cuts: Vec<f64> = normal.iter().chain(abnormal).copied().collect();
    cuts.sort_by(f64::total_cmp);
    cuts.dedup();
    cuts.iter().map(|cut| f1_at(normal, abnormal, *cut)).fold(0.0, f64::max)
}
