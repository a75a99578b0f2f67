//! Snapshots of hand-made samples, and of hostile ones.
use proptest::prelude::*;
use vocab::rows::Process;
use vocab::sample::*;
use vocab::snapshot::Snapshot;
use vocab::table::{Row, Unit};
use vocab::{Entity, ProcessId, Timestamp, Value};

use super::Deriver;

fn sample(second: i64) -> Sample {
    let machine =
        MachineSample { ticks_per_second: 100, uptime_s: 1_000.0 + second as f64, ..Default::default() };
    Sample { at: Timestamp::from_secs(second), turn: second as u64 + 1, machine, ..Default::default() }
}

fn stat(pid: u32, start_ticks: u64, user_ticks: u64) -> ProcessStat {
    ProcessStat { pid, start_ticks, user_ticks, state: b'S', ..Default::default() }
}

fn info(pid: u32, start_ticks: u64, unit: Option<&str>, service: Option<&str>) -> ProcessInfo {
    ProcessInfo {
        id: ProcessId { pid, start_ticks },
        name: "x".into(),
        exe: Some("/bin/x".into()),
        command: None,
        uid: 0,
        cgroup: unit.map(|unit| format!("/system.slice/{unit}/payload").into()),
        unit: unit.map(Into::into),
        service: service.map(Into::into),
        is_kernel: false,
        descriptor_limits: Some((1024, 4096)),
    }
}

fn detail(pid: u32, start_ticks: u64, read_bytes: u64) -> ProcessDetail {
    ProcessDetail {
        id: ProcessId { pid, start_ticks },
        anon_bytes: Some(1_000),
        shmem_bytes: Some(500),
        swap_bytes: None,
        descriptors: Some(3),
        read_bytes: Some(read_bytes),
        write_bytes: None,
        io_chars: None,
        io_calls: None,
        voluntary_switches: None,
    }
}

fn run(samples: &[Sample]) -> Vec<Snapshot> {
    let mut deriver = Deriver::new();
    samples.iter().map(|sample| deriver.snapshot(sample)).collect()
}

fn first(snapshot: &Snapshot) -> &Process {
    &snapshot.processes[0]
}

#[test]
fn a_rate_needs_two_reads_and_the_real_interval() {
    let mut samples = [sample(0), sample(2)];
    samples[0].processes = vec![stat(7, 5_000, 100)];
    samples[1].processes = vec![stat(7, 5_000, 200)];
    let snapshots = run(&samples);
    assert_eq!(first(&snapshots[0]).cpu_pct, None);
    assert_eq!(first(&snapshots[1]).cpu_pct, Some(50.0));
    assert_eq!((snapshots[0].interval_s, snapshots[1].interval_s), (0.0, 2.0));
    assert_eq!(first(&snapshots[1]).age_s, 952.0);
}

#[test]
fn a_reused_pid_or_a_counter_that_ran_backwards_has_no_rate() {
    let mut samples = [sample(0), sample(1), sample(2)];
    samples[0].processes = vec![stat(7, 5_000, 100)];
    samples[1].processes = vec![stat(7, 6_000, 200)];
    samples[2].processes = vec![stat(7, 6_000, 150)];
    let snapshots = run(&samples);
    assert_eq!(first(&snapshots[1]).cpu_pct, None);
    assert_eq!(first(&snapshots[2]).cpu_pct, None);
}

#[test]
fn details_are_rated_between_their_own_reads_and_kept() {
    let mut samples = [sample(0), sample(1), sample(10), sample(11)];
    for sample in &mut samples {
        sample.processes = vec![stat(7, 5_000, 0)];
    }
    samples[0].process_details = vec![detail(7, 5_000, 0)];
    samples[2].process_details = vec![detail(7, 5_000, 500)];
    let rates: Vec<_> = run(&samples).iter().map(|one| first(one).read_bytes_per_s).collect();
    assert_eq!(rates, [None, None, Some(50.0), Some(50.0)]);
}

#[test]
fn sections_stand_until_their_next_read() {
    let disk = |reads, read_ms| DiskSample { name: "vda".into(), reads, read_ms, ..Default::default() };
    let mut samples = [sample(0), sample(4), sample(5)];
    samples[0].disks = Some(vec![disk(0, 0)]);
    samples[1].disks = Some(vec![disk(8, 40)]);
    let snapshots = run(&samples);
    assert_eq!(snapshots[2].disks[0].reads_per_s, Some(2.0));
    assert_eq!(snapshots[2].disks[0].read_ms, Some(5.0));
    assert_eq!(snapshots[0].disks[0].read_ms, None);
}

#[test]
fn a_cgroup_made_anew_starts_anew() {
    let cgroup =
        |inode, cpu_us| CgroupSample { path: "/a".into(), inode, cpu_us: Some(cpu_us), ..Default::default() };
    let mut samples = [sample(0), sample(1), sample(2)];
    samples[0].cgroups = Some(vec![cgroup(1, 0)]);
    samples[1].cgroups = Some(vec![cgroup(1, 500_000)]);
    samples[2].cgroups = Some(vec![cgroup(2, 900_000)]);
    let snapshots = run(&samples);
    assert_eq!(snapshots[1].cgroups[0].cpu_pct, Some(50.0));
    assert_eq!(snapshots[2].cgroups[0].cpu_pct, None);
}

#[test]
fn pressure_is_a_share_of_its_own_interval_and_dies_with_its_cgroup() {
    let stall = |entity: &Entity, some_us| PressureSample {
        entity: entity.clone(),
        resource: Resource::Cpu,
        some_us,
        full_us: None,
    };
    let group = Entity::Cgroup("/a".to_owned());
    let mut samples = [sample(0), sample(2), sample(3)];
    samples[0].pressures = vec![stall(&Entity::Machine, 0), stall(&group, 0)];
    samples[1].pressures = vec![stall(&Entity::Machine, 500_000), stall(&group, 1_000_000)];
    samples[2].cgroups = Some(vec![]);
    let snapshots = run(&samples);
    let shares: Vec<_> = snapshots[1].pressures.iter().map(|one| one.some_pct).collect();
    assert_eq!(shares, [Some(25.0), Some(50.0)]);
    assert_eq!(snapshots[2].pressures.len(), 1);
}

#[test]
fn a_unit_is_a_service_with_its_oldest_process_and_its_own_cgroup() {
    let mut samples = [sample(0)];
    samples[0].processes = vec![stat(7, 6_000, 0), stat(9, 5_000, 0), stat(11, 5_000, 0)];
    samples[0].process_infos = vec![
        info(7, 6_000, Some("web.service"), None),
        info(9, 5_000, Some("web.service"), None),
        info(11, 5_000, Some("init.scope"), None),
    ];
    samples[0].process_details = vec![detail(7, 6_000, 0), detail(9, 5_000, 0)];
    let snapshot = &run(&samples)[0];
    assert_eq!(snapshot.services.len(), 1);
    let web = &snapshot.services[0];
    assert_eq!((web.manager.as_str(), web.main_pid, web.processes), ("systemd", Some(9), 2));
    assert_eq!(web.cgroup.as_deref(), Some("/system.slice/web.service"));
    assert_eq!((web.anon_bytes, web.descriptors), (Some(2_000), Some(6)));
    assert_eq!(snapshot.processes[2].service, None);
}

#[test]
fn our_own_service_comes_before_the_unit() {
    let mut samples = [sample(10)];
    samples[0].processes = vec![stat(7, 6_000, 0)];
    samples[0].process_infos = vec![info(7, 6_000, Some("homeostat.service"), Some("web"))];
    samples[0].services = vec![ServiceSample {
        name: "web".into(),
        state: ServiceState::BackingOff,
        main: Some(ProcessId { pid: 7, start_ticks: 6_000 }),
        cgroup: None,
        starts: 3,
        failures: 2,
        last_exit: Some(ServiceExit { at: Timestamp::from_secs(4), code: Some(1), signal: None, ran_s: 0.5 }),
        back_off_s: 2.0,
        is_healthy: None,
    }];
    let snapshot = &run(&samples)[0];
    assert_eq!(snapshot.services.len(), 1);
    let web = &snapshot.services[0];
    assert_eq!((web.manager.as_str(), web.state.as_str()), ("homeostat", "backing_off"));
    assert_eq!((web.exit_age_s, web.up_s, web.processes), (Some(6.0), Some(950.0), 1));
}

#[test]
fn sockets_stand_with_their_process_only() {
    let sockets = SocketSample {
        rtt_us: None,
        id: ProcessId { pid: 7, start_ticks: 5_000 },
        listen_ports: vec![8080, 80],
        accept_backlog: 4,
        established: 3,
        unread_connections: 2,
        unread_bytes: 10,
        close_wait: 1,
    };
    let mut samples = [sample(0), sample(1), sample(2)];
    samples[0].processes = vec![stat(7, 5_000, 0)];
    samples[0].sockets = Some(vec![sockets]);
    samples[1].processes = vec![stat(7, 5_000, 0)];
    samples[2].processes = vec![stat(7, 6_000, 0)];
    let ports: Vec<_> = run(&samples).iter().map(|one| first(one).listen_port).collect();
    assert_eq!(ports, [Some(80), Some(80), None]);
}

#[test]
fn the_dead_are_forgotten() {
    let mut deriver = Deriver::new();
    for second in 0..50 {
        let mut one = sample(second);
        one.processes = (0..10).map(|pid| stat(pid, second as u64, 0)).collect();
        one.process_infos = (0..10).map(|pid| info(pid, second as u64, None, None)).collect();
        assert_eq!(deriver.snapshot(&one).processes.len(), 10);
        assert_eq!(deriver.processes.len(), 10);
    }
}

#[test]
fn an_unread_machine_keeps_its_row_and_its_clock() {
    let mut samples = [sample(0), sample(5)];
    samples[1].machine = MachineSample::default();
    samples[1].processes = vec![stat(7, 100_000, 0)];
    let snapshots = run(&samples);
    assert_eq!(snapshots[1].machine.uptime_s, 1_000.0);
    assert_eq!(first(&snapshots[1]).age_s, 5.0);
}

/// Every number that is a rate or a share, wherever it stands, is at least zero.
fn no_negative_rates<R: Row>(rows: &[R]) {
    for row in rows {
        for (index, column) in R::SPEC.columns.iter().enumerate() {
            let is_rate =
                matches!(column.unit, Unit::PerSecond | Unit::BytesPerSecond | Unit::Percent | Unit::Seconds);
            if let (true, Value::Real(value)) = (is_rate, row.cell(index)) {
                assert!(value >= 0.0, "{}.{} is {value}", R::SPEC.name, column.name);
            }
        }
    }
}

fn arbitrary_sample() -> impl Strategy<Value = Sample> {
    let process = (0u32..5, 0u64..3, any::<u64>(), any::<u64>(), any::<u8>(), prop::option::of(any::<u64>()));
    let processes = prop::collection::vec(process, 0..8);
    (any::<i64>(), 0u32..200, processes, any::<[u64; 8]>(), any::<bool>()).prop_map(
        |(at, ticks_per_second, processes, cpu_ticks, is_full)| {
            let machine =
                MachineSample { ticks_per_second, cpu_ticks, forks: cpu_ticks[0], ..Default::default() };
            let mut one = Sample { at: Timestamp(at), machine, ..Default::default() };
            for (pid, start_ticks, user_ticks, count, state, delay) in processes {
                let unit = (count % 2 == 0).then_some("a.service");
                one.processes.push(ProcessStat {
                    state,
                    run_delay_ns: delay,
                    system_ticks: count,
                    ..stat(pid, start_ticks, user_ticks)
                });
                one.process_infos.push(info(pid, start_ticks, unit, None));
                one.process_details.push(detail(pid, start_ticks, count));
                one.pressures.push(PressureSample {
                    entity: Entity::Machine,
                    resource: Resource::Io,
                    some_us: count,
                    full_us: delay,
                });
            }
            one.disks = is_full.then(|| {
                vec![DiskSample {
                    name: "a".into(),
                    reads: cpu_ticks[1],
                    read_ms: cpu_ticks[2],
                    ..Default::default()
                }]
            });
            one
        },
    )
}

proptest! {
    #[test]
    fn hostile_samples_neither_panic_nor_give_negative_rates(
        samples in prop::collection::vec(arbitrary_sample(), 1..6)
    ) {
        let snapshots = run(&samples);
        for snapshot in &snapshots {
            no_negative_rates(std::slice::from_ref(&snapshot.machine));
            no_negative_rates(&snapshot.processes);
            no_negative_rates(&snapshot.services);
            no_negative_rates(&snapshot.disks);
            no_negative_rates(&snapshot.pressures);
            prop_assert!(snapshot.processes.is_sorted_by(|a, b| a.pid < b.pid));
        }
        prop_assert_eq!(snapshots, run(&samples), "the same samples, the same snapshots");
    }
}
