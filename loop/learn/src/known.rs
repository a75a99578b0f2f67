//! One entity with what it did of late: whether it differs, since when, and whether that is a habit.
use serde::{Deserialize, Serialize};
use vocab::Timestamp;

use crate::habit::Habits;
use crate::model::{Model, Verdict};
use crate::quantity::{Kind, Subject};

/// Entities known at most; the one that was seen longest ago makes room.
pub const ENTITIES_MAX: usize = 600;
/// Turns of the last ten in which an entity must be found.
const FOUND_MIN: u32 = 5;
const LAST_TEN: u32 = 0x3FF;
/// Turns without having been found after which it is over.
const LAST_THIRTY: u32 = 0x3FFF_FFFF;

/// An entity with what it did of late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    pub model: Model,
    /// Turn in which it was last there; not saved: turns begin anew with each run.
    #[serde(skip)]
    pub last_turn: u64,
    #[serde(skip)]
    found: u32,
    #[serde(skip)]
    pub since: Option<Timestamp>,
    /// What it differs in since then is a habit, and not told.
    #[serde(skip)]
    pub is_habit: bool,
    pub habits: Habits,
}

/// One entity in one turn.
pub struct Scored {
    pub subject: Subject,
    pub verdict: Verdict,
}

impl Known {
    /// Nothing is known of one of that kind.
    pub fn new(kind: Kind, turn: u64) -> Self {
        let is_joint = matches!(kind, Kind::Machine | Kind::Service);
        let model = Model::new(kind.quantities(), is_joint);
        Self { model, last_turn: turn, found: 0, since: None, is_habit: false, habits: Habits::default() }
    }

    /// It differs in nothing any more.
    pub fn calm(&mut self) {
        (self.found, self.since, self.is_habit) = (0, None, false);
    }

    /// Notes whether it was found; whether it begins with this turn to differ in what is no habit.
    pub fn note(&mut self, one: &Scored, is_found: bool, at: Timestamp) -> bool {
        self.found = self.found << 1 | u32::from(is_found);
        if self.found & LAST_THIRTY == 0 && !one.verdict.is_strange_still {
            (self.since, self.is_habit) = (None, false);
        }
        let begins = self.since.is_none() && (self.found & LAST_TEN).count_ones() >= FOUND_MIN;
        if begins {
            self.since = Some(at);
            self.model.note_told();
        }
        if !(begins || self.is_habit && is_found) {
            return false;
        }
        let index = one.verdict.foremost;
        let quantity = one.subject.key.0.quantities().get(index);
        let value = one.subject.values.get(index).copied().flatten();
        let habit =
            quantity.zip(value).map(|(quantity, value)| self.habits.note(at, index, value, quantity.floor));
        self.is_habit = habit.unwrap_or(false);
        !self.is_habit
    }
}
