//! Reading stored rows back.
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, params};
use serde::de::DeserializeOwned;
use vocab::rows::{ActionRow, DecisionRow, EventRow, EvidenceRow, IncidentRow, OutcomeRow};

use super::stored::Stored;
use crate::engine::{Cells, Past};

/// Rows of one table that one statement sees of the past.
const ROWS_MAX: usize = 10_000;

/// The newest rows of a table, oldest first. A row that does not read as one of ours is left out.
pub fn newest<T: Stored + DeserializeOwned>(connection: &Connection, limit: usize) -> Vec<T> {
    let read = || -> rusqlite::Result<Vec<T>> {
        let mut statement =
            connection.prepare("SELECT body FROM rows WHERE kind = ?1 ORDER BY key DESC LIMIT ?2")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let bodies = statement.query_map(params![T::SPEC.name, limit], |row| row.get::<_, String>(0))?;
        let mut rows = Vec::new();
        for body in bodies {
            rows.extend(serde_json::from_str(&body?).ok());
        }
        rows.reverse();
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
}
