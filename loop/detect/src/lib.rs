//! Snapshot to findings and probes. Pure: same snapshots in the same order, same findings.
//!
//! Read [`Detect::run`] first, then [`memory::Memory`] (what is remembered of the recent past, shared by all
//! detectors). Each detector is one file and names its symptom, its evidence and its benign look-alike.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod calls;
mod collector_stalled;
mod cpu_hog;
mod crash_loop;
mod cycle;
mod deadlock;
mod descriptor_leak;
mod device_failure;
mod disk_full;
mod envelope;
mod escalate;
mod families;
mod futex;
mod guests;
mod io_thrash;
mod looks;
mod memory;
mod memory_leak;
mod memory_thrash;
mod normal;
mod open_files;
mod own_trouble;
mod remember;
mod ring;
mod runtime_locks;
mod say;
mod shared;
mod stalled;
mod standing;
mod unanswered;
mod victims;
mod watches;

#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::ProcessId;
use vocab::baseline::Baselines;
use vocab::capability::Capabilities;
use vocab::finding::{Finding, FindingKind};
use vocab::learnt::Learnt;
use vocab::probe::Probe;
use vocab::snapshot::Snapshot;

use crate::escalate::Escalation;
use crate::memory::Memory;
pub use crate::remember::Remember;

/// What the detectors said in one turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detected {
    /// Every trouble that holds now, one finding a kind and culprit.
    pub findings: Vec<Finding>,
    /// Closer looks wanted before the next turn, none twice.
    pub probes: Vec<Probe>,
    /// Who will be accused of what if it goes on.
    pub(crate) suspects: Vec<(ProcessId, FindingKind)>,
}

impl Detected {
    /// Whether this culprit is already accused of one of these.
    pub(crate) fn has(&self, culprit: &vocab::Entity, kinds: &[FindingKind]) -> bool {
        self.findings.iter().any(|one| one.culprit == *culprit && kinds.contains(&one.kind))
    }

    /// Notes a process that will be accused of this if it goes on.
    pub(crate) fn suspect(&mut self, process: ProcessId, kind: FindingKind) {
        self.suspects.push((process, kind));
    }

    /// Asks for a closer look, once.
    pub(crate) fn ask(&mut self, probe: Probe) {
        if !self.probes.contains(&probe) {
            self.probes.push(probe);
        }
    }
}

/// What a detector may look at.
pub struct Context<'a> {
    /// All tables now.
    pub snapshot: &'a Snapshot,
    /// What is normal here.
    pub baselines: &'a Baselines,
    /// What this machine lets us see.
    pub capabilities: &'a Capabilities,
    /// What else was learnt: who differs from normal, what will be used up.
    pub learnt: &'a Learnt,
    /// The recent past, this snapshot included.
    pub(crate) memory: &'a Memory,
}

/// A rule about one kind of trouble. Called every turn; keeps only what it needs to confirm and to hold.
pub trait Detector: Remember + Send {
    /// The kind of its findings.
    fn kind(&self) -> FindingKind;
    /// Adds the findings that hold now and the looks it needs to be surer.
    fn run(&mut self, context: &Context<'_>, detected: &mut Detected);
}

/// All detectors and their common memory; as bytes, what it goes on from.
#[derive(Serialize, Deserialize)]
pub struct Detect {
    memory: Memory,
    /// Told anew each turn.
    #[serde(skip)]
    learnt: Learnt,
    #[serde(with = "remember")]
    detectors: Vec<Box<dyn Detector>>,
    escalation: Escalation,
}

impl Default for Detect {
    fn default() -> Self {
        Self::new()
    }
}

impl Detect {
    /// Every detector there is.
    pub fn new() -> Self {
        Self::with(all())
    }

    /// Only these, in this order.
    pub fn with(detectors: Vec<Box<dyn Detector>>) -> Self {
        let (memory, learnt, escalation) = (Memory::default(), Learnt::default(), Escalation::default());
        Self { memory, learnt, detectors, escalation }
    }

    /// Takes in what was learnt up to the turn before: forecasts, anomalies and what people called a false alarm.
    pub fn know(&mut self, learnt: Learnt) {
        self.learnt = learnt;
    }

    /// One turn: remembers the snapshot and asks every detector.
    pub fn run(
        &mut self,
        snapshot: &Snapshot,
        baselines: &Baselines,
        capabilities: &Capabilities,
    ) -> Detected {
        self.memory.remember(snapshot);
        let context =
            Context { snapshot, baselines, capabilities, learnt: &self.learnt, memory: &self.memory };
        let mut detected = Detected::default();
        for detector in &mut self.detectors {
            detector.run(&context, &mut detected);
        }
        let learnt = &self.learnt;
        let stands =
            |one: &Finding| !is_about_us(snapshot, one) && !normal::is_tolerated(snapshot, learnt, one);
        detected.findings.retain(stands);
        detected.suspects.retain(|(id, _)| !is_us(snapshot, *id));
        self.escalation.serve(snapshot, self.memory.now_s, &mut detected);
        self.memory.watches.serve(self.memory.now_s, &mut detected);
        self.memory.watches.look_again(snapshot, learnt, self.memory.now_s, &mut detected);
        detected.findings.iter_mut().for_each(|one| normal::add_evidence(snapshot, learnt, one));
        detected
    }
}

/// Every detector there is. What explains more comes first: a service in a deadlock is not also called stalled, one that
/// hangs or spins and piles up connections does not leak them, memory that grows with leaked descriptors is theirs.
fn all() -> Vec<Box<dyn Detector>> {
    Vec::from([
        Box::new(deadlock::Deadlock::default()) as Box<dyn Detector>,
        Box::new(stalled::Stalled::default()),
        Box::new(cpu_hog::CpuHog::default()),
        Box::new(descriptor_leak::DescriptorLeak::default()),
        Box::new(memory_leak::MemoryLeak::default()),
        Box::new(crash_loop::CrashLoop::default()),
        Box::new(memory_thrash::MemoryThrash::default()),
        Box::new(io_thrash::IoThrash::default()),
        Box::new(disk_full::DiskFull::default()),
        Box::new(device_failure::DeviceFailure::default()),
        Box::new(collector_stalled::CollectorStalled),
        Box::new(own_trouble::OwnTrouble::default()),
    ])
}

/// Whether a finding accuses the process of our own daemon or keeper, or their unit for it: their troubles have a kind
/// of their own, with a budget, and nothing that acts on processes may act on them.
fn is_about_us(snapshot: &Snapshot, finding: &Finding) -> bool {
    let culprit = match finding.culprit {
        vocab::Entity::Process(id) => Some(id),
        vocab::Entity::Service(_) => finding.process,
        _ => None,
    };
    culprit.is_some_and(|id| is_us(snapshot, id))
}

fn is_us(snapshot: &Snapshot, id: ProcessId) -> bool {
    [snapshot.own.daemon_pid, snapshot.own.keeper_pid].contains(&Some(id.pid))
}
