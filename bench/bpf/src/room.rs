//! A cgroup with little memory, in which it runs out.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use crate::figure::Failure;

/// What it holds.
pub(crate) const LIMIT_BYTES: u64 = 256 << 20;
/// Rates at which memory is taken. Unit: MiB/s.
pub(crate) const RATES: [u64; 3] = [50, 200, 1_000];

/// A limited cgroup.
pub(crate) struct Room {
    folder: PathBuf,
    usage: &'static str,
}

impl Room {
    /// Made anew.
    pub(crate) fn new() -> Result<Self, Failure> {
        let v1 = Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists();
        let (root, limit, usage) = if v1 {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
        } else {
            ("/sys/fs/cgroup", "memory.max", "memory.current")
        };
        let folder = PathBuf::from(root).join(format!("bench-memory-{}", std::process::id()));
        fs::create_dir(&folder)?;
        fs::write(folder.join(limit), LIMIT_BYTES.to_string())?;
        Ok(Self { folder, usage })
    }

    pub(crate) fn used(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join(self.usage)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// A child of this program in the cgroup, in that role.
    pub(crate) fn start(&self, role: &[&str]) -> Result<Child, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        Ok(command.args(["hog"]).args(role).arg(self.folder.join("cgroup.procs")).spawn()?)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        sleep(Duration::from_millis(100));
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The wall clock, by which the daemon says when it decided.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
