//! What outlives the daemon besides the history: the loop's past, and what was learnt.
//!
//! One SQLite file, `homeostat.db` (0600), in a state folder (0700) with a lock file beside it. A file that
//! is not ours or is damaged is set aside as `homeostat.db.corrupt-N`, never overwritten. Where the file
//! cannot be written, the store goes on in memory and says so. WAL with `synchronous = NORMAL`: a crash of
//! the daemon loses nothing, a crash of the machine at most the last seconds; intents have a journal of
//! their own.
//!
//! Tables, schema 2: `rows(kind, key, at, body)`: rows of the loop's own tables as JSON under a key that
//! sorts by age; `counters(name, value)`: the next numbers; `blobs(name, body)`: learnt state. Schema 1 also had
//! means over a minute, in `history`: they are dropped, with a notice.
mod open;
mod past;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use vocab::ledger::Ledger;
use vocab::rows::{EventRow, EvidenceRow};

use crate::engine::Past;
use open::Lock;
use stored::Stored;

/// Rows that wait while the file cannot be written; older ones are dropped beyond, and counted.
const PENDING_MAX: usize = 5_000;

/// Rows written between two looks at the bounds of the tables, which count all rows.
const PRUNE_EVERY: usize = 500;

/// Why there is no store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another daemon uses this state folder.
    Locked(PathBuf),
    /// The file is of a later version of Homeostat.
    Newer(PathBuf, i32),
    /// It could not be written; the rows wait in memory and are tried again with the next.
    NotWritten(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked(dir) => write!(
                f,
                "another Homeostat runs with the state folder {}; `homeostat status` speaks to it",
                dir.display()
            ),
            Self::Newer(path, version) => write!(
                f,
                "{} was written by a later Homeostat (schema {version}); run that one, or name another state folder",
                path.display()
            ),
            Self::NotWritten(why) => {
                write!(f, "the store cannot be written ({why}); its rows wait in memory")
            }
        }
    }
}

impl std::error::Error for StoreError {}

/// One row on its way to the file.
#[derive(Clone, Debug)]
struct Pending {
    kind: &'static str,
    key: String,
    at: i64,
    body: String,
}

/// The store of one daemon.
pub struct Store {
    connection: Connection,
    /// Where the file is; `None` in memory.
    path: Option<PathBuf>,
    notices: Vec<String>,
    pending: Vec<Pending>,
    dropped: u64,
    /// Rows written since the tables were last held to their bounds.
    unpruned: usize,
    _lock: Option<Lock>,
}

impl Store {
    /// Opens the store of a state folder and makes what is missing. What went wrong without being fatal
    /// is in [`Store::notices`].
    ///
    /// # Errors
    /// [`StoreError::Locked`] and [`StoreError::Newer`]: nothing was touched.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let opened = open::open(dir)?;
        Ok(Self {
            connection: opened.connection,
            path: opened.path,
            notices: opened.notices,
            pending: Vec::new(),
            dropped: 0,
            unpruned: 0,
            _lock: opened.lock,
        })
    }

    /// What a person should know about how it was opened, one sentence each.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Whether it forgets everything with the process.
    pub const fn is_in_memory(&self) -> bool {
        self.path.is_none()
    }

    /// Rows lost because the file could not be written for too long.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Numbers of the next incident, decision and action: beyond every number ever saved here.
    pub fn next_ids(&self) -> [u64; 3] {
        ["incidents", "decisions", "actions"].map(|name| {
            let sql = "SELECT value FROM counters WHERE name = ?1";
            let next = self.connection.query_row(sql, [name], |row| row.get::<_, i64>(0)).optional();
            next.ok().flatten().and_then(|next| u64::try_from(next).ok()).unwrap_or(1).max(1)
        })
    }

    /// Saves rows of the loop's tables that are new or changed, and events of note. `findings`, `leases`,
    /// `capabilities` and `own` say what holds now and are not saved. Evidence of an incident replaces what
    /// was saved of it. One transaction; nothing to save costs nothing.
    ///
    /// # Errors
    /// [`StoreError::NotWritten`]: the rows wait and go with the next call.
    pub fn save(&mut self, rows: &Ledger, events: &[EventRow]) -> Result<(), StoreError> {
        self.put(&rows.incidents);
        self.replace_evidence(&rows.evidence);
        self.put(&rows.decisions);
        self.put(&rows.actions);
        self.put(&rows.outcomes);
        self.put(events);
        if self.pending.is_empty() {
            return Ok(());
        }
        let excess = self.pending.len().saturating_sub(PENDING_MAX);
        self.pending.drain(..excess);
        self.dropped += excess as u64;
        self.write_pending().map_err(|error| StoreError::NotWritten(error.to_string()))?;
        self.pending.clear();
        Ok(())
    }

    /// Evidence that still waits is out of date once newer comes.
    fn replace_evidence(&mut self, evidence: &[Arc<EvidenceRow>]) {
        let newer: BTreeSet<String> =
            evidence.iter().map(|row| stored::incident_of(&row.key()).to_owned()).collect();
        self.pending.retain(|row| row.kind != "evidence" || !newer.contains(stored::incident_of(&row.key)));
        self.put(evidence);
    }

    fn put<T: Stored + Serialize>(&mut self, rows: &[T]) {
        for row in rows {
            // Rows are plain data: they always serialise.
            let Ok(body) = serde_json::to_string(row) else { continue };
            self.pending.push(Pending { kind: T::SPEC.name, key: row.key(), at: row.at().0, body });
        }
    }

    fn write_pending(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut forget = transaction.prepare(
                "DELETE FROM rows WHERE kind = 'evidence' AND key >= ?1 || '/' AND key < ?1 || '0'",
            )?;
            let mut forgotten = String::new();
            for row in self.pending.iter().filter(|row| row.kind == "evidence") {
                let incident = stored::incident_of(&row.key);
                if incident != forgotten {
                    forget.execute([incident])?;
                    incident.clone_into(&mut forgotten);
                }
            }
            let mut put = transaction.prepare("INSERT OR REPLACE INTO rows VALUES (?1, ?2, ?3, ?4)")?;
            let mut count = transaction.prepare(
                "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = max(value, ?2)",
            )?;
            for row in &self.pending {
                put.execute(params![row.kind, row.key, row.at, row.body])?;
                if let Some(next) = stored::next_number(row.kind, &row.key) {
                    count.execute(params![row.kind, next])?;
                }
            }
        }
        let unpruned = self.unpruned + self.pending.len();
        let is_due = unpruned >= PRUNE_EVERY;
        if is_due {
            stored::prune(&transaction)?;
        }
        transaction.commit()?;
        self.unpruned = if is_due { 0 } else { unpruned };
        Ok(())
    }

    /// The newest rows of the loop's own tables, oldest first, each list at most [`Ledger::ROWS_MAX`].
    pub fn recent(&self) -> Ledger {
        let limit = Ledger::ROWS_MAX;
        Ledger {
            incidents: past::newest(&self.connection, limit).into(),
            evidence: past::newest(&self.connection, limit).into(),
            decisions: past::newest(&self.connection, limit).into(),
            actions: past::newest(&self.connection, limit).into(),
            outcomes: past::newest(&self.connection, limit).into(),
            ..Ledger::default()
        }
    }

    /// The newest saved events, oldest first, at most [`Ledger::ROWS_MAX`].
    pub fn recent_events(&self) -> Vec<EventRow> {
        past::newest(&self.connection, Ledger::ROWS_MAX)
    }

    /// Keeps a blob under a name, such as learnt state, in place of the one before.
    ///
    /// # Errors
    /// [`StoreError::NotWritten`].
    pub fn save_blob(&mut self, name: &str, body: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO blobs VALUES (?1, ?2)";
        let done = self.connection.execute(sql, params![name, body]);
        done.map(|_| ()).map_err(|error| StoreError::NotWritten(error.to_string()))
    }

    /// The blob of that name.
    pub fn blob(&self, name: &str) -> Option<Vec<u8>> {
        let sql = "SELECT body FROM blobs WHERE name = ?1";
        self.connection.query_row(sql, [name], |row| row.get(0)).optional().ok().flatten()
    }

    /// A reader of the past for an engine, through a read-only connection of its own; `None` in memory.
    pub fn past(&self) -> Option<Box<dyn Past>> {
        read_past(self.path.as_deref()?)
    }
}

/// A reader of the past of a state folder, for a command line without a daemon; `None` if there is no store.
pub fn past_of(dir: &Path) -> Option<Box<dyn Past>> {
    read_past(&dir.join(open::FILE))
}

fn read_past(path: &Path) -> Option<Box<dyn Past>> {
    let reader = past::Reader::open(path)?;
    Some(Box::new(reader))
}
