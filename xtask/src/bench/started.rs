//! A program that a bench started, and only such a one is ever stopped: by its id, with what it started itself.
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::processes;

/// How long a program may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running program; it is stopped when this is dropped.
pub(crate) struct Started {
    child: Child,
}

impl Started {
    /// Starts `command` with its output in `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let cannot = |error: std::io::Error| format!("cannot start {program}: {error}");
        let file = File::create(log).map_err(cannot)?;
        let errors = file.try_clone().map_err(cannot)?;
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn().map_err(cannot)?;
        Ok(Self { child })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let before = processes::all();
        let tree = processes::tree(&before, self.pid());
        signal(self.pid(), Signal::TERM);
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > PATIENCE {
                signal(self.pid(), Signal::KILL);
                let _ = self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        end_rest(&before, &tree, self.pid());
    }
}

/// Ends a program that somebody here started, and all that it started, at once.
pub(crate) fn end_tree(root: u32) {
    let before = processes::all();
    let tree = processes::tree(&before, root);
    signal(root, Signal::KILL);
    end_rest(&before, &tree, root);
}

/// What outlived its root is still the process that was seen below it.
fn end_rest(before: &BTreeMap<u32, processes::Stat>, tree: &BTreeSet<u32>, root: u32) {
    let after = processes::all();
    let start = |all: &BTreeMap<u32, processes::Stat>, pid| Some(all.get(&pid)?.start_ticks);
    for pid in tree {
        if *pid != root && start(before, *pid).is_some() && start(before, *pid) == start(&after, *pid) {
            signal(*pid, Signal::KILL);
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_until(holds: impl Fn() -> bool) {
        let start = std::time::Instant::now();
        while !holds() {
            assert!(start.elapsed() < Duration::from_secs(30), "it does not come");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn it_ends_with_all_that_it_started() {
        let log = std::env::temp_dir().join(format!("xtask-started-{}", std::process::id()));
        let mut command = Command::new("sh");
        let one = Started::start(command.args(["-c", "sleep 300 & sleep 300"]), &log).unwrap();
        let tree = || processes::tree(&processes::all(), one.pid());
        wait_until(|| tree().len() == 3);
        let tree = tree();
        drop(one);
        // A child that nobody waits for yet is a zombie of pid 1 for a moment: it has no memory any more.
        let lives = |pid: &u32| processes::pss_kib(*pid).is_some_and(|kib| kib > 0);
        wait_until(|| !tree.iter().any(lives));
        let _ = std::fs::remove_file(log);
    }
}
