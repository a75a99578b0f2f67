//! What a person writes about a service.
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Name: letters, digits, dots, dashes and underscores.
    pub name: String,
    /// Program and arguments; no shell is involved.
    pub command: Vec<String>,
    /// User of /etc/passwd it runs as; absent: as the supervisor. Another user takes root.
    #[serde(default)]
    pub user: Option<String>,
    /// Working folder; absent: `/`.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// Variables added to the environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// When it is started again.
    #[serde(default)]
    pub restart: Restart,
    /// How long to wait before that.
    #[serde(default)]
    pub back_off: BackOff,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
    /// How it is ended.
    #[serde(default)]
    pub stop: Stop,
    /// How its health is asked.
    #[serde(default)]
    pub health: Option<Health>,
}

/// When a service is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Whenever it ends.
    Always,
    /// When it ends with an exit code other than 0 or by a signal.
    #[default]
    OnFailure,
    /// Never.
    Never,
}

/// Wait before the next start after a failure: doubled with every failure, back to its start after a run
/// that was long enough. Unit: s.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackOff {
    /// First wait.
    pub start_s: f64,
    /// Longest wait.
    pub max_s: f64,
    /// A run of this length counts as healthy.
    pub reset_after_s: f64,
}

impl Default for BackOff {
    /// A quarter of a second to a minute: quick for an accident, patient with a habit.
    fn default() -> Self {
        Self { start_s: 0.25, max_s: 60.0, reset_after_s: 30.0 }
    }
}

/// What a service may use; absent: as the supervisor itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Soft limit of open descriptors; the hard one stays, so that it can be raised.
    pub descriptors: Option<u64>,
    /// Memory of its cgroup. Unit: bytes. Needs a cgroup of its own.
    pub memory_bytes: Option<u64>,
    /// Nice value.
    pub nice: Option<i32>,
}

/// How a service is ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stop {
    /// Number of the signal that asks it to end.
    pub signal: i32,
    /// After so long it is killed. Unit: s.
    pub timeout_s: f64,
}

impl Default for Stop {
    /// SIGTERM and five seconds.
    fn default() -> Self {
        Self { signal: libc::SIGTERM, timeout_s: 5.0 }
    }
}

/// How the health of a service is asked: by a TCP connection to loopback, or by a command that exits 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// Port on loopback that must accept.
    pub tcp_port: Option<u16>,
    /// Program and arguments that must exit 0.
    pub command: Vec<String>,
    /// How often. Unit: s.
    pub every_s: f64,
    /// An answer later than this is a failure. Unit: s.
    pub timeout_s: f64,
}

impl Default for Health {
    fn default() -> Self {
        Self { tcp_port: None, command: Vec::new(), every_s: 5.0, timeout_s: 2.0 }
    }
}

impl ServiceConfig {
    /// What is impossible in it.
    ///
    /// # Errors
    /// One sentence for a person.
    pub fn check(&self) -> Result<(), String> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
        if self.name.is_empty()
            || self.name.len() > 64
            || !self.name.chars().all(is_name)
            || self.name.starts_with('.')
        {
            return Err(format!(
                "`{}` is no name for a service; use letters, digits, dots, dashes",
                self.name
            ));
        }
        if self.command.first().is_none_or(String::is_empty) {
            return Err(format!("service `{}` has no command", self.name));
        }
        let times =
            [self.back_off.start_s, self.back_off.max_s, self.back_off.reset_after_s, self.stop.timeout_s];
        if times.iter().any(|seconds| !(0.0..=86_400.0).contains(seconds)) {
            return Err(format!("service `{}`: times lie between 0 and 86400 s", self.name));
        }
        match &self.health {
            Some(health) if health.tcp_port.is_none() && health.command.is_empty() => {
                Err(format!("service `{}`: health wants a tcp_port or a command", self.name))
            }
            Some(health) if !(health.every_s >= 0.1 && health.timeout_s >= 0.01) => {
                Err(format!("service `{}`: health wants every_s >= 0.1 and timeout_s >= 0.01", self.name))
            }
            _ => Ok(()),
        }
    }
}
