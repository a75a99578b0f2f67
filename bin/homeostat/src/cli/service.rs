//! `homeostat service`: services under our own supervisor, which outlive a crash of the daemon.
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value as Json, json};

use super::context::Context;
use crate::door::{ServiceFile, ServiceOp};
use crate::error::{Exit, UserError, words};
use crate::output::{Column, Format, Style};

/// A description with every key; all but the first two may be left out.
const EXAMPLE: &str = r#"A description, every key of it; all but the first two may be left out:
  name = "web"
  command = ["/usr/bin/web", "--port", "8080"]
  user = "www-data"          # of /etc/passwd; takes root
  directory = "/srv/web"     # else that of the file
  environment = { LANG = "C" }
  restart = "on_failure"     # or always, never
  [back_off]                 # seconds
  start_s = 0.25
  max_s = 60
  reset_after_s = 30
  [limits]
  descriptors = 4096
  memory_bytes = 1000000000  # takes a cgroup
  nice = 5
  [stop]
  signal = 15
  timeout_s = 5
  [health]                   # or command = ["check-web"]
  tcp_port = 8080
  every_s = 5
  timeout_s = 2
Several in one file: each begins with [[service]], and its tables are written [service.limits]."#;

/// Run services under Homeostat's own supervisor.
#[derive(Subcommand)]
pub enum Service {
    /// List them
    List,
    /// Start the services that these files describe
    #[command(after_help = EXAMPLE)]
    Start {
        /// Descriptions in TOML
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Stop one, and do not start it again
    Stop {
        /// Its name
        name: String,
    },
    /// Stop and start one
    Restart {
        /// Its name
        name: String,
    },
    /// Print the latest lines that one wrote
    Logs {
        /// Its name
        name: String,
        /// How many lines at most
        #[arg(long, short = 'n', default_value_t = 100)]
        lines: u32,
    },
}

const COLUMNS: [Column; 8] = [
    Column { field: "name", title: "name", style: Style::Plain },
    Column { field: "state", title: "state", style: Style::Plain },
    Column { field: "pid", title: "pid", style: Style::Plain },
    Column { field: "up_s", title: "up", style: Style::Span },
    Column { field: "starts", title: "starts", style: Style::Plain },
    Column { field: "failures", title: "failures", style: Style::Plain },
    Column { field: "is_healthy", title: "healthy", style: Style::Flag },
    Column { field: "last_exit", title: "last end", style: Style::Plain },
];

/// Carries out the order and prints the services it concerns.
///
/// # Errors
/// A file that cannot be read, no daemon, or what the supervisor says is wrong.
pub fn run(args: &Service, context: &mut Context) -> Result<Exit, UserError> {
    let op = match args {
        Service::List => ServiceOp::List,
        Service::Start { files } => {
            ServiceOp::Start { files: files.iter().map(read).collect::<Result<_, _>>()? }
        }
        Service::Stop { name } => ServiceOp::Stop { name: name.clone() },
        Service::Restart { name } => ServiceOp::Restart { name: name.clone() },
        Service::Logs { name, lines } => ServiceOp::Logs { name: name.clone(), lines: *lines },
    };
    let answer = context.daemon()?.post("/api/service", &json!(op))?;
    let rows = answer["services"].as_array().cloned().unwrap_or_default();
    if matches!(args, Service::Logs { .. }) && context.out.format() != Format::Json {
        let lines = rows.iter().flat_map(|row| row["log"].as_array().cloned().unwrap_or_default());
        for line in lines {
            context.out.line(line.as_str().unwrap_or_default())?;
        }
        return Ok(Exit::Ok);
    }
    if rows.is_empty() {
        context.remark("no service runs under Homeostat; `homeostat service start FILE` starts one");
        return Ok(Exit::Ok);
    }
    context.out.records(&COLUMNS, &rows.into_iter().collect::<Vec<Json>>())?;
    Ok(Exit::Ok)
}

fn read(file: &PathBuf) -> Result<ServiceFile, UserError> {
    let wrong = |error: &std::io::Error| {
        let what = format!("cannot read service `{}`: {}", file.display(), words(error));
        UserError::new(what, "name files that describe a service in TOML")
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let path = std::path::absolute(file).map_err(|error| wrong(&error))?;
    Ok(ServiceFile { path: path.display().to_string(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_description_with_every_key() {
        let text = EXAMPLE.lines().filter_map(|line| line.strip_prefix("  ")).collect::<Vec<_>>().join("\n");
        let service = crate::service_file::parse("/x/web.toml", &text).expect("valid").remove(0);
        let known = serde_json::to_value(&service).expect("plain data");
        let written: toml::Table = toml::from_str(&text).expect("valid");
        let keys = known.as_object().expect("a table").keys();
        assert!(keys.clone().all(|key| written.contains_key(key)), "{keys:?}");
    }
}
