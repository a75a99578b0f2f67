//! `homeostat profile`: where a process uses CPU time, waits or takes memory, and what it asks of its GPUs. Reads only; needs
//! no daemon.
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};
use stacks::gpu::{self, Call};
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

const CALL_COLUMNS: [Column; 8] = [
    Column { field: "call", title: "call", style: Style::Plain },
    Column { field: "calls", title: "calls", style: Style::Plain },
    Column { field: "errors", title: "errors", style: Style::Plain },
    Column { field: "open", title: "open", style: Style::Plain },
    Column { field: "spent_ms", title: "ms", style: Style::Plain },
    Column { field: "p99_us", title: "p99 us", style: Style::Plain },
    Column { field: "bytes", title: "bytes", style: Style::Plain },
    Column { field: "live_bytes", title: "not freed", style: Style::Plain },
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
    /// What is asked: `on_cpu`, `off_cpu`, `memory_growth`, `memory_kept`, `waiting` or `gpu_calls`
    #[arg(long, default_value = "on_cpu", value_name = "KIND", value_parser = kind)]
    kind: Asked,
    /// How long to watch
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// Write a flame graph
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What a look is about.
#[derive(Clone, Copy)]
enum Asked {
    /// Stacks of one kind.
    Stacks(Kind),
    /// Calls of the CUDA run-time and NCCL.
    GpuCalls,
}

const GPU_CALLS: &str = "gpu_calls";

fn kind(word: &str) -> Result<Asked, String> {
    if word == GPU_CALLS {
        return Ok(Asked::GpuCalls);
    }
    let known = || Kind::ALL.map(Kind::as_str).join(", ");
    let none = |()| format!("there is no such kind; there are: {}, {GPU_CALLS}", known());
    word.parse().map(Asked::Stacks).map_err(none)
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
    let kind = match args.kind {
        Asked::Stacks(kind) => kind,
        Asked::GpuCalls => return gpu_calls(args, budget_us, context),
    };
    let request = Request { pid: args.pid, kind, seconds: args.seconds, budget_us };
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

/// Watches calls of GPU libraries, and prints those that were made.
fn gpu_calls(args: &Profile, budget_us: u64, context: &mut Context) -> Result<Exit, UserError> {
    if args.svg.is_some() {
        return Err(UserError::new("calls of GPUs are no flame graph", "leave out `--svg`"));
    }
    let found = gpu::watch(args.pid, args.seconds, budget_us).map_err(|refusal| error(&refusal))?;
    let rows = found.calls.iter().map(call_row).collect::<Vec<_>>();
    context.out.records(&CALL_COLUMNS, &rows)?;
    if context.out.format() == Format::Table {
        let (count, seconds) = (rows.len(), found.seconds);
        let text = format!("\n{count} functions called in {seconds:.1} s, at the API level");
        context.out.line(&with_gaps(text, found.lost, found.cut_short.as_deref()))?;
    }
    Ok(Exit::Ok)
}

fn call_row(one: &Call) -> Json {
    let us = |ratio: f64| one.latency.percentile(ratio).map(|ns| ns / 1_000);
    json!({
        "library": one.library,
        "call": one.call,
        "calls": one.calls,
        "errors": one.errors,
        "open": one.open,
        "spent_ms": one.latency.sum / 1_000_000,
        "p50_us": us(0.5),
        "p99_us": us(0.99),
        "bytes": one.bytes,
        "live_bytes": one.live_bytes,
        "source": "API level",
    })
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
    let text = format!(
        "\n{} in {:.1} s, {} samples, {:.1} ms of our CPU time",
        flame::say(profile.weight, unit),
        profile.seconds,
        profile.samples,
        profile.cpu_us as f64 / 1e3
    );
    with_gaps(text, profile.lost, profile.cut_short.as_deref())
}

/// What was seen, and what was not.
fn with_gaps(mut text: String, lost: u64, cut_short: Option<&str>) -> String {
    if lost > 0 {
        text.push_str(&format!(", {lost} lost"));
    }
    if let Some(why) = cut_short {
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
        Refusal::NoLibrary(_) => {
            "ask a process that has libcudart or libnccl mapped; linked statically they cannot be told"
        }
        Refusal::NoAllocator(_) => "`--kind memory_growth` needs none",
        Refusal::NoProbes { would_bring, .. } => would_bring,
        Refusal::Architecture => "there is no other way yet",
    };
    UserError::new(without_number(&refusal.to_string()), hint)
}
