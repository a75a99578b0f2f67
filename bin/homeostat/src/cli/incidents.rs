//! `homeostat incidents`: what is wrong; `incidents mute N --for 7d` silences one for a time; `confirm N` and
//! `dismiss N` teach what was a true one and what a false alarm.
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::context::Context;
use crate::client::Client;
use crate::error::{Exit, UserError};
use crate::output::{Column, Format, Style, span};

/// List what is wrong, mute one, or say whether it was true.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Incidents {
    /// Closed ones too
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    order: Option<Order>,
}

#[derive(Subcommand)]
enum Order {
    /// Do not announce an incident for a time
    Mute {
        /// Number of the incident
        id: u64,
        /// For how long: 30m, 12h, 7d; 0s ends it
        #[arg(long = "for", value_name = "TIME", default_value = "7d", value_parser = seconds)]
        time: f64,
    },
    /// Say that an incident was a true one
    Confirm {
        /// Number of the incident
        id: u64,
    },
    /// Say that an incident was a false alarm: the like of it is not told again
    Dismiss {
        /// Number of the incident
        id: u64,
    },
}

const COLUMNS: [Column; 7] = [
    Column { field: "id", title: "id", style: Style::Plain },
    Column { field: "severity", title: "severity", style: Style::Severity },
    Column { field: "state", title: "state", style: Style::Plain },
    Column { field: "kind", title: "kind", style: Style::Plain },
    Column { field: "name", title: "culprit", style: Style::Plain },
    Column { field: "opened_at", title: "since", style: Style::Time },
    Column { field: "sentence", title: "what is wrong", style: Style::Plain },
];

/// Lists; 1 if any of those listed is open. Or mutes.
///
/// # Errors
/// No daemon answers, or there is no such incident.
pub fn run(args: &Incidents, context: &mut Context) -> Result<Exit, UserError> {
    let daemon = context.daemon()?;
    if let Some(order) = &args.order {
        let (answer, said) = match *order {
            Order::Mute { id, time } => {
                let answer = daemon.post("/api/mute", &json!({"incident": id, "for_s": time}))?;
                (answer, format!("incident {id} is muted for {}", span(time)))
            }
            Order::Confirm { id } => feedback(&daemon, id, "confirm")?,
            Order::Dismiss { id } => feedback(&daemon, id, "dismiss")?,
        };
        match context.out.format() {
            Format::Json => context.out.object(&answer)?,
            _ => context.out.line(&said)?,
        }
        return Ok(Exit::Ok);
    }
    let path = if args.all { "/api/incidents?all=1" } else { "/api/incidents" };
    let answer = daemon.get(path)?;
    let rows = answer["incidents"].as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        context.remark(if args.all { "no incident is known" } else { "no incident is open" });
        return Ok(Exit::Ok);
    }
    context.out.records(&COLUMNS, &rows)?;
    context.out.finish()?;
    context.remark(&format!(
        "\nhint: `homeostat explain {}` shows why, and what would repair it",
        rows[0]["id"]
    ));
    let is_open = rows.iter().any(|row| row["closed_at"].is_null());
    Ok(if is_open { Exit::No } else { Exit::Ok })
}

/// Tells the daemon what a person thinks of an incident; its answer, and the same in words.
fn feedback(daemon: &Client, id: u64, opinion: &str) -> Result<(Json, String), UserError> {
    let answer = daemon.post("/api/feedback", &json!({"incident": id, "opinion": opinion}))?;
    let follows = answer["feedback"]["sentence"].as_str().unwrap_or("noted").to_owned();
    Ok((answer, format!("incident {id}: {follows}")))
}

/// A time as a person writes it, in seconds.
pub fn seconds(word: &str) -> Result<f64, String> {
    let wrong = || "write a number and s, m, h or d: `7d`".to_owned();
    let digits = word.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let scale = match &word[digits.len()..] {
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    let number = digits.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.map(|number| number * scale).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_read_with_their_unit() {
        let read = ["90", "30s", "5m", "12h", "7d"].map(|word| seconds(word).expect(word));
        assert_eq!(read, [90.0, 30.0, 300.0, 43_200.0, 604_800.0]);
        for word in ["", "d", "-1d", "7w", "inf", "nan"] {
            assert!(seconds(word).is_err(), "{word}");
        }
    }
}
