//! An event loop that runs and answers nobody, because what would answer waits for a lock of its own: a part of `stalled`.
//!
//! Symptom: clients give up, one after the other, nobody closes behind them, and the process does a fraction of what it
//! did while it answered. To the kernel it waits for events, as a service without work does. Quiet twins: one that
//! forgets to close but answers (it works as before), one that waits for another service (it has a connection to it).
use serde::{Deserialize, Serialize};
use vocab::ProcessId;
use vocab::probe::ThreadProbe;
use vocab::rows::OpenFile;
use vocab::snapshot::Snapshot;

use crate::Detected;
use crate::calls::{self, Waits};
use crate::looks::Look;
use crate::open_files::OpenFiles;
use crate::standing::is_for_orders;

/// Clients that must have given up.
pub const LEFT_MIN: f64 = 4.0;
/// Least time between two looks at what it has open. Unit: s.
const AGAIN_S: f64 = 20.0;
/// Sockets that are no TCP connections: an event loop wakes itself over a pair.
const OWN_SOCKETS_MAX: usize = 2;

/// Processes that were asked whether they are connected to a service of which they may wait for an answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Unanswered(OpenFiles);

impl Unanswered {
    /// Takes the answers of this turn.
    pub fn remember(&mut self, snapshot: &Snapshot) {
        self.0.remember(snapshot, asks_others);
    }

    /// Whether it could answer and does not; asks what it has open.
    pub fn is_deaf(&mut self, id: ProcessId, latest: &Look, now_s: f64, detected: &mut Detected) -> bool {
        let has_loop = latest.threads.iter().any(|one| waits(one) == Some(Waits::Events));
        if !has_loop || latest.threads.iter().any(works) {
            return false;
        }
        let known = self.0.known(id);
        if known.is_none_or(|known| now_s - known.asked_s >= AGAIN_S) {
            self.0.ask(id, now_s, detected);
        }
        known.and_then(|known| known.fact) == Some(false)
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
