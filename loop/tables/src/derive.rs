//! Samples to snapshots: rates from counters, links between processes, services and sockets.
//!
//! Pure: the same samples give the same snapshots, whatever the clock says. What is kept between ticks is
//! bounded by what the latest sample names; the dead are forgotten at once.
mod gpu_calls;
mod interrupts;
mod kernel;
mod last_rows;
mod machine;
mod network;
mod process;
mod profile;
mod program;
mod rate;
mod resource;
mod service;
mod syscalls;

use serde::{Deserialize, Serialize};
use vocab::Timestamp;
use vocab::sample::Sample;
use vocab::snapshot::Snapshot;

use gpu_calls::GpuCallDeriver;
use interrupts::InterruptDeriver;
use kernel::KernelDeriver;
use machine::MachineDeriver;
use network::NetworkDeriver;
use process::ProcessDeriver;
use profile::ProfileDeriver;
use rate::Interval;
use resource::ResourceDeriver;
use syscalls::SyscallDeriver;

/// Turns samples into snapshots. Keeps the counters of the sample before, nothing older.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Deriver {
    before: Option<Timestamp>,
    machine: MachineDeriver,
    processes: ProcessDeriver,
    resources: ResourceDeriver,
    kernel: KernelDeriver,
    network: NetworkDeriver,
    interrupts: InterruptDeriver,
    syscalls: SyscallDeriver,
    profiles: ProfileDeriver,
    gpu_calls: GpuCallDeriver,
}

impl Deriver {
    /// A deriver that has seen nothing: its first snapshot has no rates.
    pub fn new() -> Self {
        Self::default()
    }

    /// The snapshot of one sample. Samples come in the order in which they were taken.
    ///
    /// A rate is a difference of counters over the time between their two reads; it is `None` in the first
    /// sample of an identity and when a counter ran backwards. A section that was not read in this tick
    /// keeps its last rows.
    pub fn snapshot(&mut self, sample: &Sample) -> Snapshot {
        let interval = Interval::between(self.before, sample.at);
        self.before = Some(sample.at);
        let machine = self.machine.row(sample);
        let clock = self.machine.clock(sample.at);
        let processes = self.processes.rows(sample, clock, interval);
        let services = service::rows(sample, &processes, clock);
        self.resources.take(sample);
        let mut snapshot = Snapshot {
            at: sample.at,
            turn: sample.turn,
            interval_s: interval.seconds().unwrap_or(0.0),
            machine,
            pressures: self.resources.pressures(),
            processes,
            cgroups: self.resources.cgroups(),
            services,
            disks: self.resources.disks(),
            filesystems: self.resources.filesystems(),
            interfaces: self.resources.interfaces(),
            events: sample.events.clone(),
            answers: sample.answers.clone(),
            onnx: sample.onnx.clone(),
            collectors: sample.collectors.clone(),
            own: sample.own,
            ..Snapshot::default()
        };
        self.kernel.fill(sample, &mut snapshot);
        snapshot.tcp_sockets = self.network.rows(sample, &snapshot);
        snapshot.syscalls = self.syscalls.rows(&snapshot);
        snapshot.softirq_time = self.interrupts.rows(sample);
        self.profiles.fill(&mut snapshot);
        self.gpu_calls.fill(&mut snapshot);
        snapshot
    }
}

#[cfg(test)]
mod tests;
