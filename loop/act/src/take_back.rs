//! Taking effects back: by the daemon each turn, by the keeper or a person when there is no daemon.
use crate::boot_ns;
use crate::machine::Machine;
use crate::record::Record;
use crate::ring::{Content, End, Ring, RingError, Slot, Stage};
use crate::services::Services;
use crate::step::Standing;

/// Which effects [`undo_all`] takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every one: a person wants the machine as it was.
    Everything,
    /// Those that have not proved themselves, and the held ones that ask for it: Homeostat is dead for good.
    OnDeath,
}

/// What became of one slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// What was asked for, and its undo.
    pub record: Record,
    /// Where it stands now: ended, or [`Stage::Undoing`] if the machine refused and it is tried again.
    pub stage: Stage,
    /// What was found and done, in words.
    pub because: String,
}

/// Takes back every effect whose lease or hold is over; for whoever is alive. The slots stay for the next start to
/// report.
///
/// # Errors
/// [`RingError::Busy`] while another process changes the machine; proc cannot be read.
pub fn undo_expired(
    ring: &Ring,
    now_boot_ns: u64,
    services: &mut dyn Services,
) -> Result<Vec<Ended>, RingError> {
    sweep(ring, services, |stage, record| is_expired(stage, record, now_boot_ns), "its time is over")
}

/// Takes back every effect of a scope, with no daemon.
///
/// # Errors
/// As [`undo_expired`].
pub fn undo_all(ring: &Ring, scope: Scope, services: &mut dyn Services) -> Result<Vec<Ended>, RingError> {
    let chosen = |stage: Stage, record: &Record| match stage {
        Stage::Ended(_) => false,
        Stage::Held { .. } => scope == Scope::Everything || record.intent.undo_on_death,
        Stage::Intended | Stage::Applied | Stage::Easing { .. } | Stage::Undoing => true,
    };
    sweep(ring, services, chosen, "everything was taken back")
}

/// Whether the lease or the hold is over, or an undo was begun.
pub(crate) fn is_expired(stage: Stage, record: &Record, now_boot_ns: u64) -> bool {
    match stage {
        Stage::Applied | Stage::Intended => now_boot_ns >= record.lease_until_ns,
        Stage::Held { until_s } | Stage::Easing { until_s } => {
            now_boot_ns / 1_000_000_000 >= u64::from(until_s)
        }
        Stage::Undoing => true,
        Stage::Ended(_) => false,
    }
}

fn sweep(
    ring: &Ring,
    services: &mut dyn Services,
    chosen: impl Fn(Stage, &Record) -> bool,
    because: &str,
) -> Result<Vec<Ended>, RingError> {
    let _lock = ring.lock()?;
    let mut machine = Machine::open(services)?;
    let mut ended = Vec::new();
    for (slot, content) in ring.slots() {
        let Content::Whole(stage, record) = content else { continue };
        if chosen(stage, &record) {
            ended.push(end_slot(ring, slot, stage, *record, &mut machine, because));
        }
    }
    Ok(ended)
}

/// Ends a slot whatever its stage: takes the effect back, or finds that there is nothing to take back.
pub(crate) fn end_slot(
    ring: &Ring,
    slot: Slot,
    stage: Stage,
    record: Record,
    machine: &mut Machine<'_>,
    because: &str,
) -> Ended {
    let (stage, because) = if record.change.step().is_final() {
        end_final(&record, machine)
    } else {
        ring.set_stage(slot, Stage::Undoing);
        take_back(&record, stage, machine, because)
    };
    ring.set_stage(slot, stage);
    Ended { record, stage, because }
}

/// Takes a change back and looks whether that worked.
fn take_back(record: &Record, stage: Stage, machine: &mut Machine<'_>, because: &str) -> (Stage, String) {
    let step = record.change.step();
    let (undone, failed) = (Stage::Ended(End::Undone), Stage::Ended(End::Failed));
    let refused = |said: String| (Stage::Undoing, format!("it cannot be taken back yet: {said}"));
    match step.standing(machine) {
        Ok(Standing::Prior) if stage == Stage::Intended => (failed, "it was never done".to_owned()),
        // Undone by an earlier attempt, perhaps not to its end: once more is harmless.
        Ok(Standing::Prior) if matches!(stage, Stage::Undoing | Stage::Easing { .. }) => {
            match step.undo(machine) {
                Ok(()) => (undone, because.to_owned()),
                Err(said) => refused(said),
            }
        }
        Ok(Standing::Prior) => (undone, format!("{because}; somebody had taken it back already")),
        Ok(Standing::Gone(what)) => (undone, format!("{what}, and the change with it")),
        Ok(Standing::Other(what)) => {
            (undone, format!("{because}; somebody else had set {what}, which stays"))
        }
        Ok(Standing::New | Standing::Mixed) => match step.undo(machine).and_then(|()| step.standing(machine))
        {
            Ok(Standing::Prior | Standing::Gone(_)) => (undone, because.to_owned()),
            // A process that does not stand still has no other sign of being undone: see freeze.
            Ok(Standing::Mixed) if matches!(record.change, crate::actuators::Change::Stop(_)) => {
                (undone, because.to_owned())
            }
            Ok(now) => refused(format!("afterwards it stands at {now:?}")),
            // A target that ended while it was being undone took the change with it.
            Err(said) => match step.standing(machine) {
                Ok(Standing::Gone(what)) => (undone, format!("{what}, and the change with it")),
                _ => refused(said),
            },
        },
        Err(said) => refused(said),
    }
}

/// A final action that was cut short: the machine says whether it happened.
fn end_final(record: &Record, machine: &mut Machine<'_>) -> (Stage, String) {
    match record.change.step().standing(machine) {
        Ok(Standing::Prior) => (Stage::Ended(End::Failed), "it was cut short; nothing changed".to_owned()),
        Ok(Standing::Gone(what)) => (Stage::Ended(End::Final), what),
        Ok(_) => (Stage::Ended(End::Final), "it was cut short, and happened".to_owned()),
        Err(said) => (Stage::Intended, format!("whether it happened cannot be seen yet: {said}")),
    }
}

/// End of a hold of so many seconds from now, for [`Stage::Held`]; rounded up. Unit: s on CLOCK_BOOTTIME.
pub(crate) fn hold_until_s(hold_max_s: f64) -> u32 {
    let now_s = boot_ns() as f64 / 1e9;
    // Saturates: a hold of more than a century is as good as one.
    (now_s + hold_max_s.max(0.0)).ceil() as u32
}
