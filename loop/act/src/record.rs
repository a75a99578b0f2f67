//! What stands in one slot of the ring: all that is needed to take an effect back without the daemon.
use serde::{Deserialize, Serialize};
use vocab::action::Intent;

use crate::actuators::Change;

/// An intent with its undo. Never changed once written; where it stands is in the slot's stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was asked for.
    pub intent: Intent,
    /// What is changed, from what, to what.
    pub(crate) change: Change,
    /// End of the lease on CLOCK_BOOTTIME. Unit: ns.
    pub lease_until_ns: u64,
}

impl Record {
    /// What stood there before, in words.
    pub fn before(&self) -> String {
        self.change.step().before()
    }

    /// What stands there after, in words.
    pub fn after(&self) -> String {
        self.change.step().after()
    }
}
