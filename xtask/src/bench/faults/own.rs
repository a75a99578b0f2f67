//! A Homeostat of the bench's own: started, asked, ended.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::started::Started;

/// It must answer within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// What it says of one trouble.
#[derive(Clone, Debug, Default)]
pub(super) struct Incident {
    pub(super) id: i64,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) culprit: String,
    pub(super) pids: Vec<u32>,
    /// More than a notice: something to be acted on.
    pub(super) is_accusation: bool,
    pub(super) sentence: String,
}

/// The running Homeostat; it ends with its services when this is dropped.
pub(super) struct Own {
    binary: PathBuf,
    pub(super) state: PathBuf,
    _running: Started,
}

impl Own {
    /// Starts it with these further words, its files below `dir`.
    pub(super) fn start(binary: &Path, dir: &Path, words: &[&str]) -> Result<Self, String> {
        let (state, config) = (dir.join("state"), dir.join("config.toml"));
        std::fs::write(&config, "").map_err(|error| error.to_string())?;
        let mut command = Command::new(binary);
        command.args(["run", "--state-dir"]).arg(&state).arg("--config").arg(config).args(words);
        let running = Started::start(&mut command, &dir.join("homeostat.log"))?;
        let own = Self { binary: binary.to_owned(), state, _running: running };
        let end = Instant::now() + PATIENCE;
        while own.ask(&["service", "list"]).is_err() {
            if Instant::now() > end {
                let said = std::fs::read_to_string(dir.join("homeostat.log")).unwrap_or_default();
                return Err(format!("Homeostat does not come up: {}", said.trim()));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(own)
    }

    /// Every incident so far.
    pub(super) fn incidents(&self) -> Vec<Incident> {
        // A program that nobody supervises is known by the process that starts it.
        let sql = "SELECT id, kind, state, culprit, pid, severity, sentence, \
            (SELECT value FROM evidence WHERE incident_id = id AND source_column = 'ppid') AS parent \
            FROM incidents ORDER BY id";
        let text = self.ask(&["sql", "--json", sql]).unwrap_or_default();
        let rows = serde_json::from_str::<Vec<Value>>(&text).unwrap_or_default();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let incident = |row: &Value| Incident {
            id: row["id"].as_i64().unwrap_or(0),
            kind: text(row, "kind"),
            state: text(row, "state"),
            culprit: text(row, "culprit"),
            pids: [row["pid"].as_u64(), row["parent"].as_str().and_then(|pid| pid.parse().ok())]
                .into_iter()
                .flatten()
                .filter_map(|pid| u32::try_from(pid).ok())
                .collect(),
            is_accusation: row["severity"] != "notice",
            sentence: text(row, "sentence"),
        };
        rows.iter().map(incident).collect()
    }

    /// Starts services described in these files.
    pub(super) fn start_services(&self, files: &[PathBuf]) -> Result<(), String> {
        let files = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
        let words = ["service", "start"].into_iter().chain(files.iter().map(String::as_str));
        self.ask(&words.collect::<Vec<_>>()).map(drop)
    }

    pub(super) fn stop_service(&self, name: &str) {
        // One that is gone already is stopped.
        let _ = self.ask(&["service", "stop", name]);
    }

    fn ask(&self, words: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.binary).arg("--state-dir").arg(&self.state).args(words).output();
        let output = output.map_err(|error| error.to_string())?;
        if output.status.code().is_some_and(|code| code < 2) {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
