//! `homeostat mode`: how far Homeostat may go, shown or set.
use clap::Args;
use serde_json::json;

use super::context::Context;
use crate::config;
use crate::error::{Exit, UserError};
use crate::output::Format;

/// Show or set how far Homeostat may go: observe, advise or heal.
#[derive(Args)]
pub struct ModeArgs {
    /// observe: watch and explain; advise: also say what it would do; heal: do it, prove it or undo it
    mode: Option<String>,
}

/// Prints the mode, or sets it.
///
/// # Errors
/// No such mode, no daemon, or one may not.
pub fn run(args: &ModeArgs, context: &mut Context) -> Result<Exit, UserError> {
    let mode = args.mode.as_deref().map(|word| config::mode(word, "MODE")).transpose()?;
    let daemon = context.daemon()?;
    let answer = match mode {
        Some(mode) => daemon.post("/api/mode", &json!({"mode": mode.as_str()}))?,
        None => json!({"mode": daemon.get("/api/status")?["mode"]}),
    };
    let word = answer["mode"].as_str().unwrap_or_default();
    match context.out.format() {
        Format::Json => context.out.object(&answer)?,
        _ => context.out.line(word)?,
    }
    if let Some(before) = answer["before"].as_str().filter(|before| *before != word) {
        context.out.finish()?;
        context.remark(&format!("it was `{before}`; go back with `homeostat mode {before}`"));
    }
    Ok(Exit::Ok)
}
