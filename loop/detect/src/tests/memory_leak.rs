//! Scenes of memory that leaks, and of memory that only looks so.
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use vocab::finding::FindingKind::MemoryLeak;
use vocab::probe::{Probe, ProbeAnswer, ProbeKind, ProbeResult};
use vocab::rows::{OpenFile, Process};

use crate::testkit::*;

/// A service whose anonymous memory follows a curve.
fn curve(name: &str, turns: u32, expect: Expect, bytes: impl Fn(f64) -> f64 + 'static) -> Scene {
    Scene::new(MemoryLeak, name, turns, expect, move |turn, _| {
        let held = (20.0 * MB + bytes(f64::from(turn))) as u64;
        let (anon_bytes, virtual_bytes) = (Some(held), 100_000_000 + held);
        with(turn, Vec::from([Process { anon_bytes, virtual_bytes, ..server(100, "web", turn) }]))
    })
}

/// The same of one that does nothing else.
fn idle(name: &str, turns: u32, bytes: impl Fn(f64) -> f64 + 'static) -> Scene {
    Scene::new(MemoryLeak, name, turns, Expect::Silent, move |turn, _| {
        let held = (20.0 * MB + bytes(f64::from(turn))) as u64;
        let (anon_bytes, virtual_bytes) = (Some(held), 100_000_000 + held);
        let web = Process { anon_bytes, virtual_bytes, ..server(100, "web", turn) };
        with(turn, Vec::from([Process { cpu_pct: Some(0.1), listen_port: None, ..web }]))
    })
}

fn leak(rate: f64, onset: f64) -> impl Fn(f64) -> f64 {
    move |t| rate * MB * (t - onset).max(0.0)
}

fn fires(span: core::ops::RangeInclusive<u32>) -> Expect {
    Expect::Fires(of_service("web"), span)
}

pub fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for rate in [0.3, 1.0, 5.0, 20.0, 50.0] {
        scenes.push(curve(&format!("leak {rate} MB/s"), 90, fires(50..=57), leak(rate, 22.0)));
        let noisy = move |t: f64| leak(rate, 22.0)(t * 1.0) + rate * MB * noise(7, t as u32);
        scenes.push(curve(&format!("leak {rate} MB/s, noisy"), 90, fires(48..=65), noisy));
        // The sooner memory runs out, the less time there is to watch: 10 GB last 200 s at the highest rate.
        let span = if rate >= 20.0 { 40..=50 } else { 80..=100 };
        scenes.push(curve(&format!("leak {rate} MB/s from birth"), 140, fires(span), leak(rate, 0.0)));
        let idle = idle(&format!("leak {rate} MB/s of one that was idle"), 140, leak(rate, 22.0));
        let span = if rate >= 20.0 { 60..=72 } else { 85..=95 };
        scenes.push(Scene { expect: fires(span), ..idle });
        let lumps = move |t: f64| rate * MB * 3.0 * ((t - 22.0).max(0.0) / 3.0).floor();
        scenes.push(curve(&format!("leak {rate} MB/s in lumps of 3 s"), 90, fires(48..=66), lumps));
    }
    scenes.push(curve("leak of 0.3 MB/s under noise of 4 MB", 220, fires(55..=160), |t| {
        leak(0.3, 30.0)(t) + 4.0 * MB * noise(3, t as u32)
    }));
    scenes.push(curve("leak that exhausts memory in 25 s", 60, fires(34..=42), leak(400.0, 30.0)));
    scenes.push(curve("collected heap whose troughs rise", 160, fires(60..=130), |t| {
        leak(1.0, 0.0)(t) + 3.0 * MB * (t % 8.0)
    }));
    scenes.push(curve("spike at the start, then a leak", 120, fires(75..=90), |t| {
        if t < 3.0 { 90.0 * MB * t } else { leak(1.0, 45.0)(t) }
    }));
    scenes.extend(shared());
    scenes.extend(guests());
    scenes.extend(twins());
    scenes.extend(jobs());
    scenes
}

/// Shared memory that is mapped anew for ever, and that which was mapped once, or is given back.
fn shared() -> [Scene; 5] {
    let of = |name: &str, expect, resident: fn(f64) -> f64, mapped: fn(f64) -> f64| {
        Scene::new(MemoryLeak, name, 240, expect, move |turn, _| {
            let at_s = f64::from(turn);
            let shmem_bytes = Some((MB * resident(at_s)) as u64);
            let virtual_bytes = (MB * (300.0 + mapped(at_s))) as u64;
            with(turn, Vec::from([Process { shmem_bytes, virtual_bytes, ..server(100, "web", turn) }]))
        })
    };
    let grows: fn(f64) -> f64 = |t| 2.0 * (t - 22.0).max(0.0);
    let lumps: fn(f64) -> f64 = |t| 24.0 * ((t - 10.0).max(0.0) / 12.0).floor();
    [
        of("segments that are never given back", fires(50..=57), grows, grows),
        of("segments of 24 MB, filled as they are used", fires(50..=100), grows, lumps),
        of("buffers of a database that fill", Expect::Silent, grows, |_| 0.0),
        of(
            "a ring that is mapped late and fills",
            Expect::Silent,
            |t| 4.0 * (t - 60.0).clamp(0.0, 150.0),
            |t| {
                if t < 60.0 { 0.0 } else { 600.0 }
            },
        ),
        of("frames that are given back", Expect::Silent, |t| 10.0 * (t % 15.0), |t| 10.0 * (t % 15.0)),
    ]
}

/// Memory that was mapped at once and fills for ever, of a process that has such descriptors, beside a file.
fn guests() -> [Scene; 3] {
    let of = |name: &str, expect, kind: Option<&'static str>| {
        Scene::new(MemoryLeak, name, 200, expect, move |turn, asked: &[Probe]| {
            let anon_bytes = Some((300.0 * MB + 4.0 * MB * f64::from(turn)) as u64);
            let monitor = Process { anon_bytes, virtual_bytes: 6_000_000_000, ..process(100, "qemu", turn) };
            let mut snapshot = with(turn, Vec::from([born(monitor, 0, turn)]));
            let files = |kind: &str| ["file", kind].map(|kind| open_file(100, kind)).into();
            let answers = asked.iter().filter(|one| one.kind == ProbeKind::Descriptors).filter_map(|probe| {
                let result = Ok(ProbeResult::Descriptors(files(kind?)));
                Some(ProbeAnswer { probe: probe.clone(), at: snapshot.at, result })
            });
            snapshot.answers = answers.collect();
            snapshot
        })
    };
    let fires = || Expect::Fires(of_process(100), 75..=100);
    [
        of("a virtual machine whose guest fills it", Expect::Silent, Some("kvm-vm")),
        of("a reserved heap of one without a virtual machine", fires(), Some("eventfd")),
        of("a reserved heap of one that may not be asked", fires(), None),
    ]
}

fn open_file(pid: u32, kind: &str) -> OpenFile {
    OpenFile {
        pid,
        descriptor: 0,
        kind: kind.to_string(),
        target: "x".into(),
        inode: None,
        tcp_state: None,
        is_outgoing: None,
    }
}

fn twins() -> Vec<Scene> {
    let mut scenes = Vec::new();
    let mut quiet = |name: &str, bytes: fn(f64) -> f64| {
        scenes.push(curve(name, 200, Expect::Silent, bytes));
    };
    quiet("cache that fills in 30 s and stops", |t| 5.0 * MB * (t - 25.0).clamp(0.0, 30.0));
    quiet("cache that fills in 15 s and stops", |t| 40.0 * MB * (t - 25.0).clamp(0.0, 15.0));
    quiet("cache that fills ever slower", |t| {
        300.0 * MB * (1.0 - std::primitive::f64::exp(-(t - 25.0).max(0.0) / 30.0))
    });
    quiet("warm-up of a minute", |t| 4.0 * MB * t.min(60.0));
    quiet("collector, short teeth", |t| 8.0 * MB * (t % 7.0));
    quiet("collector, teeth of 20 s", |t| 5.0 * MB * (t % 20.0));
    quiet("collector, teeth of 28 s on a large heap", |t| 600.0 * MB + 2.0 * MB * (t % 28.0));
    quiet("one step", |t| if t < 60.0 { 0.0 } else { 700.0 * MB });
    quiet("a step each minute", |t| 30.0 * MB * (t / 60.0).floor());
    quiet("noise", |t| 30.0 * MB * noise(1, t as u32));
    scenes.push(idle("cache that fills for a minute once there is work", 200, |t| {
        5.0 * MB * (t - 25.0).clamp(0.0, 60.0)
    }));
    scenes.push(Scene::new(
        MemoryLeak,
        "server whose first clients fill its cache",
        200,
        Expect::Silent,
        |turn, _| {
            let filled = 5.0 * MB * (f64::from(turn) - 25.0).clamp(0.0, 50.0);
            let cpu_pct = Some(if turn < 25 { 0.0 } else { 6.0 });
            let anon_bytes = Some((20.0 * MB + filled) as u64);
            with(turn, Vec::from([Process { anon_bytes, cpu_pct, ..server(100, "web", turn) }]))
        },
    ));
    scenes.push(Scene::new(MemoryLeak, "daemon in its first minutes", 200, Expect::Silent, |turn, _| {
        // Pauses of 15 s, and between them a minute of 0.07 MB/s.
        let (round, in_round_s) = (f64::from(turn / 75), f64::from(turn % 75));
        let grown = 0.07 * MB * (60.0 * round + (in_round_s - 15.0).max(0.0));
        let anon_bytes = Some((6.0 * MB + grown) as u64);
        with(turn, Vec::from([born(Process { anon_bytes, ..server(100, "web", turn) }, 0, turn)]))
    }));
    // A collector on starved cores: it comes to collect after 45 s only.
    let heap = |name: &str, expect, bytes: fn(f64) -> f64| {
        Scene::new(MemoryLeak, name, 130, expect, move |turn, _| {
            let anon_bytes = Some((20.0 * MB + 35.0 * MB * bytes(f64::from(turn))) as u64);
            let web = Process { anon_bytes, virtual_bytes: 6_000_000_000, ..server(100, "web", turn) };
            with(turn, Vec::from([born(web, 0, turn)]))
        })
    };
    scenes.push(heap("a reserved heap that fills for 45 s", Expect::Silent, |t| t % 50.0));
    scenes.push(heap("a reserved heap that fills for ever", fires(75..=100), |t| t));
    scenes.push(Scene::new(MemoryLeak, "burst of connections", 120, Expect::Silent, |turn, _| {
        let load = turn.saturating_sub(30).min(45);
        let anon_bytes = Some(20_000_000 + u64::from(load) * 2_000_000);
        let established = Some(3 + load * 4);
        with(turn, Vec::from([Process { anon_bytes, established, ..server(100, "web", turn) }]))
    }));
    scenes.push(Scene::new(MemoryLeak, "page-in from swap", 100, Expect::Silent, |turn, _| {
        let back = u64::from(turn.saturating_sub(20)) * 5_000_000;
        let (anon_bytes, swap_bytes) = (Some(20_000_000 + back), Some(500_000_000 - back));
        with(turn, Vec::from([Process { anon_bytes, swap_bytes, ..server(100, "web", turn) }]))
    }));
    scenes
}

/// Jobs that compute: a compiler, a linker, one that eats the machine.
fn jobs() -> Vec<Scene> {
    let job = |turn: u32, bytes: f64| {
        let anon_bytes = Some(bytes as u64);
        let busy = Process { anon_bytes, cpu_pct: Some(97.0), ..process(200, "rustc", turn) };
        born(Process { minor_faults_per_s: Some(900.0), io_calls_per_s: Some(12.0), ..busy }, 15, turn)
    };
    let scene = |name: &str, expect, bytes: fn(f64) -> f64| {
        // The eater has eaten all by then.
        let turns = if matches!(expect, Expect::Silent) { 340 } else { 60 };
        Scene::new(MemoryLeak, name, turns, expect, move |turn, _| {
            let alive =
                if turn > 15 { Vec::from([job(turn, bytes(f64::from(turn - 15)))]) } else { Vec::new() };
            let mut snapshot = with(turn, alive);
            let left = 10e9 - bytes(f64::from(turn.saturating_sub(15)));
            snapshot.machine.memory_available_bytes = left.max(0.0) as u64;
            snapshot
        })
    };
    let batch = Scene {
        expect: Expect::Fires(of_process(200), 90..=130),
        turns: 180,
        ..scene("batch that keeps its results", Expect::Silent, |t| (50.0 * MB * t).min(9.9e9))
    };
    let eater = Expect::Fires(of_process(200), 20..=45);
    Vec::from([
        scene("compiler that grows for 100 s", Expect::Silent, |t| 12.0 * MB * t.min(100.0)),
        // Recorded on a machine that compiled with more jobs than cores.
        scene("compiler that shares its CPU and grows for 5 min", Expect::Silent, |t| 2.5 * MB * t),
        scene("compiler, level then growing", Expect::Silent, |t| {
            200.0 * MB + 9.0 * MB * (t - 30.0).max(0.0)
        }),
        scene("linker that takes 2 GB in 5 s", Expect::Silent, |t| 400.0 * MB * t.min(5.0)),
        scene("job that eats the machine in 30 s", eater, |t| (333.0 * MB * t).min(9.9e9)),
        batch,
    ])
}

/// A program that settles may look like a leak for a while, but not for ever.
#[test]
fn one_whose_growth_dies_away_is_let_go_of() {
    let settles =
        |t: f64| leak(1.0, 22.0)(t.min(70.0)) + leak(0.05, 70.0)(t) + 8.0 * MB * (1.0 - (-t / 90.0).exp());
    let scene = curve("settles", 200, Expect::Silent, settles);
    let mut detect = crate::Detect::new();
    let (baselines, capabilities) = (Default::default(), Default::default());
    let accused = (1..=scene.turns).filter(|turn| {
        let detected = detect.run(&(scene.make)(*turn, &[]), &baselines, &capabilities);
        detected.findings.iter().any(|one| one.kind == MemoryLeak)
    });
    let accused = accused.collect::<Vec<_>>();
    let (first, last) = (accused.first().copied(), accused.last().copied());
    assert!(
        first.is_some_and(|turn| turn < 70) && last.is_some_and(|turn| (80..120).contains(&turn)),
        "{accused:?}"
    );
}
