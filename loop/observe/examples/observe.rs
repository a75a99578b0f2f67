//! What samples cost: `cargo run --release -p observe --example observe -- [TICKS] [--full] [--kernel] [--json]`.
//!
//! `--full` lets 11 s pass between two samples as far as the observer can tell, so that each of them has every
//! collector and all counters of every process, cgroup and limits included. The command line of a process that does
//! not become another is read once a minute, so in each sixth of them. `--kernel` has our programs in the kernel, as
//! the daemon has as root: then a process that did not move since the last sample is not read again before that.
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use observe::{KernelSide, Observe, ObserveConfig};
use serde_json::{Value, json};
use vocab::Timestamp;
use vocab::sample::Sample;

/// Samples before the first that counts: what is read once is read in them, and files are held open.
const WARM_UP: u64 = 3;
/// No counter is read less often. Unit: s.
const LEAP_S: u64 = 11;

/// Members of a sample that say who or when, not how much.
const IDENTITIES: [&str; 9] =
    ["at", "turn", "pid", "ppid", "start_ticks", "inode", "uid", "collectors", "own"];

/// CPU time by collector, and of whole samples as `total`. Unit: us.
type Costs = BTreeMap<String, Vec<u64>>;

/// What was measured.
#[derive(Default)]
struct Seen {
    costs: Costs,
    last: Sample,
    /// Numbers in all samples, identities aside.
    figures: usize,
    ticks: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|one| one == flag);
    let ticks = arguments.iter().find(|one| !one.starts_with("--")).map_or(Ok(60), |text| text.parse())?;
    let seen = observe(ticks, has("--full"), has("--kernel"))?;
    if has("--json") {
        print_json(&seen)
    } else {
        print_table(&seen)
    }
    Ok(())
}

/// Takes `ticks` samples, one a second, after those of the warm-up.
fn observe(ticks: u64, is_full: bool, has_kernel: bool) -> Result<Seen, Box<dyn std::error::Error>> {
    let mut kernel = has_kernel.then(KernelSide::load);
    if let Some(events) = kernel.as_mut().and_then(KernelSide::take_events) {
        std::thread::spawn(move || events.run(None::<fn(&_)>));
    }
    let mut observe = Observe::open(ObserveConfig { kernel, ..ObserveConfig::default() })?;
    let (start, mut seen) = (Instant::now(), Seen { ticks, ..Seen::default() });
    for turn in 1..=WARM_UP + ticks {
        let leap = if is_full { Duration::from_secs(LEAP_S * turn) } else { Duration::ZERO };
        let before = cpu_us();
        let sample = observe.collect(now(leap), turn, 0, &[]);
        let cost_us = cpu_us() - before;
        if turn > WARM_UP {
            seen.costs.entry("total".into()).or_default().push(cost_us);
            for one in &sample.collectors {
                seen.costs.entry(one.name.to_string()).or_default().push(one.cpu_us);
            }
            seen.figures += figures(&serde_json::to_value(&sample)?);
            seen.last = sample;
        }
        std::thread::sleep(Duration::from_secs(turn).saturating_sub(start.elapsed()));
    }
    Ok(seen)
}

fn figures(value: &Value) -> usize {
    match value {
        Value::Number(_) => 1,
        Value::Array(all) => all.iter().map(figures).sum(),
        Value::Object(members) => {
            let counted = members.iter().filter(|(name, _)| !IDENTITIES.contains(&name.as_str()));
            counted.map(|(_, value)| figures(value)).sum()
        }
        _ => 0,
    }
}

fn print_table(Seen { last, costs, .. }: &Seen) {
    println!(
        "{} processes; in the last sample {} details, {} infos",
        last.processes.len(),
        last.process_details.len(),
        last.process_infos.len()
    );
    for (name, values) in costs {
        let (mean, median) = (mean(values), median(values));
        println!("{name:14} runs {:4}  mean {mean:6} us  median {median:6} us", values.len());
    }
}

fn print_json(Seen { last, costs, figures, ticks }: &Seen) {
    let cost = |values: &Vec<u64>| json!({"mean_us": mean(values), "median_us": median(values)});
    let costs: BTreeMap<_, _> = costs.iter().map(|(name, values)| (name, cost(values))).collect();
    let figures_per_s = *figures as f64 / (*ticks).max(1) as f64;
    println!("{}", json!({"processes": last.processes.len(), "figures_per_s": figures_per_s, "cost": costs}));
}

fn mean(values: &[u64]) -> u64 {
    values.iter().sum::<u64>() / (values.len() as u64).max(1)
}

fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn now(leap: Duration) -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + leap;
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

fn cpu_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000).unwrap_or(0)
}
