//! Reads the history slice by slice: what memory holds is bounded whatever is asked for.
use std::collections::{HashSet, VecDeque};

use super::plan::{Equal, Wanted};
use super::{PastTable, Role, Shape};
use crate::history::kept::{KEPT, Kept, column_of, kept};
use crate::history::{Ask, Points, Reader, Series, Which, parts, write_key};
use vocab::Value;
use vocab::table::ColumnType;

/// Longest slices. Unit: ms.
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// So old is the tick that still says how it was at an instant. Unit: ms.
const AT_AGE_MS: i64 = 10_000;

/// A walk over what a statement wants.
pub struct Walk {
    reader: Reader,
    wanted: Wanted,
    which: Select,
    step_ms: u32,
    from_ms: i64,
    to_ms: i64,
    slice_ms: i64,
}

/// Which series, in a form that can be kept.
enum Select {
    Keys(Vec<Vec<u8>>),
    Rows { prefix: String, names: Option<HashSet<String>>, qualifier: Option<String>, ids: Vec<[u8; 3]> },
    Metrics { prefix: String, series: Option<String> },
}

/// One row's series: an entity with its columns.
pub struct Group {
    /// The entity.
    pub entity: String,
    /// What tells rows of it apart.
    pub qualifier: Option<String>,
    /// Kept columns, each with its text if it is one.
    pub columns: Vec<(usize, String, Points)>,
    /// Every instant of which there is a row. Unit: ms.
    pub times: Vec<i64>,
}

impl Walk {
    /// Begins a walk.
    pub fn new(table: &PastTable, reader: Reader, wanted: Wanted) -> Result<Self, String> {
        let (first, last) = reader.span_ms().unwrap_or((0, -1));
        let step_ms = step_of(table, &wanted)?;
        let step = i64::from(step_ms.max(1));
        // Aligned, so that the first and the last step are whole.
        let from_ms = wanted.at.0.div_euclid(1_000_000).max(first);
        let from_ms = from_ms - from_ms.rem_euclid(step);
        let last = wanted.at.1.div_euclid(1_000_000).min(last);
        let to_ms = (last - last.rem_euclid(step)).saturating_add(step);
        let slice_ms = if step_ms >= 60_000 { DAY_MS.max(step) } else { HOUR_MS };
        let slice_ms = slice_ms.max(step) / step * step;
        let which = Select::of(table, &wanted);
        let mut walk = Self { reader, wanted, which, step_ms, from_ms, to_ms, slice_ms };
        if let (Shape::History(kept) | Shape::At(kept), false) = (table.shape, walk.wanted.is_void) {
            walk.narrow_by_names(table, kept)?;
        }
        Ok(walk)
    }

    /// The step as it was asked for, or the instant.
    pub fn hidden(&self) -> Value {
        self.wanted.hidden.clone().unwrap_or(Value::Null)
    }

    /// The next slice that holds something; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Vec<Series>>, String> {
        while self.from_ms < self.to_ms && !self.wanted.is_void {
            let end_ms = self.from_ms.saturating_add(self.slice_ms).min(self.to_ms);
            match self.read(self.from_ms, end_ms, self.step_ms)? {
                Some(mut series) => {
                    self.from_ms = end_ms;
                    // The first and the last step are read whole.
                    series.iter_mut().for_each(|one| one.points.keep(self.wanted.at));
                    series.retain(|one| !one.points.is_empty());
                    if !series.is_empty() {
                        return Ok(Some(series));
                    }
                }
                None => self.halve()?,
            }
        }
        Ok(None)
    }

    fn halve(&mut self) -> Result<(), String> {
        let step = i64::from(self.step_ms.max(1));
        let half = (self.slice_ms / 2 / step * step).max(step);
        if half == self.slice_ms || half < 1_000 {
            return Err(
                "more series than memory should hold; narrow them with WHERE entity = … or series = …"
                    .to_owned(),
            );
        }
        self.slice_ms = half;
        Ok(())
    }

    /// The rows at the instant that was asked for: those of the last tick before it, else of its minute or hour.
    pub fn at_instant(&self) -> Result<Vec<Series>, String> {
        let Some(at_ms) = self.wanted.instant_ms() else {
            return Err(
                "an instant is missing: TABLE_at(unixepoch('now', '-1 hour') * 1000000000)".to_owned()
            );
        };
        for step_ms in [0_u32, 60_000, 3_600_000] {
            let start = at_ms - at_ms.rem_euclid(i64::from(step_ms.max(1)));
            let (from_ms, to_ms) = match step_ms {
                0 => (at_ms.saturating_sub(AT_AGE_MS), at_ms.saturating_add(1)),
                _ => (start, start.saturating_add(i64::from(step_ms))),
            };
            if let Some(last) = self.last_tick(from_ms, to_ms, step_ms)? {
                let series = self.read(from_ms, to_ms, step_ms)?.unwrap_or_default();
                return Ok(series.into_iter().filter_map(|one| only(one, last)).collect());
            }
        }
        Ok(Vec::new())
    }

    /// The last tick in a span, or the last step: the machine is in every one. Nothing of another table in it means that
    /// nothing stood there, not that nothing is known.
    fn last_tick(&self, from_ms: i64, to_ms: i64, step_ms: u32) -> Result<Option<i64>, String> {
        let machine = kept("machine").and_then(|kept| Some(write_key("machine", None, kept.always()?)));
        let which = Which::Keys(machine.into_iter().collect());
        let found = self.reader.read(&Ask { which: &which, from_ms, to_ms, step_ms })?.unwrap_or_default();
        let last = |one: &Series| one.points.len().checked_sub(1).map(|n| one.points.at_ms(n));
        Ok(found.iter().filter_map(last).max())
    }

    fn read(&self, from_ms: i64, to_ms: i64, step_ms: u32) -> Result<Option<Vec<Series>>, String> {
        let ask = |which: &Which<'_>| self.reader.read(&Ask { which, from_ms, to_ms, step_ms });
        match &self.which {
            Select::Keys(keys) => ask(&Which::Keys(keys.clone())),
            Select::Metrics { prefix, series } => {
                let passes = |key: &[u8]| is_metric(key, prefix, series.as_deref());
                ask(&Which::Prefix(prefix.as_bytes(), &passes))
            }
            Select::Rows { prefix, names, qualifier, ids } => {
                let passes = |key: &[u8]| {
                    parts(key).is_some_and(|one| {
                        ids.contains(&one.id)
                            && qualifier.as_deref().is_none_or(|wanted| one.qualifier == Some(wanted))
                            && names.as_ref().is_none_or(|names| names.contains(one.entity))
                    })
                };
                ask(&Which::Prefix(prefix.as_bytes(), &passes))
            }
        }
    }

    /// Finds the entities whose texts are those wanted, so that only these are read.
    fn narrow_by_names(&mut self, table: &PastTable, kept: &Kept) -> Result<(), String> {
        let named =
            self.wanted.equal.iter().find_map(|(column, equal)| match (table.columns[*column].role, equal) {
                (Role::Kept(place), Equal::Text(text)) => Some((kept.columns[place].id, text.clone())),
                _ => None,
            });
        let (Some((id, text)), Select::Rows { prefix, names, .. }) = (named, &mut self.which) else {
            return Ok(());
        };
        let text = crate::history::cut_text(&text).to_owned();
        let passes = |key: &[u8]| parts(key).is_some_and(|one| one.id == id && one.text == text);
        // A step of an hour is enough to see who was there, and the coarsest tier answers it.
        let step = 3_600_000;
        let which = Which::Prefix(prefix.as_bytes(), &passes);
        let (from_ms, to_ms) = match self.wanted.instant_ms().filter(|_| matches!(table.shape, Shape::At(_)))
        {
            Some(at_ms) => (at_ms.saturating_sub(2 * HOUR_MS), at_ms.saturating_add(HOUR_MS)),
            None => (self.from_ms - self.from_ms.rem_euclid(HOUR_MS), self.to_ms.saturating_add(HOUR_MS)),
        };
        let found = self.reader.read(&Ask { which: &which, from_ms, to_ms, step_ms: step })?;
        *names = found
            .map(|found| found.iter().filter_map(|one| Some(parts(&one.key)?.entity.to_owned())).collect());
        Ok(())
    }
}

/// Whether the key is a number's whose entity begins so, and of the series of that name.
fn is_metric(key: &[u8], prefix: &str, series: Option<&str>) -> bool {
    let Some(one) = parts(key).filter(|one| one.text.is_empty()) else { return false };
    // A prefix that ends with the entity's end is a whole entity.
    let is_entity = prefix.is_empty() || one.entity == prefix;
    is_entity
        && series.is_none_or(|wanted| {
            column_of(one.id).is_some_and(|(_, column)| is_named(wanted, one.qualifier, column))
        })
}

fn is_named(series: &str, qualifier: Option<&str>, column: &str) -> bool {
    match qualifier {
        None => series == column,
        Some(qualifier) => series
            .strip_prefix(qualifier)
            .and_then(|rest| rest.strip_prefix('_'))
            .is_some_and(|rest| rest == column),
    }
}

fn step_of(table: &PastTable, wanted: &Wanted) -> Result<u32, String> {
    if matches!(table.shape, Shape::At(_)) {
        return Ok(0);
    }
    match wanted.hidden.as_ref().map(|step_s| step_s.as_f64().unwrap_or(0.0)) {
        None => Ok(0),
        Some(step_s) if (1.0..=366.0 * 86_400.0).contains(&step_s) => {
            let step_ms = (step_s * 1e3) as i64;
            Ok(if step_ms <= 1_000 { 0 } else { u32::try_from(step_ms).unwrap_or(u32::MAX) })
        }
        Some(_) => Err("step_s is a number of seconds from 1 on".to_owned()),
    }
}

impl Select {
    fn of(table: &PastTable, wanted: &Wanted) -> Self {
        let text = |role: Role| {
            wanted.equal.iter().find_map(|(column, equal)| match equal {
                Equal::Text(text) if table.columns[*column].role == role => Some(text.clone()),
                _ => None,
            })
        };
        match table.shape {
            Shape::Metrics | Shape::Scores => match (text(Role::Entity), text(Role::Series)) {
                (Some(entity), Some(series)) => Self::Keys(keys_of(&entity, &series)),
                (entity, series) => Self::Metrics { prefix: entity.unwrap_or_default(), series },
            },
            Shape::History(kept) | Shape::At(kept) => {
                let qualifier = text(Role::Qualifier);
                Self::Rows {
                    prefix: prefix_of(table, kept, wanted),
                    names: None,
                    qualifier,
                    ids: ids_of(table, kept, wanted),
                }
            }
        }
    }
}

/// The keys that a series of that name may have.
fn keys_of(entity: &str, series: &str) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    for kept in KEPT.iter().filter(|kept| entity.starts_with(kept.prefix)) {
        for column in kept.columns.iter().filter(|column| column.column_type != ColumnType::Text) {
            let qualifier = match kept.qualifier {
                None if series == column.name => None,
                Some(_) => match series.strip_suffix(column.name).and_then(|rest| rest.strip_suffix('_')) {
                    Some(qualifier) => Some(qualifier),
                    None => continue,
                },
                None => continue,
            };
            keys.push(write_key(entity, qualifier, column.id));
        }
    }
    keys
}

/// What the entities wanted begin with.
fn prefix_of(table: &PastTable, kept: &Kept, wanted: &Wanted) -> String {
    let mut prefix = kept.prefix.to_owned();
    for place in 0..kept.key.len() {
        let found = wanted.equal.iter().find(|(column, _)| table.columns[*column].role == Role::Key(place));
        let Some((_, equal)) = found else { break };
        let is_text = kept.spec.columns[kept.key[place]].column_type == ColumnType::Text;
        match equal {
            Equal::Int(value) if !is_text => prefix.push_str(&value.to_string()),
            Equal::Text(text) if is_text => prefix.push_str(text),
            // SQLite may find a text equal to a number; it looks at all rows itself.
            _ => break,
        }
        if place + 1 < kept.key.len() {
            prefix.push('@');
        }
    }
    prefix
}

/// The columns that must be read: those used, and where none is, one that every row has, to see that it is there.
fn ids_of(table: &PastTable, kept: &Kept, wanted: &Wanted) -> Vec<[u8; 3]> {
    let is_used = |column: &(usize, &super::PastColumn)| {
        wanted.uses(column.0) || wanted.equal.iter().any(|(index, _)| *index == column.0)
    };
    let place = |column: (usize, &super::PastColumn)| match column.1.role {
        Role::Kept(place) => Some(kept.columns[place].id),
        _ => None,
    };
    let mut ids: Vec<_> = table.columns.iter().enumerate().filter(is_used).filter_map(place).collect();
    ids.extend(kept.always());
    ids
}

/// The series with nothing but its point of that instant.
fn only(series: Series, at_ms: i64) -> Option<Series> {
    let n = series.points.find(at_ms)?;
    let points = match series.points {
        Points::Samples { kind, values, .. } => {
            Points::Samples { kind, times: vec![at_ms], values: vec![*values.get(n)?] }
        }
        Points::Rows(rows) => Points::Rows(vec![*rows.get(n)?]),
    };
    Some(Series { key: series.key, points })
}

/// Series, in the order of their keys, put together as rows of a table.
pub fn groups(kept: &Kept, series: Vec<Series>) -> VecDeque<Group> {
    let mut groups = VecDeque::<Group>::new();
    for one in series {
        let Some(found) = parts(&one.key) else { continue };
        let Some(place) = kept.columns.iter().position(|column| column.id == found.id) else { continue };
        let is_same = |group: &&mut Group| {
            group.entity == found.entity && group.qualifier.as_deref() == found.qualifier
        };
        if groups.back_mut().filter(is_same).is_none() {
            groups.push_back(Group {
                entity: found.entity.to_owned(),
                qualifier: found.qualifier.map(str::to_owned),
                columns: Vec::new(),
                times: Vec::new(),
            });
        }
        let text = found.text.to_owned();
        if let Some(group) = groups.back_mut() {
            group.columns.push((place, text, one.points));
        }
    }
    groups.iter_mut().for_each(Group::line_up);
    groups
}

impl Group {
    /// Every instant at which any column has a point.
    fn line_up(&mut self) {
        for (_, _, points) in &self.columns {
            let is_new = points.len() != self.times.len()
                || (0..points.len()).any(|n| points.at_ms(n) != self.times[n]);
            if is_new {
                self.times.extend((0..points.len()).map(|n| points.at_ms(n)));
                self.times.sort_unstable();
                self.times.dedup();
            }
        }
    }

    /// The cell of a kept column at an instant. Of the texts of one step, the one that stood longest.
    pub fn cell(&self, place: usize, is_text: bool, at_ms: i64) -> Value {
        let own = self.columns.iter().filter(|(column, ..)| *column == place);
        let found = own.filter_map(|(_, text, points)| Some((text, points, points.find(at_ms)?)));
        let best = found.max_by_key(|(_, points, n)| points.weight(*n));
        best.map_or(
            Value::Null,
            |(text, points, n)| {
                if is_text { Value::from(text.as_str()) } else { points.value(n) }
            },
        )
    }
}
