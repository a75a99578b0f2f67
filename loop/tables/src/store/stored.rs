//! How rows of the loop's own tables are kept: under which key, and how many.
use std::sync::Arc;

use rusqlite::{Transaction, params};
use vocab::Timestamp;
use vocab::rows::{ActionRow, DecisionRow, EventRow, EvidenceRow, IncidentRow, OutcomeRow};
use vocab::table::Row;

/// A row that is kept. Its key is unique in its table and sorts by age.
pub trait Stored: Row {
    /// The key.
    fn key(&self) -> String;
    /// When it happened; 0 where the row does not say.
    fn at(&self) -> Timestamp;
}

/// A number as text that sorts as numbers do.
pub fn number(id: u64) -> String {
    format!("{id:020}")
}

macro_rules! stored_by_number {
    ($($row:ty: $id:ident, $at:ident;)*) => {$(
        impl Stored for $row {
            fn key(&self) -> String {
                number(self.$id)
            }

            fn at(&self) -> Timestamp {
                self.$at
            }
        }
    )*};
}
stored_by_number! {
    IncidentRow: id, opened_at;
    DecisionRow: id, at;
    ActionRow: id, at;
    OutcomeRow: action_id, at;
}

impl Stored for EvidenceRow {
    fn key(&self) -> String {
        format!("{}/{}/{:010}", number(self.incident_id), self.role, self.position)
    }

    fn at(&self) -> Timestamp {
        Timestamp(0)
    }
}

impl<R: Stored> Stored for Arc<R> {
    fn key(&self) -> String {
        (**self).key()
    }

    fn at(&self) -> Timestamp {
        (**self).at()
    }
}

impl Stored for EventRow {
    fn key(&self) -> String {
        // Of two equal events at one instant one is kept.
        let at = number(u64::try_from(self.at.0).unwrap_or(0));
        format!("{at}/{}/{}/{}", self.kind, self.entity, self.message)
    }

    fn at(&self) -> Timestamp {
        self.at
    }
}

/// The part of an evidence key that names its incident.
pub fn incident_of(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}

/// The number after that of this row, for the tables whose numbers are never used twice.
pub fn next_number(kind: &str, key: &str) -> Option<i64> {
    let is_numbered = ["incidents", "decisions", "actions"].contains(&kind);
    key.parse::<i64>().ok().filter(|_| is_numbered).map(|id| id.saturating_add(1))
}

/// Rows kept of a table: years of an ordinary machine, at most some 30 MB in all.
fn rows_max(kind: &str) -> i64 {
    match kind {
        "evidence" => 20_000,
        "events" => 20_000,
        _ => 5_000,
    }
}

/// Forgets the oldest rows beyond the bound of their table.
pub fn prune(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    for kind in ["incidents", "evidence", "decisions", "actions", "outcomes", "events"] {
        let sql = "DELETE FROM rows WHERE kind = ?1 AND key <=
            (SELECT key FROM rows WHERE kind = ?1 ORDER BY key DESC LIMIT 1 OFFSET ?2)";
        transaction.execute(sql, params![kind, rows_max(kind)])?;
    }
    Ok(())
}
