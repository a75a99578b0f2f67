//! SQLite's errors as a person needs them: what is wrong, and what to write instead.
use rusqlite::{Error, ErrorCode};
use vocab::query::QueryError;
use vocab::rows::TABLES;

use super::state::{Shared, Stop};

/// The error of a statement, with a hint.
pub fn explain(error: &Error, shared: &Shared, sql: &str) -> QueryError {
    if let Some(refusal) = shared.state().refusal.take() {
        return QueryError { message: refusal };
    }
    let text = match shared.stopped() {
        Stop::Fuel => "the statement takes too many steps; narrow it with WHERE or LIMIT".to_owned(),
        Stop::Memory => "the statement takes too much memory; narrow it with WHERE or LIMIT".to_owned(),
        Stop::Time => "the statement takes too long; narrow it with WHERE or LIMIT".to_owned(),
        Stop::No => plain(error),
    };
    let hint = hint(&text, sql);
    QueryError { message: if hint.is_empty() { text } else { format!("{text}; {hint}") } }
}

fn plain(error: &Error) -> String {
    match error {
        Error::SqliteFailure(code, _) if code.code == ErrorCode::OutOfMemory => {
            "the statement takes too much memory; narrow it with WHERE or LIMIT".to_owned()
        }
        Error::SqliteFailure(_, Some(text)) => text.clone(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        Error::MultipleStatement => "one statement at a time".to_owned(),
        other => other.to_string(),
    }
}

fn hint(text: &str, sql: &str) -> String {
    if let Some(name) = text.strip_prefix("no such table: ") {
        let near = nearest(name, TABLES.iter().map(|table| table.name).chain(super::past_tables()));
        let guess = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        return format!("{guess}`homeostat tables` lists them");
    }
    if let Some(name) = text.strip_prefix("no such column: ") {
        let name = name.rsplit('.').next().unwrap_or(name);
        let lower = sql.to_ascii_lowercase();
        let named = TABLES.iter().filter(|table| lower.contains(table.name));
        let columns = named.flat_map(|table| table.columns.iter().map(|column| column.name));
        let near = nearest(name, columns);
        let guess = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        return format!("{guess}`homeostat tables` lists the columns");
    }
    String::new()
}

/// The closest of the names, if one is close.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name: String = name.trim_matches(['"', '`']).to_ascii_lowercase().chars().take(64).collect();
    let contains = |other: &str| name.len() > 2 && (other.contains(&name) || name.contains(other));
    let cost = |other: &str| if contains(other) { 1 } else { distance(&name, other) };
    let (cost, other) = names.map(|other| (cost(other), other)).min_by_key(|(cost, _)| *cost)?;
    (cost <= 1 + name.len() / 3).then_some(other)
}

/// Edits (insert, delete, replace) from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = || ["processes", "services", "machine"].into_iter();
        assert_eq!(nearest("process", names()), Some("processes"));
        assert_eq!(nearest("servcies", names()), Some("services"));
        assert_eq!(nearest("zzzz", names()), None);
    }
}
