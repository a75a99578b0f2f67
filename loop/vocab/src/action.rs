//! A change to the machine: what was intended, what came of it, and how it is taken back.
use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::finding::words;
use crate::rule::ActuatorKind;
use crate::{Entity, ProcessId, Timestamp};
use core::fmt;
use core::str::FromStr;

words! {
    /// Where an action stands. Every action ends in one of the last five.
    ActionState {
        /// Its intent is journalled; whether the change was made is not known yet.
        Intended = "intended",
        /// The change was made; it is leased and has not proved itself.
        Applied = "applied",
        /// It proved itself and is held.
        Held = "held",
        /// It was taken back.
        Undone = "undone",
        /// It was released after it was no longer needed.
        Released = "released",
        /// It cannot be taken back (a restart) and is over.
        Final = "final",
        /// A guard refused it at the last moment.
        Refused = "refused",
        /// The machine refused it.
        Failed = "failed",
    }
}

words! {
    /// How much of a held effect stands while it is released step by step.
    Level {
        /// All of it.
        Whole = "whole",
        /// Half of it, where the actuator has a half; else all of it.
        Half = "half",
        /// Nothing: it waits whether the symptom comes back.
        Off = "off",
    }
}

/// A change to make, complete: nothing about it is decided later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Number of the action, from 1, never used twice in one store.
    pub action_id: u64,
    /// The decision it follows, of the loop or of a reflex; 0 for a person's own order.
    pub decision_id: u64,
    /// What to do.
    pub kind: ActuatorKind,
    /// To whom.
    pub target: Entity,
    /// The process it is about, where the actuator wants one.
    pub process: Option<ProcessId>,
    /// How much, in the actuator's own terms.
    pub amount: Option<f64>,
    /// It is undone unless it proved itself by then. Unit: s from its application.
    pub lease_s: f64,
    /// Undo a verified effect if all of Homeostat dies.
    pub undo_on_death: bool,
}

/// What came of an intent, as act reports it. One a change of state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Number of the action.
    pub action_id: u64,
    /// The intent.
    pub intent: Intent,
    /// When the state changed.
    pub at: Timestamp,
    /// Where the action stands.
    pub state: ActionState,
    /// What stood there before, in words: `nice 0`.
    pub before: Option<String>,
    /// What stands there now, in words: `nice 10`.
    pub after: Option<String>,
    /// Guard or error, in words, with what to do about it.
    pub because: Option<String>,
    /// End of the lease, while one runs.
    pub lease_until: Option<Timestamp>,
}
