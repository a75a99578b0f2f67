//! The suite must fail with any detector replaced by one that never fires, and by one that always does.
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use vocab::Value;
use vocab::finding::{Finding, FindingKind, Severity};

use super::scenes;
use crate::{Context, Detect, Detected, Detector, say};

/// Never fires.
#[derive(serde::Serialize, serde::Deserialize)]
struct Never(FindingKind);

impl Detector for Never {
    fn kind(&self) -> FindingKind {
        self.0
    }

    fn run(&mut self, _: &Context<'_>, _: &mut Detected) {}
}

/// Accuses every process and service in every turn, Homeostat and the machine too.
#[derive(serde::Serialize, serde::Deserialize)]
struct Always(FindingKind);

impl Detector for Always {
    fn kind(&self) -> FindingKind {
        self.0
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        let processes = context.snapshot.processes.iter().map(vocab::rows::Process::entity);
        let services = context.snapshot.services.iter().map(|one| say::service(&one.name));
        let collectors = ["filesystems", "homeostat"].map(|one| vocab::Entity::Collector(one.to_string()));
        let disks = context.snapshot.filesystems.iter();
        let disks = disks.map(|one| vocab::Entity::Filesystem(one.mount_point.to_string()));
        let mut all: Vec<_> = processes.chain(services).chain(collectors).chain(disks).collect();
        all.dedup();
        detected.findings.extend(all.into_iter().map(|culprit| Finding {
            at: context.snapshot.at,
            kind: self.0,
            culprit: culprit.clone(),
            process: None,
            victims: Vec::new(),
            severity: Severity::Warning,
            confidence: 0.9,
            exhaustion_s: None,
            sentence: "always".to_string(),
            evidence: Vec::from([say::cell(
                "self",
                culprit,
                "value",
                (Value::Null, None),
                "none".to_string(),
            )]),
        }));
    }
}

fn mutate(kind: FindingKind, mutant: fn(FindingKind) -> Box<dyn Detector>) -> Detect {
    let mut detect = Detect::new();
    for detector in &mut detect.detectors {
        if detector.kind() == kind {
            *detector = mutant(kind);
        }
    }
    detect
}

/// Scenes of that kind that fail under a mutant.
fn killed_by(kind: FindingKind, mutant: fn(FindingKind) -> Box<dyn Detector>) -> usize {
    let fails = |one: &&crate::testkit::Scene| one.kind == kind && one.play(mutate(kind, mutant)).is_err();
    scenes().iter().filter(fails).count()
}

#[test]
fn each_detector_is_there_once() {
    let kinds: Vec<_> = Detect::new().detectors.iter().map(|one| one.kind()).collect();
    for kind in FindingKind::ALL {
        assert_eq!(kinds.iter().filter(|one| *one == kind).count(), 1, "{kind}");
    }
}

#[test]
fn a_detector_that_never_fires_is_noticed() {
    for kind in FindingKind::ALL {
        assert!(killed_by(*kind, |kind| Box::new(Never(kind))) > 0, "{kind}");
    }
}

#[test]
fn a_detector_that_always_fires_is_noticed() {
    for kind in FindingKind::ALL {
        let twins = scenes().iter().filter(|one| one.kind == *kind && one.is_twin()).count();
        assert!(twins > 0, "{kind} has no quiet twin");
        assert!(killed_by(*kind, |kind| Box::new(Always(kind))) >= twins, "{kind}");
    }
}
