//! What systemd is told of a limit that was written into the cgroup of one of its units.
//!
//! systemd writes every limit of a unit anew after a reload, and when it switches a controller on or off for a slice:
//! a value it does not know would be lost at the next start of any other unit. So it is told by a runtime property,
//! which it keeps in a file below /run. Undo: the property as it was, and the file removed.
use std::path::{Path, PathBuf};

use kernfs::cgroup::unit_of;
use serde::{Deserialize, Serialize};

use super::cgroup::CgroupRef;
use crate::machine::Machine;
use crate::systemd;

/// Where systemd keeps the properties that were set until the next boot.
const CONTROL: &str = "/run/systemd/system.control";

/// One property of one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UnitProperty {
    unit: String,
    name: String,
}

impl UnitProperty {
    /// The property behind a cgroup's file, if the cgroup is that of a unit of the system's systemd and nobody has set
    /// that property at run time before us.
    pub(crate) fn behind(cgroup: &CgroupRef, file: &str, machine: &Machine<'_>) -> Option<Self> {
        let name = match file {
            "cpu.weight" => "CPUWeight",
            "memory.high" => "MemoryHigh",
            _ => return None,
        };
        let v2 = machine.layout().v2.as_ref()?;
        let path = Path::new(&cgroup.folder).strip_prefix(&v2.mount_point).ok()?;
        let path = format!("/{}", path.to_str()?);
        let unit = unit_of(path.as_bytes())?.name;
        // A cgroup below that of the unit is the unit's own business.
        let is_whole = path.ends_with(&format!("/{unit}")) && unit.ends_with(".service");
        let property = Self { unit, name: name.to_owned() };
        (is_whole && systemd::is_running() && !property.file().exists()).then_some(property)
    }

    /// Tells systemd the value that stands in the cgroup's file.
    pub(crate) fn set(&self, value: &str) -> Result<(), String> {
        systemd::set_property(&self.unit, &self.name, in_unit(value))
    }

    /// Whether systemd keeps that value until the next boot.
    pub(crate) fn is_set(&self, value: &str) -> bool {
        let line = format!("{}={}", self.name, in_unit(value));
        std::fs::read_to_string(self.file()).is_ok_and(|text| text.lines().any(|one| one == line))
    }

    /// Takes the value back: `prior` holds at once, and after the next reload what the unit's files say.
    pub(crate) fn unset(&self, prior: &str) -> Result<(), String> {
        // A unit that is gone has no property; its file goes all the same.
        let said = self.set(prior);
        match std::fs::remove_file(self.file()) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}; {said:?}", self.file().display())),
        }
        // Stays while others have files there, as it should.
        let _ = std::fs::remove_dir(self.folder());
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        Path::new(CONTROL).join(format!("{}.d", self.unit))
    }

    fn file(&self) -> PathBuf {
        self.folder().join(format!("50-{}.conf", self.name))
    }
}

/// A value of the kernel's as a unit file says it.
fn in_unit(value: &str) -> &str {
    if value == "max" { "infinity" } else { value }
}
