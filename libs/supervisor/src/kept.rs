//! What must be known of a service to take it up again when its supervisor was killed.
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ServiceConfig;
use crate::main_process::Identity;

/// One service, as of its last start, end or order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What a person wrote about it.
    pub config: ServiceConfig,
    /// Its main process, if one ran.
    pub main: Option<Identity>,
    /// What its processes carry in their environment.
    pub mark: String,
    /// Path of its cgroup below the root of each hierarchy.
    pub cgroup: String,
    /// The folders of that cgroup.
    pub folders: Vec<PathBuf>,
    /// Whether it was to run.
    pub is_wanted: bool,
    /// Times it was started.
    pub starts: u64,
    /// Times it failed.
    pub failures: u64,
    /// Least wait before its next start. Unit: s.
    pub back_off_min_s: f64,
}
