//! What act is told to do. See [`Order`].
use serde::{Deserialize, Serialize};
use vocab::action::{Intent, Level};

/// One order. Each is answered by at least one effect, in the same call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Make a change; it is leased and taken back at the end of the lease unless it is held by then.
    Apply(Intent),
    /// The change proved itself: it stands for at most so long from now.
    Hold {
        /// Which.
        action_id: u64,
        /// Unit: s.
        hold_max_s: f64,
    },
    /// Take a change back.
    Undo {
        /// Which.
        action_id: u64,
        /// Why, in words.
        because: String,
    },
    /// Let only so much of a held change stand, or all of it again.
    Ease {
        /// Which.
        action_id: u64,
        /// How much.
        level: Level,
        /// Why, in words.
        because: String,
    },
    /// A held change is no longer needed.
    Release {
        /// Which.
        action_id: u64,
        /// Why, in words.
        because: String,
    },
}

impl Order {
    /// The action it is about.
    pub const fn action_id(&self) -> u64 {
        match self {
            Self::Apply(intent) => intent.action_id,
            Self::Hold { action_id, .. }
            | Self::Undo { action_id, .. }
            | Self::Ease { action_id, .. }
            | Self::Release { action_id, .. } => *action_id,
        }
    }
}
