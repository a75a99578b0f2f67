//! Calls of a CUDA run-time and an NCCL that are not: libraries in C that the test builds, whose truth is known.
//!
//! Needs a C compiler, as the build of this workspace does. Where the kernel refuses probes of functions, it says so and is
//! skipped.
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use stacks::Refusal;
use stacks::gpu::{self, Calls};

/// Names whom the helper below is to watch.
const WATCHED: &str = "STACKS_TEST_WATCHED_PID";

/// The program, built once beside its libraries.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gpu-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        // Carried along: this test is played on other machines too.
        let source = folder.join("gpu.c");
        std::fs::write(&source, include_str!("programs/gpu.c")).expect("writable");
        let build = |name: &str, flags: &[&str]| {
            let mut command = Command::new("cc");
            command.current_dir(&folder).args(["-O2", "-w", "-o", name]).arg(&source).args(flags);
            assert!(command.status().expect("a C compiler").success());
        };
        build("libcudart.so.12", &["-shared", "-fPIC", "-DCUDART"]);
        build("libnccl.so", &["-shared", "-fPIC", "-DNCCL"]);
        build("trains", &["-pthread", "-Wl,-rpath,$ORIGIN", "libcudart.so.12", "libnccl.so"]);
        folder.join("trains")
    })
}

/// A run of it, which ends with the test.
struct Run {
    child: Child,
    ask: ChildStdin,
    hear: BufReader<ChildStdout>,
    launch: u64,
    memory: File,
}

impl Run {
    fn start() -> Self {
        let mut command = Command::new(program());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let ask = child.stdin.take().expect("its input");
        let mut hear = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        hear.read_line(&mut line).expect("it speaks");
        let launch = u64::from_str_radix(line.trim().trim_start_matches("0x"), 16).expect("an address");
        let memory = File::open(format!("/proc/{}/mem", child.id())).expect("its memory");
        Self { child, ask, hear, launch, memory }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether a probe stands at the entry of its launches: the kernel puts a breakpoint there.
    fn is_probed(&self) -> bool {
        let mut byte = [0];
        self.memory.read_exact_at(&mut byte, self.launch).expect("its code");
        byte == [0xcc]
    }

    fn wait_until_free(&self) {
        let start = Instant::now();
        while self.is_probed() {
            assert!(start.elapsed() < Duration::from_secs(60), "a probe stays");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Has it do what it does, once.
    fn train(&mut self) {
        self.ask.write_all(b"go\n").expect("it hears");
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("it speaks");
        assert_eq!(line, "done\n");
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Functions that the libraries have, each with a probe on its entry and on its return.
const PROBES: usize = 2 * 9;

/// Takes the kernel for one test; `None` where probes of functions are not to be had, which it says.
fn probes() -> Option<MutexGuard<'static, ()>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if let Some(why) = gpu::refusal() {
        eprintln!("skipped: {why}");
        return None;
    }
    Some(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Waits until the process `pid` has attached to all functions.
fn wait_until_attached(pid: u32) {
    let start = Instant::now();
    let is_probe = |fd: std::io::Result<std::fs::DirEntry>| {
        let what = fd.and_then(|fd| std::fs::read_link(fd.path())).unwrap_or_default();
        what.to_string_lossy().contains("bpf_link")
    };
    let attached = || {
        let all = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
        all.map(is_probe).filter(|is_probe| *is_probe).count()
    };
    while attached() < PROBES {
        assert!(start.elapsed() < Duration::from_secs(60), "{} probes", attached());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Watches a run while it trains once.
fn watched(run: &mut Run, seconds: f64, budget_us: u64) -> Calls {
    let pid = run.pid();
    let watcher = std::thread::spawn(move || gpu::watch(pid, seconds, budget_us));
    wait_until_attached(std::process::id());
    run.train();
    watcher.join().expect("no panic").expect("calls")
}

#[test]
fn calls_bytes_and_leaks_are_exactly_those_of_the_program() {
    let Some(_one) = probes() else { return };
    let mut run = Run::start();
    let calls = watched(&mut run, 3.0, 10_000_000);
    assert!(calls.lost == 0 && calls.cut_short.is_none() && calls.seconds >= 3.0, "{calls:#?}");
    let found = calls.calls.iter().map(|one| {
        (one.library.as_str(), one.call, one.calls, one.errors, one.open, one.bytes, one.live_bytes)
    });
    let (cuda, nccl) = ("libcudart.so.12", "libnccl.so");
    let truth = [
        (cuda, "cudaLaunchKernel", 240, 0, 0, None, None),
        (cuda, "cudaDeviceSynchronize", 0, 0, 1, None, None),
        (cuda, "cudaStreamSynchronize", 80, 0, 0, None, None),
        (cuda, "cudaMemcpy", 80, 0, 0, Some(80 * 1_000), None),
        (cuda, "cudaMemcpyAsync", 80, 0, 0, Some(80 * (5 << 30)), None),
        (cuda, "cudaMalloc", 110, 10, 0, Some((80 << 20) + 20 * (64 << 10)), Some(20 * (64 << 10))),
        (cuda, "cudaFree", 81, 0, 0, Some(80 << 20), None),
        (nccl, "ncclAllReduce", 80, 0, 0, Some(80 * 4 * 1_024), None),
        (nccl, "ncclSend", 80, 0, 0, Some(80 * 2 * 100), None),
    ];
    assert_eq!(found.collect::<Vec<_>>(), truth);
    // How long each sleeps, at least; on a busy machine longer.
    for (name, least_ns) in
        [("cudaMemcpy", 3_000_000), ("cudaStreamSynchronize", 6_000_000), ("ncclAllReduce", 1_500_000)]
    {
        let latency = calls.calls.iter().find(|one| one.call == name).expect("it was called").latency;
        assert!(latency.sum >= 80 * least_ns, "{name}: {latency:?}");
        let first = latency.slots.iter().position(|count| *count > 0).expect("a slot");
        let (low, high) = bpfload::bounds(first);
        assert!((low..high).contains(&least_ns) || low >= least_ns, "{name}: {latency:?}");
    }
    run.wait_until_free();
}

#[test]
fn nobody_else_is_counted() {
    let Some(_one) = probes() else { return };
    let (mut run, mut other) = (Run::start(), Run::start());
    let pid = run.pid();
    let watcher = std::thread::spawn(move || gpu::watch(pid, 2.0, 10_000_000));
    wait_until_attached(std::process::id());
    assert!(run.is_probed());
    other.train();
    assert!(!other.is_probed());
    let calls = watcher.join().expect("no panic").expect("calls");
    assert_eq!(calls.calls, []);
    run.train();
}

#[test]
fn a_budget_ends_it_and_says_so() {
    let Some(_one) = probes() else { return };
    let mut run = Run::start();
    let calls = watched(&mut run, 60.0, 100);
    assert!(calls.cut_short.is_some_and(|why| why.contains("budget")) && calls.seconds < 50.0);
    run.wait_until_free();
}

#[test]
fn a_process_that_ends_midway_gives_what_was_seen() {
    let Some(_one) = probes() else { return };
    let run = Run::start();
    let pid = run.pid();
    let watcher = std::thread::spawn(move || gpu::watch(pid, 60.0, 10_000_000));
    wait_until_attached(std::process::id());
    drop(run);
    let calls = watcher.join().expect("no panic").expect("calls");
    assert!(calls.cut_short.is_some_and(|why| why.contains("ended")) && calls.seconds < 50.0);
}

#[test]
#[ignore = "the helper of the next one, which kills it"]
fn watches_until_it_is_killed() {
    let pid = std::env::var(WATCHED).ok().and_then(|pid| pid.parse().ok()).expect("a pid");
    gpu::watch(pid, 600.0, 1_000_000_000).expect("calls");
}

#[test]
fn a_watcher_that_is_killed_leaves_nothing_attached() {
    let Some(_one) = probes() else { return };
    let mut run = Run::start();
    let mut watcher = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "watches_until_it_is_killed", "--ignored"])
        .env(WATCHED, run.pid().to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    wait_until_attached(watcher.id());
    assert!(run.is_probed());
    watcher.kill().expect("it is ours");
    watcher.wait().expect("it ends");
    run.wait_until_free();
    run.train();
}

#[test]
fn who_has_no_gpu_library_is_refused_in_words() {
    let pid = std::process::id();
    assert_eq!(gpu::watch(pid, 1.0, 1_000_000), Err(Refusal::NoLibrary(pid)));
}
