//! Closer looks at threads: the last two answers of each process, for the detectors that need proof.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::probe::{ProbeKind, ProbeResult, ThreadProbe};
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId};

/// Processes whose looks are kept at most; the one looked at longest ago goes first.
const LOOKS_MAX: usize = 256;

/// One look at the threads of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// When. Unit: s since the first snapshot.
    pub at_s: f64,
    /// Its threads, in order of tid.
    pub threads: Vec<ThreadProbe>,
}

/// The last two looks at one process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pair {
    /// The latest that succeeded.
    pub latest: Option<Look>,
    /// The one before.
    pub before: Option<Look>,
    /// When a look last failed: not ours to read, or gone. Unit: s since the first snapshot.
    pub failed_s: Option<f64>,
    /// When an answer of whatever kind last came. Unit: s since the first snapshot.
    pub answered_s: f64,
}

/// Looks by process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Looks(BTreeMap<ProcessId, Pair>);

impl Looks {
    /// Takes the answers of this turn and forgets processes that are gone.
    pub fn remember(&mut self, snapshot: &Snapshot, now_s: f64) {
        for answer in &snapshot.answers {
            let (ProbeKind::Threads, Entity::Process(id)) = (answer.probe.kind, &answer.probe.entity) else {
                continue;
            };
            let pair = self.0.entry(*id).or_default();
            pair.answered_s = now_s;
            if let Ok(ProbeResult::Threads(threads)) = &answer.result {
                // The time of the look itself, on the scale of the snapshots.
                let at_s = now_s + answer.at.seconds_since(snapshot.at).clamp(-60.0, 0.0);
                pair.before = pair.latest.take();
                pair.latest = Some(Look { at_s, threads: threads.clone() });
                pair.failed_s = None;
            } else {
                pair.failed_s = Some(now_s);
            }
        }
        self.0.retain(|id, _| snapshot.process(*id).is_some());
        while self.0.len() > LOOKS_MAX {
            let oldest = self.0.iter().min_by(|a, b| a.1.answered_s.total_cmp(&b.1.answered_s));
            let Some(id) = oldest.map(|(id, _)| *id) else { break };
            self.0.remove(&id);
        }
    }

    /// Looks at that process.
    pub fn of(&self, id: ProcessId) -> Option<&Pair> {
        self.0.get(&id)
    }

    /// All pairs, in order of process.
    pub fn iter(&self) -> impl Iterator<Item = (&ProcessId, &Pair)> {
        self.0.iter()
    }
}
