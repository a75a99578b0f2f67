//! A storm of signals beside the daemon: what reaches it, what it keeps, what is counted as lost, what it costs.
//!
//! Children of one process group ignore the signals, others send them, to the whole group at each call: one a CPU, each
//! at its share of the rate, as far as it comes. What is heard of is every signal, also one that is ignored.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kernfs::ProcFs;

use crate::daemon::Daemon;
use crate::figure::{About, Failure, Figures};

/// Signals a second that are tried.
const RATE: u64 = 100_000;
/// How long the storm lasts.
const LASTS: Duration = Duration::from_secs(10);
/// Time for the daemon to come up; for it to read what its programs lost, which it does every ten seconds.
const SETTLES: Duration = Duration::from_secs(15);
const COUNTED: Duration = Duration::from_secs(12);
/// Processes of the group: signals that one call sends.
const GROUP: u64 = 32;
/// Calls at one go, between two looks at the clock.
const BATCH: u64 = 5;

/// What the programs of the events lost: it stands in the row of the first of them.
const LOST: &str = "SELECT sum(lost) FROM bpf_programs WHERE name = 'process_exec'";

/// Plays the storm.
pub(crate) fn run(program: Option<String>, figures: &mut Figures) -> Result<(), Failure> {
    let daemon = Daemon::start(program, "advise")?;
    let mut group: Vec<Child> = Vec::new();
    for _ in 0..GROUP {
        let mut sink = Command::new("/bin/sh");
        // The first makes the group, the others join it.
        let leader = group.first().map_or(0, Child::id);
        sink.args(["-c", "trap '' HUP; exec sleep 600"]).process_group(leader as i32);
        group.push(sink.spawn()?);
    }
    sleep(SETTLES);
    let played = play(&daemon, &group, figures);
    for sink in &mut group {
        sink.kill()?;
        sink.wait()?;
    }
    played
}

fn play(daemon: &Daemon, group: &[Child], figures: &mut Figures) -> Result<(), Failure> {
    let lost_before = daemon.number(LOST)?.ok_or("its programs do not run")?;
    let proc = &mut ProcFs::open(Path::new("/proc"))?;
    let pss_before = pss_kib(proc, daemon);
    let (cpu, began) = (cpu_ticks(proc, daemon), Instant::now());
    let sent = shoot(group.first().ok_or("the group is empty")?.id())?;
    let took_s = began.elapsed().as_secs_f64();
    let cpu_s = (cpu_ticks(proc, daemon) - cpu) as f64 / proc.ticks_per_s() as f64;
    let pss_after = pss_kib(proc, daemon);
    sleep(COUNTED);
    let pids = group.iter().map(|sink| sink.id().to_string()).collect::<Vec<_>>().join(", ");
    let kept = daemon.number(&format!("SELECT count(*) FROM signals WHERE pid IN ({pids})"))?;
    let lost = daemon.number(LOST)?.unwrap_or(0).saturating_sub(lost_before);
    let about = About { bench: "storm", case: "signals", subject: "homeostat" };
    figures.add(about, "sent_per_s", sent as f64 / took_s, "1/s");
    figures.add(about, "sent", sent as f64, "");
    figures.add(about, "lost_and_counted", lost as f64, "");
    figures.add(about, "rows_kept", kept.unwrap_or(0) as f64, "");
    figures.add(about, "core_percent", 100.0 * cpu_s / took_s, "%");
    figures.add(about, "pss_before_kib", pss_before as f64, "KiB");
    figures.add(about, "pss_after_kib", pss_after as f64, "KiB");
    Ok(())
}

/// Sends signals to that group from one child a CPU; how many.
fn shoot(group: u32) -> Result<u64, Failure> {
    let shooters = std::thread::available_parallelism()?.get() as u64;
    let mut children = Vec::new();
    for _ in 0..shooters {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["shoot", &group.to_string(), &(RATE / shooters).to_string()]);
        children.push(command.stdout(Stdio::piped()).spawn()?);
    }
    let mut sent = 0;
    for child in children {
        sent += String::from_utf8(child.wait_with_output()?.stdout)?.trim().parse::<u64>()?;
    }
    Ok(sent)
}

/// The child: sends signals to that group at that rate, as far as it comes, and prints how many.
pub(crate) fn shooter(arguments: &[String]) -> ExitCode {
    let [group, rate] = arguments else { return ExitCode::from(2) };
    let (Ok(group), Ok(rate)) = (group.parse::<i32>(), rate.parse::<f64>()) else { return ExitCode::from(2) };
    let (began, mut sent) = (Instant::now(), 0u64);
    while began.elapsed() < LASTS {
        for _ in 0..BATCH {
            // SAFETY: a signal to processes that our parent started to ignore it, a group of their own.
            unsafe { libc::kill(-group, libc::SIGHUP) };
        }
        sent += BATCH * GROUP;
        let due = Duration::from_secs_f64(sent as f64 / rate);
        sleep(due.saturating_sub(began.elapsed()));
    }
    println!("{sent}");
    ExitCode::SUCCESS
}

/// CPU time of keeper and daemon. Unit: clock ticks.
fn cpu_ticks(proc: &mut ProcFs, daemon: &Daemon) -> u64 {
    let stats = daemon.pids().into_iter().filter_map(|pid| proc.stat(pid).ok());
    stats.map(|stat| stat.utime_ticks + stat.stime_ticks).sum()
}

/// Memory of keeper and daemon. Unit: KiB.
fn pss_kib(proc: &mut ProcFs, daemon: &Daemon) -> u64 {
    let memory = daemon.pids().into_iter().filter_map(|pid| proc.smaps_rollup(pid).ok().flatten());
    memory.map(|one| one.pss_bytes / 1024).sum()
}
