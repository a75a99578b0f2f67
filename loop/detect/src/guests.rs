//! Whose memory is that of a virtual machine, which its guest fills as it likes: a part of `memory_leak`.
//!
//! A monitor maps all that its guest was promised at once, and the guest touches one page after the other, for its files
//! above all. Known by the descriptor that KVM gives to whoever makes a machine. Source: Documentation/virt/kvm/api.rst.
use serde::{Deserialize, Serialize};
use vocab::ProcessId;
use vocab::rows::OpenFile;
use vocab::snapshot::Snapshot;

use crate::Detected;
use crate::open_files::{Known, OpenFiles};

/// The kernel's word for a virtual machine.
const MACHINE: &str = "kvm-vm";
/// How long an answer is waited for before nobody is a monitor. Unit: s.
const ANSWER_S: f64 = 3.0;

/// Processes that were asked whether they have a virtual machine.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Guests(OpenFiles);

impl Guests {
    /// Takes the answers of this turn.
    pub fn remember(&mut self, snapshot: &Snapshot) {
        self.0.remember(snapshot, has_machine);
    }

    /// Whether a process may be accused: it has no virtual machine, or did not say. Asks once.
    pub fn may_accuse(&mut self, id: ProcessId, now_s: f64, detected: &mut Detected) -> bool {
        match self.0.known(id) {
            Some(Known { fact: Some(has_machine), .. }) => !has_machine,
            Some(Known { asked_s, fact: None }) => now_s - asked_s >= ANSWER_S,
            None => {
                self.0.ask(id, now_s, detected);
                false
            }
        }
    }
}

fn has_machine(files: &[OpenFile]) -> bool {
    files.iter().any(|file| file.kind == MACHINE)
}
