//! What a process in trouble asked of its GPUs, beside its incident: in which call its time goes, which does not return,
//! what it allocates and does not free.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::Evidence;
use vocab::incident::Incident;
use vocab::probe::{GpuCallProbe, GpuCallsProbe, ProbeResult};
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId, Value};

use crate::latest::Latest;

use vocab::say::bytes;

/// Table of the evidence.
const TABLE: &str = "gpu_calls";
/// How long before an incident opens a watch may have been. Unit: s.
const KEPT_S: f64 = 300.0;
/// Share of the time watched from which on a call is where the time goes. Unit: ratio.
const SHARE_MIN: f64 = 0.3;

/// The last watch of each process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct GpuCalls(Latest<ProcessId, GpuCallsProbe>);

impl GpuCalls {
    /// Takes the answers of this turn.
    pub fn remember(&mut self, snapshot: &Snapshot) {
        for answer in &snapshot.answers {
            if let (Entity::Process(id), Ok(ProbeResult::GpuCalls(watch))) =
                (&answer.probe.entity, &answer.result)
            {
                self.0.note(*id, answer.at, watch.clone());
            }
        }
    }

    /// Adds to an incident what its process called.
    pub fn link(&self, incident: &mut Incident) {
        let known = incident.process.and_then(|id| Some((id, self.0.of(id, incident, KEPT_S)?)));
        let Some((id, watch)) = known else { return };
        incident.evidence.retain(|one| one.table != TABLE);
        incident.evidence.extend(evidence(id, watch));
    }
}

/// At most one row each for a call that does not return, the call that takes the time, and the one that leaks.
fn evidence(id: ProcessId, watch: &GpuCallsProbe) -> Vec<Evidence> {
    let row = |column: &str, value: u64, sentence: String| Evidence {
        table: TABLE.to_string(),
        entity: Entity::Process(id),
        column: column.to_string(),
        value: Value::from(value),
        normal: None,
        sentence: format!("{sentence}, at the API level"),
    };
    let most = |of: fn(&GpuCallProbe) -> u64| {
        let largest = watch.calls.iter().max_by_key(|one| of(one)).map(|one| (one, of(one)));
        largest.filter(|(_, value)| *value > 0)
    };
    let place = |one: &GpuCallProbe| format!("{} ({})", one.call, one.library);
    let mut rows = Vec::new();
    if let Some((one, open)) = most(|one| one.open) {
        rows.push(row("open", open, format!("{open} calls of {} do not return", place(one))));
    }
    if let Some((one, spent_ns)) = most(|one| one.latency.sum) {
        let seconds = spent_ns as f64 / 1e9;
        if seconds >= SHARE_MIN * watch.seconds {
            let told = format!("threads spend {seconds:.1} s of {:.0} s in {}", watch.seconds, place(one));
            rows.push(row("spent_us", spent_ns / 1_000, told));
        }
    }
    if let Some((one, live)) = most(|one| one.live_bytes.unwrap_or(0)) {
        let told = format!(
            "{} is allocated in {:.0} s by {} and not freed",
            bytes(live as f64),
            watch.seconds,
            place(one)
        );
        rows.push(row("live_bytes", live, told));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocab::kernel::Hist;

    fn call(name: &str, open: u64, spent_ns: u64, live_bytes: Option<u64>) -> GpuCallProbe {
        let latency = Hist { sum: spent_ns, ..Hist::default() };
        let library = "libcudart.so".into();
        GpuCallProbe { library, call: name.into(), errors: 0, open, bytes: None, live_bytes, latency }
    }

    #[test]
    fn what_stands_out_is_said_and_nothing_else() {
        let id = ProcessId { pid: 1, start_ticks: 1 };
        let mut watch = GpuCallsProbe {
            name: "train".into(),
            service: None,
            seconds: 3.0,
            lost: 0,
            cut_short: None,
            calls: Vec::from([call("cudaMemcpy", 0, 500_000_000, None), call("cudaMalloc", 0, 1, Some(0))]),
        };
        assert_eq!(evidence(id, &watch), []);
        watch.calls.push(call("cudaStreamSynchronize", 1, 2_000_000_000, None));
        watch.calls.push(call("cudaMallocAsync", 0, 1, Some(6_000_000)));
        let told = evidence(id, &watch);
        let columns = told.iter().map(|one| one.column.as_str()).collect::<Vec<_>>();
        assert_eq!(columns, ["open", "spent_us", "live_bytes"]);
        assert!(
            told[1].sentence.contains("2.0 s of 3 s in cudaStreamSynchronize (libcudart.so)"),
            "{told:?}"
        );
        assert!(told[2].sentence.starts_with("6.0 MB") && told[2].sentence.ends_with("at the API level"));
    }
}
