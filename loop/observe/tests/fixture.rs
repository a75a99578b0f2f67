//! Observes small trees of files: machines that this one is not.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
use std::path::{Path, PathBuf};

use observe::{Bounds, NoServices, Observe, ObserveConfig};
use vocab::Timestamp;
use vocab::sample::Sample;

/// A folder that is removed when the test ends.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("observe-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// A process with that name, CPU time and resident pages.
    fn process(&self, pid: u32, comm: &str, ticks: u64, pages: u64) -> &Self {
        let stat = format!(
            "{pid} ({comm}) S 1 {pid} {pid} 0 -1 4194560 10 0 0 0 {ticks} 0 0 0 20 0 1 0 500 4096 {pages} \
             18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        );
        let status = "Name:\tx\nUid:\t7\t8\t7\t7\nRssAnon:\t  12 kB\nVmSwap:\t 4 kB\n";
        self.write(&format!("proc/{pid}/stat"), &stat)
            .write(&format!("proc/{pid}/status"), status)
            .write(&format!("proc/{pid}/cmdline"), "app\0--token\0abc\0")
            .write(&format!("proc/{pid}/cgroup"), "4:memory:/box\n0::/system.slice/app.service\n")
    }

    fn observe(&self, bounds: Bounds) -> Observe {
        Observe::open(ObserveConfig {
            proc_root: self.0.join("proc"),
            sys_root: self.0.join("sys"),
            kernel_log: None,
            journal: None,
            kernel: None,
            keeper_pid: None,
            services: Box::new(NoServices),
            bounds,
        })
        .unwrap()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tick(observe: &mut Observe, second: i64) -> Sample {
    observe.collect(Timestamp::from_secs(second), second.unsigned_abs(), 0, &[])
}

#[test]
fn a_process_is_introduced_once_and_again_when_it_becomes_another_program() {
    let tree = Tree::new("infos");
    tree.process(5, "sh", 1, 10);
    let mut eyes = tree.observe(Bounds::default());
    let first = tick(&mut eyes, 1);
    let info = &first.process_infos[0];
    assert_eq!((&*info.name, info.uid, info.command.as_deref()), ("sh", 8, Some("app --token ***")));
    assert_eq!(info.cgroup.as_deref(), Some("/system.slice/app.service"));
    assert_eq!(info.unit.as_deref(), Some("app.service"));
    assert_eq!(first.process_details[0].anon_bytes, Some(12 << 10));
    assert!(tick(&mut eyes, 2).process_infos.is_empty(), "read again, unchanged");
    tree.process(5, "server", 1, 10);
    assert_eq!(&*tick(&mut eyes, 3).process_infos[0].name, "server");
    assert!(tick(&mut eyes, 4).process_infos.is_empty());
}

#[test]
fn a_process_that_moves_is_looked_at_in_the_same_tick() {
    let tree = Tree::new("moves");
    tree.process(5, "grows", 1, 10).process(6, "idle", 1, 10);
    let mut eyes = tree.observe(Bounds::default());
    tick(&mut eyes, 1);
    tick(&mut eyes, 2);
    tree.process(5, "grows", 1, 11);
    let looked: Vec<_> = tick(&mut eyes, 3).process_details.iter().map(|one| one.id.pid).collect();
    assert!(looked.contains(&5));
    std::fs::remove_dir_all(tree.0.join("proc/6")).unwrap();
    let pids: Vec<_> = tick(&mut eyes, 4).processes.iter().map(|one| one.pid).collect();
    assert_eq!(pids, [5], "a process that ended is gone");
}

#[test]
fn what_exceeds_a_bound_is_counted() {
    let tree = Tree::new("bounds");
    for pid in 10..30 {
        tree.process(pid, "many", 1, 1);
    }
    let mut eyes = tree.observe(Bounds { processes: 16, details: 4, ..Bounds::default() });
    let sample = tick(&mut eyes, 1);
    assert_eq!((sample.processes.len(), sample.process_details.len()), (16, 4));
    let run = sample.collectors.iter().find(|one| &*one.name == "processes").unwrap();
    assert_eq!(run.dropped, 4 + 12);
    (2..9).for_each(|second| drop(tick(&mut eyes, second)));
}

#[test]
fn garbage_is_reported_and_never_fatal() {
    let tree = Tree::new("garbage");
    for file in ["stat", "loadavg", "uptime", "meminfo", "vmstat", "diskstats", "net/dev", "pressure/cpu"] {
        tree.write(&format!("proc/{file}"), "\u{fffd} (((\n-1 :: x\n");
    }
    tree.write("proc/7/stat", "7 (").write("proc/8/stat", "").process(9, "a) (b", 1, 1);
    let mut eyes = tree.observe(Bounds::default());
    let sample = tick(&mut eyes, 1);
    assert_eq!(sample.processes.len(), 1);
    assert_eq!(&*sample.process_infos[0].name, "a) (b");
    let machine = sample.collectors.iter().find(|one| &*one.name == "machine").unwrap();
    assert!(machine.error.is_some());
}

#[test]
fn groups_of_both_versions_become_one_row_a_path() {
    let tree = Tree::new("hybrid");
    let mounts = "1 0 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        2 0 0:2 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
        3 0 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    let unit = "system.slice/app.service";
    tree.process(5, "app", 1, 1)
        .write("proc/self/mountinfo", mounts)
        .write(&format!("sys/fs/cgroup/memory/{unit}/memory.usage_in_bytes"), "4096\n")
        .write(&format!("sys/fs/cgroup/memory/{unit}/memory.stat"), "cache 1\ntotal_rss 2048\n")
        .write(&format!("sys/fs/cgroup/memory/{unit}/memory.oom_control"), "under_oom 0\noom_kill 3\n")
        .write(&format!("sys/fs/cgroup/cpu/{unit}/cpu.shares"), "512\n")
        .write(&format!("sys/fs/cgroup/unified/{unit}/cgroup.events"), "populated 1\nfrozen 1\n")
        .write(&format!("sys/fs/cgroup/unified/{unit}/pids.max"), "400\n")
        .write(&format!("sys/fs/cgroup/unified/{unit}/pids.current"), "17\n")
        .write("sys/fs/cgroup/unified/system.slice/pids.max", "max\n")
        .write("sys/fs/cgroup/unified/system.slice/pids.current", "17\n")
        .write(
            &format!("sys/fs/cgroup/unified/{unit}/memory.pressure"),
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=70\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
        );
    let sample = tick(&mut tree.observe(Bounds::default()), 1);
    let rows = sample.cgroups.unwrap();
    let row = rows.iter().find(|row| &*row.path == "/system.slice/app.service").unwrap();
    assert_eq!((row.version, row.unit.as_deref(), row.processes), (2, Some("app.service"), Some(1)));
    assert_eq!((row.memory_bytes, row.anon_bytes, row.oom_kills), (Some(4096), Some(2048), Some(3)));
    assert_eq!((row.cpu_weight, row.is_frozen), (Some(50), Some(true)));
    assert_eq!((row.threads, row.threads_max), (Some(17), Some(400)));
    let slice = rows.iter().find(|row| &*row.path == "/system.slice").unwrap();
    assert_eq!((slice.threads, slice.threads_max), (None, None), "without a limit nobody asks");
    let stalls: Vec<_> = sample.pressures.iter().map(|one| (one.entity.to_string(), one.some_us)).collect();
    assert_eq!(stalls, [("cgroup:/system.slice/app.service".to_owned(), 70)]);
}

#[test]
fn a_machine_without_anything_is_an_error_only_without_proc() {
    assert!(
        Observe::open(ObserveConfig { proc_root: Path::new("/nonexistent").into(), ..Default::default() })
            .is_err()
    );
    let tree = Tree::new("bare");
    std::fs::create_dir_all(tree.0.join("proc")).unwrap();
    let mut eyes = tree.observe(Bounds::default());
    let sample = tick(&mut eyes, 1);
    assert!(sample.processes.is_empty() && sample.cgroups.is_none());
    let rows = eyes.capabilities();
    assert!(rows.iter().any(|row| row.name == "pressure" && !row.is_available && row.remedy.is_some()));
}
