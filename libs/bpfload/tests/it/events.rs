//! What happens once: exec, exit, signals, faults; and that an urgent event wakes its reader.

use std::time::{Duration, Instant};

use bpfload::{Kind, Object};

use crate::helpers;
use crate::support::{kernel_lock, load, proc_stat, same_start, wait_event};

#[test]
fn a_process_is_seen_from_exec_to_exit_with_its_code() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = load(Object::Events, &["process_exec", "process_exit"], |_| {}) else { return };
    let mut events = kernel.take_events().unwrap();
    let mut child = std::process::Command::new("/bin/sh").args(["-c", "exit 7"]).spawn().unwrap();
    let pid = child.id();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let exec = wait_event(&mut events, |e| e.pid == pid && e.kind() == Some(Kind::Exec)).unwrap();
    assert_eq!((exec.path().as_str(), exec.comm().as_str()), ("/bin/sh", "sh"));
    assert_eq!(exec.ppid, std::process::id());
    let exit = wait_event(&mut events, |e| e.pid == pid && e.kind() == Some(Kind::Exit)).unwrap();
    assert_eq!((exit.code, exit.signal, exit.start_ns), (7, 0, exec.start_ns));
    assert!(exit.at_ns > exec.at_ns);
}

#[test]
fn an_exit_tells_the_cpu_time_of_all_threads_whichever_ends_last() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = load(Object::Events, &["process_exit"], |_| {}) else { return };
    let mut events = kernel.take_events().unwrap();
    let mut parent = helpers::start("ends_its_leader_first");
    let pid = parent.id();
    parent.wait().unwrap();
    let exit = wait_event(&mut events, |e| e.ppid == pid && e.kind() == Some(Kind::Exit)).unwrap();
    // What a thread used since its last tick the kernel adds later.
    assert!(exit.value >= helpers::BURNT_NS / 10 * 9, "{} ns of {}", exit.value, helpers::BURNT_NS);
}

#[test]
fn a_kill_names_its_sender_and_its_victim() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = load(Object::Events, &["signal_generate", "process_exit"], |_| {}) else { return };
    let mut events = kernel.take_events().unwrap();
    let mut child = helpers::start("naps");
    let (pid, ticks) = (child.id(), proc_stat(child.id(), 22));
    child.kill().unwrap();
    child.wait().unwrap();
    let signal = wait_event(&mut events, |e| e.pid == pid && e.kind() == Some(Kind::Signal)).unwrap();
    assert_eq!((signal.signal, signal.sender), (9, std::process::id()));
    assert!(same_start(signal.start_ns, ticks));
    let exit = wait_event(&mut events, |e| e.pid == pid && e.kind() == Some(Kind::Exit)).unwrap();
    assert_eq!((exit.signal, exit.code), (9, 0));
}

#[test]
fn a_segmentation_fault_is_a_signal_to_itself() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = load(Object::Events, &["signal_generate", "process_exit"], |_| {}) else { return };
    let mut events = kernel.take_events().unwrap();
    let mut child = helpers::start("faults");
    let pid = child.id();
    child.wait().unwrap();
    let signal = wait_event(&mut events, |e| e.pid == pid && e.signal == 11).unwrap();
    assert_eq!((signal.kind(), signal.sender), (Some(Kind::Signal), pid));
}

/// How long a reader waits, at most 400 ms, when a signal is sent after 100.
fn waited_for_a_signal(wake: Vec<Kind>) -> Option<Duration> {
    let only = |o: &mut bpfload::Options| (o.signals, o.wake) = (vec![10], wake);
    let mut kernel = load(Object::Events, &["signal_generate"], only)?;
    // What other processes of the machine do is not to be judged.
    kernel.detach("process_exec");
    kernel.detach("process_exit");
    let mut events = kernel.take_events().unwrap();
    while events.next_event().is_some() {}
    let mut child = helpers::start("naps");
    let pid = child.id();
    let sender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        // SAFETY: a signal to our own child.
        unsafe { libc::kill(pid as i32, libc::SIGUSR1) };
    });
    let begin = Instant::now();
    events.wait(400).unwrap();
    let waited = begin.elapsed();
    sender.join().unwrap();
    child.wait().unwrap();
    assert!(wait_event(&mut events, |e| e.pid == pid && e.signal == 10).is_some());
    Some(waited)
}

#[test]
fn whoever_has_read_everything_is_woken_again_though_quiet_events_came_first() {
    let Some(_one) = kernel_lock() else { return };
    let only = |o: &mut bpfload::Options| (o.signals, o.wake) = (vec![10], vec![Kind::Signal]);
    let Some(mut kernel) = load(Object::Events, &["signal_generate", "process_exec"], only) else { return };
    kernel.detach("process_exit");
    let mut events = kernel.take_events().unwrap();
    let mut child =
        std::process::Command::new("/bin/sh").args(["-c", "trap '' USR1; kill -STOP $$"]).spawn().unwrap();
    let pid = child.id();
    for round in 0..3 {
        std::thread::sleep(Duration::from_millis(100));
        while events.next_event().is_some() {}
        let sender = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            std::process::Command::new("/bin/true").status().unwrap();
            // SAFETY: two signals to our own child, which ignores them.
            unsafe {
                libc::kill(pid as i32, libc::SIGUSR1);
                libc::kill(pid as i32, libc::SIGUSR1);
            }
        });
        let begin = Instant::now();
        events.wait(3_000).unwrap();
        assert!(begin.elapsed() < Duration::from_millis(2_900), "not woken in round {round}");
        sender.join().unwrap();
        let seen: Vec<_> = std::iter::from_fn(|| events.next_event()).map(|one| one.kind()).collect();
        assert!(seen.contains(&Some(Kind::Exec)) && seen.contains(&Some(Kind::Signal)), "{seen:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_urgent_event_wakes_and_a_quiet_one_does_not() {
    let Some(_one) = kernel_lock() else { return };
    let Some(urgent) = waited_for_a_signal(vec![Kind::Signal]) else { return };
    let quiet = waited_for_a_signal(vec![]).unwrap();
    assert!(quiet >= Duration::from_millis(399), "a quiet event ended the wait after {quiet:?}");
    assert!(urgent < Duration::from_millis(399), "an urgent event did not end the wait");
}
