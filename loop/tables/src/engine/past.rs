//! Tables of the past: `metrics`, `scores`, and for every live table with a history `TABLE_history` and `TABLE_at(INSTANT)`.
//!
//! Time range, entity, series, key columns and names are pushed down to the history; it is read in slices, so that a
//! statement holds a few megabytes whatever it asks for, and one with a LIMIT ends early.
mod cursor;
mod plan;
mod scores;
mod walk;

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::sync::{Arc, LazyLock};

use rusqlite::vtab::{
    CreateVTab, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabKind, sqlite3_vtab,
};
use rusqlite::{Connection, Error, Result};
use vocab::rows::{MetricRow, ScoreRow};
use vocab::table::{Column, ColumnType, Row};

use super::state::Shared;
use crate::history::kept::{KEPT, Kept};
use cursor::PastCursor;

/// What one table of the past shows.
#[derive(Clone, Copy)]
enum Shape {
    /// A row for every point of every series.
    Metrics,
    /// A row for every instant of one entity.
    Scores,
    /// The rows of one live table, at every instant.
    History(&'static Kept),
    /// The rows of one live table at one instant.
    At(&'static Kept),
}

/// One table of the past.
pub struct PastTable {
    /// Its name.
    pub name: String,
    shape: Shape,
    columns: Vec<PastColumn>,
}

/// One column of it.
struct PastColumn {
    name: &'static str,
    column_type: ColumnType,
    role: Role,
}

/// What a column shows, and what an equality with it is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// When.
    At,
    /// The entity.
    Entity,
    /// The name of the series.
    Series,
    /// Value, least, greatest, last, samples.
    Value(u8),
    /// Part of the row's key: its place there.
    Key(usize),
    /// What tells rows of one entity apart.
    Qualifier,
    /// Its place among the kept columns.
    Kept(usize),
    /// A column that is not kept.
    Unknown,
    /// Hidden: the width of a step in seconds, or the instant.
    Hidden,
}

/// Every table of the past.
static PAST: LazyLock<Vec<PastTable>> = LazyLock::new(|| {
    let metrics = PastTable { name: "metrics".to_owned(), shape: Shape::Metrics, columns: metric_columns() };
    let of = |kept: &'static Kept| {
        let name = kept.spec.name;
        let history = format!("{name}_history");
        let at = format!("{name}_at");
        [
            PastTable { name: history, shape: Shape::History(kept), columns: columns_of(kept, "step_s") },
            PastTable { name: at, shape: Shape::At(kept), columns: columns_of(kept, "instant") },
        ]
    };
    let scores = PastTable { name: "scores".to_owned(), shape: Shape::Scores, columns: score_columns() };
    [metrics, scores].into_iter().chain(KEPT.iter().flat_map(of)).collect()
});

/// Whether that is a table of the past.
pub fn is_past(table: &str) -> bool {
    PAST.iter().any(|one| one.name.eq_ignore_ascii_case(table))
}

/// Names of all tables of the past.
pub fn names() -> impl Iterator<Item = &'static str> {
    PAST.iter().map(|one| one.name.as_str())
}

fn metric_columns() -> Vec<PastColumn> {
    columns(MetricRow::SPEC.columns, |name| match name {
        "at" => Role::At,
        "entity" => Role::Entity,
        "series" => Role::Series,
        "value" => Role::Value(0),
        "least" => Role::Value(1),
        "greatest" => Role::Value(2),
        "last" => Role::Value(3),
        "samples" => Role::Value(4),
        _ => Role::Hidden,
    })
}

fn score_columns() -> Vec<PastColumn> {
    columns(ScoreRow::SPEC.columns, |name| match name {
        "at" => Role::At,
        "entity" => Role::Entity,
        _ => Role::Unknown,
    })
}

fn columns(all: &'static [Column], role: fn(&str) -> Role) -> Vec<PastColumn> {
    let of = |column: &Column| PastColumn {
        name: column.name,
        column_type: column.column_type,
        role: role(column.name),
    };
    all.iter().map(of).collect()
}

fn columns_of(kept: &'static Kept, hidden: &'static str) -> Vec<PastColumn> {
    let at = PastColumn { name: "at", column_type: ColumnType::Integer, role: Role::At };
    let role = |index: usize| {
        let key = kept.key.iter().position(|one| *one == index).map(Role::Key);
        let qualifier = (kept.qualifier == Some(index)).then_some(Role::Qualifier);
        let place = kept.columns.iter().position(|one| one.index == index).map(Role::Kept);
        key.or(qualifier).or(place).unwrap_or(Role::Unknown)
    };
    let own = kept.spec.columns.iter().enumerate().filter(|(_, column)| column.name != "at");
    let own = own.map(|(index, column)| PastColumn {
        name: column.name,
        column_type: column.column_type,
        role: role(index),
    });
    let hidden = PastColumn { name: hidden, column_type: ColumnType::Integer, role: Role::Hidden };
    std::iter::once(at).chain(own).chain([hidden]).collect()
}

impl PastTable {
    fn declaration(&self) -> String {
        let column = |column: &PastColumn| {
            let kind = match column.column_type {
                ColumnType::Integer => "INTEGER",
                ColumnType::Real => "REAL",
                ColumnType::Text => "TEXT",
            };
            let hidden = if column.role == Role::Hidden { " HIDDEN" } else { "" };
            format!("\"{}\" {kind}{hidden}", column.name)
        };
        let columns: Vec<String> = self.columns.iter().map(column).collect();
        format!("CREATE TABLE \"{}\"({})", self.name, columns.join(", "))
    }
}

/// Registers every table of the past.
pub fn register(connection: &Connection, shared: &Arc<Shared>) -> Result<()> {
    const MODULE: &Module<'_, Past> = &Module::<Past>::eponymous_only_module();
    for table in PAST.iter() {
        connection.create_module(table.name.as_str(), MODULE, Some((table, shared.clone())))?;
    }
    Ok(())
}

/// One table of one connection.
#[repr(C)]
pub struct Past {
    base: sqlite3_vtab,
    table: &'static PastTable,
    shared: Arc<Shared>,
}

// SAFETY: `Past` is `repr(C)` and begins with `sqlite3_vtab`, as the trait demands.
unsafe impl VTab<'_> for Past {
    type Aux = (&'static PastTable, Arc<Shared>);
    type Cursor = PastCursor;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _module_name: &[u8],
        _database_name: &[u8],
        _table_name: &[u8],
        _args: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let Some((table, shared)) = aux else {
            return Err(Error::ModuleError("a table without a declaration".to_owned()));
        };
        db.config(VTabConfig::DirectOnly)?;
        let sql = CString::new(table.declaration())?;
        Ok((Cow::Owned(sql), Self { base: sqlite3_vtab::default(), table, shared: shared.clone() }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        plan::best_index(self.table, info)
    }

    fn open(&mut self) -> Result<PastCursor> {
        Ok(PastCursor::new(self.table, self.shared.clone()))
    }
}

impl CreateVTab<'_> for Past {
    const KIND: VTabKind = VTabKind::EponymousOnly;
}
