//! `homeostat actions`: what was done, what came of it, what can be undone.
use serde_json::Value as Json;

use super::context::Context;
use crate::error::{Exit, UserError};
use crate::output::{Column, Style};

const COLUMNS: [Column; 8] = [
    Column { field: "id", title: "id", style: Style::Plain },
    Column { field: "at", title: "when", style: Style::Time },
    Column { field: "action", title: "action", style: Style::Plain },
    Column { field: "target", title: "on", style: Style::Plain },
    Column { field: "change", title: "change", style: Style::Plain },
    Column { field: "state", title: "state", style: Style::Severity },
    Column { field: "verdict", title: "outcome", style: Style::Plain },
    Column { field: "can_undo", title: "undo", style: Style::Flag },
];

/// Lists them, newest first.
///
/// # Errors
/// No daemon answers.
pub fn run(context: &mut Context) -> Result<Exit, UserError> {
    let answer = context.daemon()?.get("/api/actions")?;
    let rows = answer["actions"].as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        context.remark("nothing was done yet");
        return Ok(Exit::Ok);
    }
    print(context, &rows)?;
    Ok(Exit::Ok)
}

/// Prints rows of actions.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(context: &mut Context, rows: &[Json]) -> Result<(), UserError> {
    let rows = rows.iter().map(|row| {
        let mut row = row.clone();
        row["change"] = Json::from(change(&row));
        row["verdict"] = row["outcome"]["outcome"].clone();
        row
    });
    Ok(context.out.records(&COLUMNS, &rows.collect::<Vec<_>>())?)
}

/// From what to what, or why not.
pub fn change(row: &Json) -> String {
    match (row["before"].as_str(), row["after"].as_str(), row["because"].as_str()) {
        (Some(before), Some(after), _) => format!("{before} → {after}"),
        (None, Some(after), _) => after.to_owned(),
        (_, _, because) => because.unwrap_or_default().to_owned(),
    }
}
