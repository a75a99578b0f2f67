//! The daemon under test, in a folder of its own, asked by its command line.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::figure::Failure;

/// One running Homeostat, ended and removed when dropped.
pub(crate) struct Daemon {
    child: Child,
    program: PathBuf,
    folder: PathBuf,
}

impl Daemon {
    /// Starts `program`, by default the binary beside this one, in that mode.
    pub(crate) fn start(program: Option<String>, mode: &str) -> Result<Self, Failure> {
        let beside = std::env::current_exe()?.with_file_name("homeostat");
        let program = program.map_or(beside, PathBuf::from);
        let folder = std::env::temp_dir().join(format!("bench-daemon-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(&program);
        command.args(["run", "--mode", mode, "--state-dir"]).arg(&folder);
        let child = command.env("HOMEOSTAT_PORT", "7577").stdout(Stdio::null()).spawn()?;
        Ok(Self { child, program, folder })
    }

    /// The first cell that a question asks for, as a number; `None` if it is no number.
    pub(crate) fn number(&self, sql: &str) -> Result<Option<u64>, Failure> {
        let mut command = Command::new(&self.program);
        command.args(["sql", "--json", sql, "--state-dir"]).arg(&self.folder);
        let answer = command.stderr(Stdio::inherit()).output()?;
        let rows: Value = serde_json::from_slice(&answer.stdout)?;
        let row = rows.get(0).and_then(Value::as_object);
        Ok(row.and_then(|row| row.values().next()).and_then(Value::as_u64))
    }

    /// The keeper and its daemon.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let keeper = self.child.id();
        let children = fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children"));
        let children = children.unwrap_or_default();
        std::iter::once(keeper)
            .chain(children.split_whitespace().filter_map(|pid| pid.parse().ok()))
            .collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // SAFETY: a signal to our own child, which then ends its daemon.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
