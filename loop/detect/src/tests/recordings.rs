//! Whole machines: idle, compiling, and arbitrary. Nothing is found where nothing is wrong; nothing panics.
use alloc::format;
use alloc::vec::Vec;

use proptest::prelude::*;
use vocab::Timestamp;
use vocab::baseline::Baselines;
use vocab::capability::Capabilities;
use vocab::rows::Process;
use vocab::snapshot::Snapshot;

use crate::testkit::*;
use crate::{Detect, Detected};

fn play(turns: u32, make: impl Fn(u32) -> Snapshot) -> Vec<Detected> {
    let mut detect = Detect::new();
    let (baselines, capabilities) = (Baselines::default(), Capabilities::default());
    (1..=turns).map(|turn| detect.run(&make(turn), &baselines, &capabilities)).collect()
}

fn assert_silent(all: &[Detected]) {
    for (turn, detected) in all.iter().enumerate() {
        assert!(detected.findings.is_empty(), "turn {turn}: {:#?}", detected.findings);
        assert!(detected.probes.len() <= 4, "turn {turn}: {:?}", detected.probes);
    }
}

#[test]
fn an_idle_machine_is_silent() {
    let breathes = |pid: u32, turn: u32| {
        let one = process(pid, &format!("daemon-{pid}"), turn);
        let anon_bytes = Some(20_000_000 + (400_000.0 * noise(pid, turn)) as u64);
        let cpu_pct = Some(2.0 * noise(pid + 1, turn));
        Process { anon_bytes, cpu_pct, threads: 1 + pid % 5, ..one }
    };
    assert_silent(&play(600, |turn| {
        let web = server(900, "web", turn);
        with(turn, (100..180).map(|pid| breathes(pid, turn)).chain([web]).collect())
    }));
}

/// Compilers on two cores for ten minutes: each grows in steps for a while and ends, a service waits beside them.
#[test]
fn a_compiling_machine_is_silent() {
    let job = |slot: u32, turn: u32| {
        let length = 4 + slot * 17 + (80.0 * noise(slot, turn / 97)) as u32;
        let birth = turn - turn % length;
        let age = turn - birth;
        let steps = f64::from(age / 3) * 9.0 + 30.0 * noise(slot, age / 5);
        let one = process(1_000 + slot * 1_000 + birth, "rustc", turn);
        born(
            Process {
                anon_bytes: Some((steps * MB) as u64),
                cpu_pct: Some(20.0 + 75.0 * noise(slot, turn)),
                minor_faults_per_s: Some(80.0 + 4_000.0 * noise(slot + 9, turn)),
                io_calls_per_s: Some(200.0 * noise(slot + 5, turn)),
                run_delay_pct: Some(60.0 * noise(slot + 3, turn)),
                voluntary_switches_per_s: Some(20.0),
                descriptors: Some(10 + u64::from(age.min(60))),
                threads: 6,
                ..one
            },
            birth,
            turn,
        )
    };
    assert_silent(&play(600, |turn| {
        let web = Process { run_delay_pct: Some(40.0 * noise(1, turn)), ..server(900, "web", turn) };
        let mut snapshot = with(turn, (0..4).map(|slot| job(slot, turn)).chain([web]).collect());
        snapshot.machine.cpu_idle_pct = Some(1.0);
        snapshot.pressures[0].some_pct = Some(90.0);
        snapshot.pressures[2].full_pct = Some(60.0 * noise(2, turn / 8));
        snapshot
    }));
}

fn strange_process() -> impl Strategy<Value = Process> {
    let numbers = prop::collection::vec(prop::option::of(any::<f64>()), 6);
    let counts = prop::collection::vec(prop::option::of(any::<u64>()), 5);
    (1u32..12, 0u64..3, numbers, counts, any::<i8>(), any::<f64>(), any::<u32>()).prop_map(
        |(pid, start, numbers, counts, nice, age_s, threads)| Process {
            start_ticks: start,
            nice,
            age_s,
            threads,
            service: (pid % 3 == 0).then(|| format!("service-{}", pid % 2).into()),
            cpu_pct: numbers[0],
            run_delay_pct: numbers[1],
            minor_faults_per_s: numbers[2],
            io_calls_per_s: numbers[3],
            voluntary_switches_per_s: numbers[4],
            write_bytes_per_s: numbers[5],
            anon_bytes: counts[0],
            swap_bytes: counts[1],
            descriptors: counts[2],
            descriptor_limit: counts[3],
            unread_connections: counts[4].map(|one| one as u32),
            ..process(pid, "strange", 1)
        },
    )
}

fn strange_snapshot() -> impl Strategy<Value = Snapshot> {
    let processes = prop::collection::vec(strange_process(), 0..10);
    (processes, any::<i64>(), any::<u64>(), any::<f64>(), any::<u64>()).prop_map(
        |(mut processes, at, turn, interval_s, available)| {
            processes.sort_by_key(|one| one.pid);
            processes.dedup_by_key(|one| one.pid);
            let mut snapshot = Snapshot { at: Timestamp(at / 4), turn, interval_s, ..with(1, processes) };
            snapshot.machine.memory_available_bytes = available;
            snapshot.machine.cpu_idle_pct = Some(interval_s);
            for row in &mut snapshot.services {
                row.failures = (available % 2 == 0).then_some(turn);
                row.exit_ran_s = Some(interval_s);
            }
            snapshot
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_nothing_panics_and_the_same_gives_the_same(
        snapshots in prop::collection::vec(strange_snapshot(), 1..60)
    ) {
        let run = || play(snapshots.len() as u32, |turn| snapshots[turn as usize - 1].clone());
        let (first, second) = (run(), run());
        // Compared as text: a number that is none is not equal to itself.
        prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}
