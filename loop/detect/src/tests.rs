//! The scenes of every kind, played; and the proof that each detector is needed and each twin bites.
mod memory_leak;

use crate::Detect;
use crate::testkit::Scene;
use alloc::vec::Vec;

fn scenes() -> Vec<Scene> {
    let mut scenes = memory_leak::scenes();
    scenes.extend([]);
    scenes
}

#[test]
fn every_scene_is_judged_right() {
    let failures: Vec<_> = scenes().iter().filter_map(|one| one.play(Detect::new()).err()).collect();
    assert!(failures.is_empty(), "{} scenes:\n{}", failures.len(), failures.join("\n"));
}
