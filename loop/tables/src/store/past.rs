//! Reading stored rows back.
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, Params, params};
use serde::de::DeserializeOwned;
use vocab::ledger::Ledger;
use vocab::rows::{ActionRow, DecisionRow, EventRow, EvidenceRow, IncidentRow, OutcomeRow};
use vocab::table::Row as _;

use super::stored::{Stored, number};
use crate::engine::{Cells, Past};

/// Rows of one table that one statement sees of the past.
const ROWS_MAX: usize = 10_000;

/// The newest rows of a table, oldest first. A row that does not read as one of ours is left out.
pub fn newest<T: Stored + DeserializeOwned>(connection: &Connection, limit: usize) -> Vec<T> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = those(connection, "kind = ?1 ORDER BY key DESC LIMIT ?2", params![T::SPEC.name, limit]);
    rows.reverse();
    rows
}

/// The rows that a condition is true of; the first parameter is the table.
fn those<T: DeserializeOwned>(connection: &Connection, condition: &str, params: impl Params) -> Vec<T> {
    let read = || -> rusqlite::Result<Vec<T>> {
        let mut statement = connection.prepare(&format!("SELECT body FROM rows WHERE {condition}"))?;
        let bodies = statement.query_map(params, |row| row.get::<_, String>(0))?;
        let mut rows = Vec::new();
        for body in bodies {
            rows.extend(serde_json::from_str(&body?).ok());
        }
        Ok(rows)
    };
    read().unwrap_or_default()
}

/// Reads the past beside the daemon that writes it.
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens an existing store for reading.
    pub fn open(path: &Path) -> Option<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).ok()?;
        connection.execute_batch("PRAGMA cache_size = -256; PRAGMA busy_timeout = 500;").ok()?;
        Some(Self { connection })
    }

    fn of<T: Stored + DeserializeOwned + Send + Sync + 'static>(&self) -> Arc<dyn Cells> {
        Arc::new(newest::<T>(&self.connection, ROWS_MAX))
    }

    /// Rows of a table whose column `incident_id` has that number.
    fn of_incident<T: Stored + DeserializeOwned>(&self, id: u64) -> Vec<T> {
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        let condition = "kind = ?1 AND json_extract(body, '$.incident_id') = ?2 ORDER BY key";
        those(&self.connection, condition, params![T::SPEC.name, id])
    }
}

impl Past for Reader {
    fn rows(&mut self, table: &str) -> Option<Arc<dyn Cells>> {
        Some(match table {
            "incidents" => self.of::<IncidentRow>(),
            "evidence" => self.of::<EvidenceRow>(),
            "decisions" => self.of::<DecisionRow>(),
            "actions" => self.of::<ActionRow>(),
            "outcomes" => self.of::<OutcomeRow>(),
            "events" => self.of::<EventRow>(),
            _ => return None,
        })
    }

    fn incident(&mut self, id: u64) -> Option<Ledger> {
        let same = "kind = ?1 AND key = ?2";
        let key = params![IncidentRow::SPEC.name, number(id)];
        let incidents: Vec<Arc<IncidentRow>> = those(&self.connection, same, key);
        let actions: Vec<ActionRow> = self.of_incident(id);
        let outcome = |action: &ActionRow| -> Vec<OutcomeRow> {
            those(&self.connection, same, params![OutcomeRow::SPEC.name, number(action.id)])
        };
        (!incidents.is_empty()).then(|| Ledger {
            incidents: incidents.into(),
            evidence: self.of_incident(id).into(),
            decisions: self.of_incident(id).into(),
            outcomes: actions.iter().flat_map(outcome).collect::<Vec<_>>().into(),
            actions: actions.into(),
            ..Ledger::default()
        })
    }
}
