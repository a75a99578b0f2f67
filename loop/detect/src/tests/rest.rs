//! Scenes of services that crash, machines that thrash, and our own troubles.
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use vocab::Entity;
use vocab::finding::FindingKind::{CollectorStalled, CrashLoop, IoThrash, MemoryThrash, OwnTrouble};
use vocab::probe::{ProbeAnswer, ProbeResult, UnitProbe};
use vocab::rows::{Process, Service};
use vocab::sample::CollectorSample;
use vocab::snapshot::Snapshot;

use crate::testkit::*;

pub fn scenes() -> Vec<Scene> {
    [crashes(), units(), memory(), storage(), own()].into_iter().flatten().collect()
}

/// A service of our supervisor with a count of failures, each after a run of `ran_s`.
fn crash(name: &str, expect: Expect, ran_s: f64, failures: impl Fn(u32) -> u64 + 'static) -> Scene {
    Scene::new(CrashLoop, name, 160, expect, move |turn, _| {
        let count = failures(turn);
        let state = if count > 0 { "backing_off" } else { "running" };
        let row = Service {
            failures: Some(count),
            exit_ran_s: (count > 0).then_some(ran_s),
            exit_code: (count > 0).then_some(1),
            state: state.to_string(),
            ..service("web", (turn % 2 == 0).then_some(100 + turn))
        };
        Snapshot { services: Vec::from([row]), ..machine(turn) }
    })
}

fn crashes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for (period, latest) in [(1, 36), (4, 45), (12, 70), (24, 110)] {
        let expect = Expect::Fires(of_service("web"), 32..=latest);
        let count = move |turn: u32| u64::from(turn.saturating_sub(30) / period);
        scenes.push(crash(&format!("a crash each {period} s"), expect, f64::from(period) / 2.0, count));
    }
    let expect = Expect::Fires(of_service("web"), 31..=34);
    scenes.push(crash("five crashes between two looks", expect, 0.05, |turn| if turn > 30 { 5 } else { 0 }));
    scenes.push(crash("one crash", Expect::Silent, 1.0, |turn| u64::from(turn > 40)));
    scenes.push(crash("a crash each minute", Expect::Silent, 58.0, |turn| u64::from(turn / 60)));
    scenes.push(Scene::new(CrashLoop, "a job that exits with 0 each 5 s", 160, Expect::Silent, |turn, _| {
        let row = Service {
            starts: Some(u64::from(turn / 5)),
            exit_code: Some(0),
            exit_ran_s: Some(1.0),
            ..service("job", (turn % 5 == 0).then_some(100 + turn))
        };
        Snapshot { services: Vec::from([row]), ..machine(turn) }
    }));
    scenes
}

/// A unit whose main process changes each `period` turns, and what systemd says of it.
fn unit(name: &str, expect: Expect, period: u32, say: fn(u32) -> UnitProbe) -> Scene {
    Scene::new(CrashLoop, name, 120, expect, move |turn, asked| {
        let main = 100 + turn / period;
        let up_s = Some(f64::from(turn % period));
        let row = Service { starts: None, failures: None, up_s, ..service("web.service", Some(main)) };
        let mut snapshot = Snapshot { services: Vec::from([row]), ..machine(turn) };
        let at = snapshot.at;
        let answer = |probe: &vocab::probe::Probe| ProbeAnswer {
            probe: probe.clone(),
            at,
            result: Ok(ProbeResult::Unit(say(turn / period))),
        };
        snapshot.answers =
            asked.iter().filter(|one| one.entity == of_service("web.service")).map(answer).collect();
        snapshot
    })
}

fn units() -> Vec<Scene> {
    let failed = |restarts: u32| UnitProbe {
        active_state: "activating".into(),
        sub_state: "auto-restart".into(),
        result: "exit-code".into(),
        restarts: u64::from(restarts),
        exit_status: 1,
        ..UnitProbe::default()
    };
    let fine = |restarts: u32| UnitProbe {
        active_state: "active".into(),
        sub_state: "running".into(),
        result: "success".into(),
        restarts: u64::from(restarts),
        ..UnitProbe::default()
    };
    let by_hand = |_: u32| UnitProbe { result: "success".into(), ..UnitProbe::default() };
    let crashes = |latest| Expect::Fires(of_service("web.service"), 3..=latest);
    Vec::from([
        unit("a unit that crashes each 2 s", crashes(20), 2, failed),
        unit("a unit that crashes each 10 s", crashes(45), 10, failed),
        unit("a unit that ends well each 5 s and is started again", Expect::Silent, 5, fine),
        unit("a unit that a person restarts", Expect::Silent, 9, by_hand),
    ])
}

fn memory() -> Vec<Scene> {
    let scene = |name: &str, expect, full: f64, refaults: f64, scans: f64| {
        Scene::new(MemoryThrash, name, 60, expect, move |turn, _| {
            let mut snapshot = with(turn, Vec::from([server(100, "web", turn), process(200, "big", turn)]));
            snapshot.processes[1].anon_bytes = Some(12_000_000_000);
            if turn >= 20 {
                snapshot.pressures[1].full_pct = Some(full);
                snapshot.machine.refaults_per_s = Some(refaults);
                snapshot.machine.direct_scans_per_s = Some(scans);
            }
            snapshot
        })
    };
    let big = || Expect::Fires(of_process(200), 24..=32);
    Vec::from([
        scene("thrash, mild", big(), 15.0, 900.0, 50.0),
        scene("thrash, heavy", big(), 90.0, 90_000.0, 5_000.0),
        scene("a page cache that turns over", Expect::Silent, 1.0, 50_000.0, 100.0),
        scene("a stall without page traffic", Expect::Silent, 40.0, 0.0, 0.0),
    ])
}

fn storage() -> Vec<Scene> {
    let scene = |name: &str, expect, rate: f64, blocked: bool| {
        Scene::new(IoThrash, name, 70, expect, move |turn, _| {
            let busy = turn >= 20;
            let state = if busy && blocked { "D" } else { "S" }.to_string();
            let write_bytes_per_s = Some(if busy { rate } else { 0.0 });
            let web = Process { state, ..server(100, "web", turn) };
            let backup =
                Process { write_bytes_per_s, state: "D".to_string(), ..process(200, "backup", turn) };
            let mut snapshot = with(turn, Vec::from([web, backup]));
            snapshot.pressures[2].full_pct = Some(if busy { 60.0 } else { 0.0 });
            snapshot
        })
    };
    let backup = || Expect::Fires(of_process(200), 30..=42);
    Vec::from([
        scene("a slow disk kept busy", backup(), 3e6, true),
        scene("a fast disk kept busy", backup(), 3e8, true),
        scene("a streaming backup", Expect::Silent, 3e8, false),
    ])
}

fn own() -> Vec<Scene> {
    let collector = |name: &str, expect, stalled: fn(u32) -> Option<f64>| {
        Scene::new(CollectorStalled, name, 60, expect, move |turn, _| {
            let collectors = Vec::from([CollectorSample {
                name: "filesystems".into(),
                cpu_us: 10,
                rows: 1,
                stalled_s: stalled(turn),
                dropped: 0,
                error: None,
            }]);
            Snapshot { collectors, ..machine(turn) }
        })
    };
    let homeostat = || Entity::Collector("homeostat".to_string());
    let filesystems = Entity::Collector("filesystems".to_string());
    let late = |name: &str, expect, interval: fn(u32) -> f64| {
        Scene::new(OwnTrouble, name, 90, expect, move |turn, _| Snapshot {
            interval_s: interval(turn),
            ..machine(turn)
        })
    };
    let mut shedding = Vec::new();
    let all = vocab::budget::SHED_LEVEL_MAX;
    for (name, level, until, cpu_us_a_turn, expect) in [
        ("too dear with all shed", all, 91, 200_000, Expect::Fires(homeostat(), 45..=60)),
        ("too dear with all shed for ten turns", all, 30, 200_000, Expect::Silent),
        ("a slow machine, and the budget kept", all, 90, 60_000, Expect::Silent),
        ("too dear, and more can be shed", all - 1, 90, 200_000, Expect::Silent),
    ] {
        shedding.push(Scene::new(OwnTrouble, name, 90, expect, move |turn, _| {
            let mut snapshot = machine(turn);
            snapshot.own.shed_level = if (20..until).contains(&turn) { level } else { 0 };
            snapshot.interval_s = f64::from(vocab::budget::tick_s(snapshot.own.shed_level));
            snapshot.own.cpu_us = u64::from(turn) * cpu_us_a_turn;
            snapshot
        }));
    }
    for (name, rows, lost, expect) in [
        ("a collector that loses most rows", 100, 400, Expect::Fires(homeostat(), 30..=50)),
        ("a storm of events beyond the bound", 400, 100, Expect::Silent),
    ] {
        shedding.push(Scene::new(OwnTrouble, name, 90, expect, move |turn, _| {
            let dropped = u64::from(turn.saturating_sub(20)) * lost;
            let (name, stalled_s, error) = ("kernel".into(), None, None);
            let one = CollectorSample { name, cpu_us: 10, rows, stalled_s, dropped, error };
            Snapshot { collectors: Vec::from([one]), ..machine(turn) }
        }));
    }
    let mut scenes = Vec::from([
        collector("a dead mount", Expect::Fires(filesystems, 25..=26), |turn| {
            (turn > 20).then(|| f64::from(turn - 20))
        }),
        collector("a late answer", Expect::Silent, |turn| (turn % 9 == 0).then_some(1.5)),
        late("every second turn late", Expect::Fires(homeostat(), 15..=40), |turn| {
            if turn % 2 == 0 { 3.0 } else { 1.0 }
        }),
        late("a machine that slept", Expect::Silent, |turn| if turn == 40 { 900.0 } else { 1.0 }),
    ]);
    scenes.extend(shedding);
    scenes
}
