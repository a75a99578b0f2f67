//! A storm of signals beside the daemon: what reaches it, what it keeps, what is counted as lost, what it costs.
//!
//! One child ignores the signals, others send them: one a CPU, each at its share of the rate, as far as it comes. What is
//! heard of is every signal, also one that is ignored.

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
/// Signals sent at one go, between two looks at the clock.
const BATCH: u64 = 100;

/// What the programs of the events lost: it stands in the row of the first of them.
const LOST: &str = "SELECT sum(lost) FROM bpf_programs WHERE name = 'process_exec'";

/// Plays the storm.
pub(crate) fn run(program: Option<String>, figures: &mut Figures) -> Result<(), Failure> {
    let daemon = Daemon::start(program, "advise")?;
    let mut sink = Command::new("/bin/sh").args(["-c", "trap '' HUP; exec sleep 600"]).spawn()?;
    sleep(SETTLES);
    let played = play(&daemon, &sink, figures);
    sink.kill()?;
    sink.wait()?;
    played
}

fn play(daemon: &Daemon, sink: &Child, figures: &mut Figures) -> Result<(), Failure> {
    let lost_before = daemon.number(LOST)?.ok_or("its programs do not run")?;
    let proc = &mut ProcFs::open(Path::new("/proc"))?;
    let pss_before = pss_kib(proc, daemon);
    let (cpu, began) = (cpu_ticks(proc, daemon), Instant::now());
    let sent = shoot(sink.id())?;
    let took_s = began.elapsed().as_secs_f64();
    let cpu_s = (cpu_ticks(proc, daemon) - cpu) as f64 / proc.ticks_per_s() as f64;
    let pss_after = pss_kib(proc, daemon);
    sleep(COUNTED);
    let kept = daemon.number(&format!("SELECT count(*) FROM signals WHERE pid = {}", sink.id()))?;
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

/// Sends signals from one child a CPU; how many.
fn shoot(pid: u32) -> Result<u64, Failure> {
    let shooters = std::thread::available_parallelism()?.get() as u64;
    let mut children = Vec::new();
    for _ in 0..shooters {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["shoot", &pid.to_string(), &(RATE / shooters).to_string()]);
        children.push(command.stdout(Stdio::piped()).spawn()?);
    }
    let mut sent = 0;
    for child in children {
        sent += String::from_utf8(child.wait_with_output()?.stdout)?.trim().parse::<u64>()?;
    }
    Ok(sent)
}

/// The child: sends signals to that process at that rate, as far as it comes, and prints how many.
pub(crate) fn shooter(arguments: &[String]) -> ExitCode {
    let [pid, rate] = arguments else { return ExitCode::from(2) };
    let (Ok(pid), Ok(rate)) = (pid.parse::<i32>(), rate.parse::<f64>()) else { return ExitCode::from(2) };
    let (began, mut sent) = (Instant::now(), 0u64);
    while began.elapsed() < LASTS {
        for _ in 0..BATCH {
            // SAFETY: a signal to a process that our parent started to ignore it.
            unsafe { libc::kill(pid, libc::SIGHUP) };
        }
        sent += BATCH;
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
