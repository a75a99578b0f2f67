//! What this machine lets Homeostat see and do; absence is a row.
use alloc::string::String;
use serde::{Deserialize, Serialize};

table! {
    /// What this machine lets Homeostat see and do, and what would bring the rest.
    capabilities => Capability {
        /// Name of the collector, probe, actuator or privilege.
        name: String => None,
        /// collector, probe, actuator, kernel_program or privilege.
        kind: String => None,
        /// Whether it works here; an actuator only if its undo works too.
        is_available: bool => Boolean,
        /// Whether the change could be made (actuators).
        can_apply: Option<bool> => Boolean,
        /// Whether the change could be taken back (actuators); NULL for those that are final.
        can_undo: Option<bool> => Boolean,
        /// What is lost without it.
        lost: Option<String> => None,
        /// Why it is missing, in words.
        reason: Option<String> => None,
        /// What would bring it: a command or a setting.
        remedy: Option<String> => None,
    }
}

/// A set of capabilities, as cycle hands it to the thinking stages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capabilities(pub alloc::vec::Vec<Capability>);

impl Capabilities {
    /// Whether the one of that kind and name works here.
    pub fn offers(&self, kind: &str, name: &str) -> bool {
        self.0.iter().any(|one| one.kind == kind && one.name == name && one.is_available)
    }
}
