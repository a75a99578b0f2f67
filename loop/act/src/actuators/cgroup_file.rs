//! A value written into one file of a cgroup: CPU weight, memory throttle, freezer. Undo: the value it had.
use serde::{Deserialize, Serialize};

use super::cgroup::CgroupRef;
use super::{Standing, Step, Touches};
use crate::machine::Machine;

/// The file, what it said, and what it is made to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CgroupFile {
    pub(crate) cgroup: CgroupRef,
    pub(crate) file: String,
    pub(crate) prior: String,
    pub(crate) new: String,
}

impl CgroupFile {
    /// The file of a cgroup, with what it says now; `None` if the cgroup has no such file or is gone.
    pub(crate) fn to(cgroup: CgroupRef, file: &str, new: String) -> Option<Self> {
        let prior = cgroup.read(file).ok().flatten()?;
        Some(Self { cgroup, file: file.to_owned(), prior: settled(&prior).to_owned(), new })
    }
}

/// A v1 freezer says FREEZING while it waits for a process in an uninterruptible sleep: it was told to freeze.
fn settled(text: &str) -> &str {
    if text == "FREEZING" { "FROZEN" } else { text }
}

impl Step for CgroupFile {
    fn before(&self) -> String {
        format!("{} {}", self.file, self.prior)
    }

    fn after(&self) -> String {
        format!("{} {}", self.file, self.new)
    }

    fn touches(&self) -> Touches {
        Touches { cgroup: Some(self.cgroup.clone()), ..Touches::default() }
    }

    fn apply(&self, _: &mut Machine<'_>) -> Result<(), String> {
        self.cgroup.write(&self.file, &self.new)
    }

    fn standing(&self, _: &mut Machine<'_>) -> Result<Standing, String> {
        let Some(text) = self.cgroup.read(&self.file)? else {
            return Ok(Standing::Gone(format!("cgroup {} is gone", self.cgroup.folder)));
        };
        Ok(match settled(&text) {
            text if text == self.prior => Standing::Prior,
            text if text == self.new => Standing::New,
            text => Standing::Other(format!("{} {text}", self.file)),
        })
    }

    fn undo(&self, _: &mut Machine<'_>) -> Result<(), String> {
        self.cgroup.write(&self.file, &self.prior)
    }
}
