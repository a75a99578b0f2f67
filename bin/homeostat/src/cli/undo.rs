//! `homeostat undo`: takes an action back, or all of them; all of them also without a daemon.
use clap::Args;
use serde_json::json;

use super::context::Context;
use crate::error::{Exit, UserError};
use crate::output::Format;

/// Take an action back, or all of them.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct Undo {
    /// Number of the action
    #[arg(group = "which")]
    id: Option<u64>,
    /// Everything that can be undone; works without a daemon too
    #[arg(long, group = "which")]
    all: bool,
}

/// Undoes and says what was undone.
///
/// # Errors
/// No such action, one that cannot be undone, or no daemon for a single one.
pub fn run(args: &Undo, context: &mut Context) -> Result<Exit, UserError> {
    let order = match args.id {
        Some(id) => json!({ "action": id }),
        None => json!({"all": true}),
    };
    let answer = match context.daemon() {
        Ok(daemon) => daemon.post("/api/undo", &order)?,
        Err(error) => return Err(error),
    };
    match context.out.format() {
        Format::Json => context.out.object(&answer)?,
        _ => context.out.line(answer["sentence"].as_str().unwrap_or("done"))?,
    }
    Ok(Exit::Ok)
}
