//! Simple methods for sequences and forecasts: unseen n-grams, nearest counts, last value, median, EWMA.
use std::collections::{BTreeMap, HashSet};

/// Share of the n-grams of a sequence that training does not hold, with start and end marks (STIDE, 3-gram).
pub struct Unseen {
    length: usize,
    known: HashSet<Vec<u32>>,
}

impl Unseen {
    /// Collects the n-grams of the training sequences.
    pub fn train(sequences: &[Vec<u32>], length: usize) -> Self {
        let known = sequences.iter().flat_map(|s| grams(s, length)).collect();
        Unseen { length, known }
    }

    /// Share of unseen n-grams.
    pub fn score(&self, sequence: &[u32]) -> f64 {
        let all = grams(sequence, self.length);
        all.iter().filter(|g| !self.known.contains(*g)).count() as f64 / all.len().max(1) as f64
    }
}

fn grams(sequence: &[u32], length: usize) -> Vec<Vec<u32>> {
    let mut marked = vec![u32::MAX];
    marked.extend_from_slice(sequence);
    marked.push(u32::MAX - 1);
    marked.windows(length.min(marked.len())).map(<[u32]>::to_vec).collect()
}

/// Distance of a sequence's event counts to the nearest of training.
pub fn count_distances(train: &[Vec<u32>], tested: &[Vec<u32>]) -> Vec<f64> {
    let mut known: Vec<BTreeMap<u32, i64>> = train.iter().map(|s| counts(s)).collect();
    known.sort();
    known.dedup();
    tested.iter().map(|s| known.iter().map(|k| distance(k, &counts(s))).min().unwrap_or(0) as f64).collect()
}

/// The same distance of every sequence of training to the nearest of the others: what a threshold can be set by without
/// labels.
pub fn left_out_distances(train: &[Vec<u32>]) -> Vec<f64> {
    let known: Vec<BTreeMap<u32, i64>> = train.iter().map(|s| counts(s)).collect();
    let nearest = |(i, own): (usize, &BTreeMap<u32, i64>)| {
        let others = known.iter().enumerate().filter(|(j, _)| *j != i);
        others.map(|(_, k)| distance(k, own)).min().unwrap_or(0) as f64
    };
    known.iter().enumerate().map(nearest).collect()
}

fn counts(sequence: &[u32]) -> BTreeMap<u32, i64> {
    let mut out = BTreeMap::new();
    sequence.iter().for_each(|e| *out.entry(*e).or_insert(0) += 1);
    out
}

fn distance(a: &BTreeMap<u32, i64>, b: &BTreeMap<u32, i64>) -> i64 {
    let shared: i64 = a.iter().map(|(k, v)| (v - b.get(k).unwrap_or(&0)).abs()).sum();
    shared + b.iter().filter(|(k, _)| !a.contains_key(k)).map(|(_, v)| v).sum::<i64>()
}

/// Forecasts of every row by one simple method: "last value", "EWMA 0.1" or "median of 12".
pub fn forecasts(method: &str, values: &[f64]) -> Vec<f64> {
    let mut mean = values.first().copied().unwrap_or(0.0);
    let mut step = |i: usize| {
        mean += 0.1 * (values[i] - mean);
        match method {
            "last value" => values[i],
            "EWMA 0.1" => mean,
            _ => median(&values[(i + 1).saturating_sub(12)..=i]),
        }
    };
    (0..values.len()).map(&mut step).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() / 2] + sorted[(sorted.len() - 1) / 2]) / 2.0
}
