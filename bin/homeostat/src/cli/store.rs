//! `homeostat store`: what the history holds, whether it is whole, and making it smaller.
use clap::Subcommand;
use serde_json::json;
use tables::history::{Keeper, Reader};
use tables::store::StoreError;

use super::context::Context;
use crate::error::{Exit, UserError};
use crate::output::Format;

/// Look after the history of this machine.
#[derive(Subcommand, Clone, Copy)]
pub enum Store {
    /// Read every chunk and name what is damaged; exit code 1 if anything is
    Check,
    /// Compact what is complete at once instead of at the end of its hour
    Compact,
    /// Say what is kept, how much room it takes and since when
    Stats,
}

/// Does it; changes nothing but for `compact`.
///
/// # Errors
/// There is no history, it cannot be read, or a daemon keeps it while it is to be compacted.
pub fn run(order: Store, context: &mut Context) -> Result<Exit, UserError> {
    match order {
        Store::Check => check(context),
        Store::Compact => compact(context),
        Store::Stats => stats(context),
    }
}

/// The history of this state folder, beside its daemon or without one; what is wrong with it goes to standard error.
///
/// # Errors
/// There is none.
pub fn reader(context: &Context) -> Result<Reader, UserError> {
    let dir = &context.paths.state_dir;
    let (reader, notes) = Reader::of(dir).ok_or_else(|| {
        let what = format!("there is no history that you may read in `{}`", dir.display());
        UserError::new(what, "`homeostat run` begins one; `--state-dir DIR` names another folder")
    })?;
    notes.iter().for_each(|note| context.remark(&format!("warning: {note}")));
    Ok(reader)
}

fn unreadable(error: &dyn std::fmt::Display) -> UserError {
    UserError::new(format!("the history cannot be read: {error}"), "`homeostat doctor` tells what is wrong")
}

fn check(context: &mut Context) -> Result<Exit, UserError> {
    let found = reader(context)?.history().check().map_err(|error| unreadable(&error))?;
    if context.out.format() == Format::Json {
        context.out.object(&json!({
            "files": found.files, "blocks": found.blocks, "chunks": found.chunks, "values": found.values,
            "hot_ticks": found.hot_ticks, "log_records": found.log_records, "damage": found.damage,
        }))?;
    } else {
        context.out.line(found.to_string().trim_end())?;
    }
    Ok(if found.damage.is_empty() { Exit::Ok } else { Exit::No })
}

fn stats(context: &mut Context) -> Result<Exit, UserError> {
    let found = reader(context)?.history().stats().map_err(|error| unreadable(&error))?;
    if context.out.format() == Format::Json {
        let tier = |tier: &store::history::TierStats| {
            json!({
                "tier": tier.tier.word(), "files": tier.files, "bytes": tier.bytes, "values": tier.values,
                "from_ms": tier.span_ms.map(|span| span.0), "to_ms": tier.span_ms.map(|span| span.1),
            })
        };
        let tiers = found.tiers.iter().map(tier).collect::<serde_json::Value>();
        context.out.object(&json!({
            "tiers": tiers, "hot_samples": found.hot_samples, "hot_bytes": found.hot_bytes,
            "log_bytes": found.log_bytes, "disk_bytes": found.disk_bytes,
        }))?;
    } else {
        context.out.line(found.to_string().trim_end())?;
    }
    Ok(Exit::Ok)
}

fn compact(context: &mut Context) -> Result<Exit, UserError> {
    drop(reader(context)?);
    let dir = &context.paths.state_dir;
    // Held until the end: no daemon may begin meanwhile.
    let lock = tables::Store::open(dir).map_err(|error| {
        let hint = match error {
            StoreError::Locked(_) => "it compacts every hour by itself; stop it to do it now",
            _ => "`--state-dir DIR` names another folder",
        };
        UserError::new(error.to_string(), hint)
    })?;
    let opened = Keeper::open(dir).map_err(|why| unreadable(&why))?;
    let (made, notes) = opened.0.compact();
    drop(lock);
    for note in opened.1.iter().chain(&notes) {
        context.remark(&format!("warning: {note}"));
    }
    let words =
        if made.is_empty() { "nothing to compact".to_owned() } else { format!("made {}", made.join(", ")) };
    context.out.line(&words)?;
    Ok(if notes.is_empty() { Exit::Ok } else { Exit::Error })
}
