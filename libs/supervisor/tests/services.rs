//! Real children under a real supervisor.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use supervisor::{
    BackOff, Happening, Health, Limits, Options, Restart, ServiceConfig, State, Stop, Supervisor,
};

fn service(name: &str, script: &str) -> ServiceConfig {
    ServiceConfig {
        name: name.to_owned(),
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        user: None,
        directory: None,
        environment: BTreeMap::new(),
        restart: Restart::OnFailure,
        back_off: BackOff { start_s: 0.05, max_s: 0.2, reset_after_s: 10.0 },
        limits: Limits::default(),
        stop: Stop { timeout_s: 0.3, ..Stop::default() },
        health: None,
    }
}

/// Runs the supervisor until `done` or ten seconds have passed; returns all that happened.
fn run(
    supervisor: &mut Supervisor,
    mut done: impl FnMut(&Supervisor, &[Happening]) -> bool,
) -> Vec<Happening> {
    let end = Instant::now() + Duration::from_secs(10);
    let mut all = Vec::new();
    while Instant::now() < end {
        all.extend(supervisor.turn(Instant::now()));
        if done(supervisor, &all) {
            return all;
        }
        let deadline =
            supervisor.next_deadline().unwrap_or(end).min(Instant::now() + Duration::from_millis(100));
        let wait = deadline.saturating_duration_since(Instant::now());
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut fds = supervisor
            .poll_fds()
            .into_iter()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect::<Vec<_>>();
        let _ = poll(&mut fds, Some(&wait));
    }
    panic!("not done within ten seconds: {all:?}");
}

fn failures(all: &[Happening]) -> usize {
    all.iter().filter(|one| matches!(one, Happening::Ended { is_failure: true, .. })).count()
}

fn supervised(config: ServiceConfig) -> Supervisor {
    let mut supervisor = Supervisor::new(Options::default());
    supervisor.start(config).expect("valid");
    supervisor
}

#[test]
fn a_failing_service_is_restarted_with_growing_waits() {
    let mut supervisor = supervised(service("a", "exit 3"));
    let start = Instant::now();
    let all = run(&mut supervisor, |_, all| failures(all) == 4);
    assert!(start.elapsed() >= Duration::from_millis(50 + 100 + 200), "{:?}", start.elapsed());
    assert!(all.iter().any(|one| matches!(one, Happening::Ended { exit, .. } if exit.code == Some(3))));
    let status = &supervisor.status(Instant::now())[0];
    assert_eq!((status.state, status.failures, status.starts), (State::BackingOff, 4, 4));
}

#[test]
fn a_job_that_ends_well_is_not_restarted_unless_always() {
    let mut supervisor = supervised(service("a", "exit 0"));
    let all = run(&mut supervisor, |supervisor, _| supervisor.is_idle());
    assert_eq!(supervisor.status(Instant::now())[0].failures, 0, "{all:?}");
    let mut supervisor = supervised(ServiceConfig { restart: Restart::Always, ..service("a", "exit 0") });
    run(&mut supervisor, |supervisor, _| supervisor.status(Instant::now())[0].starts >= 3);
}

#[test]
fn a_least_wait_from_outside_is_kept_and_taken_away() {
    let mut supervisor = supervised(service("a", "exit 1"));
    run(&mut supervisor, |_, all| failures(all) == 1);
    supervisor.set_back_off_min("a", 60.0, Instant::now()).expect("known");
    let wait = supervisor.next_deadline().expect("a start is due").saturating_duration_since(Instant::now());
    assert!(wait > Duration::from_secs(50), "{wait:?}");
    supervisor.set_back_off_min("a", 0.0, Instant::now()).expect("known");
    run(&mut supervisor, |_, all| failures(all) >= 1);
}

#[test]
fn lines_are_kept_and_told() {
    let mut supervisor = supervised(service("a", "echo one; echo two >&2; sleep 60"));
    let all = run(&mut supervisor, |_, all| {
        all.iter().filter(|one| matches!(one, Happening::Line { .. })).count() == 2
    });
    assert_eq!(supervisor.lines("a").expect("known").len(), 2, "{all:?}");
}

#[test]
fn a_stop_takes_grandchildren_along_even_if_they_ignore_it() {
    let script = "trap '' TERM; sh -c \"trap '' TERM; sleep 61\" & echo $!; wait";
    let mut supervisor = supervised(service("a", script));
    let mut grandchild = None;
    run(&mut supervisor, |_, all| {
        grandchild = all.iter().find_map(|one| match one {
            Happening::Line { text, .. } => text.parse::<u32>().ok(),
            _ => None,
        });
        grandchild.is_some()
    });
    supervisor.stop("a", Instant::now()).expect("known");
    run(&mut supervisor, |supervisor, _| supervisor.is_idle());
    let status = format!("/proc/{}/status", grandchild.expect("seen above"));
    std::thread::sleep(Duration::from_millis(100));
    let text = std::fs::read_to_string(status).unwrap_or_default();
    assert!(text.is_empty() || text.contains("State:\tZ"), "{text}");
}

/// The pids that a service wrote, one a line, once there are so many.
fn pids_of(all: &[Happening], count: usize) -> Option<Vec<u32>> {
    let lines = all.iter().filter_map(|one| match one {
        Happening::Line { text, .. } => text.parse().ok(),
        _ => None,
    });
    let pids = lines.collect::<Vec<_>>();
    (pids.len() == count).then_some(pids)
}

fn has_ended(pid: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    text.is_empty() || text.contains("State:\tZ")
}

#[test]
fn a_stop_finds_descendants_in_sessions_of_their_own_and_orphans_of_orphans() {
    // One that leaves the session, and one whose parent has ended before the service does.
    let script = "setsid sleep 62 & (setsid sh -c 'echo $$; exec sleep 63' &) ; sleep 0.1; echo $!; wait";
    let mut supervisor = supervised(service("a", script));
    let mut pids = None;
    run(&mut supervisor, |_, all| {
        pids = pids_of(all, 2);
        pids.is_some()
    });
    let pids = pids.expect("seen above");
    assert!(pids.iter().all(|pid| !has_ended(*pid)));
    supervisor.stop("a", Instant::now()).expect("known");
    run(&mut supervisor, |_, _| pids.iter().all(|pid| has_ended(*pid)));
}

#[test]
fn a_stop_leaves_what_another_service_of_the_same_name_started() {
    let script = "setsid sleep 62 & echo $!; wait";
    let [mut first, mut second] = [(); 2].map(|()| supervised(service("a", script)));
    let [mine, other] = [&mut first, &mut second].map(|supervisor| {
        let all = run(supervisor, |_, all| pids_of(all, 1).is_some());
        pids_of(&all, 1).expect("seen above")[0]
    });
    first.stop("a", Instant::now()).expect("known");
    run(&mut first, |_, _| has_ended(mine));
    assert!(!has_ended(other));
}

#[test]
fn a_successor_takes_up_what_lives_and_starts_what_has_ended() {
    let mut first = Supervisor::new(Options::default());
    for (name, script) in [("lives", "while :; do echo on; sleep 0.05; done"), ("ends", "sleep 60")] {
        first.start(service(name, script)).expect("valid");
    }
    run(&mut first, |supervisor, _| supervisor.status(Instant::now()).iter().all(|one| one.starts == 1));
    let before = first.status(Instant::now());
    let kept = first.kept();
    // As if it had been killed: nothing of it is run or closed any more.
    std::mem::forget(first);
    let ends = before.iter().find(|one| one.name == "ends").and_then(|one| one.pid).expect("it runs");
    // SAFETY: kill(2) takes plain integers; the child is ours and not reaped.
    unsafe { libc::kill(ends as i32, libc::SIGKILL) };
    let mut second = Supervisor::new(Options::default());
    std::thread::sleep(Duration::from_millis(50));
    second.adopt(kept, Instant::now());
    let all = run(&mut second, |_, all| {
        all.iter().any(|one| matches!(one, Happening::Line { text, .. } if text == "on"))
            && all.iter().any(|one| matches!(one, Happening::Started { name, .. } if name == "ends"))
    });
    let after = second.status(Instant::now());
    let lives =
        |all: &[supervisor::Status]| all.iter().find(|one| one.name == "lives").and_then(|one| one.pid);
    assert_eq!(lives(&after), lives(&before), "{all:?}");
    assert_eq!(after.iter().map(|one| (one.starts, one.failures)).collect::<Vec<_>>(), [(2, 1), (1, 0)]);
    // Its end is seen though nobody may wait for it, and it can be stopped.
    second.stop("lives", Instant::now()).expect("known");
    run(&mut second, |_, all| {
        all.iter().any(|one| matches!(one, Happening::Ended { name, .. } if name == "lives"))
    });
}

#[test]
fn a_service_runs_as_its_user_where_we_may_and_is_refused_in_words_where_not() {
    let wanted =
        |user: &str| ServiceConfig { user: Some(user.to_owned()), ..service("a", "id -un; sleep 60") };
    let mut supervisor = Supervisor::new(Options::default());
    let because = supervisor.start(wanted("no-such-user")).expect_err("unknown").to_string();
    assert!(because.contains("service `a`: there is no user `no-such-user`"), "{because}");
    let started = supervisor.start(wanted("nobody"));
    if !rustix::process::geteuid().is_root() {
        let because = started.expect_err("only root may").to_string();
        assert!(because.contains("only root may run it as user `nobody`"), "{because}");
        return;
    }
    started.expect("root may");
    let all = run(&mut supervisor, |_, all| all.iter().any(|one| matches!(one, Happening::Line { .. })));
    assert!(all.iter().any(|one| matches!(one, Happening::Line { text, .. } if text == "nobody")), "{all:?}");
}

#[test]
fn a_restart_is_no_failure_and_comes_at_once() {
    let mut supervisor = supervised(service("a", "sleep 60"));
    run(&mut supervisor, |supervisor, _| supervisor.status(Instant::now())[0].starts == 1);
    let before = supervisor.status(Instant::now())[0].pid;
    supervisor.restart("a", Instant::now()).expect("known");
    run(&mut supervisor, |supervisor, _| supervisor.status(Instant::now())[0].starts == 2);
    let status = &supervisor.status(Instant::now())[0];
    assert_eq!((status.failures, status.state), (0, State::Running));
    assert_ne!(status.pid, before);
}

#[test]
fn limits_hold() {
    let limits = Limits { descriptors: Some(77), ..Limits::default() };
    let mut supervisor = supervised(ServiceConfig { limits, ..service("a", "ulimit -Sn; sleep 60") });
    let all = run(&mut supervisor, |_, all| all.iter().any(|one| matches!(one, Happening::Line { .. })));
    assert!(all.iter().any(|one| matches!(one, Happening::Line { text, .. } if text == "77")), "{all:?}");
}

#[test]
fn health_is_asked_by_command_and_by_port() {
    for (script, expected) in [("exit 0", true), ("exit 1", false), ("sleep 60", false)] {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let health = Some(Health { command, every_s: 0.1, timeout_s: 0.3, ..Health::default() });
        let mut supervisor = supervised(ServiceConfig { health, ..service("a", "sleep 60") });
        run(&mut supervisor, |supervisor, _| {
            supervisor.status(Instant::now())[0].is_healthy == Some(expected)
        });
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let tcp_port = Some(listener.local_addr().expect("bound").port());
    let health = Some(Health { tcp_port, every_s: 0.1, timeout_s: 0.3, ..Health::default() });
    let mut supervisor = supervised(ServiceConfig { health: health.clone(), ..service("a", "sleep 60") });
    run(&mut supervisor, |supervisor, _| supervisor.status(Instant::now())[0].is_healthy == Some(true));
    drop(listener);
    run(&mut supervisor, |supervisor, _| supervisor.status(Instant::now())[0].is_healthy == Some(false));
}

#[test]
fn a_program_that_is_not_there_is_refused_in_words() {
    let command = vec!["/no/such/program".to_owned()];
    let mut supervisor = supervised(ServiceConfig { command, ..service("a", "") });
    let all = run(&mut supervisor, |_, all| !all.is_empty());
    assert!(matches!(&all[0], Happening::Refused { because, .. } if because.contains("/no/such/program")));
}

#[test]
fn impossible_configurations_are_refused() {
    let mut supervisor = Supervisor::new(Options::default());
    for config in
        [service("", "x"), service("a/b", "x"), ServiceConfig { command: vec![], ..service("a", "x") }]
    {
        assert!(supervisor.start(config).is_err());
    }
    supervisor.start(service("a", "sleep 60")).expect("valid");
    assert!(supervisor.start(service("a", "sleep 60")).is_err(), "the name is taken");
    assert!(supervisor.stop("b", Instant::now()).is_err());
}
