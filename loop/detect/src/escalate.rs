//! Escalation: which function it is, asked of a process under suspicion, seldom and for a few seconds.
//!
//! A finding neither waits for the answer nor needs it: whoever explains adds it when it comes.
use alloc::collections::BTreeMap;

use vocab::ProcessId;
use vocab::probe::{Probe, ProfileKind};

use crate::{Context, Detected};

/// Least time between two profiles of one process that one detector asks for; the same of a look at who waits, which costs
/// little and is soon out of date. Unit: s.
const AGAIN_S: f64 = 600.0;
const LOOK_AGAIN_S: f64 = 60.0;
/// The same of two processes on suspicion only. Unit: s.
const SUSPECTS_S: f64 = 30.0;

/// Whom a detector has asked about, and when. Unit: s since the first snapshot.
#[derive(Debug, Default)]
pub struct Escalation {
    asked: BTreeMap<ProcessId, f64>,
    suspected_s: Option<f64>,
}

impl Escalation {
    /// Asks for the stacks of one that is accused.
    pub fn of_accused(&mut self, context: &Context<'_>, id: ProcessId, kind: ProfileKind, to: &mut Detected) {
        let now_s = context.memory.now_s;
        let again_s = if kind == ProfileKind::Waiting { LOOK_AGAIN_S } else { AGAIN_S };
        self.asked.retain(|id, _| context.snapshot.process(*id).is_some());
        if self.asked.get(&id).is_none_or(|asked_s| now_s - asked_s >= again_s) {
            self.asked.insert(id, now_s);
            to.ask(Probe::profile(id, kind));
        }
    }

    /// Asks for the stacks of one that will be accused if it goes on: what is done then may end it.
    pub fn of_suspect(&mut self, context: &Context<'_>, id: ProcessId, kind: ProfileKind, to: &mut Detected) {
        let now_s = context.memory.now_s;
        if self.suspected_s.is_none_or(|asked_s| now_s - asked_s >= SUSPECTS_S)
            && !self.asked.contains_key(&id)
        {
            self.suspected_s = Some(now_s);
            self.of_accused(context, id, kind, to);
        }
    }
}
