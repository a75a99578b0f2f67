//! What people said of incidents, and what follows: a false alarm of one culprit, kind and size is not raised again.
//!
//! A dismissal tolerates values up to a quarter above the dismissed one, of this culprit and kind only: what grows
//! beyond, and whatever else happens beside it, is still told. A confirmation takes the tolerance back.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::Timestamp;
use vocab::rows::FeedbackRow;

/// Room above a dismissed value.
const ROOM: f64 = 1.25;
/// Rows kept; the oldest are forgotten.
pub const ROWS_MAX: usize = 500;

/// What a person said of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// It was a true one.
    Confirm,
    /// It was a false alarm.
    Dismiss,
}

/// One opinion with what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Number of the incident.
    pub incident_id: u64,
    /// When it was said.
    pub at: Timestamp,
    /// What.
    pub opinion: Opinion,
    /// Kind of the incident.
    pub kind: String,
    /// Name of its culprit: service or program.
    pub name: String,
    /// Column and value of its strongest evidence with a number.
    pub cell: Option<(String, f64)>,
}

/// Everything that was said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    rows: Vec<FeedbackRow>,
}

impl Feedback {
    /// Takes one opinion in; a later one on the same incident replaces the earlier.
    pub fn take(&mut self, judgement: &Judgement) {
        let Judgement { incident_id, at, opinion, kind, name, cell } = judgement;
        self.rows.retain(|row| row.incident_id != *incident_id);
        let alike = |row: &&mut FeedbackRow| row.kind == *kind && row.name == *name;
        let dismissals = match opinion {
            Opinion::Dismiss => {
                self.rows.iter_mut().filter(alike).map(|row| row.dismissals).max().unwrap_or(0) + 1
            }
            Opinion::Confirm => {
                self.rows.iter_mut().filter(alike).for_each(|row| row.tolerated = None);
                0
            }
        };
        let tolerated = cell.as_ref().map(|(_, value)| value * ROOM).filter(|_| *opinion == Opinion::Dismiss);
        let column = cell.as_ref().map(|(column, _)| column.clone());
        let words = kind.replace('_', " ");
        let sentence = match (opinion, tolerated, &column) {
            (Opinion::Confirm, ..) => format!("{words} of {name} is told whenever it is seen"),
            (_, Some(value), Some(column)) => {
                format!(
                    "{words} of {name} is not told again while {column} stays below {}",
                    crate::words::in_unit(column, value)
                )
            }
            _ => format!("noted; the evidence has no number, so {words} of {name} is still told"),
        };
        let verdict = match opinion {
            Opinion::Confirm => "confirm",
            Opinion::Dismiss => "dismiss",
        };
        self.rows.push(FeedbackRow {
            incident_id: *incident_id,
            at: *at,
            verdict: verdict.to_string(),
            kind: kind.clone(),
            name: name.clone(),
            source_column: column,
            tolerated,
            dismissals,
            sentence,
        });
        let excess = self.rows.len().saturating_sub(ROWS_MAX);
        self.rows.drain(..excess);
    }

    /// The rows, oldest first.
    pub fn rows(&self) -> &[FeedbackRow] {
        &self.rows
    }
}

/// Models of which only the feedback is written down.
pub mod alone {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Feedback;
    use crate::Models;

    pub fn serialize<S: Serializer>(models: &Models, to: S) -> Result<S::Ok, S::Error> {
        models.feedback.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Models, D::Error> {
        Ok(Models { feedback: Feedback::deserialize(from)?, ..Models::default() })
    }
}
