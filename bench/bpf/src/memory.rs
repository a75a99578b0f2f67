//! From memory running out to the decision who must yield, on the daemon itself: a process fills a limited cgroup at a
//! steady rate, the clock runs from the moment at which a twentieth of the limit is left.
//!
//! Beside it the innocents: a process that fills most of the limit and stays, and one that reads a file larger than the
//! limit. Neither may be touched. And beside it earlyoom (`earlyoom.rs`).

use std::fs;
use std::io::Read;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::figure::{About, Failure, Figures};
use crate::measure::quantile;
use crate::room::{LIMIT_BYTES, RATES, Room, now_ns};

/// Between two exhaustions: the guard lets ten actions a minute through, and each takes two.
const PACE: Duration = Duration::from_secs(12);
/// Longest time in which the daemon lists cgroups again, and then some.
const LISTED: Duration = Duration::from_secs(8);

/// Measures `count` exhaustions at each rate.
pub(crate) fn run(count: usize, program: Option<String>, figures: &mut Figures) -> Result<(), Failure> {
    let room = Room::new()?;
    crate::earlyoom::run(&room, count, figures)?;
    let daemon = Daemon::start(program, "heal")?;
    sleep(LISTED);
    for rate in RATES {
        let mut waited_ns = Vec::new();
        let mut early = 0;
        for _ in 0..count {
            let (over_ns, decided_ns) = exhaust(&room, &daemon, rate)?;
            early += u32::from(decided_ns < over_ns);
            waited_ns.push(decided_ns.saturating_sub(over_ns));
            sleep(PACE);
        }
        let case = format!("{rate} MiB/s");
        let about = About { bench: "memory", case: &case, subject: "homeostat" };
        figures.add(about, "memory_to_decision_p50_ms", quantile(&mut waited_ns, 0.5) / 1e6, "ms");
        figures.add(about, "memory_to_decision_max_ms", quantile(&mut waited_ns, 1.0) / 1e6, "ms");
        figures.add(about, "decided_before_it_was_over", f64::from(early), "");
        figures.add(about, "exhaustions", waited_ns.len() as f64, "");
    }
    for role in ["fill", "read"] {
        let about = About { bench: "memory", case: role, subject: "homeostat" };
        figures.add(about, "innocents_killed", f64::from(u32::from(is_killed(&room, role)?)), "");
    }
    Ok(())
}

/// When a twentieth was left, and when it was decided who must yield. Unit: ns UTC.
fn exhaust(room: &Room, daemon: &Daemon, rate: u64) -> Result<(u64, u64), Failure> {
    let began_ns = now_ns();
    let mut child = room.start(&["take", &rate.to_string()])?;
    let mut over_ns = None;
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait()?.is_none() {
        if over_ns.is_none() && room.used() >= LIMIT_BYTES / 20 * 19 {
            over_ns = Some(now_ns());
        }
        if Instant::now() > deadline {
            child.kill()?;
            return Err("nobody decided anything for half a minute".into());
        }
        sleep(Duration::from_micros(500));
    }
    // The row is part of the tick after it.
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        sleep(Duration::from_millis(200));
        if let Some(decided_ns) = verdict(daemon, child.id(), began_ns)? {
            // One that was decided on before it was over never came so far.
            return Ok((over_ns.unwrap_or(decided_ns + 1), decided_ns));
        }
        if Instant::now() > deadline {
            return Err("it was killed by somebody else".into());
        }
    }
}

/// The instant of the first verdict after `since_ns` about `pid`. Unit: ns UTC.
fn verdict(daemon: &Daemon, pid: u32, since_ns: u64) -> Result<Option<u64>, Failure> {
    let sql = format!(
        "SELECT min(at) AS at FROM memory_victims WHERE pid = {pid} AND is_chosen AND at > {since_ns}"
    );
    daemon.number(&sql)
}

fn is_killed(room: &Room, role: &str) -> Result<bool, Failure> {
    let mut child = room.start(&[role, "0"])?;
    let deadline = Instant::now() + Duration::from_secs(6);
    while Instant::now() < deadline {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        sleep(Duration::from_millis(50));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

/// The child: joins the cgroup, then does what its role says.
pub(crate) fn hog(arguments: &[String]) -> ExitCode {
    let [role, rate, procs] = arguments else { return ExitCode::from(2) };
    if fs::write(procs, std::process::id().to_string()).is_err() {
        return ExitCode::from(2);
    }
    match role.as_str() {
        "take" => take(rate.parse().unwrap_or(50), u64::MAX),
        // Nine tenths of the limit, as fast as it goes.
        "fill" => take(1_000, (LIMIT_BYTES >> 20) * 9 / 10),
        _ => read(),
    }
}

fn take(rate: u64, most_mib: u64) -> ExitCode {
    let began = Instant::now();
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        if (blocks.len() as u64) < most_mib {
            blocks.push(vec![1; 1 << 20]);
        }
        let due = Duration::from_secs_f64(blocks.len() as f64 / rate as f64);
        let rest = if blocks.len() as u64 == most_mib { Duration::from_millis(50) } else { Duration::ZERO };
        sleep(due.saturating_sub(began.elapsed()).max(rest));
    }
}

fn read() -> ExitCode {
    let path = std::env::temp_dir().join(format!("bench-memory-file-{}", std::process::id()));
    let mut buffer = vec![1; 1 << 20];
    for _ in 0..LIMIT_BYTES / (1 << 20) * 3 / 2 {
        use std::io::Write as _;
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        if file.and_then(|mut file| file.write_all(&buffer)).is_err() {
            return ExitCode::from(2);
        }
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        let Ok(mut file) = fs::File::open(&path) else { return ExitCode::from(2) };
        while file.read(&mut buffer).is_ok_and(|n| n > 0) {}
    }
    let _ = fs::remove_file(&path);
    sleep(Duration::from_secs(60));
    ExitCode::SUCCESS
}
