//! Numbers in words, and evidence in one line.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use vocab::finding::Evidence;
use vocab::rows::Process;
use vocab::{Entity, Value};

/// Bytes as a person says them: `5.2 MB`.
pub fn bytes(value: f64) -> String {
    let (scaled, unit) = match value {
        value if value >= 1e9 => (value / 1e9, "GB"),
        value if value >= 1e6 => (value / 1e6, "MB"),
        value if value >= 1e3 => (value / 1e3, "kB"),
        value => return format!("{value:.0} B"),
    };
    if scaled < 10.0 { format!("{scaled:.1} {unit}") } else { format!("{scaled:.0} {unit}") }
}

/// A time span as a person says it: `45 s`, `12 min`, `3.5 h`, `9 days`.
pub fn seconds(value: f64) -> String {
    match value {
        value if value < 120.0 => format!("{value:.0} s"),
        value if value < 7_200.0 => format!("{:.0} min", value / 60.0),
        value if value < 172_800.0 => format!("{:.1} h", value / 3_600.0),
        value => format!("{:.0} days", value / 86_400.0),
    }
}

/// Who a process is, for a sentence: service or program, with its pid.
pub fn who(process: &Process) -> String {
    match &process.service {
        Some(service) => format!("{service} ({}, pid {})", process.name, process.pid),
        None => format!("{} (pid {})", process.program, process.pid),
    }
}

/// One cell of a process's row as evidence.
pub fn of_process(
    process: &Process,
    column: &str,
    value: impl Into<Value>,
    normal: Option<Value>,
    sentence: String,
) -> Evidence {
    cell("processes", Entity::Process(process.id()), column, (value.into(), normal), sentence)
}

/// One cell of any table as evidence: its value and what is normal there.
pub fn cell(
    table: &str,
    entity: Entity,
    column: &str,
    (value, normal): (Value, Option<Value>),
    sentence: String,
) -> Evidence {
    Evidence { table: table.to_string(), entity, column: column.to_string(), value, normal, sentence }
}

/// The entity of a service.
pub fn service(name: &Arc<str>) -> Entity {
    Entity::Service(name.to_string())
}
