//! `homeostat profile`: where a process uses CPU time, waits or takes memory. Reads only; needs no daemon.
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};
use stacks::{Kind, Profile as Found, Refusal, Request, Stack};

use super::context::Context;
use crate::error::{Exit, UserError, without_number, words};
use crate::flame;
use crate::output::{Column, Format, Style};

const COLUMNS: [Column; 4] = [
    Column { field: "share_pct", title: "%", style: Style::Plain },
    Column { field: "amount", title: "much", style: Style::Plain },
    Column { field: "threads", title: "threads", style: Style::Plain },
    Column { field: "path", title: "where", style: Style::Plain },
];

/// CPU time that a profile may take beside its length. Unit: us for a second.
const BUDGET_US_PER_S: f64 = 100_000.0;
/// And in any case. Unit: us.
const BUDGET_US_MIN: u64 = 500_000;

/// Show where a process uses CPU time, waits or takes memory.
#[derive(Args)]
pub struct Profile {
    /// Process id
    pid: u32,
    /// What is asked: `on_cpu`, `off_cpu`, `memory_growth` or `waiting`
    #[arg(long, default_value = "on_cpu", value_name = "KIND", value_parser = kind)]
    kind: Kind,
    /// How long to watch
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// Write a flame graph
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn kind(word: &str) -> Result<Kind, String> {
    let known = || Kind::ALL.map(Kind::as_str).join(", ");
    word.parse().map_err(|()| format!("there is no such kind; there are: {}", known()))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|one| (0.1..=600.0).contains(one));
    seconds.ok_or_else(|| "give a number of seconds from 0.1 to 600".to_owned())
}

/// Watches, and prints the heaviest stacks.
///
/// # Errors
/// There is no such process, this user may not look into it, or the drawing cannot be written.
pub fn run(args: &Profile, context: &mut Context) -> Result<Exit, UserError> {
    let budget_us = ((args.seconds * BUDGET_US_PER_S) as u64).max(BUDGET_US_MIN);
    let request = Request { pid: args.pid, kind: args.kind, seconds: args.seconds, budget_us };
    let profile = stacks::profile(&request).map_err(|refusal| error(&refusal))?;
    let unit = profile.kind.unit().as_str();
    let rows = profile.stacks.iter().map(|stack| row(&profile, stack, unit)).collect::<Vec<_>>();
    context.out.records(&COLUMNS, &rows)?;
    if context.out.format() == Format::Table {
        context.out.line(&summary(&profile, unit))?;
    }
    if let Some(path) = &args.svg {
        let stacks = profile.stacks.iter().map(|one| (one.folded(), one.weight)).collect::<Vec<_>>();
        let stacks = stacks.iter().map(|(folded, weight)| (folded.as_str(), *weight)).collect::<Vec<_>>();
        let title = format!("{} of process {}", profile.kind.as_str().replace('_', " "), args.pid);
        save(path, &flame::draw(&title, unit, &stacks))?;
    }
    Ok(Exit::Ok)
}

/// Writes a drawing.
///
/// # Errors
/// The file cannot be written.
pub fn save(path: &Path, svg: &str) -> Result<(), UserError> {
    std::fs::write(path, svg).map_err(|error| {
        let what = format!("`{}` cannot be written: {}", path.display(), words(&error));
        UserError::new(what, "name a file in a folder that is yours")
    })
}

fn row(profile: &Found, stack: &Stack, unit: &str) -> Json {
    let path = stack.path().map(|frame| frame.name.as_str()).collect::<Vec<_>>();
    json!({
        "kind": profile.kind.as_str(),
        "function": stack.function().map(|frame| frame.name.clone()),
        "file": stack.function().map(|frame| frame.file.clone()),
        "path": if path.is_empty() { stack.folded() } else { path.join(" <- ") },
        "stack": stack.folded(),
        "weight": stack.weight,
        "unit": unit,
        "amount": flame::say(stack.weight, unit),
        "share_pct": (1_000.0 * profile.share(stack.weight)).round() / 10.0,
        "threads": stack.threads.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
    })
}

fn summary(profile: &Found, unit: &str) -> String {
    let mut text = format!(
        "\n{} in {:.1} s, {} samples, {:.1} ms of our CPU time",
        flame::say(profile.weight, unit),
        profile.seconds,
        profile.samples,
        profile.cpu_us as f64 / 1e3
    );
    if profile.lost > 0 {
        text.push_str(&format!(", {} lost", profile.lost));
    }
    if let Some(why) = &profile.cut_short {
        text.push_str(&format!("; it ended early: {why}"));
    }
    text
}

fn error(refusal: &Refusal) -> UserError {
    let hint = match refusal {
        Refusal::Gone(_) => "`homeostat sql \"SELECT pid, name FROM processes\"` lists them",
        Refusal::Forbidden { .. } => "run the same command as the user of the process, or with `sudo`",
        Refusal::NoEvents(_) => {
            "`sysctl kernel.perf_event_paranoid=2` or `sudo` brings them; `--kind off_cpu` needs none"
        }
        Refusal::Architecture => "there is no other way yet",
    };
    UserError::new(without_number(&refusal.to_string()), hint)
}
