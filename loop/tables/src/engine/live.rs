//! What the engine is handed to read beyond the view: the machine on demand, and the past from the store.
use std::sync::Arc;

use vocab::ledger::Ledger;
use vocab::rows::{Map, OpenFile, Process, ScoreRow, Thread};
use vocab::snapshot::Snapshot;
use vocab::table::Row;
use vocab::{Entity, Timestamp, Value};

/// Reads the machine on demand. `columns` has bit i set if column i of the table is asked for (bit 63: that
/// one or any later); a reader may leave the others empty.
pub trait Live: Send {
    /// Threads of a process; empty if it is gone or may not be read.
    fn threads(&mut self, pid: u32, columns: u64) -> Vec<Thread>;
    /// Open descriptors of a process.
    fn open_files(&mut self, pid: u32, columns: u64) -> Vec<OpenFile>;
    /// Mappings of a process, summed by name.
    fn maps(&mut self, pid: u32, columns: u64) -> Vec<Map>;
    /// One process, without looking at any other. Used where no daemon keeps a snapshot.
    fn process(&mut self, pid: u32, columns: u64) -> Option<Process>;
    /// The whole machine, once a statement. Used where no daemon keeps a snapshot.
    fn snapshot(&mut self) -> Arc<Snapshot>;
}

/// Rows of the loop's own tables that are older than what the ledger holds in memory.
pub trait Past: Send {
    /// Stored rows of that table, oldest first, bounded by the store; the engine drops those that the ledger
    /// has too. `None` for a table that is not stored.
    fn rows(&mut self, table: &str) -> Option<Arc<dyn Cells>>;
    /// One incident, with its evidence, decisions, actions and outcomes; `None` if none of that number is stored.
    fn incident(&mut self, id: u64) -> Option<Ledger>;
}

/// Thinks the scores of one entity again. Handed in, because what is normal is learnt elsewhere.
pub trait Scoring: Send {
    /// Its quantities, named like the columns of its table.
    fn quantities(&self) -> Vec<&'static str>;
    /// The row of the next instant; `values` in the order of the quantities, `learns` unless it was in trouble.
    fn push(
        &mut self,
        at: Timestamp,
        entity: &Entity,
        values: &[Option<f64>],
        learns: bool,
    ) -> Option<ScoreRow>;
}

/// Begins with nothing known of that entity; `None` for one without scores.
pub type Scorer = fn(&Entity) -> Option<Box<dyn Scoring>>;

/// Rows whose type is forgotten.
pub trait Cells: Send + Sync {
    /// How many.
    fn len(&self) -> usize;
    /// One cell; [`Value::Null`] outside.
    fn cell(&self, row: usize, column: usize) -> Value;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<R: Row + Send + Sync> Cells for Vec<R> {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn cell(&self, row: usize, column: usize) -> Value {
        self.get(row).map_or(Value::Null, |row| row.cell(column))
    }
}
