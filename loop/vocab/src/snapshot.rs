//! What the machine's words mean: all tables at one instant, rates and links derived.
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::event::Event;
use crate::kernel::{CallsSample, KernelEvent};
use crate::onnx::OnnxSample;
use crate::probe::{ProbeAnswer, ProbeResult};
use crate::recent::Recent;
use crate::rows::{
    BlockLatency, BpfProgram, Cgroup, Disk, ExecRow, ExitRow, Filesystem, FsLatency, GpuCallRow, Interface,
    Machine, MemoryVictim, OomKillRow, Pressure, Process, ProfileRow, RunqLatency, Service, SignalRow,
    SoftirqTime, SyscallRow, TcpSockets,
};
use crate::sample::{CollectorSample, OwnSample};
use crate::{ProcessId, Timestamp};

/// All tables of the machine at one instant. Made from samples by tables; read by every stage and door.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The instant of the sample it was made from.
    pub at: Timestamp,
    /// Number of the turn, from 1.
    pub turn: u64,
    /// Seconds since the sample before; 0 in the first turn, when no rate is known.
    pub interval_s: f64,
    /// The machine: `machine`, one row.
    pub machine: Machine,
    /// `pressure`.
    pub pressures: Vec<Pressure>,
    /// `processes`, in order of pid.
    pub processes: Vec<Process>,
    /// `cgroups`, in order of path.
    pub cgroups: Vec<Cgroup>,
    /// `services`: those of our own supervisor and systemd's units with processes, in order of name.
    pub services: Vec<Service>,
    /// `disks`, in order of name.
    pub disks: Vec<Disk>,
    /// `filesystems`, in order of mount point.
    pub filesystems: Vec<Filesystem>,
    /// `interfaces`, in order of name.
    pub interfaces: Vec<Interface>,
    /// `runq_latency`, in order of pid.
    pub runq_latency: Vec<RunqLatency>,
    /// `block_latency`, in order of disk.
    pub block_latency: Vec<BlockLatency>,
    /// `fs_latency`, in order of pid.
    pub fs_latency: Vec<FsLatency>,
    /// `tcp_sockets`, in order of owner.
    pub tcp_sockets: Vec<TcpSockets>,
    /// `softirq_time`, in the kernel's order of kinds.
    pub softirq_time: Vec<SoftirqTime>,
    /// `syscalls`: the last watch of each program, in order of program.
    pub syscalls: Arc<Vec<SyscallRow>>,
    /// `execs`, `exits`, `oom_kills`, `signals`: the last ones, oldest first.
    pub execs: Recent<ExecRow>,
    /// `exits`.
    pub exits: Recent<ExitRow>,
    /// `oom_kills`.
    pub oom_kills: Recent<OomKillRow>,
    /// `signals`.
    pub signals: Recent<SignalRow>,
    /// `memory_victims`: the last ones, oldest first.
    pub memory_victims: Recent<MemoryVictim>,
    /// `bpf_programs`.
    pub bpf_programs: Arc<Vec<BpfProgram>>,
    /// `profiles`: the stacks of the last profiles, oldest first.
    pub profiles: Arc<Vec<ProfileRow>>,
    /// `gpu_calls`: the calls of the last watches, oldest first.
    pub gpu_calls: Arc<Vec<GpuCallRow>>,
    /// What happened to processes since the snapshot before, seen by programs in the kernel.
    pub kernel_events: Vec<KernelEvent>,
    /// Events since the snapshot before.
    pub events: Vec<Event>,
    /// Answers to probes since the snapshot before.
    pub answers: Vec<ProbeAnswer>,
    /// What models in the ONNX format said.
    pub onnx: Option<OnnxSample>,
    /// How each collector did.
    pub collectors: Vec<CollectorSample>,
    /// What Homeostat used.
    pub own: OwnSample,
}

impl Snapshot {
    /// The process of that identity, if it lives.
    pub fn process(&self, id: ProcessId) -> Option<&Process> {
        let index = self.processes.binary_search_by_key(&id.pid, |one| one.pid).ok()?;
        self.processes.get(index).filter(|one| one.start_ticks == id.start_ticks)
    }

    /// Whether a process of that id is alive.
    pub fn has_pid(&self, pid: u32) -> bool {
        self.processes.binary_search_by_key(&pid, |one| one.pid).is_ok()
    }

    /// The service of that name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|one| &*one.name == name)
    }

    /// The watch of system calls that ended in this turn, and of whom: there is one at a time.
    pub fn watched_calls(&self) -> Option<(&CallsSample, &Process)> {
        let calls = self.answers.iter().find_map(|answer| match &answer.result {
            Ok(ProbeResult::Calls(calls)) => Some(calls),
            _ => None,
        })?;
        Some((calls, self.process(calls.id)?))
    }

    /// The processes of the service of that name.
    pub fn processes_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Process> {
        self.processes.iter().filter(move |one| one.service.as_deref() == Some(service))
    }
}

impl Process {
    /// Its identity within this boot.
    pub const fn id(&self) -> ProcessId {
        ProcessId { pid: self.pid, start_ticks: self.start_ticks }
    }

    /// The key under which it is learnt: its service, else its program.
    pub const fn key(&self) -> &Arc<str> {
        match &self.service {
            Some(service) => service,
            None => &self.program,
        }
    }

    /// The entity to accuse or to help: its service, else itself.
    pub fn entity(&self) -> crate::Entity {
        match &self.service {
            Some(service) => crate::Entity::Service(alloc::string::String::from(&**service)),
            None => crate::Entity::Process(self.id()),
        }
    }
}
