//! What of a statement's WHERE the history can use.
use rusqlite::Result;
use rusqlite::types::ValueRef;
use rusqlite::vtab::{Filters, IndexConstraintOp, IndexInfo};

use super::{PastTable, Role, Shape};
use vocab::Value;

/// Rows guessed for a whole table.
const ROWS_OF_TABLE: f64 = 1e7;

/// One usable comparison, as it is written into the plan: `=`, `<` (at most), `>` (at least), `b` (below) or `a` (above),
/// and the column.
fn operator(op: IndexConstraintOp, role: Role) -> Option<char> {
    use IndexConstraintOp::{
        SQLITE_INDEX_CONSTRAINT_EQ as Equal, SQLITE_INDEX_CONSTRAINT_GE as AtLeast,
        SQLITE_INDEX_CONSTRAINT_GT as Above, SQLITE_INDEX_CONSTRAINT_LE as AtMost,
        SQLITE_INDEX_CONSTRAINT_LT as Below,
    };
    match (op, role) {
        (_, Role::Value(_) | Role::Unknown) => None,
        (Equal, _) => Some('='),
        (AtLeast, Role::At) => Some('>'),
        (Above, Role::At) => Some('a'),
        (AtMost, Role::At) => Some('<'),
        (Below, Role::At) => Some('b'),
        _ => None,
    }
}

/// Notes every comparison the history can use; SQLite checks them again for every row, but for those that are exact here:
/// the first name of an entity and of a series of `metrics`, and an instant that is a whole number. The plan is the mask
/// of used columns, then a comparison a word.
pub fn best_index(table: &PastTable, info: &mut IndexInfo) -> Result<bool> {
    let mut chosen = Vec::new();
    let mut is_open = false;
    for (index, (constraint, _)) in info.constraints_and_usages().enumerate() {
        let column = usize::try_from(constraint.column()).ok();
        let Some((column, role)) = column.and_then(|at| Some((at, table.columns.get(at)?.role))) else {
            continue;
        };
        let Some(sign) = operator(constraint.operator(), role) else { continue };
        // One second of it costs as much as all: an instant each of a list would be thought again from the day before.
        if matches!((table.shape, sign, role), (Shape::Scores, '=', Role::At)) {
            continue;
        }
        if constraint.is_usable() {
            chosen.push((index, sign, column, role));
        } else {
            // An argument that only another order of the tables can give.
            is_open |= role == Role::Hidden;
        }
    }
    if is_open && !chosen.iter().any(|(.., role)| *role == Role::Hidden) {
        return Ok(false);
    }
    let mut rows = ROWS_OF_TABLE;
    let mut plan = info.col_used().to_string();
    let mut place = 0;
    let mut exact = Vec::new();
    for (index, sign, column, role) in chosen {
        if info.collation(index)? != "BINARY" {
            continue;
        }
        place += 1;
        let is_whole = matches!(info.rhs_value(index), Ok(Some(ValueRef::Integer(_))));
        let is_exact = match role {
            Role::Entity | Role::Series => !exact.contains(&role),
            Role::At => is_whole && !matches!(table.shape, Shape::At(_)),
            _ => false,
        };
        exact.push(role);
        let mut usage = info.constraint_usage(index);
        usage.set_argv_index(place);
        usage.set_omit(is_exact);
        plan.push_str(&format!(" {sign}{column}"));
        rows /= match (sign, role) {
            ('=', Role::At) => 1e4,
            ('=', _) => 50.0,
            _ => 10.0,
        };
    }
    info.set_idx_str(&plan);
    info.set_estimated_cost(rows.max(1.0));
    info.set_estimated_rows(rows.max(1.0) as i64);
    Ok(true)
}

/// What a statement wants of the table.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Columns it reads, as bits; bit 63 stands for it and all beyond.
    pub used: u64,
    /// First and last instant. Unit: ns.
    pub at: (i64, i64),
    /// Step or instant.
    pub hidden: Option<Value>,
    /// Columns and the texts or numbers they must equal.
    pub equal: Vec<(usize, Equal)>,
    /// Whether nothing can be found: something equals NULL.
    pub is_void: bool,
}

/// The value a column must have.
#[derive(Clone, Debug, PartialEq)]
pub enum Equal {
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
}

impl Wanted {
    /// Reads the plan back, with the values of this run.
    pub fn read(table: &PastTable, plan: &str, args: &Filters<'_>) -> Self {
        let mut words = plan.split(' ');
        let used = words.next().and_then(|word| word.parse().ok()).unwrap_or(u64::MAX);
        let mut wanted =
            Self { used, at: (i64::MIN, i64::MAX), hidden: None, equal: Vec::new(), is_void: false };
        for (word, value) in words.zip(args.iter()) {
            let Some((sign, column)) = word.split_at_checked(1) else { continue };
            let Some(column) = column.parse::<usize>().ok().filter(|at| *at < table.columns.len()) else {
                continue;
            };
            wanted.take(table.columns[column].role, sign, column, value);
        }
        wanted
    }

    fn take(&mut self, role: Role, sign: &str, column: usize, value: ValueRef<'_>) {
        let number = match value {
            ValueRef::Null => {
                self.is_void = true;
                return;
            }
            ValueRef::Integer(value) => Some(value as f64),
            ValueRef::Real(value) => Some(value),
            ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()),
            ValueRef::Blob(_) => None,
        };
        let whole = match value {
            ValueRef::Integer(value) => Some(value),
            _ => number.map(|number| number as i64),
        };
        // To the next whole number; what is none is only narrowed down, and SQLite looks again.
        let step = i64::from(matches!(value, ValueRef::Integer(_)));
        match (role, sign, whole) {
            (Role::At, "=", Some(at)) => self.at = (self.at.0.max(at), self.at.1.min(at)),
            (Role::At, ">", Some(at)) => self.at.0 = self.at.0.max(at),
            (Role::At, "<", Some(at)) => self.at.1 = self.at.1.min(at),
            (Role::At, "a", Some(at)) => self.at.0 = self.at.0.max(at.saturating_add(step)),
            (Role::At, "b", Some(at)) => self.at.1 = self.at.1.min(at.saturating_sub(step)),
            (Role::Hidden, ..) => {
                self.hidden = match value {
                    ValueRef::Integer(value) => Some(Value::Int(value)),
                    _ => number.map(Value::from),
                };
            }
            // These columns are texts, and none of them is empty or reads as a number.
            (Role::Entity | Role::Series, "=", _) => match value {
                ValueRef::Text(text) if !text.is_empty() => {
                    self.equal.push((column, Equal::Text(String::from_utf8_lossy(text).into_owned())));
                }
                _ => self.is_void = true,
            },
            (_, "=", _) => match value {
                ValueRef::Integer(value) => self.equal.push((column, Equal::Int(value))),
                ValueRef::Text(text) => {
                    let text = String::from_utf8_lossy(text).into_owned();
                    self.equal.push((column, Equal::Text(text)));
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// The hidden argument as an instant. Unit: ms.
    pub fn instant_ms(&self) -> Option<i64> {
        match self.hidden.as_ref()? {
            Value::Int(at) => Some(at.div_euclid(1_000_000)),
            other => other.as_f64().map(|at| (at / 1e6).floor() as i64),
        }
    }

    /// Whether a column is read.
    pub const fn uses(&self, column: usize) -> bool {
        let bit = if column < 63 { column } else { 63 };
        self.used & (1 << bit) != 0
    }
}
