//! What a profile costs: the CPU time of a watched process for a piece of its work, watched and not, in turns; the CPU
//! time of the watcher, and its memory before, during and after.
//!
//! `cargo run --release -p stacks --example profile_cost [ROUNDS]`
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use stacks::{Kind, Request, Sleeping};

/// Length of a profile, and of the time without one beside it.
const SECONDS: f64 = 5.0;

fn main() {
    let word = std::env::args().nth(1).unwrap_or_default();
    match word.as_str() {
        "spins" => work(|| {
            let mut value = 1_u64;
            for _ in 0..200_000 {
                value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        }),
        // Beyond what an allocator keeps: mapped and unmapped each time.
        "faults" => work(|| drop(std::hint::black_box(vec![1_u8; 40 << 20]))),
        "leaks" => work(|| {
            std::mem::forget(std::hint::black_box(vec![1_u8; 20 << 10]));
            std::thread::sleep(Duration::from_millis(10));
        }),
        rounds => measure(rounds.parse().unwrap_or(3)),
    }
}

/// Works until its input ends; for each line it says how often, and at what CPU time.
fn work(piece: impl Fn()) {
    let (ask, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() || ask.send(()).is_err() {
                break;
            }
        }
    });
    let mut pieces = 0_u64;
    loop {
        piece();
        pieces += 1;
        match asked.try_recv() {
            Ok(()) => {
                println!("{pieces} {}", cpu_us());
                let _ = std::io::stdout().flush();
            }
            Err(std::sync::mpsc::TryRecvError::Empty) => {}
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
        }
    }
}

fn cpu_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

struct Worker {
    child: Child,
    ask: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Worker {
    fn start(what: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg(what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let ask = child.stdin.take().expect("its input");
        let hear = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, ask, hear }
    }

    /// Pieces of work and CPU time so far. Unit: us.
    fn look(&mut self) -> (f64, f64) {
        writeln!(self.ask).expect("it listens");
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("it answers");
        let mut numbers = line.split_whitespace().map(|word| word.parse::<f64>().expect("a number"));
        (numbers.next().expect("pieces"), numbers.next().expect("CPU time"))
    }

    /// CPU time of a piece of work while `during` runs, and pieces in a second. Unit: us, 1/s.
    fn cost(&mut self, during: impl FnOnce()) -> (f64, f64) {
        let (start, before) = (Instant::now(), self.look());
        during();
        let after = self.look();
        let pieces = (after.0 - before.0).max(1.0);
        ((after.1 - before.1) / pieces, pieces / start.elapsed().as_secs_f64())
    }
}

fn measure(rounds: usize) {
    if let Some(why) = stacks::refusal() {
        println!("no figures: {why}");
        return;
    }
    let before_kib = resident_kib();
    for (what, kind) in [
        ("spins", Kind::OnCpu),
        ("faults", Kind::MemoryGrowth),
        ("leaks", Kind::MemoryGrowth),
        ("leaks", Kind::OffCpu),
    ] {
        let mut worker = Worker::start(what);
        let pid = worker.child.id();
        let request = Request { pid, kind, seconds: SECONDS, budget_us: 10_000_000 };
        for _ in 0..rounds {
            let bare = worker.cost(|| std::thread::sleep(Duration::from_secs_f64(SECONDS)));
            let mut profile = None;
            let watched = worker.cost(|| profile = stacks::profile(&request).ok());
            let profile = profile.expect("a profile");
            let first = profile.functions().first().map_or_else(String::new, |one| one.frame.name.clone());
            println!(
                "{what:>6} {:>13}: costs it {:.1} % of its CPU time, {:.2} % of a core; the watcher {:.2} % of a core; {} samples, {} lost, {} KiB resident, most in {first}",
                kind.as_str(),
                100.0 * (watched.0 / bare.0 - 1.0),
                (watched.0 - bare.0) * watched.1 / 1e4,
                profile.cpu_us as f64 / 1e4 / profile.seconds,
                profile.samples,
                profile.lost,
                resident_kib()
            );
        }
        let start = Instant::now();
        let sleeping = Sleeping::capture(pid).expect("a look");
        let copied = start.elapsed();
        let named = sleeping.named();
        println!(
            "{what:>6}       waiting: copied in {copied:?}, {:.2} ms of CPU in all",
            named.cpu_us as f64 / 1e3
        );
        drop(worker.ask);
        let _ = worker.child.wait();
    }
    println!("resident: {before_kib} KiB before, {} KiB after", resident_kib());
}
