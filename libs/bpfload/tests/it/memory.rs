//! Memory at its limit: reclaim is timed, and the OOM kill is an event.
//!
//! Needs a memory cgroup it may make (version 1 or 2); prints why it skips where there is none.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use bpfload::{Kind, Object};

use crate::helpers;
use crate::support::{drain, kernel_lock, load, wait_event};

/// A memory cgroup of one test, removed at the end.
struct Limit(PathBuf);

impl Limit {
    fn new(name: &str, bytes: u64) -> Option<Self> {
        let (root, file) = if fs::exists("/sys/fs/cgroup/memory/memory.limit_in_bytes").unwrap_or(false) {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
            ("/sys/fs/cgroup", "memory.max")
        };
        let path = PathBuf::from(root).join(format!("bpfload-{name}-{}", std::process::id()));
        let made = fs::create_dir(&path).and_then(|()| fs::write(path.join(file), bytes.to_string()));
        let limit = Self(path);
        if let Err(e) = made {
            eprintln!("skipped: no memory cgroup at {}: {e}", limit.0.display());
            return None;
        }
        let _ = fs::write(limit.0.join("memory.swap.max"), "0");
        Some(limit)
    }

    /// Starts a helper that waits for a line, puts it here, and writes the line.
    fn start(&self, role: &str, line: &str) -> Child {
        let mut child = helpers::command(role).stdin(Stdio::piped()).spawn().unwrap();
        fs::write(self.0.join("cgroup.procs"), child.id().to_string()).unwrap();
        writeln!(child.stdin.take().unwrap(), "{line}").unwrap();
        child
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn writing_more_than_the_limit_is_reclaim_of_that_process() {
    let Some(_one) = kernel_lock() else { return };
    let Some(limit) = Limit::new("reclaim", 24 << 20) else { return };
    let Some(mut kernel) = load(Object::Reclaim, &["memcg_begin", "memcg_end"], |_| {}) else { return };
    let path = std::env::temp_dir().join(format!("bpfload-write-{}", std::process::id()));
    let mut child = limit.start("writes", &path.display().to_string());
    let pid = child.id();
    // On a slow disk the limit may kill the writer: it had to reclaim before.
    child.wait().unwrap();
    fs::remove_file(&path).unwrap();
    let tick = drain(&mut kernel);
    let stat = tick.reclaim.iter().find(|(key, _)| *key == pid).map(|(_, stat)| *stat);
    assert!(stat.is_some_and(|s| s.memcg.count() > 0 && s.memcg.sum > 0), "{stat:?}");
}

#[test]
fn an_oom_kill_names_its_victim_before_the_victim_ends() {
    let Some(_one) = kernel_lock() else { return };
    let Some(limit) = Limit::new("oom", 32 << 20) else { return };
    let Some(mut kernel) = load(Object::Events, &["oom_victim", "process_exit"], |_| {}) else { return };
    let mut events = kernel.take_events().unwrap();
    let mut child = limit.start("eats", "");
    let pid = child.id();
    child.wait().unwrap();
    let victim = wait_event(&mut events, |e| e.pid == pid && e.kind() == Some(Kind::OomVictim)).unwrap();
    let resident_mib = (victim.value * 4096) >> 20;
    assert!((8..=64).contains(&resident_mib), "{resident_mib} MiB at a limit of 32");
    let exit = wait_event(&mut events, |e| e.pid == pid && e.kind() == Some(Kind::Exit)).unwrap();
    assert!(exit.signal == 9 && exit.at_ns > victim.at_ns);
}
