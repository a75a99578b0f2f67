//! The row of `machine`, and the clock that gives processes their age.
use serde::{Deserialize, Serialize};
use vocab::Timestamp;
use vocab::rows::Machine;
use vocab::sample::{MachineSample, Sample};

use super::rate::Interval;

/// What turns clock ticks after boot into ages.
#[derive(Clone, Copy, Debug, Default)]
pub struct BootClock {
    /// Time since boot at this sample. Unit: s.
    pub uptime_s: f64,
    /// Clock ticks in a second; 0 while unknown.
    pub ticks_per_second: u32,
}

impl BootClock {
    /// CPU time or instant in clock ticks, in seconds; 0 while the length of a tick is unknown.
    pub fn seconds(self, ticks: u64) -> f64 {
        if self.ticks_per_second == 0 { 0.0 } else { ticks as f64 / f64::from(self.ticks_per_second) }
    }

    /// Time since `start_ticks` after boot. Unit: s.
    pub fn age_s(self, start_ticks: u64) -> f64 {
        if self.ticks_per_second == 0 { 0.0 } else { (self.uptime_s - self.seconds(start_ticks)).max(0.0) }
    }
}

/// Keeps the counters of the machine's last read.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct MachineDeriver {
    before: Option<(Timestamp, MachineSample)>,
    row: Machine,
}

impl MachineDeriver {
    /// The row of this sample; the last one if the machine could not be read in this tick.
    pub fn row(&mut self, sample: &Sample) -> Machine {
        let now = &sample.machine;
        // No kernel has zero ticks a second: such a sample was not filled in.
        if now.ticks_per_second > 0 {
            let interval = Interval::between(self.before.as_ref().map(|(at, _)| *at), sample.at);
            let first = MachineSample::default();
            let before = self.before.as_ref().map_or(&first, |(_, before)| before);
            self.row = row(now, before, interval);
            self.before = Some((sample.at, now.clone()));
        }
        self.row.clone()
    }

    /// The clock as of `at`, carried on from the last read.
    pub fn clock(&self, at: Timestamp) -> BootClock {
        self.before.as_ref().map_or_else(BootClock::default, |(read_at, machine)| BootClock {
            uptime_s: machine.uptime_s + Interval::between(Some(*read_at), at).seconds().unwrap_or(0.0),
            ticks_per_second: machine.ticks_per_second,
        })
    }
}

/// Shares of the CPU time that passed on all CPUs between two reads.
struct CpuShares {
    /// `None` where the kernel's counter ran backwards, as idle and iowait may.
    deltas: [Option<u64>; 8],
    total: u64,
    is_known: bool,
}

impl CpuShares {
    fn between(before: &[u64; 8], now: &[u64; 8], is_known: bool) -> Self {
        let deltas = std::array::from_fn(|index| now[index].checked_sub(before[index]));
        let total = deltas.iter().flatten().fold(0u64, |sum, delta| sum.saturating_add(*delta));
        Self { deltas, total, is_known }
    }

    /// Per cent of the total spent in the states of these indices of [`MachineSample::cpu_ticks`].
    fn pct(&self, states: &[usize]) -> Option<f64> {
        if !self.is_known || self.total == 0 {
            return None;
        }
        let mut sum = 0u64;
        for state in states {
            sum = sum.saturating_add(self.deltas[*state]?);
        }
        Some(100.0 * sum as f64 / self.total as f64)
    }
}

fn row(now: &MachineSample, before: &MachineSample, interval: Interval) -> Machine {
    let cpu = CpuShares::between(&before.cpu_ticks, &now.cpu_ticks, interval.seconds().is_some());
    let memory = &now.memory;
    Machine {
        cpus: now.cpus,
        uptime_s: now.uptime_s,
        cpu_user_pct: cpu.pct(&[0]),
        cpu_nice_pct: cpu.pct(&[1]),
        cpu_system_pct: cpu.pct(&[2, 5, 6]),
        cpu_iowait_pct: cpu.pct(&[4]),
        cpu_steal_pct: cpu.pct(&[7]),
        cpu_idle_pct: cpu.pct(&[3]),
        context_switches_per_s: interval.rate(before.context_switches, now.context_switches),
        forks_per_s: interval.rate(before.forks, now.forks),
        runnable: now.runnable,
        blocked: now.blocked,
        load_1: now.load[0],
        load_5: now.load[1],
        load_15: now.load[2],
        threads: now.threads,
        threads_max: now.threads_max,
        ports: now.ports,
        ports_max: now.ports_max,
        memory_total_bytes: memory.total_bytes,
        memory_available_bytes: memory.available_bytes,
        memory_free_bytes: memory.free_bytes,
        cache_bytes: memory.cache_bytes,
        anon_bytes: memory.anon_bytes,
        slab_bytes: memory.slab_bytes,
        dirty_bytes: memory.dirty_bytes,
        swap_total_bytes: memory.swap_total_bytes,
        swap_free_bytes: memory.swap_free_bytes,
        swap_in_per_s: interval.rate(before.swap_in_pages, now.swap_in_pages),
        swap_out_per_s: interval.rate(before.swap_out_pages, now.swap_out_pages),
        major_faults_per_s: interval.rate(before.major_faults, now.major_faults),
        refaults_per_s: interval.rate(before.refault_pages, now.refault_pages),
        direct_scans_per_s: interval.rate(before.direct_scan_pages, now.direct_scan_pages),
        oom_kills: now.oom_kills,
    }
}
