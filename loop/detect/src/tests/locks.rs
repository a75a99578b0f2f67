//! Scenes of threads that wait: in circles, without a proof of one, and in peace.
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use vocab::finding::FindingKind::{Deadlock, Stalled};
use vocab::probe::{FILE_LOCK, FutexWait, Probe, ProbeAnswer, ProbeKind, ProbeResult, ThreadProbe};
use vocab::rows::{Process, Thread};

use super::sealed;
use crate::testkit::*;

pub(super) const ONSET: u32 = 30;
pub(super) const FUTEX: i64 = if cfg!(target_arch = "aarch64") { 98 } else { 202 };
const ACCEPT: i64 = if cfg!(target_arch = "aarch64") { 202 } else { 43 };
pub(super) const RECEIVE: i64 = if cfg!(target_arch = "aarch64") { 207 } else { 45 };
pub(super) const SLEEP: i64 = if cfg!(target_arch = "aarch64") { 115 } else { 230 };
pub(super) const FLOCK: i64 = if cfg!(target_arch = "aarch64") { 32 } else { 73 };
pub(super) const EPOLL: i64 = if cfg!(target_arch = "aarch64") { 22 } else { 232 };

pub(super) fn thread(tid: u32, call: i64, switches: u64, wait: Option<FutexWait>) -> ThreadProbe {
    let thread = Thread {
        pid: 100,
        tid,
        name: "worker".into(),
        state: "S".to_string(),
        cpu_time_s: 0.5,
        voluntary_switches: Some(switches),
        wait_channel: None,
        system_call: Some(call),
        futex: None,
        futex_owner: None,
    };
    ThreadProbe { thread, wait, waits_on: None }
}

fn mutex(tid: u32, address: u64, owner: u32, switches: u64) -> ThreadProbe {
    let words = Some([2, 0, owner, 1, 0]);
    let wait = FutexWait { address, operation: 128, expected: 2, has_timeout: false, words };
    thread(tid, FUTEX, switches, Some(wait))
}

/// A lock that names nobody: of Rust.
pub(super) fn bare(tid: u32, address: u64, switches: u64) -> ThreadProbe {
    let words = Some([2, 7, 0, 0, 0x1234_5678]);
    let wait = FutexWait { address, operation: 128 | 9, expected: 2, has_timeout: false, words };
    thread(tid, FUTEX, switches, Some(wait))
}

pub(super) fn works(tid: u32, turn: u32) -> ThreadProbe {
    thread(tid, RECEIVE, 40 * u64::from(turn), None)
}

/// Waits for data on a descriptor of that class.
fn receives(tid: u32, class: &str) -> ThreadProbe {
    ThreadProbe { waits_on: Some(class.to_string()), ..thread(tid, RECEIVE, 4, None) }
}

pub(super) type Threads = fn(u32) -> Vec<ThreadProbe>;

/// A service of four threads beside ten other processes of several threads.
pub(super) fn scene(
    kind: vocab::finding::FindingKind,
    name: &str,
    expect: Expect,
    row: fn(Process, u32) -> Process,
    threads: Threads,
) -> Scene {
    Scene::new(kind, name, 90, expect, move |turn, asked| {
        let web = row(Process { threads: 4, ..server(100, "web", turn) }, turn);
        let others = (0..10).map(|one| Process { threads: 3, ..process(200 + one, "other", turn) });
        let mut snapshot = with(turn, [web].into_iter().chain(others).collect());
        let threads_asked = |one: &&Probe| one.kind == ProbeKind::Threads;
        let answers = asked.iter().filter(threads_asked).map(|probe| {
            let is_web = probe.entity == of_process(100);
            let seen = if is_web { threads(turn) } else { Vec::from([works(7000, turn)]) };
            ProbeAnswer { probe: probe.clone(), at: snapshot.at, result: Ok(ProbeResult::Threads(seen)) }
        });
        snapshot.answers = answers.collect();
        snapshot
    })
}

fn same(process: Process, _: u32) -> Process {
    process
}

/// It does nothing from the onset on, and two connections wait.
fn hangs(mut process: Process, turn: u32) -> Process {
    if turn >= ONSET {
        process.cpu_pct = Some(0.0);
        process.unread_connections = Some(2);
    }
    process
}

/// It does nothing at all, and nobody wants anything of it.
pub(super) fn idles(process: Process, _: u32) -> Process {
    Process { cpu_pct: Some(0.0), listen_port: None, ..process }
}

/// It does nothing from the onset on, and its clients give up.
fn is_left(mut process: Process, turn: u32) -> Process {
    if turn >= ONSET {
        process.cpu_pct = Some(0.0);
        process.close_wait = Some((turn - ONSET) / 3);
    }
    process
}

pub(super) fn web(span: core::ops::RangeInclusive<u32>) -> Expect {
    Expect::Fires(of_service("web"), span)
}

pub fn scenes() -> Vec<Scene> {
    let mut scenes =
        Vec::from([
            scene(Deadlock, "two threads, the service hangs", web(ONSET + 1..=ONSET + 6), hangs, |turn| {
                match turn {
                    ..ONSET => (100..104).map(|tid| works(tid, turn)).collect(),
                    _ => Vec::from([
                        mutex(101, 0x1000, 102, 9),
                        mutex(102, 0x2000, 101, 7),
                        mutex(103, 0x1000, 102, 5),
                    ]),
                }
            }),
            scene(Deadlock, "two threads, the others work on", web(ONSET + 1..=ONSET + 12), same, |turn| {
                match turn {
                    ..ONSET => (100..104).map(|tid| works(tid, turn)).collect(),
                    _ => Vec::from([
                        works(100, turn),
                        mutex(101, 0x1000, 102, 9),
                        mutex(102, 0x2000, 101, 7),
                        works(103, turn),
                    ]),
                }
            }),
            scene(Deadlock, "three threads", web(ONSET + 1..=ONSET + 12), same, |turn| match turn {
                ..ONSET => Vec::from([works(100, turn)]),
                _ => Vec::from([
                    mutex(101, 0x1000, 102, 9),
                    mutex(102, 0x2000, 103, 7),
                    mutex(103, 0x3000, 101, 3),
                ]),
            }),
            scene(Deadlock, "a thread that waits for itself", web(ONSET + 1..=ONSET + 12), same, |turn| {
                match turn {
                    ..ONSET => Vec::from([works(100, turn)]),
                    _ => Vec::from([works(100, turn), mutex(101, 0x1000, 101, 9)]),
                }
            }),
        ]);
    scenes.push(shared_circle());
    scenes.extend(locks_of_files());
    scenes.extend(quiet_circles());
    scenes.extend(stalls());
    scenes.extend(stalls_unseen());
    scenes.extend(stalls_beside_orders());
    scenes.extend(quiet_stalls());
    scenes.extend(quiet_locks());
    scenes.extend(sealed::scenes());
    scenes
}

/// Two processes of one thread each that share two locks in memory.
fn shared_circle() -> Scene {
    let expect = Expect::Fires(of_process(300), ONSET + 1..=ONSET + 40);
    pair(expect, "two processes of one thread", |tid, _| {
        if tid == 300 { mutex(300, 0x1000, 301, 9) } else { mutex(301, 0x2000, 300, 7) }
    })
}

/// Two processes that wait for locks of files: in a circle, one for the other that sleeps, and in turn.
fn locks_of_files() -> [Scene; 3] {
    let waits = |tid, owner: u32, switches| ThreadProbe {
        waits_on: Some(format!("{FILE_LOCK}{owner}")),
        ..thread(tid, FLOCK, switches, None)
    };
    let circle = Expect::Fires(of_process(300), ONSET + 1..=ONSET + 40);
    [
        pair(circle, "two processes lock two files", move |tid, _| waits(tid, 601 - tid, 9)),
        pair(Expect::Silent, "a second instance waits for the first", move |tid, _| {
            if tid == 300 { waits(300, 301, 9) } else { thread(301, SLEEP, 9, None) }
        }),
        pair(Expect::Silent, "processes that take turns, torn looks", move |tid, turn| {
            waits(tid, 601 - tid, u64::from(turn))
        }),
    ]
}

/// Two processes of one thread among others; from the onset on their only thread is what `threads` says of it.
fn pair(expect: Expect, name: &str, threads: impl Fn(u32, u32) -> ThreadProbe + 'static) -> Scene {
    Scene { kind: Deadlock, ..family(expect, name, |_, _| 0.2, threads) }
}

/// The same, where the second comes from the first; `cpu_pct` of each, and with it what it moves.
pub(super) fn family(
    expect: Expect,
    name: &str,
    cpu_pct: fn(u32, u32) -> f64,
    threads: impl Fn(u32, u32) -> ThreadProbe + 'static,
) -> Scene {
    Scene::new(Stalled, name, 120, expect, move |turn, asked| {
        let pair = [(300, 1), (301, 300)].map(|(pid, ppid)| {
            let (cpu_pct, one) = (cpu_pct(pid, turn), process(pid, "twin", turn));
            let voluntary_switches_per_s = Some(10.0 * cpu_pct);
            Process { ppid, cpu_pct: Some(cpu_pct), voluntary_switches_per_s, ..one }
        });
        let others = (0..10).map(|one| Process { threads: 3, ..process(200 + one, "other", turn) });
        let mut snapshot = with(turn, pair.into_iter().chain(others).collect());
        let answers = asked.iter().filter(|one| one.kind == ProbeKind::Threads).map(|probe| {
            let seen = match &probe.entity {
                one if *one == of_process(300) && turn >= ONSET => threads(300, turn),
                one if *one == of_process(301) && turn >= ONSET => threads(301, turn),
                _ => works(7000, turn),
            };
            let result = Ok(ProbeResult::Threads(Vec::from([seen])));
            ProbeAnswer { probe: probe.clone(), at: snapshot.at, result }
        });
        snapshot.answers = answers.collect();
        snapshot
    })
}

fn quiet_circles() -> Vec<Scene> {
    let quiet = |name: &str, threads: Threads| scene(Deadlock, name, Expect::Silent, same, threads);
    Vec::from([
        quiet("a condition variable beside a thread id", |_| {
            let condition = |tid, neighbour| {
                let words = Some([2, 0, neighbour, 1, 0]);
                let wait =
                    FutexWait { address: 0x10, operation: 128 | 9, expected: 2, has_timeout: false, words };
                thread(tid, FUTEX, 5, Some(wait))
            };
            Vec::from([condition(101, 102), condition(102, 101)])
        }),
        quiet("a sequence word beside a thread id", |_| {
            let sequence = |tid, neighbour| {
                let words = Some([44, 0, neighbour, 1, 0]);
                let wait =
                    FutexWait { address: 0x10, operation: 128, expected: 44, has_timeout: false, words };
                thread(tid, FUTEX, 5, Some(wait))
            };
            Vec::from([sequence(101, 102), sequence(102, 101)])
        }),
        quiet("a queue for a lock whose owner works", |turn| {
            Vec::from([works(100, turn), mutex(101, 0x1000, 100, 9), mutex(102, 0x1000, 100, 9)])
        }),
        quiet("a lock that changes hands, torn looks", |turn| {
            let switches = 50 * u64::from(turn);
            Vec::from([mutex(101, 0x1000, 102, switches), mutex(102, 0x2000, 101, switches)])
        }),
    ])
}

fn stalls() -> Vec<Scene> {
    let of = |name: &str, expect, row, threads: Threads| scene(Stalled, name, expect, row, threads);
    let stuck = |turn: u32| match turn {
        ..ONSET => (100..104).map(|tid| works(tid, turn)).collect(),
        _ => (100..104).map(|tid| bare(tid, 0x10 * u64::from(tid), 9)).collect::<Vec<_>>(),
    };
    let mut scenes = Vec::from([
        of("all threads sleep on locks without owner", web(ONSET + 5..=ONSET + 12), hangs, stuck),
        of("all but the one that accepts", web(ONSET + 5..=ONSET + 12), hangs, |turn| match turn {
            ..ONSET => (100..104).map(|tid| works(tid, turn)).collect(),
            _ => Vec::from([
                thread(100, ACCEPT, 3 * u64::from(turn), None),
                bare(101, 0x10, 1),
                bare(102, 0x20, 1),
            ]),
        }),
        of("clients give up, a thread a client", web(ONSET + 8..=ONSET + 22), is_left, |turn| match turn {
            ..ONSET => Vec::from([thread(100, EPOLL, u64::from(turn), None)]),
            _ => {
                let stuck = (0..=(turn - ONSET) / 3).map(|one| bare(101 + one, 0x10, 1));
                [thread(100, EPOLL, u64::from(turn), None)].into_iter().chain(stuck).collect()
            }
        }),
    ]);
    scenes.push(of(
        "a pool behind an event loop that accepts",
        web(ONSET + 8..=ONSET + 22),
        is_left,
        |turn| {
            let accepts = thread(100, EPOLL, u64::from(turn), None);
            match turn {
                ..ONSET => Vec::from([accepts, works(101, turn), works(102, turn)]),
                _ => Vec::from([accepts, bare(101, 0x10, 1), bare(102, 0x20, 1)]),
            }
        },
    ));
    for waiting in [1, 30] {
        let row: fn(Process, u32) -> Process = if waiting == 1 {
            |p, turn| Process { accept_backlog: Some(u32::from(turn >= ONSET)), cpu_pct: Some(0.0), ..p }
        } else {
            |p, turn| Process { accept_backlog: Some(30 * u32::from(turn >= ONSET)), cpu_pct: Some(0.0), ..p }
        };
        scenes.push(of(&format!("a backlog of {waiting}"), web(ONSET + 5..=ONSET + 12), row, stuck));
    }
    scenes
}

/// Threads that hang while no work is seen to wait, or none was ever seen to be done.
fn stalls_unseen() -> Vec<Scene> {
    let of = |name: &str, expect, row, threads: Threads| scene(Stalled, name, expect, row, threads);
    let mut scenes = Vec::new();
    scenes.push(of("two locks, nobody talks to it", web(ONSET + 8..=ONSET + 24), idles, |turn| match turn {
        ..ONSET => Vec::from([works(100, turn), works(101, turn), works(102, turn)]),
        _ => Vec::from([bare(100, 0x30, 3), bare(101, 0x10, 9), bare(102, 0x20, 7)]),
    }));
    scenes.push(of(
        "two locks, while the main thread wakes each second",
        web(ONSET + 8..=ONSET + 24),
        idles,
        |turn| match turn {
            ..ONSET => Vec::from([works(100, turn), works(101, turn), works(102, turn)]),
            _ => {
                Vec::from([thread(100, SLEEP, u64::from(turn), None), bare(101, 0x10, 9), bare(102, 0x20, 7)])
            }
        },
    ));
    let is_left_for_long: fn(Process, u32) -> Process = |p, turn| Process {
        // It never needed a tick that can be seen.
        cpu_pct: Some(0.0),
        io_calls_per_s: Some(0.0),
        close_wait: Some(turn.saturating_sub(ONSET) / 2),
        ..p
    };
    scenes.push(of(
        "clients give up on a service that never worked hard",
        web(ONSET + 8..=ONSET + 24),
        is_left_for_long,
        |turn| match turn {
            ..ONSET => Vec::from([thread(100, ACCEPT, u64::from(turn), None), works(101, turn)]),
            _ => Vec::from([
                thread(100, ACCEPT, u64::from(turn), None),
                bare(101, 0x10, 1),
                bare(102, 0x20, 1),
            ]),
        },
    ));
    scenes
}

/// Workers hang, clients wait at the door, and the main thread waits for something that is no excuse.
fn stalls_beside_orders() -> Vec<Scene> {
    let door: fn(Process, u32) -> Process = |p, turn| Process {
        accept_backlog: Some(turn.saturating_sub(ONSET) / 2),
        cpu_pct: Some(if turn >= ONSET { 0.0 } else { 4.0 }),
        ..p
    };
    let of = |name: &str, threads| scene(Stalled, name, web(ONSET + 6..=ONSET + 14), door, threads);
    Vec::from([
        of("workers, while the main thread waits for orders", |turn| match turn {
            ..ONSET => (100..104).map(|tid| works(tid, turn)).collect(),
            _ => [receives(100, "unix_datagram")]
                .into_iter()
                .chain((101..105).map(|tid| bare(tid, 0x10 * u64::from(tid % 2), 9)))
                .collect(),
        }),
        of("workers, while the main thread sleeps on an epoll that clients do not wake", |turn| match turn {
            ..ONSET => (100..104).map(|tid| works(tid, turn)).collect(),
            _ => [thread(100, EPOLL, 7, None)]
                .into_iter()
                .chain((101..105).map(|tid| bare(tid, 0x10, 9)))
                .collect(),
        }),
    ])
}

fn quiet_stalls() -> Vec<Scene> {
    let door: fn(Process, u32) -> Process =
        |p, turn| Process { accept_backlog: Some(turn / 2), cpu_pct: Some(0.0), ..p };
    let of = |name: &str, expect, row, threads: Threads| scene(Stalled, name, expect, row, threads);
    Vec::from([
        of("a busy lock that moves", Expect::Silent, hangs, |turn| {
            (100..104).map(|tid| bare(tid, 0x10, 20 * u64::from(turn))).collect()
        }),
        of(
            "an idle pool of threads",
            Expect::Silent,
            |p, _| Process { cpu_pct: Some(0.0), ..p },
            |_| (100..104).map(|tid| bare(tid, 0x10, 4)).collect(),
        ),
        of("a service that waits for another one", Expect::Silent, hangs, |_| {
            Vec::from([thread(100, RECEIVE, 4, None), bare(101, 0x10, 1), bare(102, 0x10, 1)])
        }),
        of("a pool that waits for another service, with clients at the door", Expect::Silent, door, |_| {
            let pool = (101..104).map(|tid| bare(tid, 0x10, 1));
            [receives(100, "tcp_connected")].into_iter().chain(pool).collect()
        }),
        of("the same over a socket of the same machine", Expect::Silent, door, |_| {
            let pool = (101..104).map(|tid| bare(tid, 0x10, 1));
            [receives(100, "unix_connected")].into_iter().chain(pool).collect()
        }),
        of("an event loop that wakes, with clients at the door", Expect::Silent, door, |turn| {
            let pool = (101..104).map(|tid| bare(tid, 0x10, 1));
            [thread(100, EPOLL, u64::from(turn), None)].into_iter().chain(pool).collect()
        }),
        of("waits that end by themselves", Expect::Silent, hangs, |_| {
            let timed = |tid| {
                let wait = FutexWait {
                    address: 0x10,
                    operation: 128 | 9,
                    expected: 0,
                    has_timeout: true,
                    words: None,
                };
                thread(tid, FUTEX, 1, Some(wait))
            };
            (100..104).map(timed).collect()
        }),
        of(
            "connections that are served, though slowly",
            Expect::Silent,
            |p, _| Process { unread_connections: Some(5), ..p },
            |_| (100..104).map(|tid| bare(tid, 0x10, 4)).collect(),
        ),
    ])
}

/// Threads at locks or conditions of which somebody may yet come, and forgotten connections beside an idle pool.
fn quiet_locks() -> Vec<Scene> {
    let of = |name: &str, expect, row, threads: Threads| scene(Stalled, name, expect, row, threads);
    Vec::from([
        of("waits at one condition that was signalled twice", Expect::Silent, idles, |_| {
            Vec::from([bare(100, 0x10, 4), bare(101, 0x10, 4), bare(102, 0x10, 4)])
        }),
        of("locks that one holds who sleeps", Expect::Silent, idles, |_| {
            Vec::from([thread(100, SLEEP, 5, None), bare(101, 0x10, 4), bare(102, 0x20, 4)])
        }),
        of("locks that one holds who reads", Expect::Silent, idles, |_| {
            Vec::from([receives(100, "tcp_connected"), bare(101, 0x10, 4), bare(102, 0x20, 4)])
        }),
        of(
            "connections that are forgotten beside an idle pool",
            Expect::Silent,
            |p, turn| Process { close_wait: Some(turn / 6), cpu_pct: Some(0.3), ..p },
            |turn| {
                let pool = (101..105).map(|tid| bare(tid, 0x10, 4));
                [thread(100, EPOLL, 9 * u64::from(turn), None)].into_iter().chain(pool).collect()
            },
        ),
    ])
}
