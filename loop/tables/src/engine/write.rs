//! What SQL may change: the declared cells, planned from an UPDATE and changed by nobody here.
use rusqlite::types::ValueRef;
use rusqlite::vtab::Updates;
use vocab::{Entity, Value};

use super::source::Source;
use super::state::Shared;

/// Rows that one statement may change.
const WRITES_MAX: usize = 64;

/// One cell that a person wants changed. Act's guards decide whether it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Table.
    pub table: &'static str,
    /// The row: a process with its start time, a cgroup by path, a service by name.
    pub entity: Entity,
    /// Column.
    pub column: &'static str,
    /// New value, in the unit of its column; NULL takes a limit away where that has a meaning.
    pub value: Value,
}

/// A cell that may be changed.
#[derive(Clone, Copy, Debug)]
pub struct Writable {
    /// Table.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
    /// Least and greatest value.
    pub range: (i64, i64),
    /// Whether NULL, no limit, is a value.
    pub can_be_null: bool,
    /// What a change of it does, for documents.
    pub doc: &'static str,
}

/// Every cell that may be changed.
pub const WRITABLE: &[Writable] = &[
    Writable {
        table: "processes",
        column: "nice",
        range: (-20, 19),
        can_be_null: false,
        doc: "Sets the nice value of the process and its threads.",
    },
    Writable {
        table: "processes",
        column: "descriptor_limit",
        range: (1, i64::MAX),
        can_be_null: false,
        doc: "Sets the soft limit of open descriptors.",
    },
    Writable {
        table: "cgroups",
        column: "cpu_weight",
        range: (1, 10_000),
        can_be_null: false,
        doc: "Sets the CPU weight.",
    },
    Writable {
        table: "cgroups",
        column: "memory_high",
        range: (1, i64::MAX),
        can_be_null: true,
        doc: "Sets the limit above which memory is throttled; NULL takes it away.",
    },
    Writable {
        table: "cgroups",
        column: "is_frozen",
        range: (0, 1),
        can_be_null: false,
        doc: "1 freezes the processes, 0 lets them run.",
    },
    Writable {
        table: "services",
        column: "back_off_s",
        range: (0, 86_400),
        can_be_null: false,
        doc: "Sets the wait before the next start after a failure.",
    },
];

/// The declaration of that cell, if it may be changed.
pub fn writable(table: &str, column: &str) -> Option<&'static Writable> {
    let is_it =
        |one: &&Writable| one.table.eq_ignore_ascii_case(table) && one.column.eq_ignore_ascii_case(column);
    WRITABLE.iter().find(is_it)
}

/// What may be changed, in one line, for a person who tried something else.
pub fn writable_list() -> String {
    WRITABLE.iter().map(|one| format!("{}.{}", one.table, one.column)).collect::<Vec<_>>().join(", ")
}

/// Notes the changed cells of one row.
pub fn collect(source: &Source, shared: &Shared, values: &Updates<'_>) -> Result<(), String> {
    let mut state = shared.state();
    let row = values.get::<i64>(0).ok().and_then(|row| usize::try_from(row).ok());
    let view = state.statement_view();
    let snapshot = &view.snapshot;
    let entity = row.and_then(|row| match source.spec.name {
        "processes" => snapshot.processes.get(row).map(|one| Entity::Process(one.id())),
        "cgroups" => snapshot.cgroups.get(row).map(|one| Entity::Cgroup(one.path.to_string())),
        "services" => snapshot.services.get(row).map(|one| Entity::Service(one.name.to_string())),
        _ => None,
    });
    let entity = entity.ok_or_else(|| format!("no row of `{}` can be changed", source.spec.name))?;
    // The first two values are the old and the new place of the row.
    for (index, value) in values.iter().enumerate().skip(2) {
        if values.no_change(index) {
            continue;
        }
        let column = source.spec.columns.get(index - 2).map_or("", |column| column.name);
        let cell = writable(source.spec.name, column)
            .ok_or_else(|| format!("`{}.{column}` cannot be changed", source.spec.name))?;
        let value = checked(cell, value)?;
        if state.writes.len() >= WRITES_MAX {
            return Err(format!("more than {WRITES_MAX} changes in one statement; narrow it with WHERE"));
        }
        state.writes.push(Write { table: cell.table, entity: entity.clone(), column: cell.column, value });
    }
    Ok(())
}

/// The value, if the cell can take it.
fn checked(cell: &Writable, value: ValueRef<'_>) -> Result<Value, String> {
    let (least, greatest) = cell.range;
    let name = format!("{}.{}", cell.table, cell.column);
    let is_inside = |value: f64| value >= least as f64 && value <= greatest as f64;
    match value {
        ValueRef::Null if cell.can_be_null => Ok(Value::Null),
        ValueRef::Integer(value) if (least..=greatest).contains(&value) => Ok(Value::Int(value)),
        ValueRef::Real(value)
            if is_inside(value) && (cell.column.ends_with("_s") || value.fract() == 0.0) =>
        {
            Ok(if cell.column.ends_with("_s") { Value::Real(value) } else { Value::Int(value as i64) })
        }
        _ if greatest == i64::MAX => Err(format!("`{name}` takes a whole number from {least} on")),
        _ => Err(format!("`{name}` takes a number from {least} to {greatest}")),
    }
}
