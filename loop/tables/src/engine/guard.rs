//! Bounds of a statement: what it may name, how many steps, bytes and seconds it may take.
//!
//! Whatever is not listed is refused: every write, every pragma, every function that could reach outside.
use std::sync::Arc;
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, Result};

use super::past::is_past;
use super::state::{Mode, Shared, Stop};
use super::writable::{writable, writable_list};
use crate::source::{Source, source};

/// Steps of SQLite's machine between two looks at the bounds. A step makes at most one value of
/// [`VALUE_BYTES_MAX`], so memory overshoots by at most 12.5 MiB.
const STEPS_PER_LOOK: i32 = 50;
/// Longest text or blob. Unit: bytes.
const VALUE_BYTES_MAX: i32 = 256 * 1024;
/// Memory of all of SQLite in this process, store included; beyond, an allocation fails. Unit: bytes.
const PROCESS_HEAP_BYTES: i64 = 64 << 20;

/// Functions that answer alike in a replay.
const PURE: &[&str] = &[
    "abs",
    "avg",
    "bytes",
    "ceil",
    "ceiling",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_each",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_object",
    "json_quote",
    "json_type",
    "json_valid",
    "->",
    "->>",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "percentile",
    "hist_percentile",
    "pi",
    "pow",
    "power",
    "printf",
    "quote",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sqrt",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unhex",
    "unicode",
    "unlikely",
    "upper",
    "utc",
    "zeroblob",
];
/// Functions of clock and chance, for people only.
const IMPURE: &[&str] = &[
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "julianday",
    "random",
    "randomblob",
    "strftime",
    "time",
    "timediff",
    "unixepoch",
];

/// Puts every bound on a new connection.
pub fn guard(connection: &mut Connection, shared: &Arc<Shared>) -> Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -512; PRAGMA hard_heap_limit = {PROCESS_HEAP_BYTES};"
    ))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let limits = [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 64 * 1024),
        (Limit::SQLITE_LIMIT_COLUMN, 256),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 32),
        (Limit::SQLITE_LIMIT_VDBE_OP, 50_000),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 32),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 64),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ];
    for (limit, value) in limits {
        connection.set_limit(limit, value)?;
    }
    let state = shared.clone();
    connection.progress_handler(STEPS_PER_LOOK, Some(move || must_stop(&state)))?;
    let state = shared.clone();
    connection.authorizer(Some(move |context: AuthContext<'_>| authorize(&state, &context)))
}

/// Memory that SQLite holds in this process now. Unit: bytes.
pub fn heap_bytes() -> i64 {
    // SAFETY: no arguments; SQLite keeps this figure under its own lock.
    unsafe { rusqlite::ffi::sqlite3_memory_used() }
}

/// Called every few steps: whether the statement has used up what it was given.
fn must_stop(shared: &Shared) -> bool {
    let Some((deadline, heap_end)) = shared.state().bounds else { return false };
    if !shared.take(STEPS_PER_LOOK as usize) {
        return true;
    }
    if heap_bytes() > heap_end {
        shared.halt(Stop::Memory);
        return true;
    }
    let is_late = Instant::now() > deadline;
    if is_late {
        shared.halt(Stop::Time);
    }
    is_late
}

fn authorize(shared: &Shared, context: &AuthContext<'_>) -> Authorization {
    let mut state = shared.state();
    match refusal(state.mode, &context.action) {
        None => Authorization::Allow,
        Some(why) => {
            state.refusal.get_or_insert(why);
            Authorization::Deny
        }
    }
}

/// Why the action is refused; `None` if it may be.
fn refusal(mode: Mode, action: &AuthAction<'_>) -> Option<String> {
    let plans = mode == Mode::Plan;
    match action {
        _ if mode == Mode::Setup => None,
        AuthAction::Select | AuthAction::Recursive => None,
        AuthAction::Read { table_name, column_name } => refuse_read(mode, table_name, column_name),
        AuthAction::Function { function_name } => refuse_function(mode, function_name),
        AuthAction::Update { table_name, column_name } if plans => {
            writable(table_name, column_name).is_none().then(|| {
                format!("`{table_name}.{column_name}` cannot be changed; what can: {}", writable_list())
            })
        }
        AuthAction::Transaction { .. } if plans => None,
        AuthAction::Pragma { pragma_name, .. } => Some(format!("PRAGMA {pragma_name} is not allowed")),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
            Some("other databases cannot be attached".to_owned())
        }
        AuthAction::Update { table_name, .. } => Some(format!("`{table_name}` is read-only here")),
        _ => Some("the tables are read-only: a statement reads with SELECT".to_owned()),
    }
}

fn refuse_read(mode: Mode, table: &str, column: &str) -> Option<String> {
    let found = source(table);
    if found.is_some() || is_past(table) {
        let is_unrepeatable = mode == Mode::Rule && (is_past(table) || found.is_some_and(Source::is_live));
        return is_unrepeatable
            .then(|| format!("a rule cannot read `{table}`: a replay could not answer alike; use a probe"));
    }
    let is_json = ["json_each", "json_tree"].contains(&table);
    // The name of a common table expression comes without a column.
    let is_internal = table.starts_with("sqlite_") || table.starts_with("pragma_") || table == "dbstat";
    let is_allowed = is_json || (column.is_empty() && !is_internal);
    (!is_allowed).then(|| format!("`{table}` cannot be read; `homeostat tables` lists what can"))
}

fn refuse_function(mode: Mode, name: &str) -> Option<String> {
    let listed = |list: &[&str]| list.iter().any(|one| one.eq_ignore_ascii_case(name));
    if listed(PURE) || (mode != Mode::Rule && listed(IMPURE)) {
        return None;
    }
    Some(if listed(IMPURE) {
        format!("a rule cannot use {name}(): a replay could not answer alike")
    } else {
        format!("the function {name}() is not allowed")
    })
}
