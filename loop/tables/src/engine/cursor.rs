//! Walks the rows of one table: those in memory, those of the past, those read from the machine.
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use rusqlite::Result;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::vtab::{Context, Filters, VTabCursor, sqlite3_vtab_cursor};
use vocab::Value;

use super::live::Cells;
use super::state::{Mode, Shared, State};
use crate::source::{LiveTable, Origin, Source};
use crate::view::View;

/// Rows from one place.
enum Part {
    View(View, fn(&View) -> usize, fn(&View, usize, usize) -> Value),
    Owned(Arc<dyn Cells>),
    /// Rows of one process, not read yet.
    Unread(LiveTable, u32),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::View(view, len, _) => len(view),
            Self::Owned(cells) => cells.len(),
            Self::Unread(..) => 0,
        }
    }

    fn cell(&self, row: usize, column: usize) -> Value {
        match self {
            Self::View(view, _, cell) => cell(view, row, column),
            Self::Owned(cells) => cells.cell(row, column),
            Self::Unread(..) => Value::Null,
        }
    }
}

/// The value a column must have. Only what SQLite certainly compares the same way; it checks again.
#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    Integer(i64),
    Text(String),
}

impl Wanted {
    fn of(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Integer(value) => Some(Self::Integer(value)),
            ValueRef::Text(text) => Some(Self::Text(std::str::from_utf8(text).ok()?.to_owned())),
            _ => None,
        }
    }

    /// Whether SQLite may find the cell equal.
    fn admits(&self, cell: &Value) -> bool {
        match (self, cell) {
            (Self::Integer(wanted), Value::Int(value)) => wanted == value,
            (Self::Text(wanted), Value::Text(value)) => wanted.as_str() == &**value,
            (_, Value::Null) => false,
            _ => true,
        }
    }

    fn pid(&self) -> Option<u32> {
        match self {
            Self::Integer(value) => u32::try_from(*value).ok(),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

/// A walk over one table.
#[repr(C)]
pub struct TableCursor {
    base: sqlite3_vtab_cursor,
    source: &'static Source,
    shared: Arc<Shared>,
    used: u64,
    wanted: Option<(usize, Wanted)>,
    parts: VecDeque<Part>,
    part: Option<Part>,
    /// Rows of the current part that are left out because memory has them too.
    hidden: HashSet<usize>,
    position: usize,
    end: usize,
    rowid: i64,
}

impl TableCursor {
    /// A cursor that stands nowhere.
    pub fn new(source: &'static Source, shared: Arc<Shared>) -> Self {
        Self {
            base: sqlite3_vtab_cursor::default(),
            source,
            shared,
            used: u64::MAX,
            wanted: None,
            parts: VecDeque::new(),
            part: None,
            hidden: HashSet::new(),
            position: 0,
            end: 0,
            rowid: 0,
        }
    }

    /// Everything the walk goes through, in order.
    fn plan(&self, state: &mut State) -> VecDeque<Part> {
        let pid = self.wanted.as_ref().filter(|(column, _)| *column == 0).and_then(|(_, one)| one.pid());
        match self.source.origin {
            Origin::View { .. } if self.source.spec.name == "processes" && pid.is_some() => {
                let one = pid.and_then(|pid| state.live_process(pid, self.used));
                one.map_or_else(|| self.in_view(state), |cells| VecDeque::from([Part::Owned(cells)]))
            }
            Origin::View { .. } => self.in_view(state),
            Origin::Past => VecDeque::new(),
            Origin::Live(table) => {
                let all = |state: &mut State| -> Vec<u32> {
                    let view = state.statement_view();
                    view.snapshot.processes.iter().map(|one| one.pid).collect()
                };
                let pids = pid.map_or_else(|| all(state), |pid| vec![pid]);
                pids.into_iter().map(|pid| Part::Unread(table, pid)).collect()
            }
        }
    }

    /// Rows of the past that memory has not, then those in memory.
    fn in_view(&self, state: &mut State) -> VecDeque<Part> {
        let Origin::View { len, cell } = self.source.origin else { return VecDeque::new() };
        let mut parts = VecDeque::new();
        parts.extend(state.past_rows(self.source).map(Part::Owned));
        parts.push_back(Part::View(state.statement_view(), len, cell));
        parts
    }

    /// Enters the next part that has rows. The walk is over when there is none.
    fn next_part(&mut self) -> Result<()> {
        loop {
            self.position = 0;
            self.end = 0;
            self.part = self.parts.pop_front();
            let Some(part) = &mut self.part else { return Ok(()) };
            if let Part::Unread(table, pid) = *part {
                *part = Part::Owned(self.shared.state().live_rows(table, pid, self.used)?);
            }
            self.hidden = hidden_rows(self.source, part, &self.parts);
            self.shared.charge(self.hidden.len() + 1)?;
            self.end = part.len();
            self.narrow();
            self.settle()?;
            if self.position < self.end {
                return Ok(());
            }
        }
    }

    /// Narrows the walk to the equal rows where they stand in order.
    fn narrow(&mut self) {
        let (Some(part @ Part::View(..)), Some((column, Wanted::Integer(wanted)))) =
            (&self.part, &self.wanted)
        else {
            return;
        };
        if self.source.sorted_by != Some(*column) {
            return;
        }
        let below = |row: usize| matches!(part.cell(row, *column), Value::Int(value) if value < *wanted);
        let (mut low, mut high) = (0, self.end);
        while low < high {
            let middle = usize::midpoint(low, high);
            if below(middle) { low = middle + 1 } else { high = middle }
        }
        self.position = low;
        self.end = self.end.min(low + 1);
    }

    /// Moves on to the first row from here that may be wanted.
    fn settle(&mut self) -> Result<()> {
        let Some(part) = &self.part else { return Ok(()) };
        let from = self.position;
        while self.position < self.end {
            let is_wanted = self
                .wanted
                .as_ref()
                .is_none_or(|(column, wanted)| wanted.admits(&part.cell(self.position, *column)));
            if is_wanted && !self.hidden.contains(&self.position) {
                break;
            }
            self.position += 1;
        }
        self.shared.charge(self.position - from)
    }
}

/// Rows of a stored part that the view after it has too.
fn hidden_rows(source: &Source, part: &Part, later: &VecDeque<Part>) -> HashSet<usize> {
    let (Part::Owned(stored), Some(view @ Part::View(..))) = (part, later.front()) else {
        return HashSet::new();
    };
    let columns: Vec<usize> = source.key.iter().filter_map(|name| source.column(name)).collect();
    let key = |cell: &dyn Fn(usize) -> Value| -> Vec<String> {
        columns.iter().map(|column| cell(*column).to_string()).collect()
    };
    let in_memory: HashSet<Vec<String>> =
        (0..view.len()).map(|row| key(&|column| view.cell(row, column))).collect();
    (0..stored.len()).filter(|row| in_memory.contains(&key(&|column| stored.cell(*row, column)))).collect()
}

// SAFETY: `TableCursor` is `repr(C)` and begins with `sqlite3_vtab_cursor`, as the trait demands.
unsafe impl VTabCursor for TableCursor {
    fn filter(&mut self, column: i32, used: Option<&str>, args: &Filters<'_>) -> Result<()> {
        self.used = used.and_then(|used| used.parse().ok()).unwrap_or(u64::MAX);
        self.rowid = 0;
        let wanted = args.iter().next();
        self.wanted = usize::try_from(column).ok().zip(wanted.and_then(Wanted::of));
        self.parts = if wanted == Some(ValueRef::Null) {
            VecDeque::new() // Nothing equals NULL.
        } else {
            self.plan(&mut self.shared.clone().state())
        };
        self.next_part()
    }

    fn next(&mut self) -> Result<()> {
        self.position += 1;
        self.rowid += 1;
        self.settle()?;
        if self.position < self.end { Ok(()) } else { self.next_part() }
    }

    fn eof(&self) -> bool {
        self.part.is_none()
    }

    fn column(&self, context: &mut Context, column: i32) -> Result<()> {
        if context.no_change() {
            return Ok(());
        }
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        let value = self.part.as_ref().map_or(Value::Null, |part| part.cell(self.position, column));
        context.set_result(to_sql(&value))
    }

    /// The row's place in its view when a change is planned, else a running number.
    fn rowid(&self) -> Result<i64> {
        let is_plan = self.shared.state().mode == Mode::Plan;
        Ok(if is_plan { i64::try_from(self.position).unwrap_or(i64::MAX) } else { self.rowid })
    }
}

/// A cell as SQLite takes it.
pub fn to_sql(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Int(value) => ValueRef::Integer(*value),
        Value::Real(value) => ValueRef::Real(*value),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
    })
}
