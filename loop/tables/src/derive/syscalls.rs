//! The rows of `syscalls`: the last watch of each program.
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vocab::Timestamp;
use vocab::kernel::{CallSample, CallsSample, Hist};
use vocab::rows::{Process, SyscallRow};
use vocab::snapshot::Snapshot;

/// Programs whose last watch is kept; the one watched longest ago goes first.
const PROGRAMS_MAX: usize = 64;

/// Keeps the last watch of each program.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SyscallDeriver {
    watches: BTreeMap<Arc<str>, Vec<SyscallRow>>,
    rows: Arc<Vec<SyscallRow>>,
}

impl SyscallDeriver {
    /// The rows as of `snapshot`, in order of program and call; its processes and answers stand already.
    pub fn rows(&mut self, snapshot: &Snapshot) -> Arc<Vec<SyscallRow>> {
        // Whoever ended within its watch is nobody any more.
        if let Some((watch, process)) = snapshot.watched_calls() {
            self.watches.insert(process.program.clone(), rows(snapshot.at, watch, process));
            let at = |rows: &Vec<SyscallRow>| rows.first().map_or(Timestamp(0), |row| row.at);
            if self.watches.len() > PROGRAMS_MAX {
                let oldest = self.watches.iter().min_by_key(|(_, rows)| at(rows)).map(|(key, _)| key.clone());
                oldest.iter().for_each(|key| drop(self.watches.remove(key)));
            }
            self.rows = Arc::new(self.watches.values().flatten().cloned().collect());
        }
        self.rows.clone()
    }
}

fn rows(at: Timestamp, watch: &CallsSample, process: &Process) -> Vec<SyscallRow> {
    let waits = |call: &str| watch.open.iter().any(|one| &**one == call);
    let never_returned = watch.open.iter().filter(|open| !watch.calls.iter().any(|one| one.call == **open));
    let never_returned =
        never_returned.map(|call| CallSample { call: call.clone(), errors: 0, latency: Hist::default() });
    let row = |one: CallSample| {
        let micros = |hist: &Hist, percent: f64| hist.percentile(percent).map(|ns| ns / 1e3);
        SyscallRow {
            program: process.program.clone(),
            service: process.service.clone(),
            pid: process.pid,
            at,
            watched_s: watch.watched_s,
            calls: one.latency.count(),
            errors: one.errors,
            spent_us: one.latency.sum / 1_000,
            p50_us: micros(&one.latency, 50.0),
            p99_us: micros(&one.latency, 99.0),
            histogram: one.latency,
            is_open: waits(&one.call),
            call: one.call,
        }
    };
    let mut rows: Vec<_> = watch.calls.iter().cloned().chain(never_returned).map(row).collect();
    rows.sort_by(|a, b| a.call.cmp(&b.call));
    rows
}

#[cfg(test)]
mod tests {
    use vocab::ProcessId;
    use vocab::probe::{Probe, ProbeAnswer, ProbeResult};
    use vocab::sample::{MachineSample, ProcessStat, Sample};

    use super::*;
    use crate::Deriver;

    fn watch(second: i64, pid: u32, calls: &[(&str, u32)], open: &[&str]) -> Sample {
        let stat = ProcessStat { pid: 7, start_ticks: 70, state: b'S', ..Default::default() };
        let call = |(name, count): &(&str, u32)| CallSample {
            call: Arc::from(*name),
            errors: 1,
            latency: Hist { sum: 9_000, slots: std::array::from_fn(|at| if at == 2 { *count } else { 0 }) },
        };
        let calls = CallsSample {
            id: ProcessId { pid, start_ticks: 70 },
            watched_s: 1.0,
            calls: calls.iter().map(call).collect(),
            open: open.iter().map(|one| Arc::from(*one)).collect(),
            ..CallsSample::default()
        };
        let (at, probe) = (Timestamp::from_secs(second), Probe::calls(calls.id));
        Sample {
            at,
            machine: MachineSample { ticks_per_second: 100, ..Default::default() },
            processes: vec![stat],
            answers: vec![ProbeAnswer { probe, at, result: Ok(ProbeResult::Calls(calls)) }],
            ..Default::default()
        }
    }

    #[test]
    fn the_last_watch_of_a_program_stands_and_a_call_that_waits_has_its_row() {
        let mut deriver = Deriver::new();
        deriver.snapshot(&watch(1, 7, &[("open", 5)], &[]));
        deriver.snapshot(&watch(2, 7, &[("read", 3), ("write", 4)], &["futex", "read"]));
        let rows = deriver.snapshot(&watch(3, 9, &[("kill", 1)], &[])).syscalls;
        let found: Vec<_> = rows.iter().map(|row| (&*row.call, row.calls, row.is_open)).collect();
        assert_eq!(found, [("futex", 0, true), ("read", 3, true), ("write", 4, false)], "and 9 is nobody");
        assert_eq!((rows[1].errors, rows[1].spent_us, rows[0].p50_us), (1, 9, None));
        assert!(rows[1].p99_us.is_some_and(|us| (2.0..4.1).contains(&us)), "{rows:?}");
    }
}
