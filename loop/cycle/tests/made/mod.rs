//! A made-up machine of one service, `ledger`, with one process.
use vocab::action::{ActionState, Effect, Intent};
use vocab::capability::{Capabilities, Capability};
use vocab::sample::{
    MachineSample, ProcessDetail, ProcessInfo, ProcessStat, Sample, ServiceSample, ServiceState,
};
use vocab::{ProcessId, Timestamp};

/// A megabyte.
pub const MB: u64 = 1_000_000;

/// The machine in one turn: the process `main` of the service holds so much anonymous memory.
pub fn sample(turn: u64, main: ProcessId, anon_bytes: u64) -> Sample {
    let stat = ProcessStat {
        pid: main.pid,
        start_ticks: main.start_ticks,
        ppid: 1,
        state: b'S',
        user_ticks: turn,
        threads: 4,
        rss_bytes: anon_bytes + 8 * MB,
        ..ProcessStat::default()
    };
    let detail = ProcessDetail {
        id: main,
        // A little life, as every program has.
        anon_bytes: Some(anon_bytes + turn % 3 * 4096),
        shmem_bytes: Some(0),
        swap_bytes: Some(0),
        descriptors: Some(12),
        read_bytes: Some(0),
        write_bytes: Some(0),
        io_chars: Some(turn * 1_000),
        io_calls: Some(turn * 10),
        voluntary_switches: Some(turn * 20),
    };
    let mut machine = MachineSample { cpus: 2, ticks_per_second: 100, ..MachineSample::default() };
    machine.uptime_s = 1_000.0 + turn as f64;
    machine.memory.total_bytes = 16_000 * MB;
    machine.memory.available_bytes = 12_000 * MB;
    Sample {
        at: Timestamp::from_secs(1_700_000_000 + turn as i64),
        turn,
        machine,
        processes: vec![stat],
        process_infos: vec![info(main)],
        process_details: vec![detail],
        services: vec![service(main)],
        ..Sample::default()
    }
}

fn info(id: ProcessId) -> ProcessInfo {
    ProcessInfo {
        id,
        name: "ledger".into(),
        exe: Some("/usr/bin/ledger".into()),
        command: Some("ledger".into()),
        uid: 1_000,
        cgroup: None,
        unit: None,
        service: Some("ledger".into()),
        is_kernel: false,
        descriptor_limits: Some((1_024, 4_096)),
    }
}

fn service(main: ProcessId) -> ServiceSample {
    ServiceSample {
        name: "ledger".into(),
        state: ServiceState::Running,
        main: Some(main),
        cgroup: None,
        starts: 1,
        failures: 0,
        last_exit: None,
        back_off_s: 0.25,
        is_healthy: None,
    }
}

/// One actuator, and nothing else.
pub fn capabilities(actuator: &str, can_undo: Option<bool>) -> Capabilities {
    Capabilities(vec![Capability {
        name: actuator.to_owned(),
        kind: "actuator".to_owned(),
        is_available: true,
        can_apply: Some(true),
        can_undo,
        lost: None,
        reason: None,
        remedy: None,
    }])
}

/// What came of an intent.
pub fn effect(intent: Intent, at: Timestamp, state: ActionState) -> Effect {
    let (before, after, because, lease_until) = (None, None, None, None);
    Effect { action_id: intent.action_id, intent, at, state, before, after, because, lease_until }
}
