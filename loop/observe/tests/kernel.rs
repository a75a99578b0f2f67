//! Programs in the kernel on the machine at hand: what they count and see arrives in the sample.
//!
//! Runs as root where programs may be loaded; elsewhere it prints why it skips.
use std::process::Command;
use std::time::Duration;

use observe::{KernelSide, Observe, ObserveConfig};
use vocab::Timestamp;
use vocab::event::EventKind;
use vocab::kernel::Happened;
use vocab::probe::{Probe, ProbeResult};
use vocab::sample::Sample;

/// An observer with its event thread; `None` where no program can be loaded.
fn watching() -> Option<Observe> {
    let mut kernel = KernelSide::load();
    let Some(events) = kernel.take_events().filter(|_| kernel.runs("process_exit")) else {
        eprintln!("skipped: no programs in this kernel, or no right to load them");
        return None;
    };
    std::thread::spawn(move || events.run(None::<fn(&_)>));
    let config = ObserveConfig { kernel: Some(kernel), kernel_log: None, ..ObserveConfig::default() };
    Some(Observe::open(config).expect("/proc is there"))
}

fn tick(observe: &mut Observe, turn: u64) -> Sample {
    at_now(observe, turn, &[])
}

fn at_now(observe: &mut Observe, turn: u64, probes: &[Probe]) -> Sample {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    observe.collect(Timestamp(i64::try_from(since.as_nanos()).expect("before 2262")), turn, 0, probes)
}

#[test]
fn a_crash_is_seen_with_its_signal_its_program_and_its_length() {
    let Some(mut observe) = watching() else { return };
    tick(&mut observe, 1);
    let mut child =
        Command::new("/bin/sh").args(["-c", "sleep 0.2; kill -SEGV $$"]).spawn().expect("sh runs");
    let pid = child.id();
    child.wait().expect("our child");
    std::thread::sleep(Duration::from_millis(600));
    let sample = tick(&mut observe, 2);
    let of_child = |happened: fn(&Happened) -> bool| {
        sample.kernel_events.iter().find(move |one| one.id.pid == pid && happened(&one.what))
    };
    let start = of_child(|what| *what == Happened::Exec).expect("its start was seen");
    assert_eq!(start.program.as_deref(), Some("/bin/sh"));
    let end = of_child(|what| matches!(what, Happened::Exit { .. })).expect("its end was seen");
    let Happened::Exit { code, signal, ran_s, .. } = end.what else { panic!("{end:?}") };
    assert_eq!((code, signal, end.program.as_deref()), (None, Some(11), Some("/bin/sh")));
    assert!((0.15..20.0).contains(&ran_s), "{ran_s}");
    let age_s = sample.at.seconds_since(end.at);
    assert!((0.5..20.0).contains(&age_s), "{age_s}");
    let told =
        sample.events.iter().find(|one| one.kind == EventKind::Crash && one.message.contains("SIGSEGV"));
    assert!(told.is_some(), "{:?}", sample.events);
}

#[test]
fn what_ran_has_waited_and_the_programs_have_their_rows() {
    let Some(mut observe) = watching() else { return };
    tick(&mut observe, 1);
    let mut child = Command::new("/bin/sh").args(["-c", "while :; do :; done"]).spawn().expect("sh runs");
    std::thread::sleep(Duration::from_millis(500));
    let sample = tick(&mut observe, 2);
    child.kill().expect("our child");
    child.wait().expect("our child");
    let kernel = sample.kernel.expect("programs run");
    let of_child = kernel.waits.iter().find(|one| one.id.pid == child.id()).expect("it ran");
    assert!(of_child.run_queue.count() > 0);
    let stat = sample.processes.iter().find(|one| one.pid == child.id()).expect("it lived");
    assert_eq!(stat.id(), of_child.id, "both sides name one process");
    assert!(kernel.programs.is_none(), "costs are read every ten seconds");
}

#[test]
fn in_a_storm_of_switches_waits_are_counted_in_some_ticks_and_after_it_in_all() {
    let Some(mut observe) = watching() else { return };
    let mut turn = 0;
    let mut play = |seconds: u32| {
        let mut samples = Vec::new();
        for _ in 0..seconds * 5 {
            std::thread::sleep(Duration::from_millis(200));
            turn += 1;
            samples.push(tick(&mut observe, turn));
        }
        samples
    };
    let counted = |samples: &[Sample]| {
        samples
            .iter()
            .filter(|one| one.kernel.as_ref().is_some_and(|kernel| kernel.are_waits_counted))
            .count()
    };
    let calm = play(1);
    let threads = ping_pong();
    let storm = play(4);
    drop(threads);
    let switches = |at: usize| storm.get(at).map_or(0, |one| one.machine.context_switches);
    let per_s = (switches(storm.len() - 1) - switches(0)) as f64 / 4.0;
    let after = play(8);
    let last = |back: usize| after.iter().rev().nth(back).map_or(0, |one| one.machine.context_switches);
    let calm_per_s = (last(0) - last(10)) as f64 / 2.0;
    if per_s < 200_000.0 || calm_per_s > 40_000.0 {
        eprintln!("skipped: {per_s:.0} switches a second in the storm, {calm_per_s:.0} after it");
        return;
    }
    assert!((1..storm.len() / 2).contains(&counted(&storm)), "{} of {}", counted(&storm), storm.len());
    for one in storm.iter().chain(&after).filter_map(|one| one.kernel.as_ref()) {
        assert!(one.are_waits_counted || one.waits.iter().all(|wait| wait.run_queue.count() == 0));
    }
    assert_eq!(counted(&calm), calm.len());
    assert!(after.iter().rev().take(10).all(|one| counted(std::slice::from_ref(one)) == 1), "it is back");
    let said = storm.iter().chain(&after).filter_map(|one| one.kernel.as_ref()?.programs.as_ref()).flatten();
    let rests = said.filter_map(|one| one.reason.as_deref()).find(|why| why.contains("switches a second"));
    assert!(rests.is_some_and(|why| why.starts_with("it runs in ")), "{rests:?}");
}

/// Two threads of one CPU that hand each other a byte until the answer is dropped.
fn ping_pong() -> impl Drop {
    struct Ends(std::os::unix::net::UnixStream);
    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.0.shutdown(std::net::Shutdown::Both);
        }
    }
    let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let ends = Ends(near.try_clone().expect("a descriptor"));
    for (mut end, begins) in [(near, true), (far, false)] {
        std::thread::spawn(move || {
            // SAFETY: a zeroed set is an empty one; the kernel reads its size and no more.
            unsafe {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                libc::CPU_SET(0, &mut set);
                libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
            }
            let mut byte = [0];
            let mut goes_on = !begins || std::io::Write::write_all(&mut end, &byte).is_ok();
            while goes_on {
                let read = std::io::Read::read_exact(&mut end, &mut byte);
                goes_on = read.and_then(|()| std::io::Write::write_all(&mut end, &byte)).is_ok();
            }
        });
    }
    ends
}

#[test]
fn a_process_that_is_asked_about_is_watched_until_the_next_tick() {
    let Some(mut observe) = watching() else { return };
    tick(&mut observe, 1);
    let script = "while :; do kill -0 $$; done";
    let mut child = Command::new("/bin/sh").args(["-c", script]).spawn().expect("sh runs");
    let sample = tick(&mut observe, 2);
    let stat = sample.processes.iter().find(|one| one.pid == child.id()).expect("it lives");
    let probe = Probe::calls(stat.id());
    let asked = at_now(&mut observe, 3, std::slice::from_ref(&probe));
    std::thread::sleep(Duration::from_millis(500));
    let answered = tick(&mut observe, 4);
    child.kill().expect("our child");
    child.wait().expect("our child");
    assert!(asked.answers.iter().all(|one| one.probe != probe), "the watch begins");
    let answer = answered.answers.iter().find(|one| one.probe == probe).expect("it ended");
    let Ok(ProbeResult::Calls(calls)) = &answer.result else { panic!("{answer:?}") };
    assert_eq!(calls.id, stat.id());
    assert!((0.4..60.0).contains(&calls.watched_s), "{}", calls.watched_s);
    let kill = calls.calls.iter().find(|one| &*one.call == "kill").expect("it calls nothing else");
    assert!(kill.latency.count() > 100 && kill.errors == 0, "{kill:?}");
    assert_eq!(calls.repeats, std::slice::from_ref(&kill.call));
    assert!(tick(&mut observe, 5).answers.iter().all(|one| one.probe != probe), "one watch a request");
}

#[test]
fn connections_that_ended_are_counted_and_software_interrupts_are_timed_for_one_tick_of_ten() {
    let Some(mut observe) = watching() else { return };
    let mut samples = vec![tick(&mut observe, 1)];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    for _ in 0..20 {
        let near = std::net::TcpStream::connect(address).expect("loopback");
        drop((near, listener.accept().expect("connected")));
    }
    samples.push(tick(&mut observe, 2));
    samples.push(tick(&mut observe, 3));
    let kernel = |one: &Sample| one.kernel.clone().expect("programs run");
    let closed: u64 = samples.iter().flat_map(|one| kernel(one).net).map(|one| one.closed).sum();
    assert!(closed >= 20, "{closed}");
    let timed: Vec<_> = samples.iter().map(|one| kernel(one).softirqs.is_some()).collect();
    assert_eq!(timed, [false, true, false], "attached in the first tick, taken off in the second");
    let net_rx = kernel(&samples[1]).softirqs.expect("timed")[3];
    assert!(net_rx.count() > 0, "loopback is received by software interrupts");
    assert!(samples[2].machine.softirqs[3] > samples[0].machine.softirqs[3]);
    assert_eq!(samples[2].machine.tcp, None, "counted by cgroup instead");
}
