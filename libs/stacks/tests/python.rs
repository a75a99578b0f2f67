//! Where threads of a Python program sleep, named. Skipped, and says so, where there is no Python whose frames are known.
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stacks::{Sleeping, Stack};

const PROGRAM: &str = "
import queue, sys, threading
lock = threading.Lock()
lock.acquire()
def enters():
    with lock:
        pass
def takes_by_hand():
    def inner():
        lock.acquire()
    inner()
def waits_for_work():
    queue.Queue().get()
for one in (enters, takes_by_hand, waits_for_work):
    threading.Thread(target=one, daemon=True).start()
print('ready', sys.version_info[1], flush=True)
threading.Event().wait()
";

struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, and the minor version of the Python that runs it.
fn start() -> Option<(Run, u32)> {
    let script = std::env::temp_dir().join(format!("sleeps-{}.py", std::process::id()));
    std::fs::write(&script, PROGRAM).expect("writable");
    let child = Command::new("python3").arg(&script).stdout(Stdio::piped()).spawn();
    let mut child = child.inspect_err(|error| eprintln!("skipped: python3: {error}")).ok()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("it speaks");
    std::fs::remove_file(script).expect("it was there");
    let version = line.trim().strip_prefix("ready ")?.parse().ok()?;
    Some((Run(child), version))
}

fn stack_with<'a>(stacks: &'a [Stack], function: &str) -> Option<&'a Stack> {
    stacks.iter().find(|one| one.frames.iter().any(|frame| frame.name.starts_with(function)))
}

#[test]
fn functions_of_a_python_program_are_named_and_its_library_is_told_apart() {
    let Some((run, version)) = start() else { return };
    if !(11..=12).contains(&version) || !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: frames of Python 3.{version} are not known here");
        return;
    }
    let begun = Instant::now();
    loop {
        let stacks = Sleeping::capture(run.0.id()).expect("ours").named().stacks;
        let found =
            ["py::enters:", "py::inner:", "py::waits_for_work:"].map(|name| stack_with(&stacks, name));
        if let [Some(enters), Some(by_hand), Some(waits)] = found {
            let first = |stack: &Stack| stack.function().map(|frame| frame.name.clone()).unwrap_or_default();
            assert!(first(enters).starts_with("py::enters:sleeps-"), "{}", enters.folded());
            assert!(by_hand.folded().contains("py::takes_by_hand:sleeps-"), "{}", by_hand.folded());
            assert!(first(waits).starts_with("py::waits_for_work:"), "{}", waits.folded());
            assert!(waits.folded().contains("[python wait:threading.py]"), "{}", waits.folded());
            return;
        }
        // A thread may not yet have come to where it sleeps.
        assert!(begun.elapsed() < Duration::from_secs(20), "{stacks:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
