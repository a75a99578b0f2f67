//! What a profile costs: the CPU time of a watched process for a piece of its work, watched and not, in turns; the CPU
//! time of the watcher.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use stacks::{Kind, Profile, Request, Sleeping};

use crate::figure::{About, Failure, Figures};
use crate::measure::median;

/// Length of a profile, and of the time without one beside it.
const SECONDS: f64 = 5.0;
/// What is watched, and how.
const CASES: [(&str, Kind); 6] = [
    ("spins", Kind::OnCpu),
    ("faults", Kind::MemoryGrowth),
    ("leaks", Kind::MemoryGrowth),
    ("leaks", Kind::OffCpu),
    ("leaks", Kind::MemoryKept),
    ("allocates", Kind::MemoryKept),
];

/// Measures `pairs` profiles of each case.
pub(crate) fn run(pairs: usize, figures: &mut Figures) -> Result<(), Failure> {
    if let Some(why) = stacks::refusal() {
        return Err(why.to_string().into());
    }
    for (what, kind) in CASES {
        if kind == Kind::MemoryKept
            && let Some(why) = stacks::gpu::refusal()
        {
            eprintln!("memory_kept is left out: {why}");
            continue;
        }
        let mut worker = Worker::start(&[what])?;
        let about = About { bench: "profile", case: what, subject: kind.as_str() };
        compare(&mut worker, kind, pairs, about, figures)?;
        let start = Instant::now();
        let sleeping = Sleeping::capture(worker.child.id()).map_err(|why| why.to_string())?;
        let about = About { subject: Kind::Waiting.as_str(), ..about };
        figures.add(about, "copied_us", start.elapsed().as_secs_f64() * 1e6, "us");
        figures.add(about, "watcher_us", sleeping.named().cpu_us as f64, "us");
    }
    Ok(())
}

/// Profiles of one kind beside times without one.
fn compare(
    worker: &mut Worker,
    kind: Kind,
    pairs: usize,
    about: About<'_>,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let request = Request { pid: worker.child.id(), kind, seconds: SECONDS, budget_us: 10_000_000 };
    let mut found = [(); 5].map(|()| Vec::new());
    for _ in 0..pairs {
        let bare = worker.cost(|| std::thread::sleep(Duration::from_secs_f64(SECONDS)))?;
        let mut profile = Err(String::new());
        let watched = worker.cost(|| profile = stacks::profile(&request).map_err(|why| why.to_string()))?;
        let Profile { seconds, cpu_us, samples, lost, .. } = profile?;
        let values = [
            100.0 * (watched.0 / bare.0 - 1.0),
            (watched.0 - bare.0) * watched.1 / 1e4,
            cpu_us as f64 / 1e4 / seconds,
            samples as f64 / seconds,
            lost as f64,
        ];
        found.iter_mut().zip(values).for_each(|(all, value)| all.push(value));
    }
    let names = [
        ("work_dearer_percent", "%"),
        ("costs_it_core_percent", "% of a core"),
        ("watcher_core_percent", "% of a core"),
        ("samples_per_s", "1/s"),
        ("lost", ""),
    ];
    for ((figure, unit), values) in names.iter().zip(&mut found) {
        figures.add(about, figure, median(values), unit);
    }
    Ok(())
}

/// The child: works until its input ends, as `what` says.
pub(crate) fn worker(what: &str) -> ExitCode {
    match what {
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
        // Ten thousand times a second, nearly.
        "allocates" => work(|| {
            for n in 0..100_u64 {
                drop(std::hint::black_box(Box::new([n; 8])));
            }
            std::thread::sleep(Duration::from_millis(10));
        }),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// Works until its input ends; for each line it says how often, and at what CPU time.
pub(crate) fn work(piece: impl Fn()) {
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

/// CPU time of this process. Unit: us.
pub(crate) fn cpu_us() -> u64 {
    // SAFETY: the kernel writes one timespec, which outlives the call.
    let now = unsafe {
        let mut now = std::mem::zeroed::<libc::timespec>();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now);
        now
    };
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// A process that works.
pub(crate) struct Worker {
    child: Child,
    ask: Option<ChildStdin>,
    hear: BufReader<ChildStdout>,
}

impl Worker {
    pub(crate) fn start(what: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("work").args(what).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let ask = child.stdin.take();
        let hear = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, ask, hear })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Pieces of work and CPU time so far. Unit: us.
    fn look(&mut self) -> Result<(f64, f64), Failure> {
        writeln!(self.ask.as_mut().ok_or("it is ended")?)?;
        let mut line = String::new();
        self.hear.read_line(&mut line)?;
        let (pieces, cpu_us) = line.trim().split_once(' ').ok_or("no answer")?;
        Ok((pieces.parse()?, cpu_us.parse()?))
    }

    /// CPU time of a piece of work while `during` runs, and pieces in a second. Unit: us, 1/s.
    pub(crate) fn cost(&mut self, during: impl FnOnce()) -> Result<(f64, f64), Failure> {
        let (start, before) = (Instant::now(), self.look()?);
        during();
        let after = self.look()?;
        let pieces = (after.0 - before.0).max(1.0);
        Ok(((after.1 - before.1) / pieces, pieces / start.elapsed().as_secs_f64()))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.ask.take());
        let _ = self.child.wait();
    }
}
