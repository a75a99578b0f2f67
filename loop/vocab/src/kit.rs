//! Plain nouns for the tests of every stage: each says as little as it may; a test sets what it is about.
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;

use crate::action::Intent;
use crate::decision::{Decision, Verdict};
use crate::finding::{Finding, FindingKind, Severity};
use crate::incident::{Incident, IncidentState};
use crate::rows::{ActionRow, IncidentRow, Process, Service};
use crate::rule::{ActuatorKind, Proves, Rung};
use crate::{Entity, Timestamp};

/// The entity of a service.
pub fn service_entity(name: &str) -> Entity {
    Entity::Service(String::from(name))
}

/// A finding about a service, of that second.
pub fn finding(at_s: i64, kind: FindingKind, culprit: &str) -> Finding {
    Finding {
        at: Timestamp::from_secs(at_s),
        kind,
        culprit: service_entity(culprit),
        process: None,
        victims: vec![],
        severity: Severity::Warning,
        confidence: 0.9,
        exhaustion_s: None,
        sentence: alloc::format!("{culprit} has {kind}"),
        evidence: vec![],
    }
}

/// An open CPU hog.
pub fn incident(id: u64, culprit: &str) -> Incident {
    Incident {
        id,
        kind: FindingKind::CpuHog,
        state: IncidentState::Open,
        culprit: service_entity(culprit),
        process: None,
        victims: vec![],
        severity: Severity::Warning,
        confidence: 0.9,
        opened_at: Timestamp::from_secs(1),
        last_seen_at: Timestamp::from_secs(1),
        closed_at: None,
        exhaustion_s: None,
        sentence: String::new(),
        suggestion: String::new(),
        tree: vec![],
        alternatives: vec![],
        evidence: vec![],
        recurrences: 0,
    }
}

/// A rung whose effect is always there: within 10 s, for 5 s, held for a minute, twice an hour.
pub fn rung(action: ActuatorKind) -> Rung {
    Rung {
        action,
        target: None,
        amount: None,
        only_if: None,
        expect: "true".into(),
        within_s: 10.0,
        verify_s: 5.0,
        proves: Proves::Repaired,
        release_when: None,
        hold_max_s: 60.0,
        hourly_max: 2,
        undo_on_death: false,
    }
}

/// Decision 1 about incident 1: to act on service `a`.
pub fn decision(rung: Rung) -> Decision {
    Decision {
        id: 1,
        incident_id: Some(1),
        at: Timestamp::default(),
        rule: "r".into(),
        rule_version: "1".into(),
        rung_index: 0,
        rung,
        target: service_entity("a"),
        process: None,
        candidates: vec![],
        propensity: 1.0,
        evidence: vec!["incidents:1:kind".into()],
        verdict: Verdict::Act,
        sentence: String::new(),
    }
}

/// An intent on service `a`, leased for a minute.
pub fn intent(action_id: u64, decision_id: u64, kind: ActuatorKind) -> Intent {
    let target = service_entity("a");
    let (process, amount) = (None, None);
    Intent { action_id, decision_id, kind, target, process, amount, lease_s: 60.0, undo_on_death: false }
}

/// The row of a leak of the machine that is open since its first second.
pub fn incident_row(id: u64) -> IncidentRow {
    IncidentRow {
        id,
        kind: FindingKind::MemoryLeak.as_str().into(),
        state: "open".into(),
        culprit: Entity::Machine,
        name: "x".into(),
        pid: None,
        victims: String::new(),
        severity: "warning".into(),
        confidence: 0.9,
        opened_at: Timestamp::from_secs(1),
        last_seen_at: Timestamp::from_secs(1),
        closed_at: None,
        exhaustion_s: None,
        sentence: "memory".into(),
        suggestion: String::new(),
        recurrences: 0,
        muted_until: None,
    }
}

/// A row of `actions` about service `a`.
pub fn action_row(id: u64, kind: ActuatorKind, state: &str) -> ActionRow {
    ActionRow {
        id,
        decision_id: Some(id),
        incident_id: Some(1),
        at: Timestamp::default(),
        action: alloc::format!("{kind}"),
        target: service_entity("a"),
        pid: None,
        state: state.into(),
        state_at: Timestamp::default(),
        before: None,
        after: None,
        because: None,
        can_undo: false,
    }
}

/// A row of `services`: one of our own supervisor, with a main process and nothing else known.
pub fn service(name: &str, state: &str) -> Service {
    Service {
        name: Arc::from(name),
        manager: "homeostat".into(),
        state: state.into(),
        main_pid: Some(5),
        main_start_ticks: Some(5),
        up_s: None,
        processes: 1,
        cgroup: None,
        cpu_pct: None,
        run_delay_pct: None,
        anon_bytes: None,
        descriptors: None,
        accept_backlog: None,
        unread_connections: None,
        starts: None,
        failures: None,
        exit_code: None,
        exit_signal: None,
        exit_age_s: None,
        exit_ran_s: None,
        back_off_s: None,
        is_healthy: None,
    }
}

/// A row of `processes`: one that is old enough to be known, sleeps and does little.
pub fn process(pid: u32, program: &str) -> Process {
    Process {
        pid,
        start_ticks: 7,
        ppid: 1,
        name: program.into(),
        program: program.into(),
        command: None,
        user_id: None,
        service: None,
        cgroup: None,
        state: "S".into(),
        is_kernel: false,
        age_s: 1_000.0,
        cpu_pct: Some(1.0),
        cpu_time_s: 1.0,
        nice: 0,
        policy: "other".into(),
        threads: 1,
        run_delay_pct: None,
        voluntary_switches_per_s: None,
        rss_bytes: 0,
        virtual_bytes: 0,
        shmem_bytes: None,
        anon_bytes: None,
        swap_bytes: None,
        minor_faults_per_s: None,
        major_faults_per_s: None,
        descriptors: None,
        descriptor_limit: None,
        read_bytes_per_s: None,
        write_bytes_per_s: None,
        io_chars_per_s: None,
        io_calls_per_s: None,
        listen_port: None,
        accept_backlog: None,
        established: None,
        unread_connections: None,
        close_wait: None,
    }
}
