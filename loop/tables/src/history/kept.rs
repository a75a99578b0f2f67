//! Which live tables have a history, what names one of their rows across turns, and which columns are kept.
use std::fmt::Write as _;
use std::sync::LazyLock;

use vocab::Value;
use vocab::table::{ColumnType, TableSpec};

use super::key::{self, id_of};
use super::rounding::{rounded, two_digits};
use crate::source::{Origin, SOURCES, Source};
use crate::view::View;

/// Columns that only count the time since an instant: the instants are kept. And one that only tells what new memory is.
const UNKEPT: &[&str] = &["age_s", "up_s", "exit_age_s", "virtual_bytes"];

/// Columns of a score that follow from the model: kept is that somebody differed, in what, and how strange it was.
const OF_THE_MODEL: &[&str] = &["low", "high", "samples", "since", "sentence"];

/// A live table with a history.
pub struct Kept {
    /// Its declaration.
    pub spec: &'static TableSpec,
    source: &'static Source,
    /// What its entities begin with.
    pub prefix: &'static str,
    /// Columns that make the rest of the entity, joined by `@`.
    pub key: Vec<usize>,
    /// Column that tells rows of one entity apart; it stands before the column's name in a series' name.
    pub qualifier: Option<usize>,
    /// Rows younger than [`Kept::AGE_MIN_S`] by this column are left out.
    age: Option<usize>,
    /// What is kept, in the order of the columns.
    pub columns: Vec<KeptColumn>,
}

/// A column that is kept.
#[derive(Clone, Copy, Debug)]
pub struct KeptColumn {
    /// Its place in the table.
    pub index: usize,
    /// Its name.
    pub name: &'static str,
    /// Its type: a number is the value of its series; a text is part of the name of one that is always 1.
    pub column_type: ColumnType,
    /// What its series' keys carry.
    pub id: [u8; 3],
    /// What is kept of its fractions.
    pub round: fn(f64) -> f64,
}

/// Table, entity prefix, key columns, qualifier.
type Rule = (&'static str, &'static str, &'static [&'static str], Option<&'static str>);

const RULES: &[Rule] = &[
    ("machine", "machine", &[], None),
    ("processes", "process:", &["pid", "start_ticks"], None),
    ("cgroups", "cgroup:", &["path"], None),
    ("services", "service:", &["name"], None),
    ("pressure", "", &["entity"], Some("resource")),
    ("disks", "disk:", &["name"], None),
    ("filesystems", "filesystem:", &["mount_point"], None),
    ("interfaces", "interface:", &["name"], None),
    ("findings", "", &["culprit"], Some("kind")),
    ("anomalies", "", &["entity"], None),
    ("leases", "action:", &["action_id"], None),
    ("self", "self:", &["name"], None),
];

/// Every table with a history.
pub static KEPT: LazyLock<Vec<Kept>> = LazyLock::new(|| RULES.iter().filter_map(Kept::new).collect());

/// The table of that name, if it has a history.
pub fn kept(table: &str) -> Option<&'static Kept> {
    KEPT.iter().find(|one| one.spec.name == table)
}

/// The table and column of a number's id; `None` for one that this version does not have.
pub fn column_of(id: [u8; 3]) -> Option<(&'static Kept, &'static str)> {
    KEPT.iter().find_map(|kept| {
        let column =
            kept.columns.iter().find(|column| column.id == id && column.column_type != ColumnType::Text)?;
        Some((kept, column.name))
    })
}

/// The number in a cell of a live table, by the entity of its row.
pub fn cell_of(view: &View, table: &str, column: &str, entity: &str) -> Option<f64> {
    let kept = kept(table)?;
    let column = kept.columns.iter().find(|one| one.name == column)?;
    let mut name = String::new();
    let row = (0..kept.rows(view)).find(|row| {
        kept.name(view, *row, &mut name);
        name == entity
    })?;
    kept.cell(view, row, column.index).as_f64()
}

impl Kept {
    /// A process lives so long before it has a history of its own: thousands of compilers an hour have none, their work
    /// stands in that of their service. Unit: s.
    pub const AGE_MIN_S: f64 = 5.0;

    fn new((table, prefix, key, qualifier): &Rule) -> Option<Self> {
        let source = SOURCES.iter().find(|source| source.spec.name == *table)?;
        let key = key.iter().filter_map(|name| source.column(name)).collect::<Vec<_>>();
        let qualifier = qualifier.and_then(|name| source.column(name));
        let spec = &source.spec;
        let is_kept = |index: &usize| {
            let name = spec.columns[*index].name;
            let is_of_model = spec.name == "anomalies" && OF_THE_MODEL.contains(&name);
            let is_left_out = UNKEPT.contains(&name) || name == "at" || is_of_model;
            !key.contains(index) && qualifier != Some(*index) && !is_left_out
        };
        let column = |index: usize| {
            let column = &spec.columns[index];
            let id = id_of(spec.name, column.name);
            let round = if column.name == "probability" { two_digits } else { rounded };
            KeptColumn { index, name: column.name, column_type: column.column_type, id, round }
        };
        let columns = (0..spec.columns.len()).filter(is_kept).map(column).collect();
        let age = (*table == "processes").then(|| source.column("age_s")).flatten();
        Some(Self { spec, source, prefix, key, qualifier, age, columns })
    }

    /// Columns that every row has: whoever reads none of the others still learns who was there.
    pub fn always(&self) -> Option<[u8; 3]> {
        let name = match self.spec.name {
            "machine" => "cpus",
            "processes" => "threads",
            "cgroups" => "inode",
            "services" => "processes",
            "pressure" => "some_us",
            "disks" => "in_flight",
            "filesystems" => "is_read_only",
            "interfaces" => "receive_bytes_per_s",
            "findings" => "confidence",
            "anomalies" => "probability",
            "leases" => "undo_on_death",
            _ => "unit",
        };
        self.columns.iter().find(|column| column.name == name).map(|column| column.id)
    }

    /// Rows in this view.
    pub fn rows(&self, view: &View) -> usize {
        match self.source.origin {
            Origin::View { len, .. } => len(view),
            _ => 0,
        }
    }

    /// One cell of the view.
    pub fn cell(&self, view: &View, row: usize, column: usize) -> Value {
        match self.source.origin {
            Origin::View { cell, .. } => cell(view, row, column),
            _ => Value::Null,
        }
    }

    /// Whether the row is too young to be kept.
    pub fn is_young(&self, view: &View, row: usize) -> bool {
        let age_s = self.age.and_then(|age| self.cell(view, row, age).as_f64());
        age_s.is_some_and(|age_s| age_s < Self::AGE_MIN_S)
    }

    /// Writes the name of a row: its entity and, behind a mark, what tells rows of it apart.
    pub fn name(&self, view: &View, row: usize, to: &mut String) {
        to.clear();
        to.push_str(self.prefix);
        for (n, column) in self.key.iter().enumerate() {
            if n > 0 {
                to.push('@');
            }
            let _ = write!(to, "{}", self.cell(view, row, *column));
        }
        let end = key::cut(to, key::ENTITY_MAX).len();
        to.truncate(end);
        if let Some(qualifier) = self.qualifier {
            key::qualify(to, self.cell(view, row, qualifier).as_str().unwrap_or(""));
        }
    }

    /// The cells of the key columns, read back from an entity; `None` if it is of another table.
    pub fn key_cells(&self, entity: &str) -> Option<Vec<Value>> {
        let rest = entity.strip_prefix(self.prefix)?;
        let parts = match self.key.len() {
            0 => return rest.is_empty().then(Vec::new),
            1 => vec![rest],
            _ => rest.splitn(self.key.len(), '@').collect(),
        };
        let cells =
            self.key.iter().zip(parts).map(|(column, text)| match self.spec.columns[*column].column_type {
                ColumnType::Text => Some(Value::from(text)),
                _ => text.parse().ok().map(Value::Int),
            });
        cells.collect::<Option<Vec<_>>>().filter(|cells| cells.len() == self.key.len())
    }
}
