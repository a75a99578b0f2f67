//! Collector `machine`: CPU time, load, memory and counters of the whole machine.
use kernfs::{CpuStat, MemInfo, ProcFs, VmStat};
use vocab::sample::{MachineSample, MemorySample, TcpSample};

use crate::ledger::Report;

/// Readings of the machine between two of what bounds it.
const BOUNDS_EVERY: u32 = 60;

/// Reads the machine; keeps the list of CPUs between ticks so that it is not made anew.
#[derive(Debug, Default)]
pub(crate) struct MachineReader {
    cpu: CpuStat,
    /// Whether TCP is read here, because no program in the kernel counts it.
    counts_tcp: bool,
    threads_max: Option<u32>,
    readings: u32,
}

impl MachineReader {
    /// A reader of the machine, and of its TCP if `counts_tcp`.
    pub(crate) fn new(counts_tcp: bool) -> Self {
        Self { counts_tcp, ..Self::default() }
    }

    /// What stat, loadavg, uptime, meminfo and vmstat say; what one of them refuses stays zero and is reported.
    pub(crate) fn read(&mut self, proc: &mut ProcFs, report: &mut Report) -> MachineSample {
        let ticks_per_second = u32::try_from(proc.ticks_per_s()).unwrap_or(100);
        let mut machine = MachineSample { ticks_per_second, ..MachineSample::default() };
        if report.take(proc.cpu_stat(&mut self.cpu)).is_some() {
            self.cpu_into(&mut machine);
        }
        if let Some(load) = report.take(proc.loadavg()) {
            machine.load = [load.load1, load.load5, load.load15];
            machine.threads = load.tasks;
        }
        if self.readings.is_multiple_of(BOUNDS_EVERY) {
            self.threads_max = threads_max(proc);
        }
        self.readings = self.readings.wrapping_add(1);
        machine.threads_max = self.threads_max;
        if let Some(uptime) = report.take(proc.uptime()) {
            machine.uptime_s = uptime.uptime_s;
        }
        if let Some(info) = report.take(proc.meminfo()) {
            machine.memory = memory(&info);
        }
        if let Some(stat) = report.take(proc.vmstat()) {
            paging_into(&stat, &mut machine);
        }
        if self.counts_tcp
            && let Some(tcp) = report.take(proc.tcp_counts())
        {
            machine.tcp = Some(TcpSample { retransmits: tcp.retransmits, resets_sent: tcp.resets_sent });
        }
        report.rows = 1;
        machine
    }

    fn cpu_into(&self, machine: &mut MachineSample) {
        let all = &self.cpu.total;
        machine.cpus = u32::try_from(self.cpu.cpus.len()).unwrap_or(u32::MAX);
        machine.cpu_ticks = [
            all.user_ticks,
            all.nice_ticks,
            all.system_ticks,
            all.idle_ticks,
            all.iowait_ticks,
            all.irq_ticks,
            all.softirq_ticks,
            all.steal_ticks,
        ];
        machine.softirqs = self.cpu.softirqs;
        machine.context_switches = self.cpu.ctxt;
        machine.forks = self.cpu.processes;
        machine.runnable = u32::try_from(self.cpu.procs_running).unwrap_or(u32::MAX);
        machine.blocked = u32::try_from(self.cpu.procs_blocked).unwrap_or(u32::MAX);
    }
}

/// Both bounds hold; a recorded tree may have neither.
fn threads_max(proc: &mut ProcFs) -> Option<u32> {
    let bounds = ["kernel/threads-max", "kernel/pid_max"].map(|name| proc.sysctl_u64(name).ok());
    bounds.into_iter().flatten().min().and_then(|least| u32::try_from(least).ok())
}

fn memory(info: &MemInfo) -> MemorySample {
    let bytes = |field: Option<u64>| field.unwrap_or(0);
    MemorySample {
        total_bytes: bytes(info.total_bytes),
        free_bytes: bytes(info.free_bytes),
        // Before Linux 3.14 there is no estimate; what is free is a lower bound.
        available_bytes: bytes(info.available_bytes.or(info.free_bytes)),
        cache_bytes: bytes(info.buffers_bytes).saturating_add(bytes(info.cached_bytes)),
        anon_bytes: bytes(info.anon_pages_bytes),
        shmem_bytes: bytes(info.shmem_bytes),
        slab_bytes: bytes(info.slab_bytes),
        dirty_bytes: bytes(info.dirty_bytes).saturating_add(bytes(info.writeback_bytes)),
        swap_total_bytes: bytes(info.swap_total_bytes),
        swap_free_bytes: bytes(info.swap_free_bytes),
        committed_bytes: bytes(info.committed_as_bytes),
    }
}

fn paging_into(stat: &VmStat, machine: &mut MachineSample) {
    let count = |field: Option<u64>| field.unwrap_or(0);
    let refaults = count(stat.workingset_refault_anon).saturating_add(count(stat.workingset_refault_file));
    machine.direct_scan_pages = count(stat.pgscan_direct);
    machine.refault_pages = refaults.saturating_add(count(stat.workingset_refault));
    machine.swap_in_pages = count(stat.pswpin);
    machine.swap_out_pages = count(stat.pswpout);
    machine.major_faults = count(stat.pgmajfault);
    machine.oom_kills = count(stat.oom_kill);
}
