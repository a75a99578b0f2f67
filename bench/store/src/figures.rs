//! The figures of a run: printed as a table, written as JSON.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

/// One measured figure.
struct Figure {
    figure: &'static str,
    case: String,
    subject: String,
    value: f64,
    unit: &'static str,
}

/// All figures of one bench.
pub struct Figures {
    bench: &'static str,
    rows: Vec<Figure>,
}

impl Figures {
    /// No figures yet.
    pub fn new(bench: &'static str) -> Self {
        Self { bench, rows: Vec::new() }
    }

    /// Adds a figure and prints its line.
    pub fn push(&mut self, figure: &'static str, case: &str, subject: &str, value: f64, unit: &'static str) {
        println!("{figure:22} {case:22} {subject:16} {value:14.3} {unit}");
        self.rows.push(Figure { figure, case: case.to_owned(), subject: subject.to_owned(), value, unit });
    }

    /// Writes the rows as a JSON array.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let row = |row: &Figure| {
            json!({"bench": self.bench, "figure": row.figure, "case": row.case, "subject": row.subject,
                   "value": row.value, "unit": row.unit})
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        fs::write(path, format!("{:#}\n", Value::Array(rows)))
    }
}

/// The value below which a share of all values lies; NaN of none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
