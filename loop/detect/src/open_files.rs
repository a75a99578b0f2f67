//! One fact about what a process has open, asked when somebody needs it and remembered while the process lives.
use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocab::probe::{Probe, ProbeKind, ProbeResult};
use vocab::rows::OpenFile;
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId};

use crate::Detected;

/// When it was asked last, and what it was told, if it was. Unit: s.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Known {
    pub asked_s: f64,
    pub fact: Option<bool>,
}

/// The processes that were asked.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct OpenFiles(BTreeMap<ProcessId, Known>);

impl OpenFiles {
    /// Takes the answers of this turn, of which `fact` is to be remembered, and forgets who is gone.
    pub fn remember(&mut self, snapshot: &Snapshot, fact: fn(&[OpenFile]) -> bool) {
        for answer in &snapshot.answers {
            if let (Entity::Process(id), ProbeKind::Descriptors, Ok(ProbeResult::Descriptors(files))) =
                (&answer.probe.entity, answer.probe.kind, &answer.result)
                && let Some(known) = self.0.get_mut(id)
            {
                known.fact = Some(fact(files));
            }
        }
        self.0.retain(|id, _| snapshot.process(*id).is_some());
    }

    /// What is known of a process; `None` if it was never asked.
    pub fn known(&self, id: ProcessId) -> Option<Known> {
        self.0.get(&id).copied()
    }

    /// Asks it; what is known stands until it answers.
    pub fn ask(&mut self, id: ProcessId, now_s: f64, detected: &mut Detected) {
        let fact = self.known(id).and_then(|known| known.fact);
        self.0.insert(id, Known { asked_s: now_s, fact });
        detected.ask(Probe::descriptors(id));
    }
}
