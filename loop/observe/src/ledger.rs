//! What each collector cost and how it did. Start at [`Ledger::run`].
use std::collections::BTreeMap;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use vocab::sample::CollectorSample;

/// How one run of a collector went, filled in by the collector.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Rows delivered.
    pub(crate) rows: usize,
    /// Rows left out because a bound was reached.
    pub(crate) dropped: u64,
    /// For how long the source has not answered. Unit: s.
    pub(crate) stalled_s: Option<f64>,
    /// Why it failed.
    pub(crate) error: Option<String>,
}

impl Report {
    /// Takes the value of a read, or notes why there is none.
    pub(crate) fn take<T>(&mut self, read: kernfs::Result<T>) -> Option<T> {
        read.map_err(|error| self.error = Some(error.to_string())).ok()
    }
}

/// The collectors that ran in this tick.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    names: BTreeMap<&'static str, Arc<str>>,
    runs: Vec<CollectorSample>,
}

impl Ledger {
    /// Runs one collector and notes its CPU time, which it answers, and its report. Unit: us.
    pub(crate) fn run(&mut self, name: &'static str, work: impl FnOnce(&mut Report)) -> u64 {
        let before = thread_cpu_us();
        let mut report = Report::default();
        work(&mut report);
        let cpu_us = thread_cpu_us().saturating_sub(before);
        let name = self.names.entry(name).or_insert_with(|| Arc::from(name)).clone();
        let Report { rows, dropped, stalled_s, error } = report;
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.runs.push(CollectorSample { name, cpu_us, rows, stalled_s, dropped, error });
        cpu_us
    }

    /// The runs of this tick; the next tick starts empty.
    pub(crate) fn take(&mut self) -> Vec<CollectorSample> {
        std::mem::take(&mut self.runs)
    }
}

/// CPU time of the calling thread. Unit: us.
pub(crate) fn thread_cpu_us() -> u64 {
    micros(ClockId::ThreadCPUTime)
}

/// CPU time of this process. Unit: us.
pub(crate) fn process_cpu_us() -> u64 {
    micros(ClockId::ProcessCPUTime)
}

/// Time since boot without the time asleep, the clock of the kernel log. Unit: us.
pub(crate) fn monotonic_us() -> u64 {
    micros(ClockId::Monotonic)
}

/// The clock of events in the kernel. Unit: ns.
pub(crate) fn monotonic_ns() -> u64 {
    nanos(ClockId::Monotonic)
}

/// The clock of start times, which goes on asleep. Unit: ns.
pub(crate) fn boot_ns() -> u64 {
    nanos(ClockId::Boottime)
}

fn nanos(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

fn micros(clock: ClockId) -> u64 {
    nanos(clock) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_noted_with_its_cost_and_its_error() {
        let mut ledger = Ledger::default();
        ledger.run("busy", |report| {
            let start = thread_cpu_us();
            while thread_cpu_us() < start + 2_000 {}
            report.rows = 3;
            report.error = Some("no".into());
        });
        let runs = ledger.take();
        assert_eq!((runs.len(), &*runs[0].name, runs[0].rows), (1, "busy", 3));
        assert!(runs[0].cpu_us >= 2_000);
        assert_eq!(runs[0].error.as_deref(), Some("no"));
        assert!(ledger.take().is_empty());
    }
}
