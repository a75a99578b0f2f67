//! Stacks are asked for once, of whom suspicion is about, in time, and of nobody else.
use alloc::vec::Vec;

use vocab::baseline::Baselines;
use vocab::capability::Capabilities;
use vocab::probe::{ProbeKind, ProfileKind};

use crate::Detect;
use crate::testkit::*;

/// Turns in which stacks were asked for, and the first in which somebody was accused.
fn play(scene: &Scene) -> (Vec<(u32, ProfileKind)>, Option<u32>) {
    let mut detect = Detect::new();
    let (mut asked, mut profiles, mut accused) = (Vec::new(), Vec::new(), None);
    for turn in 1..=scene.turns {
        let snapshot = (scene.make)(turn, &asked);
        let detected = detect.run(&snapshot, &Baselines::default(), &Capabilities::default());
        for probe in &detected.probes {
            if let ProbeKind::Profile(kind) = probe.kind {
                profiles.push((turn, kind));
            }
        }
        if !detected.findings.is_empty() {
            accused = accused.or(Some(turn));
        }
        asked = detected.probes;
    }
    (profiles, accused)
}

fn of(scenes: Vec<Scene>, name: &str) -> Scene {
    scenes.into_iter().find(|one| one.name == name).expect("a scene of that name")
}

#[test]
fn a_leak_is_asked_where_it_grows_before_it_is_accused() {
    let (profiles, accused) = play(&of(super::memory_leak::scenes(), "leak 1 MB/s"));
    let [(asked, ProfileKind::MemoryKept), (_, ProfileKind::MemoryGrowth)] = profiles.as_slice() else {
        panic!("{profiles:?}")
    };
    // The answer takes the time of both profiles, one after the other, and of their threads.
    let seconds = 2 * (ProfileKind::MemoryGrowth.seconds() as u32 + 1);
    assert!(asked + seconds <= accused.expect("it leaks"), "asked in {asked}, accused in {accused:?}");
}

#[test]
fn whoever_is_accused_is_asked_once_what_it_asks_of_its_gpus() {
    let scene = of(super::memory_leak::scenes(), "leak 1 MB/s");
    let mut detect = Detect::new();
    let mut asked = Vec::new();
    let (mut turns, mut accused) = (Vec::new(), None);
    for turn in 1..=scene.turns {
        let snapshot = (scene.make)(turn, &asked);
        let detected = detect.run(&snapshot, &Baselines::default(), &Capabilities::default());
        turns.extend(detected.probes.iter().filter(|one| one.kind == ProbeKind::GpuCalls).map(|_| turn));
        accused = accused.or((!detected.findings.is_empty()).then_some(turn));
        asked = detected.probes;
    }
    assert_eq!(turns, [accused.expect("it leaks")]);
}

#[test]
fn a_circle_is_asked_where_it_waits_before_it_is_accused() {
    let (profiles, accused) = play(&of(super::locks::scenes(), "two threads, the service hangs"));
    let waiting = profiles.iter().find(|(_, kind)| *kind == ProfileKind::Waiting).map(|(turn, _)| *turn);
    assert!(waiting.expect("asked") < accused.expect("it hangs"), "{profiles:?} {accused:?}");
}

#[test]
fn a_hog_is_asked_once_where_its_time_goes() {
    let scenes = super::cpu_hog::scenes();
    let scene = scenes.into_iter().find(|one| !one.is_twin()).expect("a hog");
    let (profiles, accused) = play(&scene);
    assert_eq!(profiles, [(accused.expect("it hurts"), ProfileKind::OnCpu)]);
}

#[test]
fn our_own_daemon_is_not_asked() {
    let scene = of(super::memory_leak::scenes(), "leak 1 MB/s");
    let Scene { name, kind, turns, expect, make, .. } = scene;
    let ours = Scene::new(kind, name, turns, expect, move |turn, asked| {
        let mut snapshot = make(turn, asked);
        snapshot.own.daemon_pid = Some(snapshot.processes[0].id().pid);
        snapshot
    });
    assert_eq!(play(&ours), (Vec::new(), None));
}

#[test]
fn nobody_is_asked_without_suspicion() {
    let twins = super::rest::scenes().into_iter().chain(super::cpu_hog::scenes()).filter(Scene::is_twin);
    for scene in twins {
        assert_eq!(play(&scene).0, [], "{}", scene.name);
    }
}
