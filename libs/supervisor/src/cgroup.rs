//! A cgroup of its own for a service, in every hierarchy that lets us make one.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Options, ServiceConfig};

/// The folders of one service, one a hierarchy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// Path below the root of each hierarchy.
    pub path: String,
    pub folders: Vec<PathBuf>,
}

impl Place {
    /// Makes the folders; empty where none could be made.
    pub(crate) fn make(options: &Options, config: &ServiceConfig) -> Self {
        let Some(base) = &options.cgroup else { return Self::default() };
        let path = format!("/{base}/{}", config.name);
        let mut place = Self { path, folders: Vec::new() };
        for root in &options.cgroup_roots {
            let folder = root.join(base).join(&config.name);
            if fs::create_dir_all(&folder).is_ok() && folder.join("cgroup.procs").exists() {
                place.folders.push(folder);
            }
        }
        place.limit_memory(config.limits.memory_bytes);
        place
    }

    fn limit_memory(&self, limit: Option<u64>) {
        let Some(bytes) = limit else { return };
        for folder in &self.folders {
            for file in ["memory.max", "memory.limit_in_bytes"] {
                let file = folder.join(file);
                if file.exists() {
                    // A hierarchy without the memory controller has no such file; one that refuses the value
                    // leaves the service without this limit, which `cgroups` shows.
                    let _ = fs::write(file, bytes.to_string());
                }
            }
        }
    }

    /// Whether there is at least one.
    pub(crate) fn exists(&self) -> bool {
        !self.folders.is_empty()
    }

    /// The files by which a process joins.
    pub(crate) fn join_files(&self) -> Vec<PathBuf> {
        self.folders.iter().map(|folder| folder.join("cgroup.procs")).collect()
    }

    /// Kills whatever is left in it.
    pub(crate) fn kill(&self) {
        for folder in &self.folders {
            if fs::write(folder.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            for pid in members(folder).unwrap_or_default() {
                // SAFETY: kill(2) takes plain integers; the pid was read from our own cgroup just now.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
        }
    }

    /// Thaws it, so that a frozen service can end.
    pub(crate) fn thaw(&self) {
        for folder in &self.folders {
            for (file, word) in [("cgroup.freeze", "0"), ("freezer.state", "THAWED")] {
                let file = folder.join(file);
                if file.exists() {
                    let _ = fs::write(file, word);
                }
            }
        }
    }

    /// Whether a process is left in any of them.
    pub(crate) fn is_populated(&self) -> bool {
        self.folders.iter().any(|folder| members(folder).is_ok_and(|pids| !pids.is_empty()))
    }

    /// Removes the folders, and their parent if it is empty then.
    pub(crate) fn remove(&mut self) {
        for folder in self.folders.drain(..) {
            let _ = fs::remove_dir(&folder);
            let _ = folder.parent().map(fs::remove_dir);
        }
    }
}

fn members(folder: &Path) -> io::Result<Vec<i32>> {
    let text = fs::read_to_string(folder.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}
