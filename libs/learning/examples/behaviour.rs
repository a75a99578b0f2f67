//! What the on-line model of a program's calls promises and keeps: `behaviour DIR`, DIR with `adfa` or `unm-mit-syscalls`
//! in it.
//!
//! ADFA-LD: the training traces come first, then the normal validation traces, one a look, each judged before it is learnt;
//! then the attacks, which are judged only. The traces are of a whole machine, the model is that of one program. Live lpr
//! of MIT and UNM: one program each, one trace a process; rates are counted from the hundredth trace on.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use learning::sequence::stream::Stream;

type Bout = Vec<Vec<u32>>;

fn main() {
    let dir = PathBuf::from(std::env::args().nth(1).expect("a folder with the data in it"));
    let mut paths = Vec::new();
    list(&dir.join("adfa"), &mut paths);
    paths.sort();
    let part = |word: &str| -> Vec<Bout> {
        let named = paths.iter().filter(|path| path.to_string_lossy().contains(word));
        named.map(|path| Vec::from([numbers(&fs::read_to_string(path).unwrap_or_default())])).collect()
    };
    let [train, normal, attack] = ["Training", "Validation", "Attack"].map(part);
    run("ADFA-LD", train.iter().chain(&normal), train.len(), &attack);
    for (name, folder, normal, attack) in [
        ("lpr, MIT", "MIT/live lpr", "normal/mit-lpr-mar.txt", "intrusion/exploit-ai.int"),
        ("lpr, UNM", "UNM/4. Live lpr", "Normal/real/lpr-normal-10.txt", "Intrusion/exploit-unm.int"),
    ] {
        let folder = dir.join("unm-mit-syscalls/Datasets").join(folder);
        let (normal, attack) = (by_process(&folder.join(normal)), by_process(&folder.join(attack)));
        run(name, normal.iter(), 100, &attack);
    }
}

/// Judges and learns the normal ones, counts from `from` on, then judges the attacks.
fn run<'a>(name: &str, normal: impl Iterator<Item = &'a Bout>, from: usize, attack: &[Bout]) {
    let (mut model, mut chances, start) = (Stream::default(), Vec::new(), Instant::now());
    for bout in normal {
        let Some(verdict) = model.judge(bout) else { continue };
        chances.push(verdict.probability);
        model.learn(bout, verdict.surprise);
    }
    let nanos = start.elapsed().as_nanos() as f64 / model.events().max(1) as f64;
    let counted = chances.get(from..).unwrap_or_default();
    let (first, second) = counted.split_at(counted.len() / 2);
    let attacks: Vec<f64> =
        attack.iter().filter_map(|bout| model.judge(bout)).map(|one| one.probability).collect();
    println!(
        "{name}: {} normal traces, {} attacks, {} bytes, {nanos:.0} ns a call judged and learnt, {} calls",
        counted.len(),
        attacks.len(),
        model.bytes(),
        model.events()
    );
    for promised in [0.1, 0.05, 0.02, 0.01] {
        let share =
            |all: &[f64]| all.iter().filter(|one| **one <= promised).count() as f64 / all.len().max(1) as f64;
        println!(
            "  promised {promised}: normal {:.3} (halves {:.3}, {:.3}), attacks {:.3}",
            share(counted),
            share(first),
            share(second),
            share(&attacks)
        );
    }
}

fn list(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => list(&path, paths),
            path => paths.push(path),
        }
    }
}

fn numbers(text: &str) -> Vec<u32> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The traces of a file of lines `pid call`, in the order in which their processes began.
fn by_process(path: &Path) -> Vec<Bout> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let (mut order, mut traces) = (Vec::new(), BTreeMap::<u32, Vec<u32>>::new());
    for line in text.lines() {
        let [pid, call] = numbers(line)[..] else { continue };
        let calls = traces.entry(pid).or_default();
        if calls.is_empty() {
            order.push(pid);
        }
        calls.push(call);
    }
    order.iter().filter_map(|pid| traces.remove(pid)).map(|calls| Vec::from([calls])).collect()
}
