//! The log bench: what one durable commit costs, ours beside the device and the peers, in one paired run.
//!
//! All subjects are open at once. A round gives each of them a turn of some commits, in an order that rotates, so a disk
//! that slows down slows them all; the ratios are medians over rounds of what each took against the floor of the same round.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::figures::{Figures, quantile};
use crate::subjects::{Failure, SUBJECTS, Subject};

/// Bytes of a record: an intent with its undo takes about this much.
const RECORD_BYTES: usize = 200;
const ROUNDS: usize = 40;
const TURN: usize = 50;

/// Runs the cases on a folder on disk and one in memory.
pub fn run(disk: &Path, memory: &Path, figures: &mut Figures) -> Result<(), Failure> {
    for (place, folder) in [("disk", disk), ("memory", memory)] {
        for writers in [1, 8] {
            for is_loaded in [false, true] {
                let load = if is_loaded { "/load" } else { "" };
                case(folder, &format!("{place}/{writers}{load}"), writers, is_loaded, figures)?;
            }
        }
    }
    Ok(())
}

fn case(
    folder: &Path,
    name: &str,
    writers: usize,
    is_loaded: bool,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let folder = folder.join(format!("bench-log-{}", std::process::id()));
    let mut subjects = Vec::new();
    for (subject, open) in SUBJECTS {
        let own = folder.join(subject);
        fs::create_dir_all(&own)?;
        subjects.push((subject, open(&own, writers)?));
    }
    let times = with_load(is_loaded, || rounds(&subjects, writers));
    drop(subjects);
    fs::remove_dir_all(&folder)?;
    report(name, &times?, figures);
    Ok(())
}

/// The times of every subject, a round each.
type Times = Vec<(&'static str, Vec<Turn>)>;

/// One subject's turn.
struct Turn {
    /// Every commit, in us.
    commits_us: Vec<f64>,
    /// The turn as a whole, in s.
    wall_s: f64,
}

fn rounds(subjects: &[(&'static str, Box<dyn Subject>)], writers: usize) -> Result<Times, Failure> {
    let mut times: Times = subjects.iter().map(|(name, _)| (*name, Vec::new())).collect();
    for round in 0..ROUNDS + 1 {
        for turn in 0..subjects.len() {
            let which = (round + turn) % subjects.len();
            let start = Instant::now();
            let commits_us = turn_of(&*subjects[which].1, writers)?;
            let took = Turn { commits_us, wall_s: start.elapsed().as_secs_f64() };
            // The first round warms caches and files up.
            if round > 0 {
                times[which].1.push(took);
            }
        }
    }
    Ok(times)
}

fn turn_of(subject: &dyn Subject, writers: usize) -> Result<Vec<f64>, Failure> {
    let work = |writer| -> Result<Vec<f64>, Failure> {
        let mut took = Vec::with_capacity(TURN);
        let mut record = [0x5a; RECORD_BYTES];
        for n in 0..TURN {
            record[..8].copy_from_slice(&(n as u64).to_le_bytes());
            let start = Instant::now();
            subject.commit(writer, &record)?;
            took.push(start.elapsed().as_secs_f64() * 1e6);
        }
        Ok(took)
    };
    if writers == 1 {
        return work(0);
    }
    let work = &work;
    let all: Vec<Result<Vec<f64>, Failure>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|writer| scope.spawn(move || work(writer))).collect();
        let panicked = |_| Err(Failure::from("a writer panicked"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    });
    Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

/// Runs `work` beside two busy threads a processor, where asked.
fn with_load<T>(is_loaded: bool, work: impl FnOnce() -> T) -> T {
    let is_done = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    std::thread::scope(|scope| {
        for _ in 0..if is_loaded { threads } else { 0 } {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let result = work();
        is_done.store(true, Ordering::Relaxed);
        result
    })
}

fn report(case: &str, times: &Times, figures: &mut Figures) {
    let Some((_, floor)) = times.first() else { return };
    let p50 = |turn: &Turn| quantile(&turn.commits_us, 0.5);
    for (subject, rounds) in times {
        let all: Vec<f64> = rounds.iter().flat_map(|turn| turn.commits_us.iter().copied()).collect();
        figures.push("commit_p50_us", case, subject, quantile(&all, 0.5), "us");
        figures.push("commit_p99_us", case, subject, quantile(&all, 0.99), "us");
        // A lock that lets one writer barge past the others has a fine median and starves the rest: count them all.
        let wall_s: f64 = rounds.iter().map(|turn| turn.wall_s).sum();
        figures.push("commits_per_s", case, subject, all.len() as f64 / wall_s, "1/s");
        let ratios: Vec<f64> = rounds.iter().zip(floor).map(|(own, floor)| p50(own) / p50(floor)).collect();
        figures.push("commit_p50_to_floor", case, subject, quantile(&ratios, 0.5), "ratio");
    }
}
