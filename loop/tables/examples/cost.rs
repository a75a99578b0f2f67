//! What a snapshot and a few statements cost: `cargo run --release -p tables --example cost`.
use std::sync::Arc;
use std::time::Instant;

use tables::engine::heap_bytes;
use tables::{Deriver, Engine, EngineError, View};
use vocab::query::Query;
use vocab::recent::Recent;
use vocab::sample::{MachineSample, ProcessInfo, ProcessStat, Sample};
use vocab::{ProcessId, Timestamp};

/// Processes of the made-up machine.
const PROCESSES: u32 = 300;
/// Times each figure is taken; the median is printed.
const ROUNDS: usize = 500;

fn main() -> Result<(), EngineError> {
    let mut deriver = Deriver::new();
    let mut second = 0;
    let mut snapshot = Arc::default();
    median("snapshot of 300 processes", || {
        second += 1;
        let sample = sample(second);
        let start = Instant::now();
        snapshot = Arc::new(deriver.snapshot(&sample));
        start.elapsed().as_nanos()
    });
    let mut engine = Engine::new()?;
    engine.set_view(View::new(snapshot, Arc::default(), Recent::default()));
    let statements = [
        "SELECT count(*) FROM processes",
        "SELECT name, rss_bytes FROM processes WHERE pid = 77",
        "SELECT pid, name, rss_bytes FROM processes ORDER BY rss_bytes DESC LIMIT 5",
        "SELECT count(*) FROM processes p JOIN processes c ON c.ppid = p.pid",
    ];
    for sql in statements {
        median(sql, || {
            let start = Instant::now();
            let rows = engine.rows(sql, &[]);
            let took = start.elapsed().as_nanos();
            assert!(rows.is_ok_and(|rows| !rows.is_empty()), "{sql}");
            took
        });
    }
    println!("{:>10.1} KiB  held by SQLite", heap_bytes() as f64 / 1024.0);
    Ok(())
}

fn median(what: &str, mut round: impl FnMut() -> u128) {
    let mut times: Vec<u128> = (0..ROUNDS).map(|_| round()).collect();
    times.sort_unstable();
    println!("{:>10.1} us   {what}", times[ROUNDS / 2] as f64 / 1000.0);
}

fn sample(second: i64) -> Sample {
    let machine =
        MachineSample { ticks_per_second: 100, uptime_s: 1e4 + second as f64, ..Default::default() };
    let stat = |pid| ProcessStat { pid, ppid: pid / 2, start_ticks: 1, state: b'S', ..Default::default() };
    let info = |pid| ProcessInfo {
        id: ProcessId { pid, start_ticks: 1 },
        name: "process".into(),
        exe: Some("/usr/bin/process".into()),
        command: Some("process --flag".into()),
        uid: 0,
        cgroup: Some("/system.slice/a.service".into()),
        unit: Some(format!("unit-{}.service", pid % 20).into()),
        service: None,
        is_kernel: false,
        descriptor_limits: Some((1024, 4096)),
    };
    Sample {
        at: Timestamp::from_secs(second),
        turn: second.unsigned_abs(),
        machine,
        processes: (1..=PROCESSES).map(stat).collect(),
        process_infos: if second == 1 { (1..=PROCESSES).map(info).collect() } else { Vec::new() },
        ..Sample::default()
    }
}
