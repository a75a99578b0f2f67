//! `homeostat tables`: what can be asked for. Needs no daemon: tables are declared in the program.
use clap::Args;
use serde_json::Value as Json;
use vocab::rows::TABLES;

use super::context::Context;
use crate::door::json;
use crate::error::{Exit, UserError, nearest};
use crate::output::{Column, Format, Style, Tint};

/// List the tables, or the columns of one.
#[derive(Args)]
pub struct Tables {
    /// Table whose columns are listed
    name: Option<String>,
}

const fn column(field: &'static str) -> Column {
    Column { field, title: field, style: Style::Plain }
}

/// Prints tables or columns.
///
/// # Errors
/// There is no such table.
pub fn run(args: &Tables, context: &mut Context) -> Result<Exit, UserError> {
    let Some(name) = &args.name else {
        let tables = TABLES.iter().map(json::table).collect::<Vec<_>>();
        context.out.records(&[column("name"), column("doc")], &tables)?;
        context.out.finish()?;
        context.remark(
            "\nthe past: `metrics`, and TABLE_history and TABLE_at(INSTANT) of every live table, such as `processes_history`",
        );
        return Ok(Exit::Ok);
    };
    let found = TABLES.iter().find(|table| table.name.eq_ignore_ascii_case(name));
    let table = found.map(json::table).ok_or_else(|| {
        let near = nearest(name, TABLES.iter().map(|table| table.name));
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        UserError::new(format!("there is no table `{name}`"), format!("{near}`homeostat tables` lists them"))
    })?;
    if context.out.format() == Format::Table {
        let doc = context.out.tint(Tint::Strong, table["doc"].as_str().unwrap_or_default());
        context.out.line(&doc)?;
        context.out.line("")?;
    }
    let columns = table["columns"].as_array().cloned().unwrap_or_default();
    let shown = ["name", "type", "unit", "doc"].map(column);
    context.out.records(&shown, &columns.into_iter().collect::<Vec<Json>>())?;
    Ok(Exit::Ok)
}
