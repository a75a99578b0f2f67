//! Table `actions`.
use alloc::string::String;

use crate::{Entity, Timestamp};

table! {
    /// One change to the machine, from intent to end.
    actions => ActionRow {
        /// Number of the action.
        id: u64 => None,
        /// Decision it follows; NULL for a person's own order.
        decision_id: Option<u64> => None,
        /// Incident it answers.
        incident_id: Option<u64> => None,
        /// When it was made.
        at: Timestamp => UtcNanoseconds,
        /// What was done.
        action: String => None,
        /// To whom.
        target: Entity => None,
        /// Process it is about.
        pid: Option<u32> => None,
        /// intended, applied, held, undone, released, final, refused or failed.
        state: String => None,
        /// When it came to that state.
        state_at: Timestamp => UtcNanoseconds,
        /// What stood there before.
        before: Option<String> => None,
        /// What it was changed to.
        after: Option<String> => None,
        /// Guard or error, in words.
        because: Option<String> => None,
        /// Whether it can still be taken back.
        can_undo: bool => Boolean,
    }
}
