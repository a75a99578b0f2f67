//! Scenes of processes that take the CPU from others, and of processes that are merely busy.
use alloc::format;
use alloc::vec::Vec;

use vocab::finding::FindingKind::CpuHog;
use vocab::probe::{Probe, ProbeAnswer, ProbeResult};
use vocab::rows::{OpenFile, Process, RunqLatency};
use vocab::snapshot::Snapshot;

use crate::testkit::*;

const ONSET: u32 = 30;

/// A busy machine from the onset on: no idle CPU, work waits.
fn contended(turn: u32, processes: Vec<Process>) -> Snapshot {
    let mut snapshot = with(turn, processes);
    if turn >= ONSET {
        snapshot.machine.cpu_idle_pct = Some(0.5);
        snapshot.pressures[0].some_pct = Some(85.0);
    }
    snapshot
}

/// A server that waits for a CPU from the onset on.
fn victim(turn: u32, delay: f64) -> Process {
    let run_delay_pct = Some(if turn >= ONSET { delay } else { 0.2 });
    Process { run_delay_pct, ..server(100, "web", turn) }
}

fn spins(mut process: Process, cpu: f64) -> Process {
    process.cpu_pct = Some(cpu);
    process.voluntary_switches_per_s = Some(0.5);
    process.io_calls_per_s = Some(0.0);
    process
}

fn compiles(mut process: Process) -> Process {
    process.cpu_pct = Some(95.0);
    process.minor_faults_per_s = Some(700.0);
    process.io_calls_per_s = Some(30.0);
    process
}

fn scene(name: &str, expect: Expect, make: impl Fn(u32) -> Vec<Process> + 'static) -> Scene {
    Scene::new(CpuHog, name, 70, expect, move |turn, _| contended(turn, make(turn)))
}

fn late(turn: u32, process: impl FnOnce() -> Process) -> Option<Process> {
    (turn >= ONSET).then(|| born(process(), ONSET, turn))
}

fn of(service: &str) -> Expect {
    Expect::Fires(of_service(service), ONSET + 1..=ONSET + 9)
}

/// A server that seldom works, waits little in sum, and now waits long each time; before it waited `before_us`.
fn waits_long(name: &str, expect: Expect, before_us: f64, now_us: f64) -> Scene {
    Scene::new(CpuHog, name, 70, expect, move |turn, _| {
        let web = Process { cpu_pct: Some(0.4), ..victim(turn, 1.0) };
        let hog = late(turn, || spins(process(200, "spin", turn), 170.0));
        let p99_us = Some(if turn >= ONSET { now_us } else { before_us });
        let row = RunqLatency {
            pid: web.pid,
            name: web.name.clone(),
            service: web.service.clone(),
            waits: Some(12),
            waited_us: 10_000,
            p50_us: None,
            p99_us,
            histogram: None,
            blocked_us: None,
            memory_stall_us: None,
            reclaim_us: None,
        };
        let mut snapshot = with(turn, core::iter::once(web).chain(hog).collect());
        snapshot.machine.cpu_idle_pct = Some(if turn >= ONSET { 10.0 } else { 80.0 });
        snapshot.runq_latency = Vec::from([row]);
        snapshot
    })
}

pub fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    let named = Expect::Fires(of_process(200), ONSET + 2..=ONSET + 12);
    scenes.push(waits_long("requests that each wait 40 ms", named, 300.0, 40_000.0));
    scenes.push(waits_long("requests that always waited 40 ms", Expect::Silent, 30_000.0, 40_000.0));
    scenes.push(waits_long("requests that wait 3 ms", Expect::Silent, 300.0, 3_000.0));
    for cpu in [85.0, 130.0, 199.0, 800.0] {
        let plain = Expect::Fires(of_process(200), ONSET + 2..=ONSET + 9);
        scenes.push(scene(&format!("a plain loop of {cpu} %"), plain, move |turn| {
            let hog = late(turn, || spins(process(200, "spin", turn), cpu));
            Vec::from_iter([victim(turn, 20.0)].into_iter().chain(hog))
        }));
        scenes.push(scene(&format!("a service that begins to spin at {cpu} %"), of("batch"), move |turn| {
            let hog = server(200, "batch", turn);
            let hog = if turn >= ONSET { Process { cpu_pct: Some(cpu), ..hog } } else { hog };
            Vec::from([victim(turn, 20.0), hog])
        }));
    }
    scenes.push(scene("four children of a service spin", of("batch"), |turn| {
        let children = (201..205).filter_map(|pid| {
            late(turn, || Process { run_delay_pct: Some(40.0), ..spins(server(pid, "batch", turn), 45.0) })
        });
        [victim(turn, 8.0), server(200, "batch", turn)].into_iter().chain(children).collect()
    }));
    scenes.push(scene("a hog whose victim leaves connections", of("batch"), |turn| {
        let unread_connections = Some(if turn > ONSET { 4 } else { 0 });
        let hog = server(200, "batch", turn);
        let hog = if turn >= ONSET { spins(hog, 190.0) } else { hog };
        Vec::from([Process { unread_connections, ..server(100, "web", turn) }, hog])
    }));
    scenes.push(scene("a hog whose victims come and go", of("batch"), |turn| {
        let delay = if turn < ONSET + 10 { 20.0 } else { 0.5 };
        let hog = server(200, "batch", turn);
        let hog = if turn >= ONSET { spins(hog, 190.0) } else { hog };
        Vec::from([victim(turn, delay), hog])
    }));
    scenes.push(scene("a thread of a service spins and must share the CPU", of("batch"), |turn| {
        let hog = Process { threads: 4, ..server(200, "batch", turn) };
        let hog = if turn >= ONSET {
            Process { cpu_pct: Some(52.0), run_delay_pct: Some(46.0), ..hog }
        } else {
            hog
        };
        Vec::from([victim(turn, 20.0), hog])
    }));
    let unnamed = Expect::Fires(of_process(200), ONSET + 7..=ONSET + 14);
    scenes.push(scene("a hog whose victims do not show their wait", unnamed, |turn| {
        let hog = late(turn, || spins(process(200, "spin", turn), 190.0));
        Vec::from_iter([server(100, "web", turn)].into_iter().chain(hog))
    }));
    scenes.extend(odd_hogs());
    scenes.extend(crowds());
    scenes.extend(builds());
    scenes.extend(innocents());
    scenes.extend(harmless());
    scenes
}

/// Hogs that do not look it: one that rests, one that reads and writes, one whose victim hardly works.
fn odd_hogs() -> Vec<Scene> {
    let mut scenes = Vec::new();
    let plain = || Expect::Fires(of_process(200), ONSET + 2..=ONSET + 14);
    scenes.push(scene("a loop that rests for 2 s of 6", plain(), |turn| {
        let on = (turn - ONSET.min(turn)) % 6 < 4;
        let hog = late(turn, || spins(process(200, "spin", turn), if on { 180.0 } else { 0.0 }));
        let delay = if on { 20.0 } else { 0.2 };
        Vec::from_iter([victim(turn, delay)].into_iter().chain(hog))
    }));
    scenes.push(scene("a loop whose victim works little", plain(), |turn| {
        let hog = late(turn, || spins(process(200, "spin", turn), 199.0));
        let web = Process { cpu_pct: Some(0.4), ..victim(turn, 1.6) };
        Vec::from_iter([web].into_iter().chain(hog))
    }));
    scenes.push(copies("a loop that copies nothing to nowhere", plain(), "/dev/zero"));
    scenes.push(copies("a backup that reads a disk", Expect::Silent, "/srv/data"));
    scenes
}

/// A process that reads from there as fast as it can, and writes to nowhere; its errors go to a log.
fn copies(name: &str, expect: Expect, from: &'static str) -> Scene {
    Scene::new(CpuHog, name, 70, expect, move |turn, asked| {
        let io_calls_per_s = Some(300_000.0);
        let hog = late(turn, || Process { io_calls_per_s, ..spins(process(200, "dd", turn), 190.0) });
        let mut snapshot = contended(turn, Vec::from_iter([victim(turn, 20.0)].into_iter().chain(hog)));
        let file = |(descriptor, target): (u32, &str)| OpenFile {
            pid: 200,
            descriptor,
            kind: if target.starts_with('/') { "file" } else { "pipe" }.into(),
            target: target.into(),
            inode: None,
            tcp_state: None,
            is_outgoing: None,
        };
        let files = [(0, from), (1, "/dev/null"), (2, "/var/log/copy"), (9, "pipe:[7]")].map(file);
        let descriptors =
            asked.iter().filter(|one| **one == Probe::descriptors(process(200, "dd", turn).id()));
        snapshot.answers.extend(descriptors.map(|probe| ProbeAnswer {
            probe: probe.clone(),
            at: snapshot.at,
            result: Ok(ProbeResult::Descriptors(files.to_vec())),
        }));
        snapshot
    })
}

/// Idle before the onset; wants so much from then on.
fn wants(turn: u32, cpu: f64, delay: f64) -> Process {
    let (cpu_pct, run_delay_pct) = if turn >= ONSET { (cpu, delay) } else { (2.0, 3.0) };
    let (cpu_pct, run_delay_pct) = (Some(cpu_pct), Some(run_delay_pct));
    Process { threads: 6, cpu_pct, run_delay_pct, ..server(200, "batch", turn) }
}

/// A service begins to want many CPUs on a machine whose CPUs were taken before: nobody's own wait stands out.
fn crowds() -> Vec<Scene> {
    let crowd = |name: &str, expect, make: fn(u32) -> Process| {
        Scene::new(CpuHog, name, 70, expect, move |turn, _| {
            let web = Process { run_delay_pct: Some(6.0), ..server(100, "web", turn) };
            let build = born(compiles(process(300, "cc1", turn)), 0, turn);
            let mut snapshot = with(turn, Vec::from([web, build, make(turn)]));
            snapshot.machine.cpu_idle_pct = Some(0.5);
            snapshot.pressures[0].some_pct = Some(90.0);
            snapshot
        })
    };
    Vec::from([
        crowd("four threads among compilers", of("batch"), |turn| wants(turn, 40.0, 360.0)),
        crowd("eight threads of which clients gather", of("batch"), |turn| Process {
            established: Some(if turn >= ONSET { 12 } else { 1 }),
            ..wants(turn, 60.0, 740.0)
        }),
        crowd("bursts among compilers", Expect::Silent, |turn| match turn % 3 {
            0 => wants(turn, 30.0, 60.0),
            _ => server(200, "batch", turn),
        }),
        crowd(
            "a plain loop among compilers",
            Expect::Fires(of_process(400), ONSET + 19..=ONSET + 26),
            |turn| Process {
                cpu_pct: Some(if turn >= ONSET { 30.0 } else { 0.1 }),
                run_delay_pct: Some(if turn >= ONSET { 70.0 } else { 0.0 }),
                io_calls_per_s: Some(0.0),
                voluntary_switches_per_s: Some(0.5),
                ..process(400, "fold", turn)
            },
        ),
        crowd("many threads at the same work among compilers that become more", Expect::Silent, |turn| {
            let run_delay_pct = Some(if turn >= ONSET { 400.0 } else { 5.0 });
            Process { cpu_pct: Some(12.0), run_delay_pct, ..wants(turn, 0.0, 0.0) }
        }),
        crowd("sixty threads that wake at once, more of them than before", Expect::Silent, |turn| {
            let (cpu, delay) = if turn >= ONSET { (11.0, 500.0) } else { (5.0, 40.0) };
            Process { cpu_pct: Some(cpu), run_delay_pct: Some(delay), ..wants(turn, 0.0, 0.0) }
        }),
        crowd("one that was given a small weight", Expect::Silent, |turn| Process {
            nice: 10,
            ..wants(turn, 20.0, 370.0)
        }),
    ])
}

/// Compilers beside a server that waits.
fn builds() -> Vec<Scene> {
    let hurt =
        |turn: u32, others: Vec<Process>| [victim(turn, 30.0)].into_iter().chain(others).collect::<Vec<_>>();
    let quiet = |name: &str, make: fn(u32) -> Vec<Process>| {
        scene(name, Expect::Silent, move |turn| hurt(turn, make(turn)))
    };
    Vec::from([
        quiet("a build on the whole machine", |turn| {
            let jobs = (0..2).map(|slot| {
                let birth = ONSET + (turn.saturating_sub(ONSET) / 9) * 9 + slot;
                let pid = 200 + birth * 2 + slot;
                (turn >= birth && turn >= ONSET)
                    .then(|| born(compiles(process(pid, "rustc", turn)), birth, turn))
            });
            jobs.flatten().collect()
        }),
        quiet("one long compiler", |turn| Vec::from_iter(late(turn, || compiles(process(200, "cc1", turn))))),
        quiet("a compiler that turns from reading to optimising on all threads", |turn| {
            let works = if turn < ONSET + 10 { 700.0 } else { 2.0 };
            Vec::from([Process {
                threads: 16,
                cpu_pct: Some(if turn < ONSET + 10 { 40.0 } else { 120.0 }),
                run_delay_pct: Some(if turn < ONSET + 10 { 20.0 } else { 900.0 }),
                minor_faults_per_s: Some(works),
                io_calls_per_s: Some(works / 30.0),
                voluntary_switches_per_s: Some(0.5),
                ..process(200, "rustc", turn)
            }])
        }),
        quiet("a starved compiler that optimises without a fault", |turn| {
            let cc1 = late(turn, || compiles(process(200, "cc1", turn)));
            let works = if turn < ONSET + 12 { 700.0 } else { 0.0 };
            Vec::from_iter(cc1.map(|cc1| Process {
                cpu_pct: Some(30.0),
                run_delay_pct: Some(60.0),
                minor_faults_per_s: Some(works),
                io_calls_per_s: Some(0.0),
                voluntary_switches_per_s: Some(0.0),
                ..cc1
            }))
        }),
    ])
}

/// Busy processes beside a server that waits, and why none of them is to blame.
fn innocents() -> Vec<Scene> {
    let hurt =
        |turn: u32, others: Vec<Process>| [victim(turn, 30.0)].into_iter().chain(others).collect::<Vec<_>>();
    let quiet = |name: &str, make: fn(u32) -> Vec<Process>| {
        scene(name, Expect::Silent, move |turn| hurt(turn, make(turn)))
    };
    Vec::from([
        quiet("a nice-19 loop", |turn| {
            Vec::from_iter(late(turn, || Process { nice: 19, ..spins(process(200, "build", turn), 199.0) }))
        }),
        quiet("an idle-class loop", |turn| {
            let policy = "idle".into();
            Vec::from_iter(late(turn, || Process { policy, ..spins(process(200, "fold", turn), 199.0) }))
        }),
        quiet("a service as busy as ever", |turn| {
            Vec::from([Process {
                io_calls_per_s: Some(900.0),
                cpu_pct: Some(120.0),
                ..server(200, "busy", turn)
            }])
        }),
        quiet("a loop that ran long before the trouble", |turn| {
            Vec::from([spins(process(200, "fold", turn), 100.0)])
        }),
        quiet("a service with more clients", |turn| {
            let busy = if turn >= ONSET { 60 } else { 3 };
            let cpu_pct = Some(if turn >= ONSET { 180.0 } else { 8.0 });
            let voluntary_switches_per_s = Some(400.0);
            Vec::from([Process {
                established: Some(busy),
                cpu_pct,
                voluntary_switches_per_s,
                ..server(200, "shop", turn)
            }])
        }),
        quiet("a service that reads more", |turn| {
            let on = turn >= ONSET;
            let (cpu, calls) = if on { (150.0, 5_000.0) } else { (10.0, 300.0) };
            Vec::from([Process {
                cpu_pct: Some(cpu),
                io_calls_per_s: Some(calls),
                ..server(200, "etl", turn)
            }])
        }),
    ])
}

/// Busy processes that hurt nobody, or not those who are slow.
fn harmless() -> Vec<Scene> {
    let mut scenes = Vec::new();
    scenes.push(Scene::new(CpuHog, "a loop that hurts nobody", 70, Expect::Silent, |turn, _| {
        let hog = late(turn, || spins(process(200, "spin", turn), 100.0));
        with(turn, Vec::from_iter([server(100, "web", turn)].into_iter().chain(hog)))
    }));
    scenes.push(Scene::new(
        CpuHog,
        "a victim that is slow for another reason",
        90,
        Expect::Silent,
        |turn, _| {
            let hog = late(turn, || spins(process(200, "spin", turn), 100.0));
            let unread_connections = Some(if turn > 60 { 5 } else { 0 });
            let cpu_pct = Some(if turn > 60 { 0.0 } else { 4.0 });
            let web = Process { unread_connections, cpu_pct, ..server(100, "web", turn) };
            with(turn, Vec::from_iter([web].into_iter().chain(hog)))
        },
    ));
    scenes.push(Scene::new(CpuHog, "short bursts", 90, Expect::Silent, |turn, _| {
        let on = turn % 10 < 2;
        let web = Process { run_delay_pct: Some(if on { 20.0 } else { 0.0 }), ..server(100, "web", turn) };
        let cron = spins(process(200, "cron", turn), if on { 100.0 } else { 0.0 });
        with(turn, Vec::from([web, cron]))
    }));
    scenes
}
