//! What samples cost: `cargo run --release -p observe --example observe -- [TICKS] [--full] [--json]`.
//!
//! `--full` lets 61 s pass between two samples as far as the observer can tell, so that each of them reads all
//! there is of everything: every collector, and of every process also what seldom changes.
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use observe::{Observe, ObserveConfig};
use vocab::Timestamp;
use vocab::sample::Sample;

/// Samples before the first that counts: what is read once is read in them, and files are held open.
const WARM_UP: u64 = 3;
/// No reading comes less often. Unit: s.
const LONGEST_PERIOD_S: u64 = 11;

/// CPU time by collector, and of whole samples as `total`. Unit: us.
type Costs = BTreeMap<String, Vec<u64>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|one| one == flag);
    let ticks = arguments.iter().find(|one| !one.starts_with("--")).map_or(Ok(60), |text| text.parse())?;
    let mut costs = Costs::new();
    let last = observe(ticks, has("--full"), &mut costs)?;
    if has("--json") {
        print_json(&last, &costs)
    } else {
        print_table(&last, &costs)
    }
    Ok(())
}

/// Takes `ticks` samples, one a second, after those of the warm-up; answers the last.
fn observe(ticks: u64, is_full: bool, costs: &mut Costs) -> Result<Sample, kernfs::Error> {
    let mut observe = Observe::open(ObserveConfig::default())?;
    let (start, mut last) = (Instant::now(), Sample::default());
    for turn in 1..=WARM_UP + ticks {
        let leap = if is_full { Duration::from_secs(LONGEST_PERIOD_S * turn) } else { Duration::ZERO };
        let before = cpu_us();
        last = observe.collect(now(leap), turn, 0, &[]);
        let cost_us = cpu_us() - before;
        if turn > WARM_UP {
            costs.entry("total".into()).or_default().push(cost_us);
            for one in &last.collectors {
                costs.entry(one.name.to_string()).or_default().push(one.cpu_us);
            }
        }
        std::thread::sleep(Duration::from_secs(turn).saturating_sub(start.elapsed()));
    }
    Ok(last)
}

fn print_table(last: &Sample, costs: &Costs) {
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

fn print_json(last: &Sample, costs: &Costs) {
    let rows = costs.iter().map(|(name, values)| {
        format!("\"{name}\":{{\"mean_us\":{},\"median_us\":{}}}", mean(values), median(values))
    });
    let rows: Vec<_> = rows.collect();
    println!("{{\"processes\":{},\"cost\":{{{}}}}}", last.processes.len(), rows.join(","));
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
