//! `homeostat status`: one sentence, a few figures, the next command.
use serde_json::Value as Json;
use tables::engine::human_bytes;

use super::context::Context;
use crate::error::{Exit, UserError};
use crate::output::{Format, Tint, span};

/// Asks the daemon; 1 if an incident is open.
///
/// # Errors
/// No daemon answers.
pub fn run(context: &mut Context) -> Result<Exit, UserError> {
    let status = context.daemon()?.get("/api/status")?;
    let is_healthy = status["is_healthy"] == Json::Bool(true);
    match context.out.format() {
        Format::Json => context.out.object(&status)?,
        Format::Plain => plain(context, &status)?,
        Format::Table => table(context, &status, is_healthy)?,
    }
    Ok(if is_healthy { Exit::Ok } else { Exit::No })
}

fn plain(context: &mut Context, status: &Json) -> Result<(), UserError> {
    let word = if status["is_healthy"] == Json::Bool(true) { "healthy" } else { "unhealthy" };
    let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
    Ok(context.out.line(&[word.to_owned(), text("mode"), text("sentence")].join("\t"))?)
}

fn table(context: &mut Context, status: &Json, is_healthy: bool) -> Result<(), UserError> {
    let tint = if is_healthy { Tint::Good } else { Tint::Bad };
    let sentence = status["sentence"].as_str().unwrap_or_default();
    let sentence = context.out.tint(tint, sentence);
    context.out.line(&sentence)?;
    let machine = &status["machine"];
    let counts = &status["counts"];
    let number = |value: &Json| value.as_f64().unwrap_or_default();
    let total = number(&machine["memory_total_bytes"]);
    let used = total - number(&machine["memory_available_bytes"]);
    let cpu = machine["cpu_idle_pct"].as_f64();
    let cpu = cpu.map_or_else(|| "not known yet".to_owned(), |idle| format!("{:.0} % in use", 100.0 - idle));
    let lines = [
        ("mode", status["mode"].as_str().unwrap_or_default().to_owned()),
        ("cpu", format!("{cpu}, {} cores, load {:.2}", machine["cpus"], number(&machine["load_1"]))),
        ("memory", format!("{} of {} in use", human_bytes(used), human_bytes(total))),
        (
            "watched",
            format!(
                "{} processes, {} services, {} cgroups, {} disks",
                counts["processes"], counts["services"], counts["cgroups"], counts["disks"]
            ),
        ),
        ("standing", format!("{} actions that can be undone", counts["actions_standing"])),
        ("up", span(number(&machine["uptime_s"]))),
        ("page", status["url"].as_str().unwrap_or("for the user who runs the daemon only").to_owned()),
    ];
    for (name, text) in lines {
        let name = context.out.tint(Tint::Faint, &format!("{name:<10}"));
        context.out.line(&format!("{name}{text}"))?;
    }
    if !is_healthy {
        context.out.finish()?;
        context.remark("\nhint: `homeostat incidents` lists what is wrong, `homeostat explain N` why");
    }
    Ok(())
}
