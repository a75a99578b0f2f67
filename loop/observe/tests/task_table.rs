//! With the task iterator and without it the same is said of every process of this machine.
//!
//! Runs as root where programs may be loaded; elsewhere it prints why it skips.
use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::Duration;

use observe::{KernelSide, Observe, ObserveConfig};
use vocab::Timestamp;
use vocab::sample::{ProcessDetail, ProcessInfo, ProcessStat, Sample};

/// Seconds that pass between two rounds as far as the observers can tell: all that is read at intervals is due, but
/// what is read once a minute.
const LEAP_S: i64 = 11;
const ROUNDS: i64 = 4;

/// Children that rest, run, wait for a CPU, and have threads.
struct Children(Vec<Child>);

/// How many of the children do nothing but rest.
const SLEEPERS: usize = 8;

impl Children {
    fn start() -> Self {
        let shell =
            |script: &str| Command::new("/bin/sh").args(["-c", script]).spawn().expect("there is a shell");
        let mut all: Vec<_> = (0..SLEEPERS).map(|_| shell("exec sleep 300")).collect();
        all.extend((0..2).map(|_| shell("while :; do :; done")));
        all.push(shell("while :; do cat /proc/uptime > /dev/null; sleep 0.05; done"));
        Self(all)
    }

    fn rests(&self, pid: u32) -> bool {
        self.0[..SLEEPERS].iter().any(|child| child.id() == pid)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn observer(kernel: Option<KernelSide>) -> Observe {
    let config = ObserveConfig { kernel, kernel_log: None, journal: None, ..ObserveConfig::default() };
    Observe::open(config).expect("/proc is there")
}

fn cheap(sample: &Sample, like: &ProcessStat) -> Option<ProcessStat> {
    sample.processes.iter().find(|one| one.id() == like.id()).copied()
}

fn dear(sample: &Sample, like: &ProcessDetail) -> Option<ProcessDetail> {
    sample.process_details.iter().find(|one| one.id == like.id).copied()
}

/// What a process may be and cease to be between two looks, with no counter moved: runnable for less than a tick, a
/// thread more, a page more. How its CPU time divides is an estimate of the moment.
fn lasting(one: &ProcessStat) -> ProcessStat {
    let (user_ticks, system_ticks) = (0, 0);
    ProcessStat { state: 0, threads: 0, rss_bytes: 0, run_delay_ns: None, user_ticks, system_ticks, ..*one }
}

/// What only grows lies between the two looks; what they agree on and what lasts, the one in between says too.
fn lies_between(before: &ProcessStat, now: &ProcessStat, after: &ProcessStat) -> bool {
    let grows = |of: fn(&ProcessStat) -> u64| (of(before)..=of(after)).contains(&of(now));
    // /proc is not asked how long one waited that did not run lately.
    let waits = now.threads > 1 || now.run_delay_ns.is_none() || grows(|one| one.run_delay_ns.unwrap_or(0));
    // Both parts of it are cut to whole ticks.
    let ran = |one: &ProcessStat| one.user_ticks + one.system_ticks;
    let runs = (ran(before).saturating_sub(1)..=ran(after) + 1).contains(&ran(now));
    let counters: [fn(&ProcessStat) -> u64; 2] = [|one| one.minor_faults, |one| one.major_faults];
    // That another thread takes over the sum of the first is a matter of which looks saw it.
    waits && runs && counters.into_iter().all(grows) && (before != after || lasting(now) == lasting(before))
}

#[test]
fn the_iterator_and_proc_say_the_same_of_every_process() {
    let kernel = KernelSide::load();
    if !kernel.runs("task_rows") {
        eprintln!("skipped: no task iterator in this kernel, or no right to load it");
        return;
    }
    let children = Children::start();
    let (mut with, mut without) = (observer(Some(kernel)), observer(None));
    let mut infos_of = [BTreeMap::new(), BTreeMap::new()];
    let (mut rested, mut ran, mut slept, mut repeated) = (0, 0, 0, 0);
    for round in 1..=ROUNDS {
        std::thread::sleep(Duration::from_millis(300));
        let at = Timestamp(round * LEAP_S * 1_000_000_000);
        let look = |observe: &mut Observe, late_ns| {
            observe.collect(Timestamp(at.0 + late_ns), u64::try_from(round).unwrap_or(0), 0, &[])
        };
        let (before, now) = (look(&mut with, 0), look(&mut without, 0));
        let after = look(&mut with, LEAP_S * 500_000_000);
        for one in &now.processes {
            let (Some(before), Some(after)) = (cheap(&before, one), cheap(&after, one)) else { continue };
            assert!(lies_between(&before, one, &after), "{before:?}\n{one:?}\n{after:?}");
            (rested, ran) = (rested + usize::from(before == after), ran + usize::from(before != after));
            let whole = |one: &ProcessStat| ProcessStat { run_delay_ns: None, ..*one };
            if children.rests(one.pid) && before == after {
                assert_eq!(whole(one), whole(&before));
                slept += 1;
            }
        }
        for one in &now.process_details {
            let (Some(before), Some(after)) = (dear(&before, one), dear(&after, one)) else { continue };
            if children.rests(one.id.pid) && before == after {
                assert_eq!(before, *one);
                repeated += 1;
            }
        }
        let of_child = |info: &ProcessInfo| children.0.iter().any(|child| child.id() == info.id.pid);
        let mut learn = |known: usize, infos: Vec<ProcessInfo>| {
            infos.into_iter().filter(of_child).for_each(|one| drop(infos_of[known].insert(one.id, one)));
        };
        learn(0, before.process_infos);
        learn(0, after.process_infos);
        learn(1, now.process_infos);
    }
    assert_eq!(infos_of[0].len(), children.0.len());
    assert_eq!(infos_of[0], infos_of[1]);
    eprintln!(
        "{rested} looks at who rested ({slept} at sleepers), {ran} at who moved, {repeated} details repeated"
    );
    assert!(
        rested > 20 && ran > 2 && slept >= SLEEPERS && repeated > 0,
        "{rested} rested, {ran} ran, {slept} slept, {repeated} details"
    );
}

/// Who sleeps is known by its row alone; a limit that is set, or a nice value, from outside must be seen though it did
/// not run.
#[test]
fn what_others_change_of_a_sleeper_is_seen_at_once() {
    let kernel = KernelSide::load();
    if !kernel.runs("task_rows") {
        eprintln!("skipped: no task iterator in this kernel, or no right to load it");
        return;
    }
    let children = Children::start();
    let sleeper = children.0[0].id();
    let mut observe = observer(Some(kernel));
    let mut turn = 0;
    let mut look = || {
        turn += 1;
        observe.collect(Timestamp(turn * LEAP_S * 1_000_000_000), turn.unsigned_abs(), 0, &[])
    };
    let nice = |sample: &Sample| sample.processes.iter().find(|one| one.pid == sleeper).map(|one| one.nice);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(200));
        look();
    }
    assert_ne!(nice(&look()), Some(7));
    let pid = sleeper.to_string();
    let run = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
    };
    assert!(run("renice", &["-n", "7", "-p", &pid]));
    assert_eq!(nice(&look()), Some(7));
    assert!(run("prlimit", &["--nofile=333:444", "--pid", &pid]));
    let infos = look().process_infos;
    let told = infos.iter().find(|one| one.id.pid == sleeper).and_then(|one| one.descriptor_limits);
    assert_eq!(told, Some((333, 444)));
}
