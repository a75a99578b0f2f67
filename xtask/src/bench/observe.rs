//! What one look at the machine costs, beside `atop` and `sadc`.
//!
//! The observer measures itself in an example of its crate; the peers are measured from outside, over samples that
//! they take once a second.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::figures::{Figure, median, report};
use super::folder::Folder;
use super::processes;
use super::{Options, started::Started};
use crate::root;

/// Adjacent runs of each case; the median of them counts.
const RUNS: usize = 3;
/// Samples in a run without `--seconds`: one a second.
const SECONDS: u64 = 60;
/// A peer's samples before those that count.
const PEER_WARM_UP_S: u64 = 3;

/// Runs the bench.
///
/// # Errors
/// The example cannot be built or run.
pub(super) fn run(arguments: &[&str]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let seconds = options.seconds.unwrap_or(SECONDS);
    let dir = Folder::make()?;
    let cases: [(&str, &str, &[&str]); 4] = [
        ("tick", "mean_us", &["--kernel"]),
        ("tick, /proc alone", "mean_us", &[]),
        ("full", "median_us", &["--full", "--kernel"]),
        ("full, /proc alone", "median_us", &["--full"]),
    ];
    let mut values = vec![Vec::new(); cases.len() + PEERS.len()];
    let mut processes = 0;
    for _ in 0..RUNS {
        for ((_, key, flags), values) in cases.iter().zip(&mut values) {
            let answer = example(seconds, flags)?;
            processes = answer.get("processes").and_then(Value::as_u64).unwrap_or(0);
            values.extend(answer.pointer(&format!("/cost/total/{key}")).and_then(Value::as_f64));
        }
        for (peer, values) in PEERS.iter().zip(values.iter_mut().skip(cases.len())) {
            values.extend(peer_us(peer, seconds, dir.path()));
        }
    }
    eprintln!("{processes} processes, {RUNS} runs of {seconds} samples");
    let ours = cases.iter().map(|(case, ..)| (*case, "homeostat"));
    let subjects = ours.chain(PEERS.iter().map(|peer| ("1 s", peer.name)));
    let figures = subjects.zip(&values).filter_map(|((case, subject), values)| {
        let (case, subject) = (case.to_owned(), subject.to_owned());
        Some(Figure { figure: "sample_cpu_us", case, subject, value: median(values)?, unit: "us" })
    });
    report("observe", &figures.collect::<Vec<_>>(), options.json.as_deref())
}

/// Numbers that the observer reads in a second, identities aside.
pub(super) fn figures_per_s() -> Result<f64, String> {
    let answer = example(20, &[])?;
    answer
        .get("figures_per_s")
        .and_then(Value::as_f64)
        .ok_or_else(|| "the example says no figures".to_owned())
}

fn example(seconds: u64, flags: &[&str]) -> Result<Value, String> {
    let seconds = seconds.to_string();
    let output = Command::new("cargo")
        .args([
            "run",
            "--release",
            "--quiet",
            "-p",
            "observe",
            "--example",
            "observe",
            "--",
            &seconds,
            "--json",
        ])
        .args(flags)
        .current_dir(root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).map_err(|error| format!("the example of observe answered {text:?}: {error}"))
}

/// A peer that takes one sample a second into a file.
struct Peer {
    name: &'static str,
    programs: &'static [&'static str],
    before_file: &'static [&'static str],
    after_file: &'static [&'static str],
}

const PEERS: [Peer; 2] = [
    Peer { name: "atop", programs: &["/usr/bin/atop"], before_file: &["-w"], after_file: &["1"] },
    Peer {
        name: "sadc",
        programs: &["/usr/lib/sysstat/sadc", "/usr/lib64/sa/sadc"],
        before_file: &["1"],
        after_file: &[],
    },
];

/// CPU time a sample, over `seconds` samples; `None` where the peer is not installed or ends. Unit: us.
fn peer_us(peer: &Peer, seconds: u64, dir: &Path) -> Option<f64> {
    let program = peer.programs.iter().find(|program| Path::new(program).is_file())?;
    let file = dir.join(format!("{}.raw", peer.name));
    let _ = std::fs::remove_file(&file);
    let mut command = Command::new(program);
    command.args(peer.before_file).arg(&file).args(peer.after_file);
    let running = Started::start(&mut command, &dir.join("log")).ok()?;
    std::thread::sleep(Duration::from_secs(PEER_WARM_UP_S));
    let before = ticks(running.pid())?;
    std::thread::sleep(Duration::from_secs(seconds));
    let used = ticks(running.pid())?.saturating_sub(before);
    Some(used as f64 / rustix::param::clock_ticks_per_second() as f64 * 1e6 / seconds as f64)
}

fn ticks(root: u32) -> Option<u64> {
    let all = processes::all();
    all.get(&root)?;
    Some(processes::tree(&all, root).iter().filter_map(|pid| all.get(pid)).map(|stat| stat.cpu_ticks).sum())
}
