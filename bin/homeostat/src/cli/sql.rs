//! `homeostat sql`: the tables, through the daemon or, without one, read from the machine at once.
use std::io::Read;
use std::path::Path;

use clap::Args;
use serde_json::{Map, Value as Json, json};
use tables::Engine;
use tables::history::Reader;

use super::context::Context;
use crate::door;
use crate::error::{Exit, UserError};
use crate::oneshot::OneShot;
use crate::output::{Cell, Format, Style, write_value};

/// Ask the tables, or change a cell by UPDATE.
#[derive(Args)]
pub struct Sql {
    /// One statement; `-` reads it from standard input
    statement: String,
}

/// Runs the statement and prints its rows.
///
/// # Errors
/// A statement that cannot be answered; an UPDATE without a daemon.
pub fn run(args: &Sql, context: &mut Context) -> Result<Exit, UserError> {
    let sql = statement(&args.statement)?;
    let answer = match context.daemon() {
        Ok(daemon) => daemon.post("/api/sql", &json!({ "sql": sql }))?,
        Err(error) if door::is_update(&sql) => return Err(error),
        Err(_) => at_once(&sql, &context.paths.state_dir)?,
    };
    if answer["actions"].is_array() {
        return changed(context, &answer);
    }
    print(context, &answer)?;
    if answer["is_truncated"] == Json::Bool(true) {
        context.out.finish()?;
        context.remark(
            "warning: there are more rows than 10,000 or 8 MiB; narrow the statement with WHERE or LIMIT",
        );
    }
    Ok(Exit::Ok)
}

fn statement(word: &str) -> Result<String, UserError> {
    let mut text = word.to_owned();
    if word == "-" {
        text.clear();
        let read = std::io::stdin().take(1 << 16).read_to_string(&mut text);
        read.map_err(|_| UserError::new("standard input is no text", "pipe one SQL statement into it"))?;
    }
    if text.trim().is_empty() {
        return Err(UserError::new(
            "there is no statement",
            "write `homeostat sql \"SELECT * FROM machine\"`",
        ));
    }
    Ok(text)
}

/// The statement over the machine as it is now and the stored past, with the rights of this user.
fn at_once(sql: &str, state_dir: &Path) -> Result<Json, UserError> {
    let wrong = |error: tables::EngineError| {
        let (what, hint) = door::error_and_hint(&error);
        UserError::new(what, hint)
    };
    let mut engine = Engine::new().map_err(wrong)?;
    engine.set_live(Box::new(OneShot::open()?));
    if let Some(past) = tables::store::past_of(state_dir) {
        engine.set_past(past);
    }
    if let Some((history, notes)) = Reader::of(state_dir) {
        notes.iter().for_each(|note| eprintln!("homeostat: history: {note}"));
        engine.set_history(history);
        engine.set_scorer(cycle::scores::scorer);
    }
    Ok(door::rows(&engine.select(sql).map_err(wrong)?))
}

fn print(context: &mut Context, answer: &Json) -> Result<(), UserError> {
    let names = answer["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    let rows = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    if context.out.format() == Format::Json {
        let object = |row: &Json| {
            let fields = names.iter().enumerate().map(|(index, name)| (name.clone(), row[index].clone()));
            Json::Object(fields.collect::<Map<_, _>>())
        };
        let all = rows.iter().map(object).collect::<Json>();
        return Ok(context.out.line(&all.to_string())?);
    }
    let is_plain = context.out.format() == Format::Plain;
    let cell =
        |name: &str, value: &Json| Cell { text: text(name, value, is_plain), is_number: value.is_number() };
    let cells = |row: &Json| names.iter().enumerate().map(|(index, name)| cell(name, &row[index])).collect();
    let rows = rows.iter().map(cells).collect();
    Ok(context.out.grid(names.clone(), rows, None)?)
}

/// A cell for people: instants as such, fractions with three digits, unknown as such.
fn text(name: &str, value: &Json, is_plain: bool) -> String {
    let is_instant =
        ["at", "since", "until"].contains(&name) || name.ends_with("_at") || name.ends_with("_until");
    match value {
        Json::Null if is_plain => String::new(),
        Json::Null => "NULL".to_owned(),
        Json::Number(number) if !is_plain => match (number.as_i64(), number.as_f64()) {
            (Some(at), _) if is_instant && at > 1_000_000_000_000_000_000 => write_value(value, Style::Time),
            (None, Some(real)) => format!("{real:.3}"),
            _ => number.to_string(),
        },
        other => write_value(other, Style::Plain),
    }
}

/// What an UPDATE did, and how to take it back.
fn changed(context: &mut Context, answer: &Json) -> Result<Exit, UserError> {
    let actions = answer["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
    super::actions::print(context, actions)?;
    context.out.finish()?;
    for command in answer["undo"].as_array().map(Vec::as_slice).unwrap_or_default() {
        context.remark(&format!("undo with `{}`", command.as_str().unwrap_or_default()));
    }
    Ok(Exit::Ok)
}
