//! The rows of `gpu_calls`, from the answers of probes.
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vocab::probe::{GpuCallProbe, GpuCallsProbe, ProbeAnswer, ProbeResult};
use vocab::rows::GpuCallRow;
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId};

/// Rows kept in memory.
const ROWS_MAX: usize = 256;
/// What the table says of its source.
const SOURCE: &str = "API level";

/// Keeps the calls of the last watches.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct GpuCallDeriver {
    rows: Arc<Vec<GpuCallRow>>,
}

impl GpuCallDeriver {
    /// Adds what came in this turn to `snapshot`, whose answers stand already.
    pub fn fill(&mut self, snapshot: &mut Snapshot) {
        for answer in &snapshot.answers {
            if let (Entity::Process(id), Ok(ProbeResult::GpuCalls(watch))) =
                (&answer.probe.entity, &answer.result)
            {
                let rows = Arc::make_mut(&mut self.rows);
                rows.extend(watch.calls.iter().map(|call| row(answer, *id, watch, call)));
                let excess = rows.len().saturating_sub(ROWS_MAX);
                rows.drain(..excess);
            }
        }
        snapshot.gpu_calls = self.rows.clone();
    }
}

fn row(answer: &ProbeAnswer, id: ProcessId, watch: &GpuCallsProbe, one: &GpuCallProbe) -> GpuCallRow {
    let micros = |percent: f64| one.latency.percentile(percent).map(|ns| ns / 1e3);
    GpuCallRow {
        at: answer.at,
        pid: id.pid,
        start_ticks: id.start_ticks,
        name: watch.name.clone(),
        service: watch.service.clone(),
        library: one.library.clone(),
        call: one.call.clone(),
        calls: one.latency.count(),
        errors: one.errors,
        open: one.open,
        moved_bytes: one.bytes,
        live_bytes: one.live_bytes,
        spent_us: one.latency.sum / 1_000,
        p50_us: micros(50.0),
        p99_us: micros(99.0),
        histogram: one.latency,
        watched_s: watch.seconds,
        source: SOURCE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocab::Timestamp;
    use vocab::kernel::Hist;
    use vocab::probe::Probe;

    #[test]
    fn a_watch_is_a_row_for_each_function_until_there_are_too_many() {
        let id = ProcessId { pid: 7, start_ticks: 9 };
        let latency = Hist { sum: 3_000, slots: std::array::from_fn(|slot| u32::from(slot == 0) * 3) };
        let call = GpuCallProbe {
            library: "libcudart.so".into(),
            call: "cudaMalloc".into(),
            errors: 1,
            open: 0,
            bytes: Some(30),
            live_bytes: Some(10),
            latency,
        };
        let watch = GpuCallsProbe {
            name: "train".into(),
            service: None,
            seconds: 3.0,
            lost: 0,
            cut_short: None,
            calls: vec![call; 200],
        };
        let result = Ok(ProbeResult::GpuCalls(watch));
        let answer = ProbeAnswer { probe: Probe::gpu_calls(id), at: Timestamp(5), result };
        let mut deriver = GpuCallDeriver::default();
        for _ in 0..2 {
            let mut snapshot = Snapshot { answers: vec![answer.clone()], ..Snapshot::default() };
            deriver.fill(&mut snapshot);
            let row = &snapshot.gpu_calls[0];
            assert_eq!((row.pid, row.calls, row.spent_us, row.live_bytes), (7, 3, 3, Some(10)));
            assert_eq!(row.source, "API level");
        }
        assert_eq!(deriver.rows.len(), ROWS_MAX);
    }
}
