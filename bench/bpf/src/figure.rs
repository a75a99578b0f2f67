//! The figures of a run: printed as they come, written as JSON at the end.

use serde_json::{Value, json};

/// Whatever stopped a bench, in words.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Figures {
    rows: Vec<Value>,
}

/// What a figure is about.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    /// `bpf` or `reflex`.
    pub(crate) bench: &'a str,
    /// The load or the state of the machine.
    pub(crate) case: &'a str,
    /// The program, object or path measured.
    pub(crate) subject: &'a str,
}

impl Figures {
    /// Adds one figure and prints it.
    pub(crate) fn add(&mut self, about: About<'_>, figure: &str, value: f64, unit: &str) {
        let About { bench, case, subject } = about;
        let rounded = (value * 1000.0).round() / 1000.0;
        println!("{bench:<8}{case:<14}{subject:<22}{figure:<26}{rounded:>14.3} {unit}");
        self.rows.push(json!({
            "bench": bench, "figure": figure, "case": case, "subject": subject, "value": rounded, "unit": unit,
        }));
    }

    /// Writes all figures to `path`.
    pub(crate) fn write(&self, path: &str) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&self.rows)?;
        Ok(std::fs::write(path, text + "\n")?)
    }
}
