//! What all programs cost as the daemon has them: the one on context switches rests where these are too frequent.
//!
//! Each turn beside one without any program, in alternating order; what is compared are the sums of some turns, for what
//! is saved in one is spent in another. A turn is 50 ms here and a second in the daemon: the rule knows no length. What
//! attaching and detaching cost is told apart.

use std::time::{Duration, Instant};

use bpfload::{Duty, Events, Kernel, Object, Tick};
use kernfs::{CpuStat, ProcFs};

use crate::figure::{About, Failure, Figures};
use crate::loads::Load;
use crate::measure::{Slice, error_of, median, quantile, slice};

const TURN: Duration = Duration::from_millis(50);
/// Turns of which the sums are compared: some rounds of rest.
const TURNS: usize = 20;

/// The sum of some slices.
#[derive(Default)]
struct Block {
    seconds: f64,
    cpu_ns: f64,
    latencies_ns: Vec<u64>,
}

impl Block {
    fn add(&mut self, one: Slice) {
        let ops = one.latencies_ns.len() as f64;
        self.seconds += ops / one.rate;
        self.cpu_ns += one.cpu_ns * ops;
        self.latencies_ns.extend(one.latencies_ns);
    }

    fn rate(&self) -> f64 {
        self.latencies_ns.len() as f64 / self.seconds
    }

    fn cpu_per_op_ns(&self) -> f64 {
        self.cpu_ns / self.latencies_ns.len() as f64
    }
}

/// Switches since boot.
struct Switches {
    proc: ProcFs,
    stat: CpuStat,
}

impl Switches {
    fn read(&mut self) -> Result<u64, Failure> {
        self.proc.cpu_stat(&mut self.stat)?;
        Ok(self.stat.ctxt)
    }
}

/// Compares `blocks` times some turns; `set` attaches all programs that run always, or detaches them.
pub(crate) fn run(
    (kernel, events): (&mut Kernel, &mut Events),
    load: &mut Load,
    blocks: usize,
    set: impl Fn(&mut Kernel, bool) -> Result<(), Failure>,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let mut switches = Switches { proc: ProcFs::open("/proc".as_ref())?, stat: CpuStat::default() };
    let cpus = u32::try_from(std::thread::available_parallelism()?.get())?;
    let (mut duty, mut runs, mut ran) = (Duty::default(), true, 0);
    let (mut rates, mut cpu, mut latencies) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    let mut tick = Tick::default();
    for _ in 0..blocks {
        let mut measured = [Block::default(), Block::default()];
        for step in 0..2 * TURNS {
            // Which of the two comes first alternates.
            let attached = matches!(step % 4, 0 | 3);
            while events.next_event().is_some() {}
            kernel.drain(&mut tick)?;
            set(kernel, attached)?;
            kernel.set_attached(Object::Sched, attached && runs)?;
            let (before, began) = (switches.read()?, Instant::now());
            measured[usize::from(attached)].add(slice(load, TURN)?);
            if attached {
                ran += u32::from(runs);
                runs = duty.turn(began.elapsed().as_secs_f64(), switches.read()? - before, cpus);
            }
        }
        let [without, with] = measured;
        rates.push((1.0 - with.rate() / without.rate()) * 100.0);
        cpu.push((with.cpu_per_op_ns() / without.cpu_per_op_ns() - 1.0) * 100.0);
        latencies[0].extend(without.latencies_ns);
        latencies[1].extend(with.latencies_ns);
    }
    set(kernel, false)?;
    let [without, with] = &mut latencies;
    let mut longer = |ratio| (quantile(with, ratio) / quantile(without, ratio) - 1.0) * 100.0;
    let about = About { bench: "bpf", case: load.name, subject: "as_in_the_daemon" };
    figures.add(about, "p50_loss_percent", longer(0.5), "%");
    figures.add(about, "p99_loss_percent", longer(0.99), "%");
    figures.add(about, "cpu_per_op_percent", median(&mut cpu), "%");
    figures.add(about, "cpu_per_op_error_percent", error_of(&cpu), "%");
    figures.add(about, "throughput_loss_percent", median(&mut rates), "%");
    figures.add(about, "throughput_loss_error_percent", error_of(&rates), "%");
    figures.add(about, "runs_percent", 100.0 * f64::from(ran) / (blocks * TURNS) as f64, "%");
    Ok(())
}

/// What attaching and detaching the program on context switches costs, once each.
pub(crate) fn comes_and_goes(kernel: &mut Kernel, figures: &mut Figures) -> Result<(), Failure> {
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..60 {
        let began = Instant::now();
        kernel.set_attached(Object::Sched, round % 2 == 0)?;
        took[round % 2].push(began.elapsed().as_secs_f64() * 1e6);
        std::thread::sleep(TURN);
    }
    for (figure, took) in ["attach_us", "detach_us"].into_iter().zip(&mut took) {
        let about = About { bench: "bpf", case: "load", subject: "sched" };
        figures.add(about, figure, median(took), "us");
    }
    Ok(())
}
