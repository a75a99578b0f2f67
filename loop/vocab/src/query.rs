//! The engine that pure stages are handed for SQL: read-only, bounded, the same answer in a replay.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::Value;

/// Why a query gave no rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// What is wrong, for a person.
    pub message: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Read-only SQL over the tables of this turn.
pub trait Query {
    /// Rows of one statement with named parameters (`:incident_id`), at most 10,000 of them.
    ///
    /// # Errors
    /// A statement that does not parse, writes, or exceeds its fuel.
    fn rows(&mut self, sql: &str, parameters: &[(&str, Value)]) -> Result<Vec<Vec<Value>>, QueryError>;

    /// Whether the condition holds: the first cell of its first row is true.
    ///
    /// # Errors
    /// As [`Query::rows`].
    fn holds(&mut self, condition: &str, parameters: &[(&str, Value)]) -> Result<bool, QueryError> {
        let sql = alloc::format!("SELECT ({condition})");
        let rows = self.rows(&sql, parameters)?;
        Ok(rows.first().and_then(|row| row.first()).is_some_and(Value::is_true))
    }
}
