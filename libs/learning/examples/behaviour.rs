//! What the on-line model of a program's calls promises and keeps on ADFA-LD: `behaviour DIR`, DIR with `adfa` in it.
//!
//! The training traces come first, then the normal validation traces, one a look, each judged before it is learnt; then the
//! attacks, which are judged only. It is not the scoreboard: the traces are of a whole machine, the model is that of one program.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use learning::sequence::stream::Stream;

fn main() {
    let dir = PathBuf::from(std::env::args().nth(1).expect("a folder with `adfa` in it")).join("adfa");
    let mut paths = Vec::new();
    list(&dir, &mut paths);
    paths.sort();
    let part = |word: &str| {
        paths.iter().filter(|path| path.to_string_lossy().contains(word)).map(|path| bout(path)).collect()
    };
    let [train, normal, attack]: [Vec<Vec<Vec<u32>>>; 3] = ["Training", "Validation", "Attack"].map(part);
    let (mut model, mut chances) = (Stream::default(), Vec::new());
    let start = Instant::now();
    for (at, bout) in train.iter().chain(&normal).enumerate() {
        let Some(verdict) = model.judge(bout) else { continue };
        if at >= train.len() {
            chances.push(verdict.probability);
        }
        model.learn(bout, verdict.surprise);
    }
    let nanos = start.elapsed().as_nanos() as f64 / model.events() as f64;
    let attacks: Vec<f64> =
        attack.iter().filter_map(|bout| model.judge(bout)).map(|one| one.probability).collect();
    for promised in [0.1, 0.05, 0.02, 0.01] {
        let share =
            |all: &[f64]| all.iter().filter(|one| **one <= promised).count() as f64 / all.len() as f64;
        println!("promised {promised}: normal traces {:.3}, attacks {:.3}", share(&chances), share(&attacks));
    }
    println!("{} bytes, {nanos:.0} ns a call judged and learnt, {} calls", model.bytes(), model.events());
}

fn list(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => list(&path, paths),
            path => paths.push(path),
        }
    }
}

fn bout(path: &Path) -> Vec<Vec<u32>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    Vec::from([text.split_whitespace().filter_map(|word| word.parse().ok()).collect()])
}
