//! The scenes of every kind, played; and the proof that each detector is needed and each twin bites.
mod cpu_hog;
mod crash_programs;
mod descriptor_leak;
mod device_failure;
mod disk_full;
mod escalation;
mod locks;
mod memory_leak;
mod mutants;
mod normal;
mod recordings;
mod rest;
mod runtime_locks;
mod sealed;
mod unanswered;

use alloc::vec::Vec;

use crate::Detect;
use crate::testkit::Scene;

/// Every scene there is.
fn scenes() -> Vec<Scene> {
    let all = [
        memory_leak::scenes(),
        descriptor_leak::scenes(),
        disk_full::scenes(),
        device_failure::scenes(),
        cpu_hog::scenes(),
        locks::scenes(),
        rest::scenes(),
        runtime_locks::scenes(),
        unanswered::scenes(),
        crash_programs::scenes(),
    ];
    all.into_iter().flatten().collect()
}

#[test]
fn every_scene_is_judged_right() {
    let failures: Vec<_> = scenes().iter().filter_map(|one| one.play(Detect::new()).err()).collect();
    assert!(failures.is_empty(), "{} scenes:\n{}", failures.len(), failures.join("\n"));
}
