//! Devices that fail, and machines on which single errors are corrected.
use alloc::string::ToString;
use alloc::vec::Vec;

use vocab::Entity;
use vocab::event::{Event, EventKind};
use vocab::finding::FindingKind;

use crate::testkit::{Expect, Scene, machine};

/// A machine on which something is reported in the turns that `when` names.
fn scene(
    name: &str,
    turns: u32,
    expect: Expect,
    (entity, kind): (Entity, EventKind),
    when: fn(u32) -> bool,
) -> Scene {
    Scene::new(FindingKind::DeviceFailure, name, turns, expect, move |turn, _| {
        let mut snapshot = machine(turn);
        if when(turn) {
            let (at, message) = (snapshot.at, "it says so".to_string());
            snapshot.events.push(Event { at, kind, entity: entity.clone(), level: Some(3), message });
        }
        snapshot
    })
}

pub fn scenes() -> Vec<Scene> {
    let disk = || Entity::Disk("sda".to_string());
    let port = || Entity::Interface("eth0".to_string());
    let fires = |entity: Entity, span| Expect::Fires(entity, span);
    let once = |turn| turn == 20;
    let hourly = |turn: u32| turn % 3_000 == 20;
    let often = |turn: u32| turn % 300 == 20;
    let stuck = || Entity::Process(vocab::ProcessId { pid: 7, start_ticks: 99 });
    use EventKind::{
        DeviceFailure, HardwareError, HungTask, IoError, KernelFault, KernelLog, Lockup, Thermal,
    };
    Vec::from([
        scene("a request that fails", 40, fires(disk(), 20..=20), (disk(), IoError), once),
        scene("a port whose driver gave up", 40, fires(port(), 20..=20), (port(), DeviceFailure), once),
        scene(
            "a fault of the kernel",
            40,
            fires(Entity::Machine, 20..=20),
            (Entity::Machine, KernelFault),
            once,
        ),
        scene("a CPU that stays in the kernel", 40, fires(stuck(), 20..=20), (stuck(), Lockup), once),
        scene(
            "a grace period that never ends",
            40,
            fires(Entity::Machine, 20..=20),
            (Entity::Machine, Lockup),
            once,
        ),
        scene("tasks that wait for minutes", 700, Expect::Silent, (stuck(), HungTask), often),
        scene(
            "memory that is corrected again and again",
            700,
            fires(Entity::Machine, 620..=620),
            (Entity::Machine, HardwareError),
            often,
        ),
        scene("memory that is corrected", 7_000, Expect::Silent, (Entity::Machine, HardwareError), hourly),
        scene("a hot minute", 100, Expect::Silent, (Entity::Machine, Thermal), once),
        scene("lines of a log", 700, Expect::Silent, (disk(), KernelLog), often),
    ])
}

#[test]
fn a_failure_that_is_not_told_again_is_over() {
    let scene = &scenes()[0];
    let mut detect = crate::Detect::new();
    let (baselines, capabilities) = (Default::default(), Default::default());
    let told = (1..=700).filter(|turn| {
        let detected = detect.run(&(scene.make)(*turn, &[]), &baselines, &capabilities);
        !detected.findings.is_empty()
    });
    let told = told.collect::<Vec<_>>();
    assert_eq!((told.first(), told.last()), (Some(&20), Some(&620)));
}
