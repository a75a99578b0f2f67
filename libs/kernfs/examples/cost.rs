//! Prints what each reader costs on this machine: `cargo run --release -p kernfs --example cost`.
//!
//! Mean over all processes that live now and may be read, fastest of many rounds.

use kernfs::{ProcFs, Result};
use std::time::{Duration, Instant};

/// Rounds over all processes; the fastest is least disturbed by what else runs.
const ROUNDS: usize = 50;

/// Prints the mean time of one `read`, us.
fn measure<T>(name: &str, proc: &mut ProcFs, pids: &[u32], read: impl Fn(&mut ProcFs, u32) -> Result<T>) {
    let mut best = Duration::MAX;
    let mut count = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let done = pids.iter().filter(|pid| read(proc, **pid).is_ok()).count();
        let took = start.elapsed();
        if done > 0 && took < best {
            (best, count) = (took, done);
        }
    }
    if count > 0 {
        println!("{name:14} {:8.2} us, {count} processes", best.as_secs_f64() * 1e6 / count as f64);
    } else {
        println!("{name:14}  not readable");
    }
}

/// Prints the part of a read that is ours: the parser alone.
fn parse_cost(file: &str, text: &[u8]) {
    const TIMES: u32 = 100_000;
    let start = Instant::now();
    for _ in 0..TIMES {
        let text = std::hint::black_box(text);
        match file {
            "stat" => drop(std::hint::black_box(kernfs::Stat::parse(text, 4096))),
            _ => drop(std::hint::black_box(kernfs::Status::parse(text))),
        }
    }
    println!("parse {file:8} {:8.2} us", start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES));
}

fn main() -> Result<()> {
    let mut proc = ProcFs::open("/proc".as_ref())?;
    let mut pids = Vec::new();
    proc.pids(&mut pids)?;
    let users: Vec<u32> =
        pids.iter().copied().filter(|pid| proc.stat(*pid).is_ok_and(|s| !s.is_kernel_thread())).collect();
    for (label, pids) in [("all", &pids), ("user", &users)] {
        println!("{label}: {} processes", pids.len());
        measure("stat", &mut proc, pids, ProcFs::stat);
        measure("status", &mut proc, pids, ProcFs::status);
        measure("io", &mut proc, pids, ProcFs::io);
        measure("schedstat", &mut proc, pids, ProcFs::schedstat);
        measure("cgroup", &mut proc, pids, |proc, pid| proc.cgroups(pid).map(|paths| paths.v2().is_some()));
        measure("fd_count", &mut proc, pids, ProcFs::fd_count);
        measure("smaps_rollup", &mut proc, pids, ProcFs::smaps_rollup);
        measure("threads", &mut proc, pids, |proc, pid| proc.threads(pid, &mut Vec::new()));
    }
    for file in ["stat", "status"] {
        let text = std::fs::read(format!("/proc/self/{file}")).unwrap_or_default();
        parse_cost(file, &text);
    }
    measure("pids", &mut proc, &[0], |proc, _| proc.pids(&mut Vec::with_capacity(1024)));
    Ok(())
}
