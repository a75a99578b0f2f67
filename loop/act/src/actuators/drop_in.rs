//! A longer RestartSec= for a systemd unit: a drop-in of ours below /run, which ends with the boot.
//!
//! The file bears the action's number, so it is ours whatever part of it was written: undo removes it and asks
//! systemd to read its units again.
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vocab::action::Intent;

use super::Change;
use super::cgroup::{self, CgroupRef};
use crate::machine::Machine;
use crate::step::{Standing, Step, Touches};
use crate::systemd;
use crate::trouble::Trouble;

const UNITS: &str = "/run/systemd/system";

/// A drop-in for one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DropIn {
    unit: String,
    action_id: u64,
    prior: String,
    new_s: f64,
    /// The unit's cgroup, whose every member the guard looks at.
    cgroup: Option<CgroupRef>,
}

pub(super) fn plan(
    intent: &Intent,
    unit: &str,
    new_s: f64,
    machine: &Machine<'_>,
) -> Result<Change, Trouble> {
    let state = systemd::show(unit)?;
    let prior_s = state.restart_delay_s;
    if prior_s >= new_s {
        return Err(Trouble::Refused(format!("`{unit}` waits {prior_s} s already")));
    }
    let prior = format!("RestartSec {prior_s} s");
    let cgroup = state.cgroup.as_deref().and_then(|path| cgroup::of_unit(path, machine));
    let (unit, action_id) = (unit.to_owned(), intent.action_id);
    Ok(Change::DropIn(DropIn { unit, action_id, prior, new_s, cgroup }))
}

impl DropIn {
    fn folder(&self) -> PathBuf {
        Path::new(UNITS).join(format!("{}.d", self.unit))
    }

    fn file(&self) -> PathBuf {
        self.folder().join(format!("90-homeostat-{}.conf", self.action_id))
    }

    fn text(&self) -> String {
        format!("# Made by Homeostat, action {}.\n[Service]\nRestartSec={}\n", self.action_id, self.new_s)
    }
}

impl Step for DropIn {
    fn before(&self) -> String {
        self.prior.clone()
    }

    fn after(&self) -> String {
        format!("RestartSec {} s by {}", self.new_s, self.file().display())
    }

    fn touches(&self) -> Touches {
        Touches { cgroup: self.cgroup.clone(), service: Some(self.unit.clone()), ..Touches::default() }
    }

    fn apply(&self, _: &mut Machine<'_>) -> Result<(), String> {
        let said = |error: std::io::Error| format!("{}: {error}", self.file().display());
        match DirBuilder::new().create(self.folder()) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(said(error)),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o644).open(self.file()).map_err(said)?;
        file.write_all(self.text().as_bytes()).map_err(said)?;
        systemd::reload()
    }

    fn standing(&self, _: &mut Machine<'_>) -> Result<Standing, String> {
        match fs::read_to_string(self.file()) {
            Ok(text) if text == self.text() => Ok(Standing::New),
            Ok(_) => Ok(Standing::Mixed),
            // The file may be gone and systemd not know yet: an undo that asks once more is harmless.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Standing::Prior),
            Err(error) => Err(format!("{}: {error}", self.file().display())),
        }
    }

    fn undo(&self, _: &mut Machine<'_>) -> Result<(), String> {
        match fs::remove_file(self.file()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("{}: {error}", self.file().display()));
            }
            _ => {}
        }
        // Fails while others have drop-ins there, as it should.
        let _ = fs::remove_dir(self.folder());
        systemd::reload()
    }
}
