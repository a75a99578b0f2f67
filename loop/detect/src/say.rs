//! Numbers in words, and evidence in one line.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use vocab::finding::Evidence;
use vocab::rows::Process;
pub use vocab::say::{bytes, seconds};
use vocab::{Entity, Value};

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
