//! An event loop that runs and answers nobody, because what would answer waits for a lock of its own: a part of `stalled`.
//!
//! Symptom: clients give up, one after the other, nobody closes behind them, and the process does a fraction of what it
//! did while it answered. To the kernel it waits for events, as a service without work does. Quiet twins: one that
//! forgets to close but answers (it works as before), one that waits for another service (it has a connection to it).
use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocab::probe::{Probe, ProbeKind, ProbeResult, ThreadProbe};
use vocab::rows::OpenFile;
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId};

use crate::Detected;
use crate::calls::{self, Waits};
use crate::looks::Look;
use crate::standing::is_for_orders;

/// Clients that must have given up.
pub const LEFT_MIN: f64 = 4.0;
/// Least time between two looks at what it has open. Unit: s.
const AGAIN_S: f64 = 20.0;
/// Sockets that are no TCP connections: an event loop wakes itself over a pair.
const OWN_SOCKETS_MAX: usize = 2;

/// Whether a process is connected to a service of which it may wait for an answer; `None` until that is known.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Unanswered(BTreeMap<ProcessId, (f64, Option<bool>)>);

impl Unanswered {
    /// Takes the answers of this turn and forgets who is gone.
    pub fn remember(&mut self, snapshot: &Snapshot) {
        for answer in &snapshot.answers {
            if let (Entity::Process(id), ProbeKind::Descriptors, Ok(ProbeResult::Descriptors(files))) =
                (&answer.probe.entity, answer.probe.kind, &answer.result)
                && let Some((_, asks)) = self.0.get_mut(id)
            {
                *asks = Some(asks_others(files));
            }
        }
        self.0.retain(|id, _| snapshot.process(*id).is_some());
    }

    /// Whether it could answer and does not; asks what it has open.
    pub fn is_deaf(&mut self, id: ProcessId, latest: &Look, now_s: f64, detected: &mut Detected) -> bool {
        let has_loop = latest.threads.iter().any(|one| waits(one) == Some(Waits::Events));
        if !has_loop || latest.threads.iter().any(works) {
            return false;
        }
        let known = self.0.get(&id).copied();
        if known.is_none_or(|(asked_s, _)| now_s - asked_s >= AGAIN_S) {
            self.0.insert(id, (now_s, known.and_then(|(_, asks)| asks)));
            detected.ask(Probe::descriptors(id));
        }
        known.and_then(|(_, asks)| asks) == Some(false)
    }
}

fn waits(one: &ThreadProbe) -> Option<Waits> {
    one.thread.system_call.map(calls::waits)
}

fn works(one: &ThreadProbe) -> bool {
    match waits(one) {
        Some(Waits::Other) => !is_for_orders(one),
        None => true,
        Some(_) => false,
    }
}

fn asks_others(files: &[OpenFile]) -> bool {
    let is_outgoing = |one: &OpenFile| one.tcp_state.is_some() && one.is_outgoing == Some(true);
    let others = files.iter().filter(|one| &*one.kind == "socket" && one.tcp_state.is_none()).count();
    files.iter().any(is_outgoing) || others > OWN_SOCKETS_MAX
}
