//! A value written into one file of a cgroup: CPU weight, memory throttle, freezer. Undo: the value it had.
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cgroup::CgroupRef;
use super::unit_property::UnitProperty;
use crate::machine::Machine;
use crate::step::{Standing, Step, Touches};

/// The file, what it said, and what it is made to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CgroupFile {
    pub(crate) cgroup: CgroupRef,
    pub(crate) file: String,
    pub(crate) prior: String,
    pub(crate) new: String,
    /// What systemd is told, where the cgroup is that of one of its units.
    pub(crate) told: Option<UnitProperty>,
}

impl CgroupFile {
    /// The file of a cgroup, with what it says now; `None` if the cgroup has no such file or is gone.
    pub(crate) fn to(cgroup: CgroupRef, file: &str, new: String, machine: &Machine<'_>) -> Option<Self> {
        let prior = cgroup.read(file).ok().flatten()?;
        let told = UnitProperty::behind(&cgroup, file, machine);
        Some(Self { cgroup, file: file.to_owned(), prior: settled(&prior).to_owned(), new, told })
    }

    /// The cgroup that the change stands in: a unit that was told keeps its value over a restart, in a new cgroup.
    fn present(&self) -> CgroupRef {
        let heir = self.told.as_ref().and_then(|_| CgroupRef::of(Path::new(&self.cgroup.folder)));
        heir.unwrap_or_else(|| self.cgroup.clone())
    }

    /// A value halfway back: between the two, or twice the new one where there was no limit before.
    fn half(&self) -> Option<String> {
        let new = self.new.parse::<u64>().ok()?;
        let half = match self.prior.parse::<u64>() {
            Ok(prior) => new.midpoint(prior),
            Err(_) => new.checked_mul(2)?,
        };
        let half = match self.file.split_once('.')?.0 {
            "cpu" => half,
            // The kernel keeps whole pages.
            "memory" => half - half % rustix::param::page_size() as u64,
            _ => return None,
        };
        Some(half.to_string()).filter(|half| *half != self.new && *half != self.prior)
    }

    fn is_told(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.is_set(&self.new))
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
        Touches { cgroup: Some(self.present()), ..Touches::default() }
    }

    fn apply(&self, _: &mut Machine<'_>) -> Result<(), String> {
        self.cgroup.write(&self.file, &self.new)?;
        if let Some(told) = &self.told {
            // The change is made; a systemd that cannot be told may lose it, which is then seen as any loss is.
            let _ = told.set(&self.new);
        }
        Ok(())
    }

    fn standing(&self, _: &mut Machine<'_>) -> Result<Standing, String> {
        let text = self.present().read(&self.file)?;
        Ok(match text.as_deref().map(settled) {
            Some(text) if text == self.new => Standing::New,
            Some(text) if self.half().as_deref() == Some(text) => Standing::Mixed,
            // systemd would write it again some day.
            _ if self.is_told() => Standing::Mixed,
            None => Standing::Gone(format!("cgroup {} is gone", self.cgroup.folder)),
            Some(text) if text == self.prior => Standing::Prior,
            Some(text) => Standing::Other(format!("{} {text}", self.file)),
        })
    }

    fn halve(&self, _: &mut Machine<'_>) -> Result<(), String> {
        let Some(half) = self.half() else { return Ok(()) };
        if let Some(told) = self.told.as_ref().filter(|_| self.is_told()) {
            // From here on systemd knows the prior value only: a reload would release it whole.
            told.unset(&self.prior)?;
        }
        self.present().write(&self.file, &half)
    }

    fn undo(&self, _: &mut Machine<'_>) -> Result<(), String> {
        let Some(told) = &self.told else { return self.cgroup.write(&self.file, &self.prior) };
        if self.is_told() {
            told.unset(&self.prior)?;
        }
        let cgroup = self.present();
        // What somebody else set meanwhile stays, and what is gone needs nothing.
        match cgroup.read(&self.file)? {
            Some(text) if text == self.new || self.half().as_ref() == Some(&text) => {
                cgroup.write(&self.file, &self.prior)
            }
            _ => Ok(()),
        }
    }
}
