//! SQL over the tables: SQLite with one virtual table for each declared one, and nothing else.
//!
//! A statement sees one view. It reads; it cannot write, attach, load, exhaust memory or run for ever.
mod cursor;
mod error;
mod functions;
mod guard;
mod live;
mod past;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod vtab;
mod writable;
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Statement};
use vocab::Value;
use vocab::ledger::Ledger;
use vocab::query::{Query, QueryError};

pub use functions::human_bytes;
pub use guard::heap_bytes;
pub use live::{Cells, Live, Past, Scorer, Scoring};
pub use past::names as past_tables;
pub use writable::{WRITABLE, Writable, Write, writable};

use crate::history::Reader;
use crate::view::View;
use state::{Mode, Shared};

/// What one statement may take.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Steps of SQLite's machine and rows looked at.
    fuel: i64,
    /// Memory. Unit: bytes.
    heap_bytes: i64,
    /// Wall-clock time.
    time: Duration,
    /// Rows of the result.
    rows: usize,
    /// Text of the result. Unit: bytes.
    bytes: usize,
}

/// For rules. Fuel, the same in every replay, runs out first: about 50 ms of plain steps. The wall clock is
/// the last resort against steps that are dear, and memory is bounded for the whole process.
const RULE: Bounds = Bounds {
    fuel: 2_000_000,
    heap_bytes: 32 << 20,
    time: Duration::from_secs(2),
    rows: 10_000,
    bytes: 8 << 20,
};
/// For people.
const PERSON: Bounds = Bounds {
    fuel: 50_000_000,
    heap_bytes: 16 << 20,
    time: Duration::from_secs(3),
    rows: 10_000,
    bytes: 8 << 20,
};

/// The rows of one statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResultSet {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
    /// Whether rows were left out because there are more than 10,000, or more than 8 MiB.
    pub is_truncated: bool,
}

/// SQL over one view at a time. Used by one thread; costs about 1 MiB.
pub struct Engine {
    connection: Connection,
    shared: Arc<Shared>,
}

impl Engine {
    /// An engine with empty tables.
    ///
    /// # Errors
    /// SQLite has no memory.
    pub fn new() -> Result<Self, QueryError> {
        let shared = Arc::new(Shared::default());
        let build = || -> rusqlite::Result<Connection> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_in_memory_with_flags(flags)?;
            vtab::register(&connection, &shared)?;
            past::register(&connection, &shared)?;
            functions::register(&connection)?;
            guard::guard(&mut connection, &shared)?;
            Ok(connection)
        };
        let connection = build().map_err(|error| error::explain(&error, &shared, ""))?;
        Ok(Self { connection, shared })
    }

    /// What the following statements read.
    pub fn set_view(&mut self, view: View) {
        self.shared.state().view = view;
    }

    /// Hands in the reader of the machine, for `threads`, `open_files`, `maps` and views without a snapshot.
    pub fn set_live(&mut self, live: Box<dyn Live>) {
        self.shared.state().live = Some(live);
    }

    /// Hands in the reader of the history, for the tables of the past.
    pub fn set_history(&mut self, history: Reader) {
        self.shared.state().history = Some(history);
    }

    /// Hands in who scores again, for `scores`.
    pub fn set_scorer(&mut self, scorer: Scorer) {
        self.shared.state().scorer = Some(scorer);
    }

    /// Hands in the reader of the past: people then see stored rows of the loop's tables too.
    pub fn set_past(&mut self, past: Box<dyn Past>) {
        self.shared.state().past = Some(past);
    }

    /// One stored incident with all that belongs to it, where a reader of the past was handed in.
    pub fn past_incident(&mut self, id: u64) -> Option<Ledger> {
        self.shared.state().past.as_mut()?.incident(id)
    }

    /// The rows of one SELECT, for a person.
    ///
    /// # Errors
    /// A statement that does not parse, writes, or exceeds its bounds; the message says what to write instead.
    pub fn select(&mut self, sql: &str) -> Result<ResultSet, QueryError> {
        self.run(Mode::Person, PERSON, sql, &[])
    }

    /// What one UPDATE would change. Nothing is changed: the caller makes guarded, journalled intents of it.
    ///
    /// # Errors
    /// As [`Engine::select`], a cell that cannot be changed, a value out of range, or no row that matches.
    pub fn plan_update(&mut self, sql: &str) -> Result<Vec<Write>, QueryError> {
        self.begin(Mode::Plan, PERSON);
        let result = self
            .connection
            .prepare(sql)
            .and_then(|mut statement| {
                if statement.column_count() > 0 || statement.readonly() {
                    return Ok(Err("this changes nothing; a change is written UPDATE … SET … WHERE …"));
                }
                statement.execute([]).map(Ok)
            })
            .map_err(|error| error::explain(&error, &self.shared, sql));
        let writes = std::mem::take(&mut self.shared.state().writes);
        self.shared.end();
        match result? {
            Err(message) => Err(QueryError { message: message.to_owned() }),
            Ok(_) if writes.is_empty() => {
                Err(QueryError { message: "no row matches; nothing to change".to_owned() })
            }
            Ok(_) => Ok(writes),
        }
    }

    fn begin(&self, mode: Mode, bounds: Bounds) {
        self.shared.begin(mode, bounds.fuel);
        let ends = (Instant::now() + bounds.time, guard::heap_bytes() + bounds.heap_bytes);
        self.shared.state().bounds = Some(ends);
    }

    fn run(
        &self,
        mode: Mode,
        bounds: Bounds,
        sql: &str,
        parameters: &[(&str, Value)],
    ) -> Result<ResultSet, QueryError> {
        self.begin(mode, bounds);
        let result = self.connection.prepare(sql);
        let result = result.and_then(|mut statement| read(&mut statement, bounds, parameters));
        let result = result.map_err(|error| error::explain(&error, &self.shared, sql));
        self.shared.end();
        result
    }
}

fn wrong(text: String) -> rusqlite::Error {
    rusqlite::Error::ModuleError(text)
}

fn read(
    statement: &mut Statement<'_>,
    bounds: Bounds,
    parameters: &[(&str, Value)],
) -> rusqlite::Result<ResultSet> {
    if statement.column_count() == 0 {
        return Err(wrong("nothing to read: a statement reads with SELECT".to_owned()));
    }
    bind(statement, parameters)?;
    let mut result =
        ResultSet { columns: statement.column_names().map(str::to_owned).collect(), ..ResultSet::default() };
    let width = result.columns.len();
    let mut bytes = 0;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        if result.rows.len() >= bounds.rows || bytes > bounds.bytes {
            result.is_truncated = true;
            break;
        }
        let cells = (0..width).map(|column| row.get_ref(column).map(from_sql));
        let cells = cells.collect::<rusqlite::Result<Vec<Value>>>()?;
        bytes += cells.iter().map(|cell| 16 + cell.as_str().map_or(0, str::len)).sum::<usize>();
        result.rows.push(cells);
    }
    Ok(result)
}

/// Binds by name, with or without its colon. A parameter that the statement does not use is left aside.
fn bind(statement: &mut Statement<'_>, parameters: &[(&str, Value)]) -> rusqlite::Result<()> {
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).unwrap_or("?").to_owned();
        let bare = name.trim_start_matches([':', '@', '$']);
        let value = parameters.iter().find(|(given, _)| given.trim_start_matches([':', '@', '$']) == bare);
        let (_, value) = value.ok_or_else(|| wrong(format!("no value is given for the parameter {name}")))?;
        statement.raw_bind_parameter(index, cursor::to_sql(value))?;
    }
    Ok(())
}

/// A cell of a result. A blob, which no table has, is written in hexadecimal.
fn from_sql(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => Value::from(value),
        ValueRef::Text(text) => Value::from(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => {
            Value::from(blob.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
    }
}

impl Query for Engine {
    fn rows(&mut self, sql: &str, parameters: &[(&str, Value)]) -> Result<Vec<Vec<Value>>, QueryError> {
        let result = self.run(Mode::Rule, RULE, sql, parameters)?;
        if result.is_truncated {
            return Err(QueryError { message: format!("more than {} rows; add a LIMIT", RULE.rows) });
        }
        Ok(result.rows)
    }
}
