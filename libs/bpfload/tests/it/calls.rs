//! System calls of a watched process: counts, errors, order; of nobody else; nothing attached afterwards.

use bpfload::{Kernel, Object, State, Watched};

use crate::support::{kernel_lock, load, until};

fn watching() -> Option<Kernel> {
    load(Object::Syscalls, &["calls_enter", "calls_exit"], |o| o.sampled = vec![Object::Syscalls])
}

fn of(watched: &Watched, number: i64) -> (u64, u64) {
    let found = watched.calls.iter().find(|(one, _)| i64::from(*one) == number);
    found.map_or((0, 0), |(_, stat)| (stat.latency.count(), stat.errors))
}

fn close_nothing(times: u32) {
    for _ in 0..times {
        // SAFETY: no such descriptor; the call fails and changes nothing.
        unsafe { libc::close(-1) };
        // SAFETY: a plain query.
        unsafe { libc::getppid() };
    }
}

#[test]
fn calls_and_errors_of_the_watched_process_are_counted_in_their_order() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = watching() else { return };
    close_nothing(50);
    kernel.watch_calls(std::process::id()).unwrap();
    close_nothing(100);
    let watched = kernel.end_watch().unwrap();
    close_nothing(50);
    assert_eq!(of(&watched, libc::SYS_close).1, 100);
    assert!((100..150).contains(&of(&watched, libc::SYS_getppid).0), "{:?}", of(&watched, libc::SYS_getppid));
    assert_eq!(of(&watched, libc::SYS_getppid).1, 0);
    // SAFETY: a plain query.
    let own = unsafe { libc::gettid() } as u32;
    let own: Vec<_> = watched.sequence.iter().filter(|(tid, _)| *tid == own).map(|(_, one)| *one).collect();
    let pair = [libc::SYS_close as u32, libc::SYS_getppid as u32];
    assert!(own.windows(2).filter(|two| *two == pair).count() >= 100, "{own:?}");
    let states = kernel.programs().iter().map(|one| &one.state);
    assert!(states.clone().count() == 2 && states.into_iter().all(|state| *state == State::Detached));
}

#[test]
fn another_process_is_not_seen_and_a_call_that_waits_is_open() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = watching() else { return };
    let script = "read line; exec sleep 600";
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    kernel.watch_calls(child.id()).unwrap();
    close_nothing(100);
    drop(child.stdin.take());
    let sleeps = || {
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", child.id())).unwrap_or_default();
        let number = call.split(' ').next()?.parse::<i64>().ok()?;
        [libc::SYS_clock_nanosleep, libc::SYS_nanosleep].contains(&number).then_some(number)
    };
    let number = until(sleeps).expect("it sleeps");
    let watched = kernel.end_watch().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // A shell asks for its parent, once; we did a hundred times.
    assert!(of(&watched, libc::SYS_getppid).0 < 10, "{:?}", of(&watched, libc::SYS_getppid));
    assert!(of(&watched, libc::SYS_execve).0 > 0, "{:?}", watched.calls);
    assert!(watched.open.iter().any(|(_, open)| i64::from(open.number) == number), "{:?}", watched.open);
}

#[test]
fn more_calls_than_are_kept_are_counted() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = watching() else { return };
    kernel.watch_calls(std::process::id()).unwrap();
    close_nothing(5_000);
    let watched = kernel.end_watch().unwrap();
    assert_eq!(watched.sequence.len(), 8_192);
    assert!((1_808..3_000).contains(&watched.cut), "{}", watched.cut);
    kernel.watch_calls(std::process::id()).unwrap();
    let again = kernel.end_watch().unwrap();
    assert!(again.sequence.len() < 8_192 && again.cut == 0, "a watch begins anew");
}
