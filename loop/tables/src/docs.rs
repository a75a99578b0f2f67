//! The reference of all tables as Markdown, made from their declarations.
use std::fmt::Write as _;

use vocab::rows::TABLES;
use vocab::table::{Column, ColumnType, TableSpec, Unit};

use crate::engine::{WRITABLE, Writable};
use crate::history::kept::{KEPT, Kept};

/// The text of `docs/tables.md`.
pub fn tables_markdown() -> String {
    let mut text = String::from(
        "# Tables\n\n\
         <!-- Generated from loop/vocab/src/rows by the tests of loop/tables; \
         UPDATE_DOCS=1 cargo test -p tables writes it. -->\n\n\
         Unknown is NULL. Rates are since the read before; a rate is NULL in the first read.\n\
         An instant is in nanoseconds since 1970, UTC; `utc(x)` writes it out, as `bytes(x)` does a size.\n\
         `percentile(x, p)` is the p-th percentile of a group, p from 0 to 100; `hist_percentile(histogram, p)` that of \
         all values in the histograms of a group.\n\n",
    );
    for table in TABLES {
        let _ = writeln!(text, "- [{0}](#{0}): {1}", table.name, sentence(table.doc));
    }
    for table in TABLES {
        section(&mut text, table);
    }
    past(&mut text);
    changes(&mut text);
    text
}

fn section(text: &mut String, table: &TableSpec) {
    let _ = write!(text, "\n## {}\n\n{}\n\n", table.name, sentence(table.doc));
    text.push_str("| column | type | unit | meaning |\n|---|---|---|---|\n");
    for column in table.columns {
        let (name, doc) = (column.name, sentence(column.doc).replace('|', "\\|"));
        let _ = writeln!(text, "| `{name}` | {} | {} | {doc} |", type_word(column), unit_word(column.unit));
    }
}

fn past(text: &mut String) {
    let names = KEPT.iter().map(|kept| format!("`{}`", kept.spec.name)).collect::<Vec<_>>().join(", ");
    let _ = write!(
        text,
        "\n## The past of the live tables\n\n\
         {names} each have two more tables with the same columns and the instant `at` before them.\n\
         `TABLE_history` has their rows at every second: `SELECT at, cpu_pct FROM processes_history WHERE program = 'web'`.\n\
         `WHERE step_s = 60` sums up over a minute: means, and of texts the one that stood longest.\n\
         `TABLE_at(INSTANT)` has their rows as they were then: `SELECT * FROM processes_at(unixepoch('now', '-1 hour') * 1000000000)`.\n\
         Bound `at`: seconds are kept for a week, minutes for half a year, hours for five years.\n\
         Not kept: the age columns, processes younger than {} s, text beyond 200 bytes, more than six digits or three decimals of a fraction.\n\
         What the loop found, decided, did and achieved keeps its rows: `incidents`, `evidence`, `decisions`, `actions`, `outcomes`, `events`.\n\
         Rules cannot read the past.\n",
        Kept::AGE_MIN_S
    );
}

fn changes(text: &mut String) {
    text.push_str("\n## What UPDATE may change\n\n");
    text.push_str(
        "Each change passes the same guards and journal as a rule's action, and can be undone.\n\n",
    );
    text.push_str("| cell | values | meaning |\n|---|---|---|\n");
    for cell in WRITABLE {
        let _ = writeln!(text, "| `{}.{}` | {} | {} |", cell.table, cell.column, range_words(cell), cell.doc);
    }
}

fn range_words(cell: &Writable) -> String {
    let (least, greatest) = cell.range;
    let numbers =
        if greatest == i64::MAX { format!("from {least} on") } else { format!("{least} to {greatest}") };
    if cell.can_be_null { format!("{numbers}, or NULL") } else { numbers }
}

/// A doc comment without its leading blank and line breaks.
pub fn sentence(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The SQL type of a column.
pub const fn type_word(column: &Column) -> &'static str {
    match column.column_type {
        ColumnType::Integer => "INTEGER",
        ColumnType::Real => "REAL",
        ColumnType::Text => "TEXT",
    }
}

/// The unit of a column for a person; empty for names and plain numbers.
pub const fn unit_word(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Count => "count",
        Unit::Bytes => "bytes",
        Unit::BytesPerSecond => "bytes/s",
        Unit::PerSecond => "1/s",
        Unit::Percent => "%",
        Unit::Ratio => "0 to 1",
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
        Unit::Microseconds => "us",
        Unit::UtcNanoseconds => "ns, UTC",
        Unit::Boolean => "0 or 1",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use vocab::rows::TABLES;
    use vocab::table::{Column, ColumnType, Unit};

    use super::{sentence, tables_markdown};
    use crate::engine::writable;

    #[test]
    fn the_committed_reference_is_what_the_declarations_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tables.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, tables_markdown()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == tables_markdown(),
            "docs/tables.md is out of date: UPDATE_DOCS=1 cargo test -p tables"
        );
    }

    fn is_snake_case(name: &str) -> bool {
        let is_word = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        name.starts_with(|letter: char| letter.is_ascii_lowercase()) && name.chars().all(is_word)
    }

    #[test]
    fn names_are_snake_case_and_unique() {
        let mut tables = BTreeSet::new();
        for table in TABLES {
            assert!(is_snake_case(table.name) && tables.insert(table.name), "{}", table.name);
            let mut columns = BTreeSet::new();
            for column in table.columns {
                assert!(is_snake_case(column.name), "{}.{}", table.name, column.name);
                assert!(columns.insert(column.name), "{}.{} twice", table.name, column.name);
            }
            assert!(table.columns.len() < 64, "{} has more columns than a mask has bits", table.name);
        }
    }

    #[test]
    fn every_table_and_column_has_a_sentence() {
        for table in TABLES {
            let columns = table.columns.iter().map(|column| (column.name, column.doc));
            for (name, doc) in columns.chain([("", table.doc)]) {
                let doc = sentence(doc);
                assert!(doc.ends_with(['.', '…']) && doc.len() > 4, "{}.{name}: {doc}", table.name);
            }
        }
    }

    /// Words of the kernel, or plain English, that carry their unit without a suffix.
    const WITHOUT_SUFFIX: &[&str] = &[
        "memory_high",
        "memory_max",
        "at",
        "since",
        "until",
        "muted_until",
        "undo_on_death",
        "io_chars_per_s",
    ];

    /// The unit that the last part of a name promises.
    fn promised(name: &str) -> Option<Unit> {
        let suffixes = [
            ("_bytes_per_s", Unit::BytesPerSecond),
            ("_per_s", Unit::PerSecond),
            ("_bytes", Unit::Bytes),
            ("_pct", Unit::Percent),
            ("_ratio", Unit::Ratio),
            ("_s", Unit::Seconds),
            ("_ms", Unit::Milliseconds),
            ("_us", Unit::Microseconds),
            ("_at", Unit::UtcNanoseconds),
        ];
        let is_yes_or_no = name.starts_with("is_") || name.starts_with("can_");
        if is_yes_or_no {
            return Some(Unit::Boolean);
        }
        suffixes.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, unit)| *unit)
    }

    fn needs_suffix(unit: Unit) -> bool {
        !matches!(unit, Unit::None | Unit::Count | Unit::Ratio)
    }

    fn check(table: &str, column: &Column) {
        if WITHOUT_SUFFIX.contains(&column.name) {
            return;
        }
        match promised(column.name) {
            Some(unit) => assert_eq!(column.unit, unit, "{table}.{}", column.name),
            None => assert!(!needs_suffix(column.unit), "{table}.{} lacks its unit", column.name),
        }
    }

    #[test]
    fn the_unit_stands_last_in_the_name() {
        for table in TABLES {
            for column in table.columns {
                check(table.name, column);
                let is_text = column.column_type == ColumnType::Text;
                assert!(!is_text || column.unit == Unit::None, "{}.{} is text", table.name, column.name);
            }
        }
    }

    #[test]
    fn what_update_may_change_is_declared() {
        for cell in crate::engine::WRITABLE {
            let table = TABLES.iter().find(|table| table.name == cell.table).unwrap();
            assert!(table.columns.iter().any(|column| column.name == cell.column), "{}", cell.column);
            assert!(writable(cell.table, cell.column).is_some());
        }
    }
}
