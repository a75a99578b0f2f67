//! Scenes of programs that nobody supervises, told by events of the kernel.
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vocab::finding::FindingKind::CrashLoop;
use vocab::kernel::{Happened, KernelEvent};
use vocab::rows::Process;
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId};

use crate::testkit::*;

fn ends(code: i32) -> Happened {
    Happened::Exit { code: Some(code), signal: None, cpu_us: None, ran_s: 0.4 }
}

fn crashes(signal: i32) -> Happened {
    Happened::Exit { code: None, signal: Some(signal), cpu_us: None, ran_s: 0.4 }
}

fn event(pid: u32, program: &str, what: Happened) -> KernelEvent {
    KernelEvent {
        at: vocab::Timestamp(0),
        id: ProcessId { pid, start_ticks: 1 },
        ppid: 50,
        uid: Some(0),
        name: Arc::from(program.rsplit('/').next().unwrap_or(program)),
        program: Some(program.into()),
        service: None,
        what,
    }
}

/// A machine on which `play` says what ends in each turn.
fn scene(name: &str, expect: Expect, play: impl Fn(u32) -> Vec<KernelEvent> + 'static) -> Scene {
    Scene::new(CrashLoop, name, 120, expect, move |turn, _| {
        let shell = process(50, "bash", turn);
        Snapshot { kernel_events: play(turn), ..with(turn, Vec::from([shell])) }
    })
}

pub fn scenes() -> Vec<Scene> {
    let fires = |latest| Expect::Fires(Entity::Program("/opt/app".to_string()), 10..=latest);
    let each = |period: u32, turn: u32| turn >= 10 && turn.is_multiple_of(period);
    let mut all = Vec::new();
    for (period, latest) in [(1, 14), (5, 30), (20, 90)] {
        all.push(scene(&format!("a program that faults each {period} s"), fires(latest), move |turn| {
            each(period, turn).then(|| event(100 + turn, "/opt/app", crashes(11))).into_iter().collect()
        }));
    }
    all.push(scene("a program killed for memory each 3 s", fires(24), move |turn| {
        let both = |pid| {
            [Happened::OomKill { rss_bytes: None }, crashes(9)].map(|what| event(pid, "/opt/app", what))
        };
        if each(3, turn) { both(100 + turn).into() } else { Vec::new() }
    }));
    all.push(server_that_fails("a server that exits with 1 every other second", 1, fires(30)));
    all.push(server_that_fails("a server that exits with 1 twenty times a second", 20, fires(30)));
    all.push(worker_that_fails(fires(30)));
    all.push(worker_of_a_service());
    all.extend(kills_itself());
    all.push(script_around_a_program());
    all.extend(panics());
    all.extend(workers_beside_each_other());
    all.extend(started_anew());
    all.extend(known_to_a_tick());
    all.extend(twins());
    all
}

/// It listened once, then fails at each start.
fn server_that_fails(name: &str, often: u32, expect: Expect) -> Scene {
    Scene::new(CrashLoop, name, 120, expect, move |turn, _| {
        let first = Process { listen_port: Some(80), ppid: 50, start_ticks: 1, ..process(100, "app", turn) };
        let processes = if turn < 10 { Vec::from([first]) } else { Vec::new() };
        let is_one = turn >= 10 && (turn.is_multiple_of(2) || often > 1);
        let pids = (0..if is_one { often } else { 0 }).map(|index| 100 + (turn - 10) * often + index);
        let kernel_events = pids.map(|pid| event(pid, "/opt/app", ends(1))).collect();
        Snapshot { kernel_events, ..with(turn, processes) }
    })
}

/// A program that works for a second, and says no; a shell starts it anew. How long it pauses before each start, and
/// whether its arguments are the same. Unit: s.
fn says_no(name: &str, expect: Expect, pauses: &'static [u32], is_same: bool) -> Scene {
    Scene::new(CrashLoop, name, 120, expect, move |turn, _| {
        let mut end = 10;
        let mut pauses = pauses.iter().cycle();
        let mut run = 0;
        while end < turn {
            end += 2 + pauses.next().unwrap_or(&1);
            run += 1;
        }
        let id = ProcessId { pid: 100 + run, start_ticks: 1 };
        let lives = end < turn + 2;
        let command = if is_same { "app --serve".to_string() } else { format!("app {run}") };
        let young = Process {
            start_ticks: 1,
            ppid: 50,
            age_s: 1.0,
            cpu_time_s: 0.08,
            command: Some(command.into()),
            ..process(id.pid, "app", turn)
        };
        // In the turn of its end it is gone.
        let processes = if lives && end != turn { Vec::from([young]) } else { Vec::new() };
        let what = Happened::Exit { code: Some(1), signal: None, cpu_us: Some(400), ran_s: 2.0 };
        let at = vocab::Timestamp::from_secs(1_700_000_000 + i64::from(turn));
        let ended = (end == turn).then(|| KernelEvent { at, id, ..event(id.pid, "/opt/app", what) });
        Snapshot { kernel_events: ended.into_iter().collect(), ..with(turn, processes) }
    })
}

/// Nobody else sends the signal.
fn kills_itself() -> [Scene; 2] {
    let kills = |sender_pid, pid| {
        let sent = Happened::Signal { signal: 9, code: 0, sender_pid };
        [sent, crashes(9)].map(|what| event(pid, "/opt/app", what))
    };
    let expect = Expect::Fires(Entity::Program("/opt/app".to_string()), 10..=24);
    [
        scene("a program that kills itself each 3 s", expect, move |turn| {
            let is_one = turn >= 10 && turn.is_multiple_of(3);
            if is_one { kills(100 + turn, 100 + turn).into() } else { Vec::new() }
        }),
        scene("a limit of time that ends its group", Expect::Silent, move |turn| {
            let both = || [kills(100 + turn, 100 + turn), kills(100 + turn, 1_000 + turn)].concat();
            if turn.is_multiple_of(3) { both() } else { Vec::new() }
        }),
    ]
}

/// Each run of the script has a pid of its own, and so has the parent of each run of the program.
fn script_around_a_program() -> Scene {
    let expect = Expect::Fires(Entity::Program("/opt/run".to_string()), 10..=24);
    scene("a script that fails because its program faults", expect, |turn| {
        let script = 1_000 + turn;
        let child = KernelEvent { ppid: script, ..event(100 + turn, "/opt/app", crashes(11)) };
        let both = || Vec::from([child, event(script, "/opt/run", ends(1))]);
        if turn >= 10 && turn.is_multiple_of(3) { both() } else { Vec::new() }
    })
}

/// A program that panics at once: started anew by a loop, and by a person.
fn panics() -> [Scene; 3] {
    let at = |turn: u32| vocab::Timestamp::from_secs(1_700_000_000 + i64::from(turn));
    let panic = move |turn| KernelEvent { at: at(turn), ..event(100 + turn, "/opt/app", ends(101)) };
    let fires = Expect::Fires(Entity::Program("/opt/app".to_string()), 14..=40);
    let by_hand = [10, 17, 19, 31, 35, 44, 60, 62, 73, 100];
    [
        scene("a program that panics at once each 3 s", fires, move |turn| {
            (turn >= 10 && turn.is_multiple_of(3)).then(|| panic(turn)).into_iter().collect()
        }),
        scene("a person whose tests panic", Expect::Silent, move |turn| {
            by_hand.contains(&turn).then(|| panic(turn)).into_iter().collect()
        }),
        Scene::new(
            CrashLoop,
            "a service of ours that panics at once",
            120,
            Expect::Silent,
            move |turn, _| {
                let kernel_events = turn.is_multiple_of(3).then(|| panic(turn)).into_iter().collect();
                let mut snapshot = Snapshot { kernel_events, ..with(turn, Vec::new()) };
                snapshot.own.keeper_pid = Some(50);
                snapshot
            },
        ),
    ]
}

/// Two at a time end by their code after 4 s, out of step: workers of one kind, and jobs.
fn workers_beside_each_other() -> [Scene; 2] {
    let beside = |name: &str, expect, command: fn(u32) -> Arc<str>| {
        Scene::new(CrashLoop, name, 120, expect, move |turn, _| {
            let parent = process(50, "app", turn);
            let child = |birth: u32| Process {
                start_ticks: 1,
                ppid: 50,
                age_s: f64::from(turn - birth),
                cpu_time_s: 0.05,
                command: Some(command(birth)),
                ..process(100 + birth, "app", turn)
            };
            let births = (turn.saturating_sub(3)..=turn).filter(|birth| birth % 4 < 2 && *birth >= 8);
            let processes = births.map(child).chain([parent]).collect();
            let what = Happened::Exit { code: Some(1), signal: None, cpu_us: Some(50_000), ran_s: 4.0 };
            let at = vocab::Timestamp::from_secs(1_700_000_000 + i64::from(turn));
            let ended = (turn % 4 < 2 && turn >= 12)
                .then(|| KernelEvent { at, ..event(100 + turn - 4, "/opt/app", what) });
            Snapshot { kernel_events: ended.into_iter().collect(), ..with(turn, processes) }
        })
    };
    let fires = Expect::Fires(Entity::Program("app".to_string()), 16..=30);
    [
        beside("workers that end by their code beside each other", fires, |_| "app --worker".into()),
        beside("jobs that end by their code beside each other", Expect::Silent, |birth| {
            format!("app job {birth}").into()
        }),
    ]
}

fn started_anew() -> [Scene; 5] {
    let check = says_no("a check that says no at once, on a busy machine", Expect::Silent, &[1], true);
    let make = check.make;
    let busy = Scene {
        make: Box::new(move |turn, asked| {
            let mut snapshot = make(turn, asked);
            snapshot.processes.iter_mut().for_each(|one| one.state = "R".to_string());
            snapshot
        }),
        ..check
    };
    let fires = |latest| Expect::Fires(Entity::Program("app".to_string()), 20..=latest);
    [
        says_no("a program that fails after two seconds, started each second", fires(30), &[1], true),
        says_no("the same with ever longer pauses", fires(60), &[1, 2, 4, 8, 16], true),
        says_no("a build of which one file after the other fails", Expect::Silent, &[1], false),
        says_no("a person who tries again", Expect::Silent, &[7, 2, 12, 4, 9], true),
        busy,
    ]
}

/// The same where ends are known to a tick only.
fn known_to_a_tick() -> [Scene; 2] {
    let rough = |scene: Scene| {
        let make = scene.make;
        Scene {
            name: format!("{}, known to a tick", scene.name),
            make: Box::new(move |turn, asked| {
                let mut snapshot = make(turn, asked);
                for one in &mut snapshot.kernel_events {
                    if let Happened::Exit { cpu_us, ran_s, .. } = &mut one.what {
                        (*cpu_us, *ran_s) = (None, *ran_s + noise(3, turn) - 0.5);
                    }
                }
                snapshot
            }),
            ..scene
        }
    };
    let fires = Expect::Fires(Entity::Program("app".to_string()), 20..=60);
    [
        rough(says_no("a program that fails after two seconds", fires, &[1], true)),
        rough(says_no("a person who tries again now and then", Expect::Silent, &[7, 2, 12, 4, 9], true)),
    ]
}

/// The workers of a service fault; its main process lives.
fn worker_of_a_service() -> Scene {
    let expect = Expect::Fires(of_service("web"), 10..=22);
    Scene::new(CrashLoop, "workers of a service that fault", 120, expect, |turn, _| {
        let is_one = turn >= 10 && turn.is_multiple_of(3);
        let fault = |pid| KernelEvent { service: Some("web".into()), ..event(pid, "/opt/app", crashes(11)) };
        let kernel_events = is_one.then(|| fault(100 + turn)).into_iter().collect();
        Snapshot { kernel_events, ..with(turn, Vec::from([server(50, "web", turn)])) }
    })
}

/// Its parent listens, and lives.
fn worker_that_fails(expect: Expect) -> Scene {
    Scene::new(CrashLoop, "a worker that exits with 1 at each start", 120, expect, |turn, _| {
        let master = Process { listen_port: Some(80), ..process(50, "app", turn) };
        let is_one = turn >= 10 && turn.is_multiple_of(2);
        let ended = is_one.then(|| event(100 + turn, "/opt/app", ends(1)));
        Snapshot { kernel_events: ended.into_iter().collect(), ..with(turn, Vec::from([master])) }
    })
}

/// A script starts a server, asks it what it refuses, ends it, and asks for three seconds whether it is back.
fn server_and_client_in_one() -> Scene {
    Scene::new(CrashLoop, "a server whose client says no", 120, Expect::Silent, |turn, _| {
        let pid = if turn < 40 { 100 } else { 101 };
        let server = Process { listen_port: Some(80), ppid: 50, start_ticks: 1, ..process(pid, "app", turn) };
        let is_down = (40..=43).contains(&turn);
        let processes = if is_down { Vec::new() } else { Vec::from([server]) };
        let says_no = (1..=4).map(|index| event(1_000 + 4 * turn + index, "/opt/app", ends(2)));
        let mut events = says_no.collect::<Vec<_>>();
        if turn == 40 {
            events.insert(0, event(100, "/opt/app", crashes(9)));
        }
        if turn == 44 {
            events.push(event(2_000, "/opt/app", ends(0)));
        }
        Snapshot { kernel_events: events, ..with(turn, processes) }
    })
}

fn twins() -> [Scene; 6] {
    [
        server_and_client_in_one(),
        scene("a tool that says no each second", Expect::Silent, |turn| {
            Vec::from([event(100 + turn, "/usr/bin/grep", ends(1))])
        }),
        scene("tests of which some crash on purpose", Expect::Silent, |turn| {
            let what = if turn.is_multiple_of(3) { ends(0) } else { crashes(6) };
            Vec::from([event(100 + turn, "/build/target/tests", what)])
        }),
        scene("two crashes", Expect::Silent, |turn| {
            let is_one = turn == 20 || turn == 30;
            is_one.then(|| event(100 + turn, "/opt/app", crashes(11))).into_iter().collect()
        }),
        scene("children that their parent kills", Expect::Silent, |turn| {
            Vec::from([
                event(100 + turn, "/usr/bin/sleep", crashes(15)),
                event(300 + turn, "/opt/job", crashes(9)),
            ])
        }),
        scene("a crash of each of many programs", Expect::Silent, |turn| {
            Vec::from([event(100 + turn, &format!("/opt/app-{turn}"), crashes(11))])
        }),
    ]
}
