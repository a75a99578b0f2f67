//! Reads series back for SQL.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use store::codec::Kind;
use store::history::{History, Hot, Query, Row, Select};
use store::medium::FileMedium;
use vocab::Value;

use super::place::{self, FOLDER};

/// Most points that one read holds in memory: some 3 MB.
const SAMPLES_MAX: usize = 200_000;
const ROWS_MAX: usize = 50_000;

/// Reads the history, beside its keeper or without one.
#[derive(Clone)]
pub struct Reader {
    history: Arc<History>,
}

/// Which series.
pub enum Which<'a> {
    /// Those with these keys.
    Keys(Vec<Vec<u8>>),
    /// Those whose key begins so and passes.
    Prefix(&'a [u8], &'a dyn Fn(&[u8]) -> bool),
    /// Those whose key passes.
    Where(&'a dyn Fn(&[u8]) -> bool),
}

/// What is asked for.
pub struct Ask<'a> {
    /// Which series.
    pub which: &'a Which<'a>,
    /// First instant. Unit: ms.
    pub from_ms: i64,
    /// First instant no more wanted. Unit: ms.
    pub to_ms: i64,
    /// Width of a step; 0 for the samples themselves. Unit: ms.
    pub step_ms: u32,
}

/// One series.
pub struct Series {
    /// Its key.
    pub key: Vec<u8>,
    /// Its points, oldest first.
    pub points: Points,
}

/// Points of one series.
pub enum Points {
    /// As they came.
    Samples {
        /// What the bits mean.
        kind: Kind,
        /// When. Unit: ms.
        times: Vec<i64>,
        /// Values, as many as times.
        values: Vec<u64>,
    },
    /// Summed up over steps.
    Rows(Vec<Row>),
}

impl Points {
    /// How many.
    pub const fn len(&self) -> usize {
        match self {
            Self::Samples { times, .. } => times.len(),
            Self::Rows(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves only the points of a span of time, both ends included. Unit: ns.
    pub fn keep(&mut self, (from_ns, to_ns): (i64, i64)) {
        let (from_ms, to_ms) = (
            from_ns.div_euclid(1_000_000) + i64::from(from_ns.rem_euclid(1_000_000) > 0),
            to_ns.div_euclid(1_000_000),
        );
        match self {
            Self::Samples { times, values, .. } => {
                let from = times.partition_point(|at| *at < from_ms);
                let to = times.partition_point(|at| *at <= to_ms).max(from);
                times.truncate(to);
                values.truncate(to);
                times.drain(..from);
                values.drain(..from);
            }
            Self::Rows(rows) => rows.retain(|row| (from_ms..=to_ms).contains(&row.at_ms)),
        }
    }

    /// When point `n` is, or its step begins. Unit: ms.
    pub fn at_ms(&self, n: usize) -> i64 {
        match self {
            Self::Samples { times, .. } => times.get(n).copied().unwrap_or(0),
            Self::Rows(rows) => rows.get(n).map_or(0, |row| row.at_ms),
        }
    }

    /// The value of point `n`; the mean over a step.
    pub fn value(&self, n: usize) -> Value {
        match self {
            Self::Samples { kind, values, .. } => {
                values.get(n).map_or(Value::Null, |bits| number(*kind, *bits))
            }
            Self::Rows(rows) => rows.get(n).map_or(Value::Null, |row| {
                let total = row.summary.number(row.summary.sum);
                Value::from(total / row.summary.count.max(1) as f64)
            }),
        }
    }

    /// Least, greatest and last value of point `n`, and how many samples it sums up.
    pub fn bounds(&self, n: usize) -> [Value; 4] {
        match self {
            Self::Samples { .. } => {
                let value = self.value(n);
                [value.clone(), value.clone(), value, Value::Int(1)]
            }
            Self::Rows(rows) => rows.get(n).map_or([const { Value::Null }; 4], |row| {
                let of = |bits| number(row.summary.kind, bits);
                let one = &row.summary;
                [of(one.min), of(one.max), of(one.last), Value::from(one.count)]
            }),
        }
    }

    /// The point of that instant.
    pub fn find(&self, at_ms: i64) -> Option<usize> {
        match self {
            Self::Samples { times, .. } => times.binary_search(&at_ms).ok(),
            Self::Rows(rows) => rows.binary_search_by_key(&at_ms, |row| row.at_ms).ok(),
        }
    }

    /// How many samples point `n` sums up.
    pub fn weight(&self, n: usize) -> u64 {
        match self {
            Self::Samples { .. } => 1,
            Self::Rows(rows) => rows.get(n).map_or(0, |row| row.summary.count),
        }
    }
}

fn number(kind: Kind, bits: u64) -> Value {
    match kind {
        Kind::Int => Value::Int(bits as i64),
        Kind::Float => Value::from(f64::from_bits(bits)),
    }
}

impl Reader {
    pub(super) const fn new(history: Arc<History>) -> Self {
        Self { history }
    }

    /// The history of a state folder, read without its daemon or beside it, with what a person should know of it;
    /// `None` if there is none.
    pub fn of(dir: &Path) -> Option<(Self, Vec<String>)> {
        let folder = dir.join(FOLDER);
        if !folder.is_dir() {
            return None;
        }
        let hot = place::hot_places(dir, false).find_map(|path| Hot::open_to_read(&path));
        let medium = FileMedium::open_to_read(&folder);
        let (history, notes) = History::open_to_read(Arc::new(medium), hot, place::options()).ok()?;
        Some((Self::new(Arc::new(history)), notes))
    }

    /// The history itself, to check it and to say what it holds.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// First and last instant. Unit: ms.
    pub fn span_ms(&self) -> Option<(i64, i64)> {
        self.history.span_ms()
    }

    /// The series asked for, in the order of their keys; `None` if they are more than memory should hold.
    ///
    /// # Errors
    /// In words: the files cannot be read. Damaged parts are left out.
    pub fn read(&self, ask: &Ask<'_>) -> Result<Option<Vec<Series>>, String> {
        let mut found = Vec::new();
        let mut one = |select: Select<'_>| -> Result<bool, String> {
            let query = Query::new(select, ask.from_ms, ask.to_ms);
            let read = if ask.step_ms == 0 { self.samples(&query)? } else { self.rows(&query, ask.step_ms)? };
            let is_whole = read.is_some();
            found.extend(read.into_iter().flatten());
            Ok(is_whole)
        };
        let is_whole = match ask.which {
            Which::Keys(keys) => {
                let mut is_whole = true;
                for key in keys {
                    is_whole &= one(Select::Key(key))?;
                }
                is_whole
            }
            Which::Prefix(prefix, passes) => one(Select::PrefixWhere(prefix, passes))?,
            Which::Where(passes) => one(Select::Where(passes))?,
        };
        Ok(is_whole.then_some(found))
    }

    fn samples(&self, query: &Query<'_>) -> Result<Option<Vec<Series>>, String> {
        let mut found = BTreeMap::<Vec<u8>, (Kind, Vec<i64>, Vec<u64>)>::new();
        let query = Query { limit: SAMPLES_MAX, ..*query };
        let scanned = self.history.samples(&query, |chunk| {
            if !found.contains_key(chunk.key) {
                found.insert(chunk.key.to_vec(), (chunk.kind, Vec::new(), Vec::new()));
            }
            // A column whose type changed with a version keeps its first one.
            if let Some((_, times, values)) = found.get_mut(chunk.key).filter(|one| one.0 == chunk.kind) {
                times.extend_from_slice(chunk.times);
                values.extend_from_slice(chunk.values);
            }
        });
        let scanned = scanned.map_err(|error| error.to_string())?;
        let series = found
            .into_iter()
            .map(|(key, (kind, times, values))| Series { key, points: in_order(kind, times, values) });
        Ok((!scanned.is_cut).then(|| series.collect()))
    }

    fn rows(&self, query: &Query<'_>, step_ms: u32) -> Result<Option<Vec<Series>>, String> {
        let query = Query { limit: ROWS_MAX, ..*query };
        let (series, scanned) = self.history.rows(&query, step_ms).map_err(|error| error.to_string())?;
        let series = series.into_iter().map(|one| Series { key: one.key, points: Points::Rows(one.rows) });
        Ok((!scanned.is_cut).then(|| series.collect()))
    }
}

/// Samples in order of time, also where the clock went back between two chunks.
fn in_order(kind: Kind, mut times: Vec<i64>, mut values: Vec<u64>) -> Points {
    if !times.is_sorted() {
        let mut pairs: Vec<_> = times.into_iter().zip(values).collect();
        pairs.sort_by_key(|(at, _)| *at);
        (times, values) = pairs.into_iter().unzip();
    }
    Points::Samples { kind, times, values }
}
