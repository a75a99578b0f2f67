//! What the history costs on the daemon's own path: turns noted for a day, then asked for through SQL. In time on a
//! processor: all of it is one thread that computes, and a busy machine does not blur that.
//!
//! `cargo run --release -p tables --example history`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use tables::history::Keeper;
use tables::{Deriver, Engine, View};
use vocab::recent::Recent;
use vocab::sample::{MachineSample, ProcessDetail, ProcessInfo, ProcessStat, Sample};
use vocab::{ProcessId, Timestamp};

/// Processes of the made-up machine; a third of them works.
const PROCESSES: u32 = 110;
const DAY_S: i64 = 86_400;
const START_S: i64 = 1_800_000_000 - 1_800_000_000 % DAY_S;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("homeostat-bench-history-{}", std::process::id()));
    let done = a_day(&folder);
    let _ = std::fs::remove_dir_all(&folder);
    done
}

/// Notes a day of turns and asks the questions of a chart.
fn a_day(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (mut keeper, _) = Keeper::open(folder)?;
    let upkeep = keeper.upkeep();
    let mut deriver = Deriver::new();
    let mut noting = 0.0;
    for second in 0..DAY_S {
        let snapshot = Arc::new(deriver.snapshot(&sample(second)));
        let view = View::new(snapshot, Arc::default(), Recent::default());
        let start = on_cpu_s();
        keeper.note(&view);
        noting += on_cpu_s() - start;
        if second % 5 == 4 {
            let notes = upkeep.maintain((START_S + second) * 1_000).notes;
            if !notes.is_empty() {
                return Err(notes.join("; ").into());
            }
        }
    }
    println!("{:>10.1} us   a turn of {PROCESSES} processes", noting / DAY_S as f64 * 1e6);
    let mut engine = Engine::new().map_err(|error| error.message)?;
    engine.set_history(keeper.reader());
    let (from, to) = (START_S * 1_000_000_000, (START_S + DAY_S) * 1_000_000_000);
    let day = format!("at >= {from} AND at < {to}");
    let load = format!("FROM metrics WHERE entity = 'machine' AND series = 'load_1' AND {day}");
    let noon = from + 43_200_000_000_000;
    let questions = [
        ("day/1 series/60 s", format!("SELECT at, value {load} AND step_s = 60"), 1_440),
        ("day/1 series/raw", format!("SELECT count(*), min(value), max(value) {load}"), 1),
        (
            "day/110 series/60 s",
            format!(
                "SELECT at, sum(value) FROM metrics WHERE series = 'cpu_time_s' AND step_s = 60 AND {day} GROUP BY at"
            ),
            1_440,
        ),
        ("processes at an instant", format!("SELECT * FROM processes_at({noon})"), PROCESSES as usize),
    ];
    for (case, sql, rows) in questions {
        let mut times = Vec::new();
        for _ in 0..11 {
            let start = on_cpu_s();
            let found = engine.select(&sql).map_err(|error| error.message)?.rows.len();
            times.push((on_cpu_s() - start) * 1e3);
            if found != rows {
                return Err(format!("{case}: {found} rows instead of {rows}").into());
            }
        }
        times.sort_by(f64::total_cmp);
        println!("{:>10.2} ms   {case}", times[times.len() / 2]);
    }
    keeper.close((START_S + DAY_S) * 1_000);
    Ok(())
}

/// How long this thread was on a processor so far. Unit: s.
fn on_cpu_s() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn sample(second: i64) -> Sample {
    let noise =
        |pid: u32| u64::from(pid).wrapping_mul(second as u64 + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
    let stat = |pid: u32| {
        let works = if pid.is_multiple_of(3) { second as u64 * (1 + u64::from(pid) % 7) / 10 } else { 0 };
        ProcessStat {
            pid,
            ppid: 1,
            start_ticks: 10,
            state: b'S',
            threads: 2,
            user_ticks: works,
            rss_bytes: (u64::from(pid) << 20) + if pid.is_multiple_of(10) { noise(pid) * 4096 } else { 0 },
            ..ProcessStat::default()
        }
    };
    let detail = |pid: u32| ProcessDetail {
        id: ProcessId { pid, start_ticks: 10 },
        anon_bytes: Some(u64::from(pid) << 19),
        shmem_bytes: Some(0),
        swap_bytes: Some(0),
        descriptors: Some(12 + noise(pid) / 15),
        read_bytes: Some(0),
        write_bytes: Some(second as u64 * 10),
        io_chars: Some(second as u64 * 1_000),
        io_calls: Some(second as u64 * 10),
        voluntary_switches: Some(second as u64 * 20 + noise(pid)),
    };
    let info = |pid: u32| ProcessInfo {
        id: ProcessId { pid, start_ticks: 10 },
        name: format!("program{pid}").into(),
        exe: Some(format!("/usr/bin/program{pid}").into()),
        command: Some(format!("program{pid} --flag").into()),
        uid: 0,
        cgroup: Some("/system.slice/a.service".into()),
        unit: Some(format!("unit-{}.service", pid % 20).into()),
        service: None,
        is_kernel: false,
        descriptor_limits: Some((1_024, 4_096)),
    };
    let mut machine = MachineSample { cpus: 2, ticks_per_second: 100, ..MachineSample::default() };
    machine.uptime_s = 10_000.0 + second as f64;
    machine.load = [(second % 97) as f64 / 10.0, 1.0, 1.0];
    machine.context_switches = second as u64 * 5_000 + noise(1) * 100;
    Sample {
        at: Timestamp::from_secs(START_S + second),
        turn: second.unsigned_abs() + 1,
        machine,
        processes: (1..=PROCESSES).map(stat).collect(),
        process_infos: if second == 0 { (1..=PROCESSES).map(info).collect() } else { Vec::new() },
        process_details: (1..=PROCESSES).map(detail).collect(),
        ..Sample::default()
    }
}
