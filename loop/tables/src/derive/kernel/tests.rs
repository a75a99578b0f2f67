//! The same machine, with programs in the kernel and without.
use vocab::kernel::{FsSample, Happened, Hist, KernelEvent, KernelSample, WaitSample};
use vocab::sample::{DiskSample, MachineSample, ProcessStat, Sample};
use vocab::snapshot::Snapshot;
use vocab::{ProcessId, Timestamp};

use crate::Deriver;

const ID: ProcessId = ProcessId { pid: 7, start_ticks: 70 };

fn sample(second: i64, pids: &[u32]) -> Sample {
    let machine =
        MachineSample { ticks_per_second: 100, uptime_s: 1_000.0 + second as f64, ..Default::default() };
    let stat = |pid: &u32| ProcessStat {
        pid: *pid,
        start_ticks: 70,
        state: b'S',
        run_delay_ns: Some(second as u64 * 5_000_000),
        ..Default::default()
    };
    let processes = pids.iter().map(stat).collect();
    Sample {
        at: Timestamp::from_secs(second),
        turn: second as u64 + 1,
        machine,
        processes,
        ..Default::default()
    }
}

fn last(samples: &[Sample]) -> Snapshot {
    let mut deriver = Deriver::new();
    samples.iter().fold(Snapshot::default(), |_, sample| deriver.snapshot(sample))
}

#[test]
fn what_the_kernel_counted_is_a_row_of_who_still_lives() {
    let run_queue = Hist { sum: 3_000_000, slots: std::array::from_fn(|slot| u32::from(slot == 10) * 2) };
    let waits = |id| WaitSample { id, run_queue, blocked_ns: 9_000, ..WaitSample::default() };
    let gone = ProcessId { pid: 9, start_ticks: 1 };
    let fs = FsSample { id: ID, fsync: run_queue, errors: 1 };
    let kernel = KernelSample {
        waits: vec![waits(ID), waits(gone)],
        are_waits_counted: true,
        fs: vec![fs],
        ..KernelSample::default()
    };
    let snapshot = last(&[Sample { kernel: Some(kernel), ..sample(1, &[7]) }]);
    assert_eq!(snapshot.runq_latency.len(), 1);
    let row = &snapshot.runq_latency[0];
    assert_eq!((row.pid, row.waits, row.waited_us, row.blocked_us), (7, Some(2), 3_000, Some(9)));
    assert!(row.p99_us.is_some_and(|us| (524.0..1_049.0).contains(&us)), "{row:?}");
    assert_eq!((snapshot.fs_latency[0].calls, snapshot.fs_latency[0].errors), (2, 1));
}

#[test]
fn without_it_proc_gives_the_sums_and_says_nothing_of_the_rest() {
    let disk = |reads, read_ms| DiskSample { name: "vda".into(), reads, read_ms, ..Default::default() };
    let with_disk = |one: Sample, disk| Sample { disks: Some(vec![disk]), ..one };
    let samples =
        [with_disk(sample(1, &[7, 8]), disk(10, 100)), with_disk(sample(2, &[7, 9]), disk(14, 108))];
    let snapshot = last(&samples);
    let row = &snapshot.runq_latency[0];
    assert_eq!((row.pid, row.waited_us, row.waits, row.p99_us), (7, 5_000, None, None));
    let disk = &snapshot.block_latency[0];
    assert_eq!((&*disk.operation, disk.requests, disk.waited_us, disk.errors), ("read", 4, 8_000, None));
    let of = |pids: Vec<u32>| pids;
    assert_eq!(of(snapshot.execs.iter().map(|row| row.pid).collect()), [9]);
    assert_eq!(of(snapshot.exits.iter().map(|row| row.pid).collect()), [8]);
    assert_eq!(snapshot.exits.last().map(|row| (row.code, row.signal)), Some((None, None)));
    assert!(snapshot.bpf_programs.is_empty() && snapshot.signals.is_empty());
}

#[test]
fn in_a_tick_that_nobody_counted_only_the_sums_are_known_and_what_was_counted_elsewhere() {
    let reclaims = WaitSample { id: ID, reclaim_ns: 7_000, ..WaitSample::default() };
    let rests = |second| {
        let kernel = KernelSample { waits: vec![reclaims.clone()], ..KernelSample::default() };
        Sample { kernel: Some(kernel), ..sample(second, &[7, 8]) }
    };
    let snapshot = last(&[rests(1), rests(2)]);
    let rows: Vec<_> =
        snapshot.runq_latency.iter().map(|row| (row.pid, row.waited_us, row.reclaim_us)).collect();
    assert_eq!(rows, [(7, 5_000, Some(7)), (8, 5_000, None)]);
    let unknown = |row: &vocab::rows::RunqLatency| {
        row.waits.is_none() && row.p99_us.is_none() && row.histogram.is_none() && row.blocked_us.is_none()
    };
    assert!(snapshot.runq_latency.iter().all(unknown), "{:?}", snapshot.runq_latency);
}

#[test]
fn events_stand_in_their_tables_and_are_bounded() {
    let end = |pid| KernelEvent {
        at: Timestamp::from_secs(1),
        id: ProcessId { pid, start_ticks: 1 },
        ppid: 1,
        uid: Some(0),
        name: "x".into(),
        program: None,
        service: None,
        what: Happened::Exit { code: Some(3), signal: None, cpu_us: None, ran_s: 0.5 },
    };
    let make = |second| Sample {
        kernel: Some(KernelSample::default()),
        kernel_events: (0..500).map(end).collect(),
        ..sample(second, &[7])
    };
    let snapshot = last(&[make(1), make(2), make(3)]);
    assert_eq!(snapshot.kernel_events.len(), 500, "those of this tick alone");
    assert!(snapshot.exits.len() <= 2 * super::ROWS_MAX && snapshot.exits.len() >= super::ROWS_MAX);
    assert_eq!(snapshot.exits.last().map(|row| (row.pid, row.code)), Some((499, Some(3))));
}

#[test]
fn an_end_that_is_told_is_told_once() {
    let what = Happened::Exit { code: Some(3), signal: None, cpu_us: None, ran_s: 1.0 };
    let id = ProcessId { pid: 8, ..ID };
    let told = KernelEvent {
        at: Timestamp::from_secs(2),
        id,
        ppid: 1,
        uid: None,
        name: "job".into(),
        program: None,
        service: None,
        what,
    };
    let second = Sample { kernel_events: vec![told], ..sample(2, &[7]) };
    let exits = last(&[sample(1, &[7, 8]), second]).exits;
    assert_eq!(exits.iter().map(|row| (row.pid, row.code)).collect::<Vec<_>>(), [(8, Some(3))]);
}
