//! Prints what samples cost: `cargo run --release -p observe --example observe -- [TICKS] [--json]`.
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use observe::{Observe, ObserveConfig};
use vocab::Timestamp;

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ticks: u64 = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;
    let mut observe = Observe::open(ObserveConfig::default())?;
    let mut costs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let start = Instant::now();
    for turn in 1..=ticks {
        let before = cpu_us();
        let sample = observe.collect(now(), turn, 0, &[]);
        let cost_us = cpu_us() - before;
        if turn == 1 {
            println!("first sample: {} processes, {cost_us} us", sample.processes.len());
        } else {
            costs.entry("total".into()).or_default().push(cost_us);
        }
        for one in &sample.collectors {
            costs.entry(one.name.to_string()).or_default().push(one.cpu_us);
        }
        if turn == ticks {
            println!(
                "{} details, {} infos in the last tick",
                sample.process_details.len(),
                sample.process_infos.len()
            );
        }
        let next = Duration::from_secs(turn);
        std::thread::sleep(next.saturating_sub(start.elapsed()));
    }
    for (name, mut values) in costs {
        values.sort_unstable();
        let sum: u64 = values.iter().sum();
        let at = |share: usize| values.get(values.len() * share / 100).copied().unwrap_or(0);
        let mean = sum / values.len() as u64;
        println!(
            "{name:14} runs {:4}  mean {mean:6} us  median {:6} us  p95 {:6} us",
            values.len(),
            at(50),
            at(95)
        );
    }
    Ok(())
}

fn cpu_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000).unwrap_or(0)
}
