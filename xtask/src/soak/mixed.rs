//! The load of a fault-free hour: a database, a server with clients and a log as services, jobs of every minute and of
//! every ten, builds that come and go.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::load::Load;

/// A job of every minute: small, short, of several programs.
const EVERY_MINUTE: &str = "cat access access.1 2>/dev/null | sort | uniq -c | sort -rn | head -50 > top; \
     find /proc/sys/kernel /etc -maxdepth 2 2>/dev/null | wc -l > found; gzip -kf top";
/// A job of every ten minutes: a copy of the database, packed.
const EVERY_TEN: &str = "cp table backup && gzip -1 -f backup && cksum backup.gz > sum && rm -f backup.gz";
/// Minutes of twelve in which there are builds.
const BUILDS: std::ops::Range<u64> = 2..7;

/// The load; it ends when this is dropped.
pub(super) struct Mixed {
    stop: Arc<AtomicBool>,
    clock: Option<JoinHandle<u32>>,
    clients: Child,
}

impl Mixed {
    /// Starts it in `folder`, with its services under the Homeostat whose state is in `state`.
    pub(super) fn start(binary: &Path, state: &Path, folder: &Path) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("cannot start the load: {error}");
        let own = std::env::current_exe().map_err(cannot)?;
        let mut services = String::new();
        for name in ["soak-database", "soak-server", "soak-lines", "soak-clients"] {
            std::fs::copy(&own, folder.join(name)).map_err(cannot)?;
            let (program, folder) = (folder.join(name), folder.display());
            if name != "soak-clients" {
                services += &format!(
                    "[[service]]\nname = \"{name}\"\ncommand = [\"{}\", \"{folder}\"]\n",
                    program.display()
                );
            }
        }
        let file = folder.join("services.toml");
        std::fs::write(&file, services).map_err(cannot)?;
        let mut order = Command::new(binary);
        let output = order.args(["service", "start"]).arg(&file).arg("--state-dir").arg(state).output();
        let output = output.map_err(cannot)?;
        if !output.status.success() {
            return Err(format!("no services: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        let clients = quiet(Command::new(folder.join("soak-clients")).arg(folder)).spawn().map_err(cannot)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, folder) = (stop.clone(), folder.to_owned());
        let clock = Some(std::thread::spawn(move || tick(&stopped, &folder)));
        Ok(Self { stop, clock, clients })
    }

    /// Ends it; builds that were finished.
    pub(super) fn end(mut self) -> u32 {
        self.join()
    }

    fn join(&mut self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.clients.kill();
        let _ = self.clients.wait();
        self.clock.take().and_then(|clock| clock.join().ok()).unwrap_or(0)
    }
}

impl Drop for Mixed {
    fn drop(&mut self) {
        self.join();
    }
}

/// Starts the jobs and the builds when their time has come.
fn tick(stopped: &AtomicBool, folder: &PathBuf) -> u32 {
    let (start, mut builds, mut load, mut last) = (Instant::now(), 0, None, None);
    while !stopped.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(200));
        let minute = start.elapsed().as_secs() / 60;
        if last == Some(minute) {
            continue;
        }
        last = Some(minute);
        match (BUILDS.contains(&(minute % 12)), load.take()) {
            (true, running) => load = Some(running.unwrap_or_else(Load::start)),
            (false, Some(running)) => builds += running.end(),
            (false, None) => {}
        }
        job(folder, EVERY_MINUTE);
        if minute % 10 == 5 {
            job(folder, EVERY_TEN);
        }
    }
    builds + load.map_or(0, Load::end)
}

/// Runs a job to its end, as cron would: by a shell.
fn job(folder: &PathBuf, script: &str) {
    let mut command = Command::new("sh");
    let _ = quiet(command.args(["-c", script]).current_dir(folder)).status();
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}
