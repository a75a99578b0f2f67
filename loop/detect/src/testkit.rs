//! Synthetic machines for tests: a scene makes one snapshot a turn, and says who must be accused by when.
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vocab::baseline::Baselines;
use vocab::capability::Capabilities;
use vocab::finding::{Finding, FindingKind};
use vocab::kit;
use vocab::learnt::Learnt;
use vocab::probe::Probe;
use vocab::rows::{Pressure, Process, Service};
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp};

use crate::Detect;

pub const MB: f64 = 1e6;

/// What a scene expects of the detector of its kind.
#[derive(Clone, Debug)]
pub enum Expect {
    /// This culprit is accused in some turn of that span, and nobody else ever.
    Fires(Entity, core::ops::RangeInclusive<u32>),
    /// Nobody is ever accused.
    Silent,
}

type Make = dyn Fn(u32, &[Probe]) -> Snapshot;

/// One course of events with known truth.
pub struct Scene {
    pub name: String,
    pub kind: FindingKind,
    pub turns: u32,
    pub expect: Expect,
    pub baselines: Baselines,
    pub make: Box<Make>,
}

impl Scene {
    pub fn new(
        kind: FindingKind,
        name: impl Into<String>,
        turns: u32,
        expect: Expect,
        make: impl Fn(u32, &[Probe]) -> Snapshot + 'static,
    ) -> Self {
        Self { name: name.into(), kind, turns, expect, baselines: Baselines::default(), make: Box::new(make) }
    }

    /// Whether nobody may be accused in it.
    pub const fn is_twin(&self) -> bool {
        matches!(self.expect, Expect::Silent)
    }

    /// Plays the scene; `Err` says what was not as expected.
    pub fn play(&self, mut detect: Detect) -> Result<(), String> {
        let capabilities = Capabilities::default();
        let mut asked = Vec::new();
        let mut first = None;
        let mut outlook = learn::outlook::Outlook::default();
        for turn in 1..=self.turns {
            let snapshot = (self.make)(turn, &asked);
            if let Some(forecasts) = outlook.run(&snapshot) {
                detect.know(Learnt { forecasts: forecasts.into(), ..Learnt::default() });
            }
            let detected = detect.run(&snapshot, &self.baselines, &capabilities);
            asked = detected.probes;
            for finding in detected.findings.iter().filter(|one| one.kind == self.kind) {
                self.judge(turn, finding)?;
                first.get_or_insert(turn);
            }
            self.others_keep_quiet(turn, &detected.findings)?;
            if first.is_some() && !detected.findings.iter().any(|one| one.kind == self.kind) {
                return Err(format!("{}: turn {turn}: no longer found, though it goes on", self.name));
            }
        }
        match (&self.expect, first) {
            (Expect::Fires(..), None) => {
                Err(format!("{}: nobody accused in {} turns", self.name, self.turns))
            }
            (Expect::Fires(_, span), Some(turn)) if !span.contains(&turn) => {
                Err(format!("{}: accused in turn {turn}, expected {span:?}", self.name))
            }
            _ => Ok(()),
        }
    }

    fn judge(&self, turn: u32, finding: &Finding) -> Result<(), String> {
        let sound = (0.0..=1.0).contains(&finding.confidence)
            && !finding.evidence.is_empty()
            && finding.evidence.len() <= 16
            && !finding.sentence.is_empty();
        match &self.expect {
            Expect::Fires(culprit, _) if *culprit == finding.culprit && sound => Ok(()),
            _ => Err(format!("{}: turn {turn}: {:?} {}", self.name, finding.culprit, brief(finding))),
        }
    }

    /// No scene has trouble of two kinds.
    fn others_keep_quiet(&self, turn: u32, findings: &[Finding]) -> Result<(), String> {
        match findings.iter().find(|one| one.kind != self.kind) {
            Some(other) => Err(format!("{}: turn {turn}: {:?} {}", self.name, other.kind, brief(other))),
            None => Ok(()),
        }
    }
}

/// A machine at rest: two CPUs, 16 GB of which 10 are available, no process.
pub fn machine(turn: u32) -> Snapshot {
    let mut snapshot = Snapshot {
        at: Timestamp::from_secs(1_700_000_000 + i64::from(turn)),
        turn: u64::from(turn),
        interval_s: if turn == 1 { 0.0 } else { 1.0 },
        ..Snapshot::default()
    };
    snapshot.machine.cpus = 2;
    snapshot.machine.memory_total_bytes = 16_000_000_000;
    snapshot.machine.memory_available_bytes = 10_000_000_000;
    snapshot.machine.cpu_idle_pct = Some(90.0);
    snapshot.pressures =
        ["cpu", "memory", "io"].iter().map(|one| pressure(Entity::Machine, one, 1.0)).collect();
    snapshot
}

pub fn pressure(entity: Entity, resource: &str, some_pct: f64) -> Pressure {
    Pressure {
        entity,
        resource: resource.to_string(),
        some_pct: Some(some_pct),
        full_pct: Some(0.0),
        some_us: 0,
        full_us: Some(0),
    }
}

/// An idle process that has run for `turn` seconds and an hour.
pub fn process(pid: u32, program: &str, turn: u32) -> Process {
    Process {
        pid,
        start_ticks: u64::from(pid) * 100,
        ppid: 1,
        name: program.into(),
        program: program.into(),
        command: None,
        user_id: Some(1000),
        service: None,
        cgroup: None,
        state: "S".to_string(),
        is_kernel: false,
        age_s: 3600.0 + f64::from(turn),
        cpu_pct: Some(0.1),
        cpu_time_s: 1.0,
        nice: 0,
        policy: "other".to_string(),
        threads: 1,
        run_delay_pct: Some(0.0),
        voluntary_switches_per_s: Some(2.0),
        rss_bytes: 30_000_000,
        anon_bytes: Some(20_000_000),
        virtual_bytes: 100_000_000,
        shmem_bytes: Some(0),
        swap_bytes: Some(0),
        minor_faults_per_s: Some(0.0),
        major_faults_per_s: Some(0.0),
        descriptors: Some(12),
        descriptor_limit: Some(1024),
        read_bytes_per_s: Some(0.0),
        write_bytes_per_s: Some(0.0),
        io_chars_per_s: Some(100.0),
        io_calls_per_s: Some(2.0),
        listen_port: None,
        accept_backlog: None,
        established: None,
        unread_connections: None,
        close_wait: None,
    }
}

/// The same as main process of a service that serves TCP.
pub fn server(pid: u32, service: &str, turn: u32) -> Process {
    Process {
        service: Some(service.into()),
        listen_port: Some(8080),
        accept_backlog: Some(0),
        established: Some(3),
        unread_connections: Some(0),
        close_wait: Some(0),
        cpu_pct: Some(4.0),
        voluntary_switches_per_s: Some(50.0),
        ..process(pid, service, turn)
    }
}

/// Age of a process that started in that turn.
pub fn born(mut process: Process, birth: u32, turn: u32) -> Process {
    process.age_s = f64::from(turn.saturating_sub(birth));
    process
}

/// The row of a service of our own supervisor that runs.
pub fn service(name: &str, main_pid: Option<u32>) -> Service {
    Service {
        main_pid,
        main_start_ticks: main_pid.map(|pid| u64::from(pid) * 100),
        up_s: Some(100.0),
        starts: Some(1),
        failures: Some(0),
        ..kit::service(name, "running")
    }
}

/// A number between 0 and 1 that depends on its arguments only.
pub fn noise(seed: u32, turn: u32) -> f64 {
    let mut bits = u64::from(seed) << 32 | u64::from(turn);
    for _ in 0..3 {
        bits = (bits ^ (bits >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    (bits >> 40) as f64 / f64::from(1u32 << 24)
}

/// A snapshot with these processes and a row for each of their services.
pub fn with(turn: u32, processes: Vec<Process>) -> Snapshot {
    let mut snapshot = machine(turn);
    for one in &processes {
        if let Some(name) = &one.service
            && snapshot.service(name).is_none()
        {
            snapshot.services.push(service(name, Some(one.pid)));
        }
    }
    snapshot.processes = processes;
    snapshot.processes.sort_by_key(|one| one.pid);
    snapshot
}

pub fn of_service(name: &str) -> Entity {
    Entity::Service(name.to_string())
}

pub fn of_process(pid: u32) -> Entity {
    Entity::Process(vocab::ProcessId { pid, start_ticks: u64::from(pid) * 100 })
}

fn brief(finding: &Finding) -> String {
    let cells: Vec<&str> = finding.evidence.iter().map(|one| one.sentence.as_str()).collect();
    format!("{} [{}]", finding.sentence, cells.join("; "))
}
