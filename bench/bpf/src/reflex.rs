//! From an event in the kernel to its effect: a signal is generated, a FIFO thread wakes and freezes
//! the cgroup of the process: bare, with the loader's record, and as the daemon does it, guard and journal included; and
//! the kernel stops the process by itself, where the running kernel lets a program do so.

use std::fs::{self, File};
use std::path::{Path as FilePath, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::armed::Armed;
use crate::figure::{About, Failure, Figures};
use crate::loads;
use crate::measure::quantile;
use crate::reactor::Path;
use crate::stress::Stress;

/// Measurements of one subject before the other takes its turn.
const TURN: usize = 50;

/// Makes the path from a signal to a process.
type Make = fn(u32, u32) -> Result<Path, Failure>;

/// A process in a cgroup of its own.
struct Victim {
    child: Child,
    cgroup: PathBuf,
}

impl Victim {
    fn start() -> Result<Self, Failure> {
        let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .into_iter()
            .find(|root| FilePath::new(root).join("cgroup.procs").exists())
            .ok_or("no cgroup version 2")?;
        let cgroup = FilePath::new(root).join(format!("bench-bpf-victim-{}", std::process::id()));
        fs::create_dir(&cgroup)?;
        let child =
            Command::new("/bin/sh").args(["-c", "trap '' USR1; while :; do sleep 60; done"]).spawn()?;
        let victim = Self { child, cgroup };
        fs::write(victim.cgroup.join("cgroup.procs"), victim.child.id().to_string())?;
        thread::sleep(Duration::from_millis(200)); // until the trap is set
        Ok(victim)
    }

    fn freezer(&self) -> Result<File, Failure> {
        Ok(File::options().write(true).open(self.cgroup.join("cgroup.freeze"))?)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // In this order: a frozen process does not end, a cgroup with processes cannot be removed.
        let _ = fs::write(self.cgroup.join("cgroup.freeze"), "0");
        let _ = fs::write(self.cgroup.join("cgroup.kill"), "1");
        let _ = self.child.kill();
        let _ = self.child.wait();
        thread::sleep(Duration::from_millis(50));
        let _ = fs::remove_dir(&self.cgroup);
    }
}

/// Measures `count` reflexes of each subject in each case.
pub(crate) fn run(count: usize, figures: &mut Figures) -> Result<(), Failure> {
    for case in ["idle", "cpu", "memory"] {
        let _stress = Stress::start(case)?;
        let victim = Victim::start()?;
        let subjects: [(&str, Make); 4] = [
            ("floor", |signal, _| Path::floor(signal)),
            ("bpfload", Path::loader),
            ("homeostat", Path::homeostat),
            ("kernel", |signal, pid| Armed::new(signal, pid).map(Path::Kernel)),
        ];
        let mut latencies = subjects.map(|_| Vec::new());
        while latencies[0].len() < count {
            for ((_, make), latencies) in subjects.iter().zip(&mut latencies) {
                let lasted = turn(&victim, *make);
                loads::unpin();
                latencies.extend(lasted?);
            }
        }
        for ((subject, _), mut ns) in subjects.into_iter().zip(latencies) {
            let about = About { bench: "reflex", case, subject };
            figures.add(about, "event_to_effect_p50_us", quantile(&mut ns, 0.5) / 1e3, "us");
            figures.add(about, "event_to_effect_p99_us", quantile(&mut ns, 0.99) / 1e3, "us");
            figures.add(about, "event_to_effect_max_us", quantile(&mut ns, 1.0) / 1e3, "us");
            figures.add(about, "events", ns.len() as f64, "");
        }
    }
    Ok(())
}

/// One turn: a thread in the FIFO class reacts on one CPU, this thread causes on another.
fn turn(victim: &Victim, make: Make) -> Result<Vec<u64>, Failure> {
    let (pid, freeze, thaw) = (victim.child.id(), victim.freezer()?, victim.freezer()?);
    let signal = libc::SIGUSR1 as u32;
    let path = make(signal, pid)?;
    let (ready, is_ready) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let reactor = thread::spawn(move || {
        // A thread wakes where it last ran. Left to luck, one subject would be woken on the CPU of the event, which takes
        // a third of the time, and another one never.
        loads::pin(1);
        let lasted = react_all(path, &freeze, &ready, &done);
        lasted.map_err(|e| e.to_string())
    });
    is_ready.recv()??;
    loads::pin(0);
    for _ in 0..TURN {
        // SAFETY: a signal that our own child ignores.
        unsafe { libc::kill(pid as i32, libc::SIGUSR1) };
        if is_done.recv_timeout(Duration::from_secs(5)).is_err() {
            return Err("a reflex was missed".into());
        }
        std::os::unix::fs::FileExt::write_all_at(&thaw, b"0", 0)?;
        // SAFETY: as above; it goes on if it was stopped.
        unsafe { libc::kill(pid as i32, libc::SIGCONT) };
        thread::sleep(Duration::from_millis(2));
    }
    Ok(reactor.join().map_err(|_| "the reactor panicked")??)
}

fn react_all(
    mut path: Path,
    freeze: &File,
    ready: &mpsc::Sender<Result<(), String>>,
    done: &mpsc::Sender<()>,
) -> Result<Vec<u64>, Failure> {
    ready.send(become_real_time())?;
    let mut latencies = Vec::with_capacity(TURN);
    while latencies.len() < TURN {
        match path.react(freeze, 5000)? {
            Some(ns) => latencies.push(ns),
            None => return Err("no event for five seconds".into()),
        }
        done.send(())?;
    }
    Ok(latencies)
}

/// SCHED_FIFO 1 for the calling thread, and locked memory for the process.
fn become_real_time() -> Result<(), String> {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: plain calls about this thread and this process.
    let refused = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) < 0
            || libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) < 0
    };
    if refused { Err(format!("no real-time thread: {}", std::io::Error::last_os_error())) } else { Ok(()) }
}
