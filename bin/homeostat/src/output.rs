//! What commands print: tables for people, `--json` and `--plain` for programs. Start at [`Printer`].
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use clap::ValueEnum;
use serde_json::Value as Json;
use vocab::Timestamp;

use crate::door::json::SCHEMA;

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object a line, each with the number of the schema.
    Json,
    /// One record a line, fields divided by tabs.
    Plain,
}

/// A column of a printed table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Field of the record.
    pub field: &'static str,
    /// Heading.
    pub title: &'static str,
    /// How its values are written for people.
    pub style: Style,
}

/// How a value is written for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As it is; numbers to the right.
    Plain,
    /// Nanoseconds since 1970 as UTC, to the second.
    Time,
    /// Seconds as a person says them: `3 min`.
    Span,
    /// Yes or no.
    Flag,
    /// A word that says how bad something is: coloured, never by colour alone.
    Severity,
}

/// Colours, by what they mean.
#[derive(Clone, Copy, Debug)]
pub enum Tint {
    /// Headings.
    Strong,
    /// What is of less interest.
    Faint,
    /// What is well.
    Good,
    /// What will hurt.
    Warn,
    /// What hurts.
    Bad,
}

/// Writes to standard output.
pub struct Printer {
    out: BufWriter<Stdout>,
    format: Format,
    has_color: bool,
    width: Option<usize>,
}

impl Printer {
    /// A printer for this process's standard output.
    pub fn new(format: Format, color: Color) -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let has_color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && !is_set("NO_COLOR") && !is_dumb,
        };
        let size = rustix::termios::tcgetwinsize(&out).ok().filter(|_| is_terminal);
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        Self { out: BufWriter::new(out), format, has_color, width }
    }

    /// How to print.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// One line for people.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// One JSON object, with the number of the schema.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn object(&mut self, object: &Json) -> io::Result<()> {
        let mut whole = serde_json::json!({"schema": SCHEMA});
        if let (Json::Object(whole), Json::Object(fields)) = (&mut whole, object) {
            whole.extend(fields.clone());
        }
        writeln!(self.out, "{whole}")
    }

    /// Records in the format asked for: a table shows `columns`, JSON everything.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn records(&mut self, columns: &[Column], records: &[Json]) -> io::Result<()> {
        if self.format == Format::Json {
            return records.iter().try_for_each(|record| self.object(record));
        }
        let is_plain = self.format == Format::Plain;
        let titles = columns.iter().map(|column| column.title.to_owned()).collect();
        let cell = |record: &Json, column: &Column| {
            let style = if is_plain { Style::Plain } else { column.style };
            Cell {
                text: write_value(&record[column.field], style),
                is_number: record[column.field].is_number(),
            }
        };
        let rows = records.iter().map(|record| columns.iter().map(|column| cell(record, column)).collect());
        let severity = columns.iter().position(|column| column.style == Style::Severity);
        self.grid(titles, rows.collect(), severity)
    }

    /// Rows of text below headings; the last column is cut to the width of the terminal.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn grid(
        &mut self,
        titles: Vec<String>,
        rows: Vec<Vec<Cell>>,
        severity: Option<usize>,
    ) -> io::Result<()> {
        if self.format == Format::Plain {
            let fields = |row: &Vec<Cell>| row.iter().map(Cell::field).collect::<Vec<_>>().join("\t");
            return rows.iter().try_for_each(|row| writeln!(self.out, "{}", fields(row)));
        }
        let mut widths = titles.iter().map(|title| title.chars().count()).collect::<Vec<_>>();
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let numeric = (0..titles.len()).map(|index| {
            let mut cells =
                rows.iter().filter_map(|row| row.get(index)).filter(|cell| !cell.text.is_empty()).peekable();
            cells.peek().is_some() && cells.all(|cell| cell.is_number)
        });
        let layout = widths.into_iter().zip(numeric).collect::<Vec<_>>();
        let head = self.laid_out(titles.iter().map(String::as_str), &layout);
        let head = self.tint(Tint::Faint, &head);
        self.line(&head)?;
        for row in &rows {
            let line = self.laid_out(row.iter().map(|cell| cell.text.as_str()), &layout);
            let word = severity.and_then(|index| row.get(index)).map_or("", |cell| cell.text.as_str());
            let line = self.with_severity(&line, word);
            self.line(&line)?;
        }
        Ok(())
    }

    fn laid_out<'a>(&self, cells: impl Iterator<Item = &'a str>, layout: &[(usize, bool)]) -> String {
        let padded = cells.zip(layout).map(|(text, (width, is_number))| {
            if *is_number { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        match self.width {
            Some(width) if line.chars().count() > width => {
                line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
            }
            _ => line.to_owned(),
        }
    }

    fn with_severity(&self, line: &str, word: &str) -> String {
        match severity_tint(word) {
            Some(tint) => line.replacen(word, &self.tint(tint, word), 1),
            None => line.to_owned(),
        }
    }

    /// The text in that colour, if there is colour.
    pub fn tint(&self, tint: Tint, text: &str) -> String {
        if !self.has_color {
            return text.to_owned();
        }
        let code = match tint {
            Tint::Strong => "1",
            Tint::Faint => "2",
            Tint::Good => "32",
            Tint::Warn => "33",
            Tint::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// One printed cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// Its text.
    pub text: String,
    /// Whether it stands to the right.
    pub is_number: bool,
}

impl Cell {
    fn field(&self) -> String {
        self.text.replace(['\t', '\n'], " ")
    }
}

/// The colour of a word that says how bad something is.
pub fn severity_tint(word: &str) -> Option<Tint> {
    match word {
        "critical" | "failed" => Some(Tint::Bad),
        "warning" | "open" | "refused" => Some(Tint::Warn),
        "repaired" | "held" => Some(Tint::Good),
        _ => None,
    }
}

/// A value for people.
pub fn write_value(value: &Json, style: Style) -> String {
    match (style, value) {
        (_, Json::Null) => String::new(),
        (Style::Time, _) => value.as_i64().map_or_else(String::new, time),
        (Style::Span, _) => value.as_f64().map_or_else(String::new, span),
        (Style::Flag, Json::Bool(true)) => "yes".to_owned(),
        (Style::Flag, Json::Bool(false)) => "no".to_owned(),
        (_, Json::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// Nanoseconds since 1970 as `2026-01-31 04:05:06Z`.
pub fn time(at_ns: i64) -> String {
    let text = Timestamp(at_ns).to_string().replace('T', " ");
    text.split('.').next().map_or_else(String::new, |text| format!("{text}Z"))
}

/// Seconds as a person says them.
pub fn span(seconds: f64) -> String {
    match seconds.abs() {
        s if s < 10.0 => format!("{seconds:.1} s"),
        s if s < 120.0 => format!("{seconds:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", seconds / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} d", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_for_people() {
        assert_eq!(write_value(&json!(1_709_210_096_789_000_000_i64), Style::Time), "2024-02-29 12:34:56Z");
        assert_eq!(write_value(&json!(true), Style::Flag), "yes");
        assert_eq!(write_value(&json!(null), Style::Plain), "");
        assert_eq!(write_value(&json!("a"), Style::Plain), "a");
    }

    #[test]
    fn spans_grow_with_their_unit() {
        let spans = [2.25, 42.0, 600.0, 10_000.0, 500_000.0].map(span);
        assert_eq!(spans, ["2.2 s", "42 s", "10 min", "3 h", "6 d"]);
    }
}
