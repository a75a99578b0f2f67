//! A Homeostat beside nothing, or beside a build: no incident at all, and what it cost meanwhile.
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::Done;
use super::load::Load;
use crate::bench::{Figure, Folder, Started, watch};

/// Runs for `minutes`, beside a build if `is_compiling`.
pub(super) fn run(binary: &Path, minutes: u64, is_compiling: bool) -> Result<Done, String> {
    let case = if is_compiling { "compile" } else { "idle" };
    eprintln!("{case}: {minutes} minutes");
    let folder = Folder::make()?;
    let state = folder.path().join("state");
    let mut command = Command::new(binary);
    command.arg("run").arg("--state-dir").arg(&state);
    let running = Started::start(&mut command, &folder.path().join("log"))?;
    wait_until_it_answers(binary, &state)?;
    let load = is_compiling.then(Load::start);
    let used = watch(&[running.pid()], minutes * 60).pop().flatten();
    let builds = load.map(Load::end);
    let incidents =
        ask(binary, &state, &["sql", "--json", "SELECT id, kind, culprit, sentence FROM incidents"])?;
    let incidents = incidents.as_array().cloned().unwrap_or_default();
    let mut done = Done::default();
    let mut figure = |figure, value, unit| {
        let (case, subject) = (format!("{case}/{minutes} min"), "homeostat".to_owned());
        done.figures.push(Figure { figure, case, subject, value, unit });
    };
    figure("incidents", incidents.len() as f64, "");
    if let Some(used) = used {
        figure("cpu_percent", used.cpu_percent, "% of a core");
        figure("pss_mib", used.pss_mib, "MiB");
    }
    if let Some(builds) = builds {
        figure("builds", f64::from(builds), "");
    }
    done.broken.extend(incidents.iter().map(|row| format!("{case}: an incident on a quiet machine: {row}")));
    if used.is_none() {
        done.broken.push(format!("{case}: homeostat ended by itself"));
    }
    Ok(done)
}

fn wait_until_it_answers(binary: &Path, state: &Path) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match ask(binary, state, &["status", "--json"]) {
            Ok(_) => return Ok(()),
            Err(why) if start.elapsed() > Duration::from_secs(30) => return Err(why),
            Err(_) => std::thread::sleep(Duration::from_millis(300)),
        }
    }
}

/// What a command of ours answers in JSON.
fn ask(binary: &Path, state: &Path, arguments: &[&str]) -> Result<Json, String> {
    let output = Command::new(binary).args(arguments).arg("--state-dir").arg(state).output();
    let output = output.map_err(|error| format!("{}: {error}", binary.display()))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("{}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
