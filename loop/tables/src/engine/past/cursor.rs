//! Walks the rows of one table of the past.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::vtab::{Context, Filters, VTabCursor, sqlite3_vtab_cursor};
use rusqlite::{Error, Result};
use vocab::Value;
use vocab::rows::ScoreRow;
use vocab::table::{ColumnType, Row as _};

use super::plan::Wanted;
use super::scores::Scores;
use super::walk::{Group, Walk, groups};
use super::{PastTable, Role, Shape};
use crate::engine::cursor::to_sql;
use crate::engine::state::{Shared, Stop};
use crate::history::kept::column_of;
use crate::history::{Points, Series, parts, series_name};

/// One series of `metrics`.
struct Metric {
    entity: Arc<str>,
    series: Arc<str>,
    points: Points,
}

/// A walk over one table of the past.
#[repr(C)]
pub struct PastCursor {
    base: sqlite3_vtab_cursor,
    table: &'static PastTable,
    shared: Arc<Shared>,
    walk: Option<Walk>,
    metrics: VecDeque<Metric>,
    groups: VecDeque<Group>,
    scores: Option<Scores>,
    rows: Vec<ScoreRow>,
    position: usize,
    rowid: i64,
}

impl PastCursor {
    /// A cursor that stands nowhere.
    pub fn new(table: &'static PastTable, shared: Arc<Shared>) -> Self {
        Self {
            base: sqlite3_vtab_cursor::default(),
            table,
            shared,
            walk: None,
            metrics: VecDeque::new(),
            groups: VecDeque::new(),
            scores: None,
            rows: Vec::new(),
            position: 0,
            rowid: 0,
        }
    }

    fn begin(&mut self, wanted: Wanted) -> Result<()> {
        let reader = self.shared.state().history.clone();
        let reader = reader.ok_or_else(|| wrong("the past cannot be read here".to_owned()))?;
        if let Shape::Scores = self.table.shape {
            let scorer = self.shared.state().scorer;
            let scorer = scorer.ok_or_else(|| wrong("nobody scores the past here".to_owned()))?;
            let incidents = self.shared.state().incidents();
            let scores = Scores::new((reader, scorer), &incidents, &wanted);
            self.scores = Some(scores.map_err(wrong)?);
            return self.settle_scores();
        }
        let walk = Walk::new(self.table, reader, wanted).map_err(wrong)?;
        if let Shape::At(kept) = self.table.shape {
            self.groups = groups(kept, walk.at_instant().map_err(wrong)?);
        }
        self.walk = Some(walk);
        self.settle()
    }

    /// Reads on until there is a row or the end.
    fn settle(&mut self) -> Result<()> {
        while self.metrics.is_empty() && self.groups.is_empty() {
            self.check_time()?;
            let Some(walk) = self.walk.as_mut().filter(|_| !matches!(self.table.shape, Shape::At(_))) else {
                break;
            };
            let Some(series) = walk.next().map_err(wrong)? else { break };
            self.shared.charge(series.iter().map(|one| 1 + one.points.len() / 8).sum())?;
            match self.table.shape {
                Shape::Metrics => self.metrics = series.into_iter().filter_map(metric).collect(),
                Shape::History(kept) | Shape::At(kept) => self.groups = groups(kept, series),
                Shape::Scores => {}
            }
        }
        Ok(())
    }

    /// Scores on until there are rows or the end.
    fn settle_scores(&mut self) -> Result<()> {
        self.rows.clear();
        while self.rows.is_empty() {
            self.check_time()?;
            let next = self.scores.as_mut().map(Scores::next).transpose().map_err(wrong)?;
            let Some((cost, rows)) = next.flatten() else { break };
            self.shared.charge(cost / 8)?;
            self.rows = rows;
        }
        Ok(())
    }

    /// Reading a slice runs no step of SQLite, so its clock is looked at here.
    fn check_time(&self) -> Result<()> {
        let end = self.shared.state().bounds.map(|(end, _)| end);
        if end.is_some_and(|end| Instant::now() > end) {
            self.shared.halt(Stop::Time);
            return Err(wrong("out of time".to_owned()));
        }
        Ok(())
    }

    fn cell(&self, column: usize) -> Value {
        if let Some(row) = self.rows.get(self.position) {
            return row.cell(column);
        }
        let Some(column) = self.table.columns.get(column) else { return Value::Null };
        if column.role == Role::Hidden {
            return self.walk.as_ref().map_or(Value::Null, Walk::hidden);
        }
        if let Some(one) = self.metrics.front() {
            return one.cell(column.role, self.position);
        }
        let (Some(group), Shape::History(kept) | Shape::At(kept)) = (self.groups.front(), self.table.shape)
        else {
            return Value::Null;
        };
        let at_ms = group.times.get(self.position).copied().unwrap_or(0);
        match column.role {
            Role::At => Value::Int(at_ms.saturating_mul(1_000_000)),
            Role::Key(place) => kept
                .key_cells(&group.entity)
                .and_then(|cells| cells.get(place).cloned())
                .unwrap_or(Value::Null),
            Role::Qualifier => Value::from(group.qualifier.as_deref()),
            Role::Kept(place) => group.cell(place, column.column_type == ColumnType::Text, at_ms),
            _ => Value::Null,
        }
    }
}

fn wrong(text: String) -> Error {
    Error::ModuleError(text)
}

fn metric(series: Series) -> Option<Metric> {
    let found = parts(&series.key)?;
    let (_, column) = column_of(found.id)?;
    let name = series_name(found.qualifier, column);
    Some(Metric { entity: found.entity.into(), series: name.into(), points: series.points })
}

impl Metric {
    fn cell(&self, role: Role, n: usize) -> Value {
        match role {
            Role::At => Value::Int(self.points.at_ms(n).saturating_mul(1_000_000)),
            Role::Entity => Value::Text(self.entity.clone()),
            Role::Series => Value::Text(self.series.clone()),
            Role::Value(0) => self.points.value(n),
            Role::Value(which) => {
                self.points.bounds(n).into_iter().nth(usize::from(which) - 1).unwrap_or(Value::Null)
            }
            _ => Value::Null,
        }
    }
}

// SAFETY: `PastCursor` is `repr(C)` and begins with `sqlite3_vtab_cursor`, as the trait demands.
unsafe impl VTabCursor for PastCursor {
    fn filter(&mut self, _: i32, plan: Option<&str>, args: &Filters<'_>) -> Result<()> {
        let wanted = Wanted::read(self.table, plan.unwrap_or_default(), args);
        self.metrics.clear();
        self.groups.clear();
        self.rows.clear();
        self.scores = None;
        (self.position, self.rowid, self.walk) = (0, 0, None);
        if wanted.is_void { Ok(()) } else { self.begin(wanted) }
    }

    fn next(&mut self) -> Result<()> {
        self.position += 1;
        self.rowid += 1;
        if self.scores.is_some() {
            if self.position < self.rows.len() {
                return Ok(());
            }
            self.position = 0;
            return self.settle_scores();
        }
        let rows = match (self.metrics.front(), self.groups.front()) {
            (Some(metric), _) => metric.points.len(),
            (None, Some(group)) => group.times.len(),
            (None, None) => 0,
        };
        if self.position < rows {
            return Ok(());
        }
        self.position = 0;
        self.metrics.pop_front();
        self.groups.pop_front();
        self.settle()
    }

    fn eof(&self) -> bool {
        self.metrics.is_empty() && self.groups.is_empty() && self.rows.is_empty()
    }

    fn column(&self, context: &mut Context, column: i32) -> Result<()> {
        let value = self.cell(usize::try_from(column).unwrap_or(usize::MAX));
        context.set_result(to_sql(&value))
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.rowid)
    }
}
