//! ADFA-LD: trained on the normal training traces only.
use std::path::Path;

use learning::sequence::Behaviour;
use learning::sequence::ngram::Ngrams;

use crate::baseline::{mutant, naive::Unseen};
use crate::data::DataError;
use crate::data::adfa::{Traces, load};
use crate::report::{OURS, Report, add_published};
use crate::run::processor_s;
use crate::score::roc::{auc, detected_at, share};

const RATE: f64 = 0.05;

/// AUC, detection at 5 %, and what the promised 5 % became.
pub fn run(dir: &Path, report: &mut Report) -> Result<(), DataError> {
    let traces = load(dir)?;
    let model = Behaviour::train(&traces.train);
    let start = processor_s();
    let (normal, attack) = score_all(&traces, |t| model.score(t));
    let calls: usize = traces.normal.iter().chain(&traces.attack).map(Vec::len).sum();
    let nanos = (processor_s() - start) * 1e9 / calls.max(1) as f64;

    let mut ngrams: Ngrams = Ngrams::new();
    traces.train.iter().for_each(|t| ngrams.learn(t));
    let unseen = Unseen::train(&traces.train, 6);
    let subjects = [
        (OURS, "trained on the training traces", (normal.clone(), attack.clone())),
        ("n-gram language model", "same data", score_all(&traces, |t| ngrams.mean_surprise(t))),
        ("STIDE, 6 calls", "same data", score_all(&traces, |t| unseen.score(t))),
        ("random", "mutant", (mutant::random(normal.len(), 1), mutant::random(attack.len(), 2))),
        ("always", "mutant", (vec![1.0; normal.len()], vec![1.0; attack.len()])),
    ];
    for (name, case, (normal, attack)) in &subjects {
        report.add("adfa_auc", case, name, auc(normal, attack), "area");
    }
    add_published(report, "adfa_auc", "area");
    for (name, case, (normal, attack)) in &subjects {
        report.add("adfa_dr_at_5", case, name, detected_at(normal, attack, RATE), "share");
    }
    add_published(report, "adfa_dr_at_5", "share");
    realised(&model, &normal, &attack, report);
    report.add("adfa_ns_per_call", "scoring", OURS, nanos, "ns");
    Ok(())
}

fn score_all(traces: &Traces, score: impl Fn(&[u32]) -> f64) -> (Vec<f64>, Vec<f64>) {
    let of = |part: &[Vec<u32>]| part.iter().map(|t| score(t)).collect();
    (of(&traces.normal), of(&traces.attack))
}

/// The normal traces come as a stream in file order, attacks spread evenly between them.
fn realised(model: &Behaviour, normal: &[f64], attack: &[f64], report: &mut Report) {
    for (case, learn_attacks) in
        [("stream, attacks not learnt", false), ("stream, attacks learnt as normal", true)]
    {
        let mut threshold = model.threshold(RATE);
        let (mut false_alarms, mut found, mut next) = (0usize, 0usize, 0);
        for (i, score) in normal.iter().enumerate() {
            false_alarms += usize::from(threshold.push(*score));
            while next < attack.len() && next * normal.len() <= i * attack.len() {
                let alarm = if learn_attacks {
                    threshold.push(attack[next])
                } else {
                    threshold.is_alarm(attack[next])
                };
                found += usize::from(alarm);
                next += 1;
            }
        }
        let rate = false_alarms as f64 / normal.len().max(1) as f64;
        report.add("adfa_realised_at_5", case, OURS, rate, "share");
        report.add(
            "adfa_realised_at_5",
            &format!("detected, {case}"),
            OURS,
            found as f64 / next.max(1) as f64,
            "share",
        );
    }
    let cut = model.fixed_threshold(RATE);
    report.add(
        "adfa_realised_at_5",
        "fixed threshold",
        "ours without recalibration",
        share(normal, |s| s > cut),
        "share",
    );
    add_published(report, "adfa_realised_at_5", "share");
}
