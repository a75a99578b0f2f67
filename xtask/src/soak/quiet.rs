//! A Homeostat beside nothing, a build, or a mixed load without a fault: no incident at all, and what it cost meanwhile.
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::Done;
use super::load::Load;
use super::mixed::Mixed;
use crate::bench::{Figure, Folder, Started, watch};

/// What goes on beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    Build,
    Mixed,
}

/// Who was told to differ, each time anew.
const ANOMALIES: &str = "SELECT utc(since) AS since, min(sentence) AS sentence, min(probability) AS probability \
     FROM anomalies_history GROUP BY since, name, metric ORDER BY since";

/// Runs for `minutes`.
pub(super) fn run(binary: &Path, minutes: u64, beside: Beside) -> Result<Done, String> {
    let case = match beside {
        Beside::Nothing => "idle",
        Beside::Build => "compile",
        Beside::Mixed => "mixed",
    };
    eprintln!("{case}: {minutes} minutes");
    let folder = Folder::make()?;
    let state = folder.path().join("state");
    let mut command = Command::new(binary);
    command.arg("run").arg("--state-dir").arg(&state);
    let running = Started::start(&mut command, &folder.path().join("log"))?;
    wait_until_it_answers(binary, &state)?;
    let load = (beside == Beside::Build).then(Load::start);
    let mixed = match beside {
        Beside::Mixed => Some(Mixed::start(binary, &state, folder.path())?),
        _ => None,
    };
    let used = watch(&[running.pid()], minutes * 60).pop().flatten();
    let builds = load.map(Load::end).or(mixed.map(Mixed::end));
    let incidents = rows(binary, &state, "SELECT id, kind, culprit, sentence FROM incidents")?;
    let anomalies = rows(binary, &state, ANOMALIES)?;
    anomalies.iter().for_each(|row| eprintln!("{case}: told, no trouble: {row}"));
    let mut done = Done::default();
    let mut figure = |figure, value, unit| {
        let (case, subject) = (format!("{case}/{minutes} min"), "homeostat".to_owned());
        done.figures.push(Figure { figure, case, subject, value, unit });
    };
    figure("incidents", incidents.len() as f64, "");
    figure("anomalies", anomalies.len() as f64, "");
    // The services of the load are below the keeper: what they use is not ours.
    if let Some(used) = used.filter(|_| beside != Beside::Mixed) {
        figure("cpu_percent", used.cpu_percent, "% of a core");
        figure("pss_mib", used.pss_mib, "MiB");
    }
    if let Some(builds) = builds {
        figure("builds", f64::from(builds), "");
    }
    done.broken.extend(incidents.iter().map(|row| format!("{case}: an incident without a fault: {row}")));
    if used.is_none() {
        done.broken.push(format!("{case}: homeostat ended by itself"));
    }
    Ok(done)
}

/// The rows of a query.
fn rows(binary: &Path, state: &Path, query: &str) -> Result<Vec<Json>, String> {
    Ok(ask(binary, state, &["sql", "--json", query])?.as_array().cloned().unwrap_or_default())
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
