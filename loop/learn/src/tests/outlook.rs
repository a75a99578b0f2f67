//! When something will be used up, and when nothing is said.
use alloc::vec::Vec;

use vocab::rows::{Cgroup, Filesystem, ForecastRow};

use crate::outlook::Outlook;

const GB: f64 = 1e9;

/// A file system of 100 GB whose use is a function of the time in seconds.
fn forecasts(seconds: i64, used: impl Fn(f64) -> f64) -> Vec<ForecastRow> {
    let (mut outlook, mut rows) = (Outlook::default(), Vec::new());
    for second in 0..seconds {
        let mut snapshot = super::snapshot(second + 1, Vec::new());
        let available = (100.0 * GB - used(second as f64)).max(0.0);
        snapshot.filesystems.push(Filesystem {
            mount_point: "/data".into(),
            device: "/dev/vdb".into(),
            kind: "ext4".into(),
            is_read_only: false,
            total_bytes: Some((100.0 * GB) as u64),
            available_bytes: Some(available as u64),
            inodes: Some(1_000_000),
            free_inodes: Some(900_000),
        });
        rows = outlook.run(&snapshot).unwrap_or(rows);
    }
    rows.retain(|row| row.resource == "disk_bytes");
    rows
}

#[test]
fn a_disk_that_fills_steadily_is_dated() {
    let rows = forecasts(1_800, |second| 50.0 * GB + second * 5e6);
    // 41 GB are left at 5 MB/s.
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert!((row.exhaustion_s - 8_200.0).abs() < 200.0, "{row:?}");
    assert!(
        row.earliest_s <= row.exhaustion_s && row.latest_s.is_some_and(|late| late >= row.exhaustion_s),
        "{row:?}"
    );
    assert!((row.rise_per_s - 5e6).abs() < 1e5, "{row:?}");
    assert!(
        row.sentence.starts_with("file system /data will be used up in 2.3 h (95 %: "),
        "{}",
        row.sentence
    );
}

#[test]
fn what_is_full_and_still_or_goes_up_and_down_is_not_dated() {
    assert!(forecasts(1_800, |_| 97.0 * GB).is_empty());
    let saw = |second: f64| 90.0 * GB + (second % 400.0) * 1e7;
    assert!(forecasts(2_750, saw).iter().all(|row| row.exhaustion_s > 86_400.0 || row.latest_s.is_none()));
}

#[test]
fn a_wave_of_minutes_on_an_empty_disk_is_not_dated() {
    let build = |second: f64| 30.0 * GB + (second - 1_700.0).max(0.0) * 2e7;
    let rows = forecasts(1_800, build);
    assert!(rows.iter().all(|row| row.exhaustion_s > 3_600.0), "{rows:?}");
}

#[test]
fn the_last_minutes_have_the_word_where_little_is_left() {
    let rush = |second: f64| 85.0 * GB + (second - 1_700.0).max(0.0) * 5e7;
    let rows = forecasts(1_800, rush);
    assert!(rows.first().is_some_and(|row| row.exhaustion_s < 900.0), "{rows:?}");
}

/// The resources of a machine with 900 threads, 30 connections and a cgroup, all of which `grow` or stand still.
fn counted(grow: bool) -> Vec<(alloc::string::String, f64)> {
    let (mut outlook, mut rows) = (Outlook::default(), Vec::new());
    for second in 0..1_200 {
        let mut snapshot = super::snapshot(i64::from(second) + 1, Vec::new());
        let more = if grow { second } else { 0 };
        let machine = &mut snapshot.machine;
        (machine.threads, machine.threads_max) = (900 + more, Some(32_768));
        (machine.ports, machine.ports_max) = (Some(30 + more), Some(28_232));
        let anon_bytes = Some(100_000_000 + u64::from(more) * 10_000);
        snapshot.cgroups.push(Cgroup {
            path: "/web".into(),
            inode: 1,
            version: 2,
            unit: None,
            processes: None,
            cpu_pct: None,
            cpu_weight: None,
            memory_bytes: anon_bytes,
            anon_bytes,
            memory_high: None,
            memory_max: Some(200_000_000),
            oom_kills: None,
            threads: Some(100 + more),
            threads_max: Some(4_000),
            read_bytes_per_s: None,
            write_bytes_per_s: None,
            is_frozen: None,
        });
        rows = outlook.run(&snapshot).unwrap_or(rows);
    }
    let mut all: Vec<_> = rows
        .into_iter()
        .map(|row| (alloc::format!("{} {}", row.entity, row.resource), row.exhaustion_s))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn threads_ports_and_what_a_cgroup_may_have_are_dated_while_they_rise() {
    let all = counted(true);
    let near = |index: usize, name: &str, seconds: f64| {
        let (found, exhaustion_s) = &all[index];
        found == name && (exhaustion_s / seconds - 1.0).abs() < 0.05
    };
    assert!(near(0, "cgroup:/web memory_bytes", 8_800.0), "{all:?}");
    assert!(near(1, "cgroup:/web threads", 2_701.0), "{all:?}");
    assert!(near(2, "machine ports", 27_002.0), "{all:?}");
    assert!(near(3, "machine threads", 30_668.0), "{all:?}");
    assert_eq!(counted(false), []);
}
