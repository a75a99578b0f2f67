//! What the doors ask of the supervisor, and what it answers. See [`ServiceControl`].
use serde::{Deserialize, Serialize};

/// The supervisor as the doors see it.
pub trait ServiceControl: Send + Sync {
    /// Carries out `op` and answers with the services it concerns; waits for acceptance only.
    ///
    /// # Errors
    /// The supervisor does not answer or refuses; the words are for a person.
    fn control(&self, op: ServiceOp) -> Result<Vec<ServiceStatus>, String>;
}

/// One order to the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum ServiceOp {
    /// Every service.
    List,
    /// Read these descriptions and start what they describe.
    Start {
        /// What the files say.
        files: Vec<ServiceFile>,
    },
    /// Stop one and do not start it again.
    Stop {
        /// Which.
        name: String,
    },
    /// Stop and start one.
    Restart {
        /// Which.
        name: String,
    },
    /// The latest lines it wrote.
    Logs {
        /// Which.
        name: String,
        /// How many at most.
        lines: u32,
    },
}

/// A description of a service, read by whoever wants it started: under that person's own rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFile {
    /// Absolute path, for messages and relative commands.
    pub path: String,
    /// TOML.
    pub text: String,
}

/// A service as its supervisor knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// running, backing_off or stopped.
    pub state: String,
    /// Its main process, while it runs.
    pub pid: Option<u32>,
    /// Time since the start of the main process. Unit: s.
    pub up_s: Option<f64>,
    /// Times it was started.
    pub starts: u64,
    /// Times it ended by itself with a failure.
    pub failures: u64,
    /// How it ended last, in words.
    pub last_exit: Option<String>,
    /// Wait before its next start after a failure. Unit: s.
    pub back_off_s: f64,
    /// Outcome of its own health check.
    pub is_healthy: Option<bool>,
    /// Lines it wrote, oldest first; only as the answer to [`ServiceOp::Logs`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}
