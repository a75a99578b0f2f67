//! `homeostat doctor`: what this machine lets Homeostat see and do, what is missing, what would bring it.
use serde_json::Value as Json;

use super::context::Context;
use crate::door::json;
use crate::error::{Exit, UserError};
use crate::oneshot::OneShot;
use crate::output::{Column, Format, Style, Tint};

const COLUMNS: [Column; 5] = [
    Column { field: "name", title: "name", style: Style::Plain },
    Column { field: "kind", title: "kind", style: Style::Plain },
    Column { field: "is_available", title: "here", style: Style::Flag },
    Column { field: "can_apply", title: "apply", style: Style::Flag },
    Column { field: "can_undo", title: "undo", style: Style::Flag },
];

/// Asks the daemon, or looks by itself.
///
/// # Errors
/// The machine cannot be observed at all.
pub fn run(context: &mut Context) -> Result<Exit, UserError> {
    let (rows, by) = match context.daemon() {
        Ok(daemon) => {
            let answer = daemon.get("/api/capabilities")?;
            (answer["capabilities"].clone(), format!("the daemon at {}", daemon.socket().display()))
        }
        Err(_) => (json::array(&OneShot::capabilities()?), "this command: no daemon answers".to_owned()),
    };
    let rows = rows.as_array().cloned().unwrap_or_default();
    context.out.records(&COLUMNS, &rows)?;
    if context.out.format() == Format::Table {
        missing(context, &rows)?;
        read_from(context, &by)?;
    }
    Ok(Exit::Ok)
}

fn missing(context: &mut Context, rows: &[Json]) -> Result<(), UserError> {
    let missing = rows.iter().filter(|row| row["is_available"] == Json::Bool(false)).collect::<Vec<_>>();
    if missing.is_empty() {
        return Ok(context.out.line("\nnothing is missing")?);
    }
    let title = context.out.tint(Tint::Strong, "\nmissing");
    context.out.line(&title)?;
    for row in missing {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        context.out.line(&format!("  {} ({})", text("name"), text("kind")))?;
        for (label, field) in [("lost", "lost"), ("why", "reason"), ("get it", "remedy")] {
            if !text(field).is_empty() {
                let label = context.out.tint(Tint::Faint, &format!("{label:<8}"));
                context.out.line(&format!("    {label}{}", text(field)))?;
            }
        }
    }
    Ok(())
}

fn read_from(context: &mut Context, by: &str) -> Result<(), UserError> {
    let title = context.out.tint(Tint::Strong, "\nread by");
    context.out.line(&format!("{title} {by}"))?;
    let (title, lines) = match &context.config {
        Ok(config) if config.files.is_empty() => {
            ("configuration", vec!["no file: the defaults hold".to_owned()])
        }
        Ok(config) => ("configuration", config.files.iter().map(|file| file.display().to_string()).collect()),
        Err(error) => ("broken configuration", vec![error.what.clone(), error.hint.clone()]),
    };
    let title = context.out.tint(Tint::Strong, title);
    let state = context.paths.state_dir.display().to_string();
    context.out.line(&format!("{title} {}", lines.join(", ")))?;
    let title = context.out.tint(Tint::Strong, "state");
    Ok(context.out.line(&format!("{title} {state}"))?)
}
