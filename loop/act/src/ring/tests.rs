//! The ring alone: what is written is read back, what is torn is not there, what is foreign is void.
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use vocab::action::Intent;
use vocab::rule::ActuatorKind;
use vocab::{Entity, ProcessId};

use super::*;
use crate::actuators::{Change, Stop};

pub(super) fn record(action_id: u64, name: &str) -> Record {
    let process = ProcessId { pid: 7, start_ticks: 9 };
    let intent = Intent {
        action_id,
        decision_id: 1,
        kind: ActuatorKind::Freeze,
        target: Entity::Service(name.to_owned()),
        process: Some(process),
        amount: None,
        lease_s: 5.0,
        undo_on_death: false,
    };
    Record { intent, change: Change::Stop(Stop { process }), lease_until_ns: 3 }
}

fn stages(ring: &Ring) -> Vec<(u64, Stage)> {
    let whole = |(_, content)| match content {
        Content::Whole(stage, record) => (record.intent.action_id, stage),
        other => panic!("{other:?}"),
    };
    ring.slots().map(whole).collect()
}

#[test]
fn a_record_is_read_back_by_another_mapping() {
    let ring = Ring::memfd().unwrap();
    let slot = ring.intend(&record(1, "a")).unwrap();
    ring.set_stage(slot, Stage::Held { until_s: 77 });
    ring.intend(&record(2, "b")).unwrap();
    let other = Ring::from_file(ring.file().try_clone().unwrap()).unwrap();
    assert_eq!(stages(&other), [(1, Stage::Held { until_s: 77 }), (2, Stage::Intended)]);
    let Some(Content::Whole(_, found)) = other.read(slot) else { panic!("no record") };
    assert_eq!(*found, record(1, "a"));
    ring.free(slot);
    assert_eq!(stages(&other), [(2, Stage::Intended)]);
}

#[test]
fn a_full_ring_and_a_huge_record_are_refused() {
    let ring = Ring::memfd().unwrap();
    assert!(matches!(ring.intend(&record(1, &"x".repeat(BODY_BYTES))), Err(RingError::TooLarge)));
    for id in 0..SLOTS as u64 {
        ring.intend(&record(id, "a")).unwrap();
    }
    assert!(matches!(ring.intend(&record(999, "a")), Err(RingError::Full)));
    assert_eq!(stages(&ring).len(), SLOTS);
}

#[test]
fn a_slot_of_another_boot_is_void() {
    let mut ring = Ring::memfd().unwrap();
    ring.boot[0] ^= 1;
    ring.intend(&record(1, "a")).unwrap();
    ring.boot[0] ^= 1;
    assert_eq!(ring.slots().map(|(_, content)| content).collect::<Vec<_>>(), [Content::OtherBoot]);
}

#[test]
fn a_ring_is_removed_only_when_nothing_stands_in_it() {
    let path = std::env::temp_dir().join(format!("homeostat-ring-{}", std::process::id()));
    let ring = Ring::open(&path).unwrap();
    let slot = ring.intend(&record(1, "a")).unwrap();
    assert!(!ring.discard_if_unused() && path.exists());
    ring.free(slot);
    assert!(ring.discard_if_unused() && !path.exists());
    assert!(!ring.discard_if_unused(), "it is gone");
    assert!(!Ring::memfd().unwrap().discard_if_unused(), "memory without a file");
}

#[test]
fn a_foreign_file_is_left_alone() {
    let ring = Ring::memfd().unwrap();
    ring.map.words()[0].store(MAGIC + 1, Ordering::Relaxed);
    assert!(matches!(Ring::from_file(ring.file().try_clone().unwrap()), Err(RingError::Foreign)));
}

#[test]
fn before_the_last_store_nothing_is_intended() {
    // The order of stores is the argument of this file: all words of a record but the stage are in place.
    let (ring, torn) = (Ring::memfd().unwrap(), Ring::memfd().unwrap());
    let slot = ring.intend(&record(1, "a")).unwrap();
    for (from, to) in ring.words(slot).iter().zip(torn.words(slot)).skip(1) {
        to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    assert_eq!(torn.slots().count(), 0);
}

proptest! {
    /// A slot whose words are a mixture of two records, or have a bit flipped, is never taken for a record.
    #[test]
    fn no_mixture_of_two_records_is_believed(cut in 1..WORDS, bit in 0..64_u32, word in 0..24_usize) {
        let ring = Ring::memfd().unwrap();
        let first = ring.intend(&record(1, "one")).unwrap();
        let second = ring.intend(&record(2, "two, with a longer name")).unwrap();
        let mixed = Slot(5);
        for (index, to) in ring.words(mixed).iter().enumerate() {
            let from = if index < cut { first } else { second };
            to.store(ring.words(from)[index].load(Ordering::Relaxed), Ordering::Relaxed);
        }
        if let Some(Content::Whole(_, found)) = ring.read(mixed) {
            // Only where the cut lies behind the whole of the first.
            prop_assert_eq!(*found, record(1, "one"));
        }
        let length = (ring.words(first)[3].load(Ordering::Relaxed) >> 32) as usize;
        ring.words(first)[word].fetch_xor(1 << bit, Ordering::Relaxed);
        match ring.read(first) {
            Some(Content::Broken | Content::OtherBoot) | None => {}
            Some(Content::Whole(_, found)) => {
                // Only where the bit lies behind the end of the record.
                prop_assert_eq!(*found, record(1, "one"));
                prop_assert!(word >= HEAD_WORDS + length / 8);
            }
        }
    }
}
