//! One virtual table module for every declared table.
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::vtab::{
    CreateVTab, IndexConstraintOp, IndexInfo, Inserts, Module, UpdateVTab, Updates, VTab, VTabConfig,
    VTabConnection, VTabKind, sqlite3_vtab,
};
use rusqlite::{Connection, Error, Result};
use vocab::table::{ColumnType, TableSpec};

use super::cursor::TableCursor;
use super::state::Shared;
use super::write;
use crate::source::{Origin, SOURCES, Source};

/// Rows guessed for a whole table; only the ratio to [`ROWS_OF_KEY`] matters to the planner.
const ROWS_OF_TABLE: i64 = 500;
/// Rows guessed behind one value of a column.
const ROWS_OF_KEY: i64 = 5;

/// One table of one connection.
#[repr(C)]
pub struct Table {
    base: sqlite3_vtab,
    source: &'static Source,
    shared: Arc<Shared>,
}

/// Registers every table.
pub fn register(connection: &Connection, shared: &Arc<Shared>) -> Result<()> {
    const MODULE: &Module<'_, Table> = &Module::<Table>::update_module();
    for source in SOURCES.iter().filter(|source| !matches!(source.origin, Origin::Past)) {
        connection.create_module(source.spec.name, MODULE, Some((source, shared.clone())))?;
    }
    Ok(())
}

/// The declaration of a table in SQL.
pub fn declaration(spec: &TableSpec) -> String {
    let column = |column: &vocab::table::Column| {
        let kind = match column.column_type {
            ColumnType::Integer => "INTEGER",
            ColumnType::Real => "REAL",
            ColumnType::Text => "TEXT",
        };
        format!("\"{}\" {kind}", column.name)
    };
    let columns: Vec<String> = spec.columns.iter().map(column).collect();
    format!("CREATE TABLE \"{}\"({})", spec.name, columns.join(", "))
}

// SAFETY: `Table` is `repr(C)` and begins with `sqlite3_vtab`, as the trait demands.
unsafe impl VTab<'_> for Table {
    type Aux = (&'static Source, Arc<Shared>);
    type Cursor = TableCursor;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _module_name: &[u8],
        _database_name: &[u8],
        _table_name: &[u8],
        _args: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let Some((source, shared)) = aux else {
            return Err(Error::ModuleError("a table without a source".to_owned()));
        };
        db.config(VTabConfig::DirectOnly)?;
        let sql = CString::new(declaration(&source.spec))?;
        Ok((Cow::Owned(sql), Self { base: sqlite3_vtab::default(), source, shared: shared.clone() }))
    }

    /// Takes one equality: that of the best column. The plan is written as `column,used columns`.
    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let used = info.col_used();
        let mut best: Option<(usize, usize)> = None;
        for (index, (constraint, _)) in info.constraints_and_usages().enumerate() {
            let column = usize::try_from(constraint.column()).ok();
            let is_equality = constraint.operator() == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ;
            if let (Some(column), true) = (column, is_equality && constraint.is_usable()) {
                // A column to the left is closer to the table's key.
                best = best.filter(|(_, other)| *other <= column).or(Some((index, column)));
            }
        }
        if let Some((index, _)) = best
            && info.collation(index)? != "BINARY"
        {
            best = None;
        }
        let (cost, rows) = self.estimate(best.map(|(_, column)| column));
        if let Some((index, _)) = best {
            info.constraint_usage(index).set_argv_index(1);
        }
        info.set_idx_num(best.map_or(-1, |(_, column)| i32::try_from(column).unwrap_or(-1)));
        info.set_idx_str(&format!("{used}"));
        info.set_estimated_cost(cost);
        info.set_estimated_rows(rows);
        Ok(true)
    }

    fn open(&mut self) -> Result<TableCursor> {
        Ok(TableCursor::new(self.source, self.shared.clone()))
    }
}

impl Table {
    /// Guess of cost and rows of a scan, by the column that is known.
    fn estimate(&self, known: Option<usize>) -> (f64, i64) {
        let is_pid = known == Some(0);
        match (self.source.is_live(), known) {
            (true, _) if is_pid => (200.0, 20),
            // Reads every process of the machine: last choice.
            (true, _) => (1e7, 100_000),
            (false, _) if is_pid => (2.0, 1),
            (false, Some(_)) => (50.0, ROWS_OF_KEY),
            (false, None) => (ROWS_OF_TABLE as f64, ROWS_OF_TABLE),
        }
    }
}

impl CreateVTab<'_> for Table {
    const KIND: VTabKind = VTabKind::EponymousOnly;
}

impl UpdateVTab<'_> for Table {
    fn delete(&mut self, _row: ValueRef<'_>) -> Result<()> {
        Err(Error::ModuleError("rows cannot be deleted".to_owned()))
    }

    fn insert(&mut self, _values: &Inserts<'_>) -> Result<i64> {
        Err(Error::ModuleError("rows cannot be inserted".to_owned()))
    }

    /// Notes what would be written; changes nothing.
    fn update(&mut self, values: &Updates<'_>) -> Result<()> {
        write::collect(self.source, &self.shared, values).map_err(Error::ModuleError)
    }
}
