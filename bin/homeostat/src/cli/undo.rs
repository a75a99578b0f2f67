//! `homeostat undo`: takes an action back, or all of them; all of them also without a daemon.
use act::ring::Stage;
use act::{Ring, Scope};
use clap::Args;
use serde_json::{Value as Json, json};

use super::context::Context;
use crate::error::{Exit, UserError};
use crate::output::Format;
use crate::paths::Paths;

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
        Err(error) if args.all && error.exit == Exit::Unreachable => from_ring(&context.paths)?,
        Err(error) => return Err(error),
    };
    match context.out.format() {
        Format::Json => context.out.object(&answer)?,
        _ => context.out.line(answer["sentence"].as_str().unwrap_or("done"))?,
    }
    Ok(Exit::Ok)
}

/// Takes back what stands in the intent ring, which outlives the daemon; the ring of an earlier boot is gone,
/// and so is what stood in it.
fn from_ring(paths: &Paths) -> Result<Json, UserError> {
    let wrong = |error: act::RingError| {
        UserError::new(format!("cannot undo: {error}"), "try again when the other process has ended")
    };
    let ring = Ring::open_default(&paths.ring_name(), &paths.state_dir).map_err(wrong)?;
    let ended = act::undo_all(&ring, Scope::Everything, &mut act::NoServices).map_err(wrong)?;
    let stuck = ended.iter().find(|one| !matches!(one.stage, Stage::Ended(_)));
    if let Some(one) = stuck {
        let what = format!("action {} is not undone: {}", one.record.intent.action_id, one.because);
        return Err(UserError::new(what, "run the same command with `sudo`").exit(Exit::Refused));
    }
    let actions = ended.iter().map(|one| {
        let intent = &one.record.intent;
        json!({
            "id": intent.action_id,
            "action": intent.kind.as_str(),
            "target": intent.target.to_string(),
            "before": one.record.before(),
            "because": one.because,
        })
    });
    let actions = actions.collect::<Json>();
    let sentence = match ended.len() {
        0 => "nothing stands that could be undone".to_owned(),
        1 => "1 action is undone".to_owned(),
        count => format!("{count} actions are undone"),
    };
    Ok(json!({"actions": actions, "sentence": sentence}))
}
