//! What an UPDATE would change: planned here, changed by nobody here.
use rusqlite::types::ValueRef;
use rusqlite::vtab::Updates;
use vocab::{Entity, Value};

use super::state::Shared;
use super::writable::{Writable, Write, writable};
use crate::source::Source;

/// Rows that one statement may change.
const WRITES_MAX: usize = 64;

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
