//! Detectors that know nothing: never, always, at random. A scoreboard worth its name puts them far down.
use learning::rng::Rng;

/// Alarms of the three, for a series of this length. `random` alarms once in 500 rows.
pub fn alarms(name: &str, rows: usize, seed: u64) -> Vec<bool> {
    match name {
        "never" => vec![false; rows],
        "always" => vec![true; rows],
        _ => random(rows, seed).into_iter().map(|s| s > 0.998).collect(),
    }
}

/// Uniform scores.
pub fn random(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..count).map(|_| rng.unit()).collect()
}

/// The three names.
pub const NAMES: [&str; 3] = ["never", "always", "random"];
