//! What a start makes of the ring it finds: every slot is compared with the machine, confirmed or ended.
//!
//! | found | machine | then |
//! |---|---|---|
//! | Intended | as before | ended: it never happened |
//! | Intended | changed, or in part | undone: nobody waits for its verdict any more |
//! | Applied | changed | stays leased; its deadline stands |
//! | Held | changed | confirmed |
//! | Applied, Held | not changed, or the target is gone | ended |
//! | Easing | any | undone: nobody knows any more what the release waited for |
//! | Undoing | any | undone |
//! | Ended | any | reported once more, for the journal may not have heard of it |
//! | other boot, broken | any | freed; a broken one is reported |
use crate::machine::Machine;
use crate::record::Record;
use crate::ring::{Content, End, Ring, Slot, Stage};
use crate::step::Standing;
use crate::take_back::{Ended, end_slot, is_expired};

/// What recovery found.
#[derive(Default)]
pub(crate) struct Recovered {
    /// One for each slot of this boot.
    pub(crate) slots: Vec<Ended>,
    /// Slots whose content made no sense: never so by a crash, for the stage is written last.
    pub(crate) broken: u32,
}

/// Compares every slot with the machine. The caller holds the lock.
pub(crate) fn recover(ring: &Ring, machine: &mut Machine<'_>, now_boot_ns: u64) -> Recovered {
    let mut found = Recovered::default();
    for (slot, content) in ring.slots() {
        match content {
            Content::Whole(stage, record) => {
                let one = settle(ring, slot, stage, *record, machine, now_boot_ns);
                // The report is in hand; the slot is free once it ended.
                if matches!(one.stage, Stage::Ended(_)) {
                    ring.free(slot);
                }
                found.slots.push(one);
            }
            Content::OtherBoot => ring.free(slot),
            Content::Broken => {
                found.broken += 1;
                ring.free(slot);
            }
        }
    }
    found
}

fn settle(
    ring: &Ring,
    slot: Slot,
    stage: Stage,
    record: Record,
    machine: &mut Machine<'_>,
    now_boot_ns: u64,
) -> Ended {
    match stage {
        Stage::Ended(_) => Ended { record, stage, because: "it ended before the restart".to_owned() },
        Stage::Intended => end_slot(ring, slot, stage, record, machine, "Homeostat ended while it was done"),
        Stage::Easing { .. } => end_slot(ring, slot, stage, record, machine, "its release had been begun"),
        Stage::Undoing => end_slot(ring, slot, stage, record, machine, "its undo had been begun"),
        _ if is_expired(stage, &record, now_boot_ns) => {
            end_slot(ring, slot, stage, record, machine, "its time was over")
        }
        Stage::Applied | Stage::Held { .. } => confirm(ring, slot, stage, record, machine),
    }
}

/// Whether what was applied or held before still stands.
fn confirm(ring: &Ring, slot: Slot, stage: Stage, record: Record, machine: &mut Machine<'_>) -> Ended {
    let (stage, because) = match record.change.step().standing(machine) {
        Ok(Standing::New | Standing::Mixed) => (stage, "found standing after a restart".to_owned()),
        Ok(Standing::Prior) => (Stage::Ended(End::Undone), "somebody had taken it back".to_owned()),
        Ok(Standing::Other(what)) => (Stage::Ended(End::Undone), format!("somebody else had set {what}")),
        Ok(Standing::Gone(what)) => (Stage::Ended(End::Undone), format!("{what}, and the change with it")),
        // What cannot be read is kept: its deadline will try to undo it.
        Err(said) => (stage, format!("cannot be looked at: {said}")),
    };
    ring.set_stage(slot, stage);
    Ended { record, stage, because }
}
