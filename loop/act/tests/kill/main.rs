//! Kills the daemon, the keeper, and both, before and after every system call of every action; the next start
//! must know the machine.
//!
//! Each scenario is one actuator on a child. A life is: open the ring, apply, hold, release by half, apply again, release. The life runs in a
//! traced process that is killed at its n-th stop, for n = 1, 2, … until it gets to its end. Then the next daemon, or the keeper,
//! recovers over the ring that is left, and ring and machine must agree: as before and over, or changed and
//! standing. Last, everything is taken back, and the machine must be as it was.
//!
//! As root all of this runs twice, the second time as an ordinary user.
#![allow(clippy::unwrap_used, reason = "a test: what fails here must stop it")]

mod life;
mod scenarios;
mod tracer;
mod victim;

use std::process::ExitCode;

use life::kill_everywhere;
use scenarios::{Scenario, Workbench};

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;

fn main() -> ExitCode {
    // `cargo test` passes filters and flags meant for its own harness; this is one test.
    if std::env::args().any(|argument| argument == "--list") {
        println!("kill: test");
        return ExitCode::SUCCESS;
    }
    // Side by side: most of the time goes into waiting for stops.
    let nobody = rustix::process::geteuid().is_root().then(as_nobody);
    let (alone, beside): (Vec<Scenario>, _) = Scenario::ALL.iter().partition(|one| one.shares_a_rate());
    let mut failures = run_all("as this user", &beside);
    failures += usize::from(nobody.is_some_and(|pid| tracer::wait_for(pid) != 0));
    failures += run_all("as this user", &alone);
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_all(user: &str, scenarios: &[Scenario]) -> usize {
    let bench = Workbench::new();
    let mut failures = 0;
    for scenario in scenarios {
        let name = format!("{scenario:?}, {user}");
        match kill_everywhere(&bench, *scenario) {
            Ok(Some(report)) => println!("test {name} ... ok ({report})"),
            Ok(None) => println!("test {name} ... skipped: not offered here"),
            Err(said) => {
                println!("test {name} ... FAILED: {said}");
                failures += 1;
            }
        }
    }
    failures
}

/// Starts the same once more without privilege, in a child.
fn as_nobody() -> i32 {
    tracer::fork_child(|| {
        // SAFETY: plain system calls; this process has one thread. A process that changed its user is not
        // dumpable, and would not own its own files in /proc.
        let dropped = unsafe {
            libc::setgroups(0, std::ptr::null()) == 0
                && libc::setresgid(NOBODY, NOBODY, NOBODY) == 0
                && libc::setresuid(NOBODY, NOBODY, NOBODY) == 0
                && libc::prctl(libc::PR_SET_DUMPABLE, 1) == 0
        };
        assert!(dropped, "the privilege could not be given up");
        i32::from(run_all("as nobody", Scenario::ALL) > 0)
    })
}
