//! Escalation: which function it is, asked of a process that is accused or soon will be, seldom and for a few seconds.
//!
//! A finding neither waits for the answer nor needs it: whoever explains adds it when it comes.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::ProcessId;
use vocab::probe::{Probe, ProbeKind, ProfileKind};
use vocab::snapshot::Snapshot;

use crate::Detected;

/// Least time between two profiles of one process; the same of a look at who waits, which costs little and is soon out
/// of date. Unit: s.
const AGAIN_S: f64 = 600.0;
const LOOK_AGAIN_S: f64 = 60.0;
/// Least time between two profiles on suspicion only, of whomever. Unit: s.
const SUSPECTS_S: f64 = 30.0;

/// Who was asked for what, and when. Unit: s since the first snapshot.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Escalation {
    asked: BTreeMap<(ProcessId, ProbeKind), f64>,
    suspected_s: Option<f64>,
}

impl Escalation {
    /// Asks for the stacks of everybody who is accused, and of those under suspicion: what is done once they are accused
    /// may end what their stacks would show.
    pub fn serve(&mut self, snapshot: &Snapshot, now_s: f64, detected: &mut Detected) {
        self.asked.retain(|(id, _), _| snapshot.process(*id).is_some());
        let accused = detected.findings.iter().filter_map(|one| Some((one.process?, one.kind)));
        for (id, kind) in accused.collect::<Vec<_>>() {
            let kinds = ProfileKind::of_trouble(kind);
            self.ask_where(id, kinds, now_s, detected);
            if !kinds.is_empty() {
                // It may only be waiting for its GPU; one that uses none is not watched, which observe finds out.
                self.ask(id, Probe::gpu_calls(id), AGAIN_S, now_s, detected);
            }
        }
        for (id, kind) in core::mem::take(&mut detected.suspects) {
            let kinds = ProfileKind::of_trouble(kind);
            if kinds.contains(&ProfileKind::Waiting) {
                self.ask_where(id, kinds, now_s, detected);
            } else if !kinds.iter().any(|kind| self.asked.contains_key(&(id, ProbeKind::Profile(*kind))))
                && self.suspected_s.is_none_or(|asked_s| now_s - asked_s >= SUSPECTS_S)
            {
                self.suspected_s = Some(now_s);
                self.ask_where(id, kinds, now_s, detected);
            }
        }
    }

    fn ask_where(&mut self, id: ProcessId, kinds: &[ProfileKind], now_s: f64, detected: &mut Detected) {
        for kind in kinds {
            let again_s = if *kind == ProfileKind::Waiting { LOOK_AGAIN_S } else { AGAIN_S };
            self.ask(id, Probe::profile(id, *kind), again_s, now_s, detected);
        }
    }

    fn ask(&mut self, id: ProcessId, probe: Probe, again_s: f64, now_s: f64, detected: &mut Detected) {
        let key = (id, probe.kind);
        if self.asked.get(&key).is_none_or(|asked_s| now_s - asked_s >= again_s) {
            self.asked.insert(key, now_s);
            detected.ask(probe);
        }
    }
}
