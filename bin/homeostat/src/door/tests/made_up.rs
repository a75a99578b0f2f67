//! A machine that never was: three incidents in different states, with everything a page can show.
use std::sync::Arc;

use vocab::action::ActionState;
use vocab::capability::Capability;
use vocab::kernel::Hist;
use vocab::ledger::Ledger;
use vocab::rows::*;
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId, Timestamp};

use crate::door::Turn;
use crate::oneshot::OneShot;

/// When it is there.
const AT: Timestamp = Timestamp(1_790_000_000_000_000_000);

fn ago(seconds: f64) -> Timestamp {
    AT.plus_seconds(-seconds)
}

fn service(name: &str) -> Entity {
    Entity::Service(name.to_owned())
}

/// One turn of it; `shift` varies what a graph draws.
pub fn turn(number: u64, shift: f64) -> Turn {
    Turn {
        snapshot: Arc::new(snapshot(number, shift)),
        ledger: Arc::new(ledger()),
        events: events().into_iter().collect(),
        change: cycle::Change::default(),
        learnt: vocab::learnt::Learnt::default(),
        models: None,
        parcels: Vec::new(),
    }
}

fn snapshot(number: u64, shift: f64) -> Snapshot {
    let machine = Machine {
        cpus: 8,
        uptime_s: 951_240.0,
        cpu_idle_pct: Some(66.0 + 14.0 * (shift / 7.0).sin()),
        cpu_iowait_pct: Some(1.0),
        load_1: 2.41,
        memory_total_bytes: 16 << 30,
        memory_available_bytes: (5 << 30) - (shift * 3e6) as u64,
        ..Machine::default()
    };
    let pressure = |resource: &str, some_pct: f64| Pressure {
        entity: Entity::Machine,
        resource: resource.to_owned(),
        some_pct: Some(some_pct),
        full_pct: None,
        some_us: 0,
        full_us: None,
    };
    let pressures = vec![
        pressure("cpu", 2.0 + (shift / 3.0).cos()),
        pressure("memory", if shift > 80.0 { (shift - 80.0) * 0.9 } else { 0.0 }),
        pressure("io", 0.4 + 0.3 * (shift / 11.0).sin()),
    ];
    let processes = vec![process(1, "init", Some(0)), process(4242, "java", Some(1000))];
    let services = vec![
        our_service("checkout", true),
        Service {
            manager: "systemd".to_owned(),
            starts: None,
            failures: None,
            is_healthy: None,
            ..our_service("postgresql.service", true)
        },
        Service {
            state: "backing_off".to_owned(),
            main_pid: None,
            failures: Some(9),
            ..our_service("importer", false)
        },
    ];
    let at = ago(120.0 - shift);
    Snapshot {
        at,
        turn: number,
        interval_s: 1.0,
        machine,
        pressures,
        processes,
        services,
        profiles: Arc::new(vec![profile(at, "Pool.grow", 9_000), profile(at, "Cart<add>", 1_000)]),
        gpu_calls: Arc::new(vec![gpu_call(at)]),
        ..Snapshot::default()
    }
}

fn gpu_call(at: Timestamp) -> GpuCallRow {
    GpuCallRow {
        at,
        pid: 4242,
        start_ticks: 99,
        name: "java".into(),
        service: Some("checkout".into()),
        library: "libcudart.so.12".into(),
        call: "cudaLaunchKernel".into(),
        calls: 10,
        errors: 0,
        open: 0,
        moved_bytes: None,
        live_bytes: None,
        spent_us: 100,
        p50_us: Some(10.0),
        p99_us: Some(20.0),
        histogram: Hist::default(),
        watched_s: 3.0,
        source: "API level".to_owned(),
    }
}

fn profile(at: Timestamp, function: &str, weight: u64) -> ProfileRow {
    ProfileRow {
        at,
        pid: 4242,
        start_ticks: 99,
        name: "java".into(),
        service: Some("checkout".into()),
        kind: "memory_growth".to_owned(),
        function: Some(function.into()),
        file: Some("[anon]".into()),
        path: Some(format!("{function} <- main").into()),
        stack: format!("main;{function};malloc").into(),
        weight,
        unit: "bytes".to_owned(),
        share: weight as f64 / 10_000.0,
        threads: "4250".to_owned(),
        watched_s: 5.0,
    }
}

fn process(pid: u32, name: &str, user_id: Option<u32>) -> Process {
    let mut process = OneShot::open()
        .ok()
        .and_then(|mut live| tables::Live::process(&mut live, std::process::id(), 0))
        .expect("we live");
    process.pid = pid;
    process.name = name.into();
    process.user_id = user_id;
    process.service = None;
    process.descriptors = Some(77);
    process.read_bytes_per_s = Some(1.0);
    process
}

fn our_service(name: &str, is_healthy: bool) -> Service {
    Service {
        name: name.into(),
        manager: "homeostat".to_owned(),
        state: "running".to_owned(),
        main_pid: Some(4242),
        main_start_ticks: Some(1),
        up_s: Some(5_213.0),
        processes: 1,
        cgroup: None,
        cpu_pct: Some(12.4),
        run_delay_pct: Some(0.2),
        anon_bytes: Some(734_003_200),
        descriptors: Some(214),
        accept_backlog: Some(0),
        unread_connections: Some(0),
        starts: Some(2),
        failures: Some(0),
        exit_code: None,
        exit_signal: None,
        exit_age_s: None,
        exit_ran_s: None,
        back_off_s: Some(0.0),
        is_healthy: Some(is_healthy),
    }
}

fn incident(id: u64, kind: &str, name: &str, severity: &str, sentence: &str) -> IncidentRow {
    IncidentRow {
        kind: kind.to_owned(),
        culprit: service(name),
        name: name.to_owned(),
        pid: Some(4242),
        victims: "service:postgresql.service machine".to_owned(),
        severity: severity.to_owned(),
        confidence: 0.93,
        opened_at: ago(96.0),
        last_seen_at: AT,
        sentence: sentence.to_owned(),
        suggestion: "throttle its memory now, then restart service checkout".to_owned(),
        ..vocab::kit::incident_row(id)
    }
}

fn incidents() -> Vec<IncidentRow> {
    let leak = IncidentRow {
        exhaustion_s: Some(340.0),
        recurrences: 2,
        ..incident(
            12,
            "memory_leak",
            "checkout",
            "critical",
            "checkout leaks 5.2 MB of memory a second; the machine runs out in 6 minutes",
        )
    };
    let loops = incident(
        13,
        "crash_loop",
        "importer",
        "warning",
        "importer failed 9 times in 4 minutes, each time within 3 s of its start",
    );
    let closed = IncidentRow {
        state: "repaired".to_owned(),
        closed_at: Some(ago(1_800.0)),
        opened_at: ago(1_860.0),
        ..incident(
            11,
            "cpu_hog",
            "thumbnailer",
            "warning",
            "thumbnailer took 380 % of the CPU, and checkout waited for it",
        )
    };
    vec![closed, leak, loops]
}

fn ledger() -> Ledger {
    let row = action(17, 12, "throttle_memory", "checkout", ActionState::Applied);
    let actions = vec![
        ActionRow {
            before: Some("nice 0".to_owned()),
            after: Some("nice 10".to_owned()),
            ..action(16, 11, "set_nice", "thumbnailer", ActionState::Held)
        },
        ActionRow {
            before: Some("memory.high max".to_owned()),
            after: Some("memory.high 770 MiB".to_owned()),
            ..row
        },
    ];
    let outcomes = vec![OutcomeRow {
        action_id: 16,
        decision_id: 40,
        incident_id: 11,
        at: ago(1_840.0),
        outcome: "repaired".to_owned(),
        effect_after_s: Some(2.0),
        sentence: "checkout waited less than 5 % of the time for 10 s".to_owned(),
    }];
    Ledger {
        incidents: incidents().into_iter().map(Arc::new).collect::<Vec<_>>().into(),
        evidence: evidence().into_iter().map(Arc::new).collect::<Vec<_>>().into(),
        decisions: vec![decision()].into(),
        actions: actions.into(),
        outcomes: outcomes.into(),
        capabilities: capabilities().into(),
        own: own().into(),
        ..Ledger::default()
    }
}

fn action(id: u64, incident_id: u64, kind: &str, on: &str, state: ActionState) -> ActionRow {
    ActionRow {
        id,
        decision_id: Some(41),
        incident_id: Some(incident_id),
        at: ago(20.0),
        action: kind.to_owned(),
        target: service(on),
        pid: Some(4242),
        state: state.to_string(),
        state_at: ago(20.0),
        before: None,
        after: None,
        because: None,
        can_undo: matches!(state, ActionState::Applied | ActionState::Held),
    }
}

fn evidence() -> Vec<EvidenceRow> {
    let row = |role: &str, position: u32, entity: Entity, weight: Option<f64>, sentence: &str| EvidenceRow {
        incident_id: 12,
        position,
        role: role.to_owned(),
        parent: None,
        entity,
        source_table: None,
        source_column: None,
        value: None,
        normal: None,
        weight,
        sentence: sentence.to_owned(),
    };
    let node = |position, parent, entity, weight, sentence: &str| EvidenceRow {
        parent,
        ..row("cause", position, entity, Some(weight), sentence)
    };
    let cell = |position, table: &str, column: &str, value: &str, normal: Option<&str>, sentence: &str| {
        EvidenceRow {
            source_table: Some(table.to_owned()),
            source_column: Some(column.to_owned()),
            value: Some(value.to_owned()),
            normal: normal.map(str::to_owned),
            ..row("cell", position, service("checkout"), None, sentence)
        }
    };
    let java = Entity::Process(ProcessId { pid: 4242, start_ticks: 99 });
    vec![
        node(0, None, service("checkout"), 0.93, "anonymous memory grows without bound, 5.2 MB/s for 96 s"),
        node(1, Some(0), java.clone(), 0.97, "the growth is all in one process"),
        node(2, Some(0), Entity::Machine, 0.88, "available memory falls at the same pace"),
        node(3, Some(2), service("postgresql.service"), 0.71, "its pages are evicted and read back"),
        cell(
            0,
            "processes",
            "anon_bytes",
            "734003200",
            Some("251658240"),
            "anonymous memory is 700 MiB and grows by 5.2 MB/s",
        ),
        cell(1, "pressure", "some_pct", "31.4", Some("0.2"), "some task waits for memory 31 % of the time"),
        cell(2, "processes", "descriptors", "77", None, "descriptors do not grow: no connection leak"),
        EvidenceRow {
            entity: java,
            ..cell(3, "profiles", "function", "Pool.grow", None, "new memory is first touched in Pool.grow")
        },
        row(
            "alternative",
            0,
            service("postgresql.service"),
            Some(0.05),
            "its cache grows to its limit, and stops there",
        ),
        row("alternative", 1, Entity::Machine, Some(0.02), "a short peak of honest work"),
    ]
}

fn decision() -> DecisionRow {
    DecisionRow {
        id: 41,
        incident_id: Some(12),
        at: ago(21.0),
        rule: "memory_leak".to_owned(),
        rule_version: "9f21c0aa".to_owned(),
        rung: 0,
        action: "throttle_memory".to_owned(),
        target: service("checkout"),
        amount: Some(1.05),
        propensity: 0.9,
        candidates: "throttle_memory=0.9; restart_service=0.1".to_owned(),
        evidence: "processes:4242:anon_bytes".to_owned(),
        verdict: "act".to_owned(),
        sentence: "throttle the memory of checkout at 1.05 times what it uses, because it runs out soon"
            .to_owned(),
    }
}

fn capabilities() -> Vec<Capability> {
    let row = |name: &str, kind: &str, is_available: bool| Capability {
        name: name.to_owned(),
        kind: kind.to_owned(),
        is_available,
        can_apply: (kind == "actuator").then_some(is_available),
        can_undo: (kind == "actuator" && name != "restart_service").then_some(is_available),
        lost: None,
        reason: None,
        remedy: None,
    };
    vec![
        row("processes", "collector", true),
        row("pressure", "collector", true),
        row("restart_service", "actuator", true),
        row("throttle_memory", "actuator", true),
        Capability {
            lost: Some("a leaking service can only be restarted, not slowed".to_owned()),
            reason: Some("cgroup v2 is mounted without the cpu controller".to_owned()),
            remedy: Some("boot with systemd.unified_cgroup_hierarchy=1".to_owned()),
            ..row("set_cpu_weight", "actuator", false)
        },
    ]
}

fn own() -> Vec<SelfRow> {
    let row = |name: &str, value: f64, unit: &str, bound: Option<f64>| SelfRow {
        name: name.to_owned(),
        value: Some(value),
        unit: unit.to_owned(),
        bound,
        note: None,
    };
    vec![
        row("cpu_us", 41_250_000.0, "us", None),
        row("rss_bytes", 11_900_000.0, "bytes", Some(15_728_640.0)),
        row("shed_level", 0.0, "level", None),
        SelfRow { note: Some("12 rows dropped".to_owned()), ..row("collector.sockets", 840.0, "us", None) },
    ]
}

fn events() -> Vec<EventRow> {
    let row = |kind: &str, message: &str| EventRow {
        at: ago(3.0),
        kind: kind.to_owned(),
        entity: service("importer"),
        level: None,
        message: message.to_owned(),
    };
    vec![
        row("service_exit", "importer ended with code 1"),
        row("service_log", "cannot reach db: password refused"),
    ]
}
