//! Whose memory is that of a virtual machine, which its guest fills as it likes: a part of `memory_leak`.
//!
//! A monitor maps all that its guest was promised at once, and the guest touches one page after the other, for its files
//! above all. Known by the descriptor that KVM gives to whoever makes a machine. Source: Documentation/virt/kvm/api.rst.
use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocab::probe::{Probe, ProbeKind, ProbeResult};
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId};

use crate::Detected;

/// The kernel's word for a virtual machine.
const MACHINE: &str = "kvm-vm";
/// How long an answer is waited for before nobody is a monitor. Unit: s.
const ANSWER_S: f64 = 3.0;

/// Processes that were asked: when, and whether they have a machine, once that is known.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Guests(BTreeMap<ProcessId, (f64, Option<bool>)>);

impl Guests {
    /// Takes the answers of this turn and forgets who is gone.
    pub fn remember(&mut self, snapshot: &Snapshot) {
        for answer in &snapshot.answers {
            if let (Entity::Process(id), ProbeKind::Descriptors, Ok(ProbeResult::Descriptors(files))) =
                (&answer.probe.entity, answer.probe.kind, &answer.result)
                && let Some((_, has_machine)) = self.0.get_mut(id)
            {
                *has_machine = Some(files.iter().any(|file| file.kind == MACHINE));
            }
        }
        self.0.retain(|id, _| snapshot.process(*id).is_some());
    }

    /// Whether a process may be accused: it has no virtual machine, or did not say. Asks once.
    pub fn may_accuse(&mut self, id: ProcessId, now_s: f64, detected: &mut Detected) -> bool {
        match self.0.get(&id) {
            Some((_, Some(has_machine))) => !has_machine,
            Some((asked_s, None)) => now_s - asked_s >= ANSWER_S,
            None => {
                self.0.insert(id, (now_s, None));
                detected.ask(Probe::descriptors(id));
                false
            }
        }
    }
}
