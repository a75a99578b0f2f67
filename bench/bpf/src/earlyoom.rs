//! earlyoom at the same exhaustions: it reads the memory of the machine only, so it lives in a mount name space in which
//! /proc/meminfo tells of the limited cgroup. It is asked to decide, not to kill: whom it would choose may be anybody's.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::figure::{About, Failure, Figures};
use crate::measure::quantile;
use crate::room::{LIMIT_BYTES, RATES, Room, now_ns};

/// How long it is given to say more, and to see that memory is free again: it looks ten times a second.
const SETTLES: Duration = Duration::from_millis(500);

/// One running earlyoom, ended when dropped.
struct Peer {
    child: Child,
    decided: Receiver<u64>,
    path: PathBuf,
    meminfo: File,
}

impl Peer {
    fn start() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("bench-meminfo-{}", std::process::id()));
        let meminfo = File::create(&path)?;
        tell(&meminfo, 0)?;
        let script = "mount --bind \"$0\" /proc/meminfo && exec earlyoom --dryrun -m 5 -r 0 2>&1";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script]).arg(&path).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let (told, decided) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if line.contains("sending SIG") && told.send(now_ns()).is_err() {
                    break;
                }
            }
        });
        thread::sleep(SETTLES);
        Ok(Self { child, decided, path, meminfo })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes what the machine would say if it were no larger than the cgroup; always as long, so that no reader sees half.
fn tell(meminfo: &File, used: u64) -> Result<(), Failure> {
    let (total, used) = (LIMIT_BYTES >> 10, used.min(LIMIT_BYTES) >> 10);
    let free = total - used;
    let rows = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Shmem", 0),
        ("AnonPages", used),
    ];
    let text: String =
        rows.iter().map(|(name, kib)| format!("{:<16}{kib:>8} kB\n", format!("{name}:"))).collect();
    Ok(meminfo.write_all_at(text.as_bytes(), 0)?)
}

/// Measures `count` exhaustions at each rate; nothing where it is not installed.
pub(crate) fn run(room: &Room, count: usize, figures: &mut Figures) -> Result<(), Failure> {
    if Command::new("earlyoom").arg("-v").output().is_err() {
        eprintln!("skipped: earlyoom is not installed");
        return Ok(());
    }
    let peer = Peer::start()?;
    for rate in RATES {
        let mut waited_ns = Vec::new();
        for _ in 0..count {
            waited_ns.extend(exhaust(room, &peer, rate)?);
        }
        let case = format!("{rate} MiB/s");
        let about = About { bench: "memory", case: &case, subject: "earlyoom" };
        figures.add(about, "kernel_was_first", (count - waited_ns.len()) as f64, "");
        if !waited_ns.is_empty() {
            figures.add(about, "memory_to_decision_p50_ms", quantile(&mut waited_ns, 0.5) / 1e6, "ms");
            figures.add(about, "memory_to_decision_max_ms", quantile(&mut waited_ns, 1.0) / 1e6, "ms");
        }
    }
    Ok(())
}

/// From the moment at which a twentieth was left until it decided; `None` if the kernel killed first. Unit: ns.
fn exhaust(room: &Room, peer: &Peer, rate: u64) -> Result<Option<u64>, Failure> {
    while peer.decided.try_recv().is_ok() {}
    let mut child = room.start(&["take", &rate.to_string()])?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let (mut over_ns, mut decided_ns) = (None, None);
    while child.try_wait()?.is_none() && decided_ns.is_none() {
        let used = room.used();
        tell(&peer.meminfo, used)?;
        if over_ns.is_none() && used >= LIMIT_BYTES / 20 * 19 {
            over_ns = Some(now_ns());
        }
        decided_ns = peer.decided.try_recv().ok();
        if Instant::now() > deadline {
            child.kill()?;
            return Err("earlyoom decided nothing for half a minute".into());
        }
        thread::sleep(Duration::from_micros(500));
    }
    let _ = child.kill();
    child.wait()?;
    tell(&peer.meminfo, 0)?;
    thread::sleep(SETTLES);
    Ok(decided_ns.map(|decided_ns| decided_ns.saturating_sub(over_ns.unwrap_or(decided_ns))))
}
