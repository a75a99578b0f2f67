//! Table `leases`.
use alloc::string::String;

use crate::{Entity, Timestamp};

table! {
    /// An effect that stands on the machine now and will be taken back.
    leases => LeaseRow {
        /// Action that made it.
        action_id: u64 => None,
        /// What was done.
        action: String => None,
        /// To whom.
        target: Entity => None,
        /// applied (not proved yet) or held.
        state: String => None,
        /// It is taken back then, at the latest.
        until: Timestamp => UtcNanoseconds,
        /// Condition upon which it is released earlier.
        release_when: Option<String> => None,
        /// Whether it is taken back if all of Homeostat dies.
        undo_on_death: bool => Boolean,
    }
}
