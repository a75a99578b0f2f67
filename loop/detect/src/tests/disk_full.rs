//! File systems that fill up, and those that only look so.
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use vocab::Entity;
use vocab::finding::FindingKind;
use vocab::rows::Filesystem;
use vocab::snapshot::Snapshot;

use crate::testkit::{Expect, Scene, machine, process};

const GB: f64 = 1e9;

/// A machine whose `/data` of 100 GB holds so many bytes.
fn with_disk(turn: u32, used: f64, free_inodes: u64) -> Snapshot {
    let mut snapshot = machine(turn);
    snapshot.filesystems.push(Filesystem {
        mount_point: "/data".into(),
        device: "/dev/vdb".into(),
        kind: "ext4".into(),
        is_read_only: false,
        total_bytes: Some((100.0 * GB) as u64),
        available_bytes: Some((100.0 * GB - used).max(0.0) as u64),
        inodes: Some(6_000_000),
        free_inodes: Some(free_inodes),
    });
    let mut writer = process(77, "postgres", turn);
    writer.write_bytes_per_s = Some(5e6);
    snapshot.processes.push(writer);
    snapshot
}

fn scene(name: &str, turns: u32, expect: Expect, used: impl Fn(f64) -> f64 + 'static) -> Scene {
    Scene::new(FindingKind::DiskFull, name, turns, expect, move |turn, _| {
        with_disk(turn, used(f64::from(turn)), 5_000_000)
    })
}

fn fires(from: u32, to: u32) -> Expect {
    Expect::Fires(Entity::Filesystem("/data".to_string()), from..=to)
}

pub fn scenes() -> Vec<Scene> {
    let rotated = |second: f64| 92.0 * GB + (second % 100.0) * 3e7;
    let download = |second: f64| 70.0 * GB + (second - 300.0).clamp(0.0, 200.0) * 4e7;
    let inodes = |turn: u32, _: &[_]| with_disk(turn, 10.0 * GB, 900_000 - 600 * u64::from(turn));
    Vec::from([
        scene("logs without end", 2_600, fires(1_800, 2_200), |second| 40.0 * GB + 3e6 * second),
        scene("a rush where little is left", 400, fires(60, 200), |second| 83.0 * GB + 1.5e7 * second),
        Scene::new(FindingKind::DiskFull, "small files without end", 1_200, fires(60, 200), inodes),
        scene("full and still", 2_400, Expect::Silent, |_| 97.0 * GB),
        scene("logs that are rotated", 2_800, Expect::Silent, rotated),
        scene("a download that ends", 2_400, Expect::Silent, download),
        scene("a build on an empty disk", 900, Expect::Silent, |second| 20.0 * GB + 3e7 * second),
        scene("a slow archive", 4_000, Expect::Silent, |second| 50.0 * GB + 1e5 * second),
    ])
}

#[test]
fn the_writer_and_the_room_left_are_named() {
    let mut detect = crate::Detect::new();
    let mut outlook = learn::outlook::Outlook::default();
    let (baselines, capabilities) = Default::default();
    let mut found = Vec::new();
    for turn in 1..=300 {
        let snapshot = with_disk(turn, 83.0 * GB + 1.5e7 * f64::from(turn), 5_000_000);
        if let Some(forecasts) = outlook.run(&snapshot) {
            detect.know(vocab::learnt::Learnt { forecasts: forecasts.into(), ..Default::default() });
        }
        found = detect.run(&snapshot, &baselines, &capabilities).findings;
    }
    let text = format!("{found:?}");
    assert!(text.contains("postgres (pid 77) writes 5.0 MB/s, most of all"), "{text}");
    assert!(text.contains("of /data are left, 13 %"), "{text}");
    assert!(found[0].exhaustion_s.is_some_and(|left| (left - 835.0).abs() < 60.0), "{text}");
}
