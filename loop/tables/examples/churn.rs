//! An hour in which 100,000 processes come and go, through the daemon's own path: what the history's table of series,
//! memory and files come to. Half of them end within two seconds, half live ten and so have a history of their own.
//!
//! `cargo run --release -p tables --example churn`.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tables::history::Keeper;
use tables::{Deriver, View};
use vocab::recent::Recent;
use vocab::sample::{MachineSample, ProcessDetail, ProcessInfo, ProcessStat, Sample};
use vocab::{ProcessId, Timestamp};

const HOUR_S: i64 = 3_600;
const START_S: i64 = 1_800_000_000 - 1_800_000_000 % 86_400;
/// How long the machine was up at the start. Unit: s.
const UP_S: i64 = 10_000;
/// Processes that stay.
const LASTING: i64 = 110;
/// Processes that come and go.
const PASSING: i64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("homeostat-bench-churn-{}", std::process::id()));
    let done = an_hour(&folder);
    let _ = fs::remove_dir_all(&folder);
    done
}

fn an_hour(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (mut keeper, _) = Keeper::open(folder)?;
    let upkeep = keeper.upkeep();
    let mut deriver = Deriver::new();
    let before_kib = resident_kib("VmRSS");
    let (mut series_max, mut rows_max) = (0, 0);
    for second in 0..=HOUR_S {
        let snapshot = Arc::new(deriver.snapshot(&sample(second)));
        keeper.note(&View::new(snapshot, Arc::default(), Recent::default()));
        let (series, rows) = keeper.live();
        (series_max, rows_max) = (series_max.max(series), rows_max.max(rows));
        if second % 5 == 4 {
            let notes = upkeep.maintain((START_S + second) * 1_000).notes;
            if !notes.is_empty() {
                return Err(notes.join("; ").into());
            }
        }
    }
    // The next hour has begun: the one that ended becomes one file.
    let notes = upkeep.maintain((START_S + HOUR_S + 5) * 1_000).notes;
    let stats = keeper.reader().history().stats()?;
    println!("{series_max:>10}     live series at most");
    println!("{rows_max:>10}     live rows at most");
    println!("{:>10}     samples and {} series found no room", keeper.shed(), keeper.shed_series());
    println!(
        "{:>10.1} MiB above the start at the peak, hot memory and compaction included",
        (resident_kib("VmHWM") - before_kib) / 1024.0
    );
    println!("{:>10.1} MiB above the start at the end", (resident_kib("VmRSS") - before_kib) / 1024.0);
    println!("{stats}");
    keeper.close((START_S + HOUR_S + 5) * 1_000);
    if notes.is_empty() { Ok(()) } else { Err(notes.join("; ").into()) }
}

/// The processes of a second: pid, and the second it began.
fn alive(second: i64) -> impl Iterator<Item = (u32, i64)> {
    let lasting = (1..=LASTING).map(|pid| (pid, -UP_S + pid));
    let born = |n: i64| n * HOUR_S / PASSING;
    let lives_s = |n: i64| if n % 2 == 0 { 2 } else { 10 };
    let (from, to) = ((second - 10) * PASSING / HOUR_S, (second + 1) * PASSING / HOUR_S);
    let passing = (from.max(0)..=to.min(PASSING)).map(move |n| (n, born(n)));
    let passing = passing.filter(move |(n, born)| (*born..*born + lives_s(*n)).contains(&second));
    let passing = passing.map(|(n, born)| (LASTING + 1 + n % 30_000, born));
    let mut all = lasting.chain(passing).map(|(pid, born)| (pid as u32, born)).collect::<Vec<_>>();
    all.sort_unstable();
    all.into_iter()
}

fn sample(second: i64) -> Sample {
    let id = |(pid, born): (u32, i64)| ProcessId { pid, start_ticks: ((UP_S + born) * 100) as u64 };
    let noise =
        |pid: u32| u64::from(pid).wrapping_mul(second as u64 + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
    let age_s = |born: i64| (second - born) as u64;
    let stat = |(pid, born): (u32, i64)| ProcessStat {
        pid,
        ppid: 1,
        start_ticks: id((pid, born)).start_ticks,
        state: b'R',
        threads: 1,
        user_ticks: age_s(born) * 90 + noise(pid) % 10,
        rss_bytes: (age_s(born).min(10) << 22) + noise(pid) * 4096,
        ..ProcessStat::default()
    };
    let detail = |one: (u32, i64)| ProcessDetail {
        id: id(one),
        anon_bytes: Some((age_s(one.1).min(10) << 22) + noise(one.0) * 4096),
        shmem_bytes: Some(0),
        swap_bytes: Some(0),
        descriptors: Some(8 + noise(one.0) / 8),
        read_bytes: Some(0),
        write_bytes: Some(age_s(one.1) * 4096),
        io_chars: Some(age_s(one.1) * 10_000 + noise(one.0)),
        io_calls: Some(age_s(one.1) * 10),
        voluntary_switches: Some(noise(one.0)),
    };
    let info = |one: (u32, i64)| ProcessInfo {
        id: id(one),
        name: format!("cc{}", one.0 % 7).into(),
        exe: Some("/usr/bin/cc".into()),
        command: Some(format!("cc -c file{}.c", one.0).into()),
        uid: 0,
        cgroup: Some("/build.slice/job.service".into()),
        unit: Some("job.service".into()),
        service: None,
        is_kernel: false,
        descriptor_limits: Some((1_024, 4_096)),
    };
    let mut machine = MachineSample { cpus: 2, ticks_per_second: 100, ..MachineSample::default() };
    machine.uptime_s = (UP_S + second) as f64;
    Sample {
        at: Timestamp::from_secs(START_S + second),
        turn: second.unsigned_abs() + 1,
        machine,
        processes: alive(second).map(stat).collect(),
        process_infos: alive(second).filter(|(_, born)| second == 0 || *born == second).map(info).collect(),
        process_details: alive(second).map(detail).collect(),
        ..Sample::default()
    }
}

/// A line of /proc/self/status. Unit: KiB.
fn resident_kib(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0.0)
}
