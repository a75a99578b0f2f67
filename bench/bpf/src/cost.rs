//! What the programs cost: as the kernel accounts it, and as the loads feel it.
//!
//! Losses are paired: short slices with and without, in alternating order. Throughput and CPU time are
//! medians over the pairs; latencies are quantiles over all operations of either kind.

use std::fs;
use std::time::{Duration, Instant};

use bpfload::{Events, Kernel, Object, Options, RunTimeStats, State, Tick};

use crate::figure::{About, Failure, Figures};
use crate::governed;
use crate::loads::{self, Load};
use crate::measure::{Slice, error_of, median, quantile, slice};

const SLICE: Duration = Duration::from_millis(50);
/// Pairs of slices in the time of one pair of blocks of `governed`.
const BLOCK_PAIRS: usize = 5;

/// Runs everything. `pairs`: slices with and without, for each subject and load.
pub(crate) fn run(pairs: usize, figures: &mut Figures) -> Result<(), Failure> {
    let before = resident_kib();
    let begin = Instant::now();
    let mut kernel = Kernel::load(&Options::default());
    let about = |case, subject| About { bench: "bpf", case, subject };
    figures.add(about("load", "all"), "load_ms", begin.elapsed().as_secs_f64() * 1e3, "ms");
    let grown = resident_kib().saturating_sub(before);
    figures.add(about("load", "all"), "resident_growth_kib", grown as f64, "KiB");
    kernel.set_attached(Object::Softirq, true)?;
    let mut events = kernel.take_events().ok_or("the events are missing")?;
    memory(&kernel, &events, figures);
    process_table(&mut kernel, figures)?;
    accounted(&mut kernel, &mut events, figures)?;
    only(&mut kernel, &[])?;
    governed::comes_and_goes(&mut kernel, figures)?;
    calls(&mut kernel, pairs, figures)?;
    for load in &mut loads::all()? {
        load.settle();
        empty(load, pairs, figures)?;
        for subject in ["sched", "block", "fs", "net", "reclaim", "softirq", "events", "all"] {
            paired(&mut kernel, &mut events, load, subject, pairs, figures)?;
        }
        let always = names_of(&kernel, "all");
        let set = |kernel: &mut Kernel, attached| only(kernel, if attached { &always } else { &[] });
        governed::run((&mut kernel, &mut events), load, pairs.div_ceil(BLOCK_PAIRS), set, figures)?;
        loads::unpin();
    }
    Ok(())
}

fn memory(kernel: &Kernel, events: &Events, figures: &mut Figures) {
    let maps = kernel.map_memory();
    let total = maps.iter().map(|m| m.bytes).sum::<u64>() + events.memory_bytes();
    let about = |subject| About { bench: "bpf", case: "memory", subject };
    figures.add(about("all"), "map_memory_kib", total as f64 / 1024.0, "KiB");
    figures.add(about("ring"), "map_memory_kib", events.memory_bytes() as f64 / 1024.0, "KiB");
    for object in Object::ALL {
        let bytes: u64 = maps.iter().filter(|m| m.object == object).map(|m| m.bytes).sum();
        figures.add(about(object.name()), "map_memory_kib", bytes as f64 / 1024.0, "KiB");
    }
}

/// Time in the programs as the kernel measures it, under each load with all attached.
fn accounted(kernel: &mut Kernel, events: &mut Events, figures: &mut Figures) -> Result<(), Failure> {
    let _stats = RunTimeStats::enable()?;
    for load in &mut loads::all()? {
        load.settle();
        account(kernel, events, load, figures)?;
        loads::unpin();
    }
    Ok(())
}

fn account(
    kernel: &mut Kernel,
    events: &mut Events,
    load: &mut Load,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let mut tick = Tick::default();
    kernel.drain(&mut tick)?;
    let (before, begin) = (kernel.costs(), Instant::now());
    let case = load.name;
    slice(load, Duration::from_secs(2))?;
    let (elapsed, after) = (begin.elapsed().as_nanos() as f64, kernel.costs());
    let drain = Instant::now();
    kernel.drain(&mut tick)?;
    while events.next_event().is_some() {}
    let about = |subject| About { bench: "bpf", case, subject };
    figures.add(about("drain"), "drain_us", drain.elapsed().as_secs_f64() * 1e6, "us");
    let mut total = 0.0;
    for cost in &after {
        let Some(old) = before.iter().find(|old| old.id == cost.id) else { continue };
        let (ns, runs) = ((cost.run_time_ns - old.run_time_ns) as f64, (cost.runs - old.runs) as f64);
        total += if cost.name.starts_with("softirq") { 0.0 } else { ns };
        if runs < 10.0 {
            continue;
        }
        figures.add(about(&cost.name), "core_percent", ns / elapsed * 100.0, "%");
        figures.add(about(&cost.name), "call_ns", ns / runs, "ns");
        figures.add(about(&cost.name), "calls_per_s", runs / elapsed * 1e9, "1/s");
    }
    figures.add(about("all"), "core_percent", total / elapsed * 100.0, "%");
    Ok(())
}

fn paired(
    kernel: &mut Kernel,
    events: &mut Events,
    load: &mut Load,
    subject: &str,
    pairs: usize,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let names = names_of(kernel, subject);
    let switch = &mut |attached: bool| {
        while events.next_event().is_some() {}
        only(kernel, if attached { &names } else { &[] })
    };
    compare(load, subject, pairs, switch, figures)
}

/// What a program on sched_switch costs that does nothing: no program there can cost less.
fn empty(load: &mut Load, pairs: usize, figures: &mut Figures) -> Result<(), Failure> {
    let mut program = crate::reactor::Empty::load()?;
    compare(load, "empty_sched_switch", pairs, &mut |attached| program.set_attached(attached), figures)
}

/// What a cheap system call costs more while empty programs are there, while another process is watched, and while the
/// caller itself is.
fn calls(kernel: &mut Kernel, pairs: usize, figures: &mut Figures) -> Result<(), Failure> {
    let mut load = loads::call();
    let mut program = crate::reactor::EmptyCalls::load()?;
    compare(&mut load, "empty_syscalls", pairs, &mut |attached| program.set_attached(attached), figures)?;
    for (subject, pid) in [("syscalls_of_another", 1), ("syscalls_own", std::process::id())] {
        let switch = &mut |attached: bool| {
            if attached {
                kernel.watch_calls(pid)?;
            } else {
                kernel.end_watch()?;
            }
            Ok(())
        };
        compare(&mut load, subject, pairs, switch, figures)?;
    }
    Ok(())
}

/// Short slices of a load with and without, switched by `switch`, in alternating order: what others do
/// on the machine meanwhile falls on both alike.
fn compare(
    load: &mut Load,
    subject: &str,
    pairs: usize,
    switch: &mut dyn FnMut(bool) -> Result<(), Failure>,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let (mut rates, mut cpus, mut latencies) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    for pair in 0..pairs {
        let mut measured = [Slice::default(), Slice::default()];
        for attached in if pair % 2 == 0 { [true, false] } else { [false, true] } {
            switch(attached)?;
            slice(load, SLICE / 10)?;
            measured[usize::from(attached)] = slice(load, SLICE)?;
        }
        switch(false)?;
        let [without, with] = &measured;
        rates.push((1.0 - with.rate / without.rate) * 100.0);
        cpus.push((with.cpu_ns / without.cpu_ns - 1.0) * 100.0);
        measured.iter().zip(&mut latencies).for_each(|(m, all)| all.extend(&m.latencies_ns));
    }
    let [without, with] = &mut latencies;
    let mut longer = |ratio| (quantile(with, ratio) / quantile(without, ratio) - 1.0) * 100.0;
    let about = About { bench: "bpf", case: load.name, subject };
    figures.add(about, "throughput_loss_percent", median(&mut rates), "%");
    figures.add(about, "throughput_loss_error_percent", error_of(&rates), "%");
    figures.add(about, "p50_loss_percent", longer(0.5), "%");
    figures.add(about, "p99_loss_percent", longer(0.99), "%");
    figures.add(about, "cpu_per_op_percent", median(&mut cpus), "%");
    Ok(())
}

/// The loaded programs of an object, or of all.
fn names_of(kernel: &Kernel, subject: &str) -> Vec<&'static str> {
    let wanted = kernel.programs().iter().filter(|p| match subject {
        "everything" => true,
        // What runs always: software interrupts are timed in one tick of ten, system calls in one second of a minute.
        "all" => !matches!(p.spec.object, Object::Softirq | Object::Syscalls),
        name => p.spec.object.name() == name,
    });
    wanted.filter(|p| !matches!(p.state, State::Missing(_))).map(|p| p.spec.name).collect()
}

/// Attaches these programs and detaches all others.
fn only(kernel: &mut Kernel, names: &[&'static str]) -> Result<(), Failure> {
    for name in names_of(kernel, "everything") {
        if names.contains(&name) {
            kernel.attach(name)?;
        } else {
            kernel.detach(name);
        }
    }
    Ok(())
}

/// A pass of the iterator beside reading the stat file of every process.
fn process_table(kernel: &mut Kernel, figures: &mut Figures) -> Result<(), Failure> {
    if names_of(kernel, "tasks").is_empty() {
        return Ok(());
    }
    let (mut rows, mut pass, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..200 {
        rows.clear();
        let begin = Instant::now();
        kernel.tasks_into(&mut rows, usize::MAX)?;
        pass.push(begin.elapsed().as_nanos() as u64);
        let begin = Instant::now();
        let mut text = Vec::with_capacity(4096);
        for entry in fs::read_dir("/proc")?.flatten() {
            if entry.file_name().as_encoded_bytes()[0].is_ascii_digit() {
                text.clear();
                let file = fs::File::open(entry.path().join("stat"));
                // A process may have ended since the folder was listed.
                let _ = file.and_then(|mut f| std::io::Read::read_to_end(&mut f, &mut text));
            }
        }
        files.push(begin.elapsed().as_nanos() as u64);
    }
    let about = |subject| About { bench: "bpf", case: "process_table", subject };
    figures.add(about("iterator"), "threads", rows.len() as f64, "");
    figures.add(about("iterator"), "pass_us", quantile(&mut pass, 0.5) / 1e3, "us");
    figures.add(about("proc_stat"), "pass_us", quantile(&mut files, 0.5) / 1e3, "us");
    Ok(())
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}
