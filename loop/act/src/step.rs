//! One change of the machine with its undo: what every actuator is, and how the machine stands towards it.
use vocab::ProcessId;

use crate::actuators::cgroup::CgroupRef;
use crate::machine::Machine;

/// How the machine stands towards one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As before the change.
    Prior,
    /// As after it.
    New,
    /// Partly: some threads are changed and some are not, or a change is under way.
    Mixed,
    /// Neither: somebody else changed it since. What stands there, in words.
    Other(String),
    /// What was changed is gone, and the change with it. What, in words.
    Gone(String),
}

/// What a change touches, for the guard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touches {
    pub(crate) processes: Vec<ProcessId>,
    pub(crate) cgroup: Option<CgroupRef>,
    pub(crate) session: Option<u32>,
    pub(crate) service: Option<String>,
}

/// One change, complete with its undo. Each call reads the machine afresh and may be repeated.
pub(crate) trait Step {
    /// What stood there before, in words.
    fn before(&self) -> String;
    /// What stands there after, in words.
    fn after(&self) -> String;
    /// Whom it touches.
    fn touches(&self) -> Touches;
    /// Makes the change.
    fn apply(&self, machine: &mut Machine<'_>) -> Result<(), String>;
    /// How the machine stands towards it.
    fn standing(&self, machine: &mut Machine<'_>) -> Result<Standing, String>;
    /// Takes half of it back; [`Standing::Mixed`] then. Nothing where there is no half.
    fn halve(&self, _: &mut Machine<'_>) -> Result<(), String> {
        Ok(())
    }
    /// Takes it back, halved or whole; harmless where it was never made.
    fn undo(&self, machine: &mut Machine<'_>) -> Result<(), String>;
    /// Whether it cannot be taken back.
    fn is_final(&self) -> bool {
        false
    }
}
