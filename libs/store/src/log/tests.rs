//! The log's promises, each on the medium that can break it.

use std::sync::Arc;

use super::{Log, LogOptions, Recovery, read, segment};
use crate::error::StoreError;
use crate::medium::{Medium, MemoryMedium, PAGE, RecordingMedium};

/// Small segments, made by the append that needs them, so every history is short and repeatable.
const SMALL: LogOptions = LogOptions { segment_bytes: 3 * PAGE, is_prepared: false };

fn open(medium: &MemoryMedium) -> (Log, Vec<Vec<u8>>, Recovery) {
    let mut records = Vec::new();
    let medium: Arc<dyn Medium> = Arc::new(medium.clone());
    let (log, recovery) = Log::open(medium, SMALL, |_, r| records.push(r.to_vec())).unwrap();
    (log, records, recovery)
}

/// A record whose bytes name its number, `bytes` long.
fn record(n: u64, bytes: usize) -> Vec<u8> {
    n.to_le_bytes().iter().copied().cycle().take(bytes.max(8)).collect()
}

fn filled(count: u64, bytes: usize) -> MemoryMedium {
    let medium = MemoryMedium::default();
    let (log, ..) = open(&medium);
    (0..count).for_each(|n| assert_eq!(log.append(&record(n, bytes)).unwrap(), n));
    medium
}

#[test]
fn what_was_appended_is_read_back_in_order() {
    let medium = filled(40, 700);
    let (log, records, recovery) = open(&medium);
    assert_eq!(records, (0..40).map(|n| record(n, 700)).collect::<Vec<_>>());
    assert_eq!((recovery.next, recovery.lost.len()), (40, 0));
    assert_eq!(log.append(b"one more").unwrap(), 40);
    assert_eq!(open(&medium).1.last().unwrap(), b"one more");
}

/// Every crash image of a history that crosses segments: all promised records, at most the one in flight besides, in
/// order, whole; and the log goes on from there.
fn survives_every_cut(bytes: usize, count: u64) -> usize {
    let medium = RecordingMedium::default();
    {
        let (log, _) = Log::open(Arc::new(medium.clone()), SMALL, |_, _| {}).unwrap();
        for n in 0..count {
            medium.promise(log.append(&record(n, bytes)).unwrap());
        }
    }
    let (images, _) = medium.crash_images(600, |promises, image| {
        let (log, records, recovery) = open(&image);
        let (kept, promised) = (records.len() as u64, promises.len() as u64);
        assert!(kept == promised || kept == promised + 1, "{promised} promised, {kept} kept");
        assert!((0..kept).zip(&records).all(|(n, r)| *r == record(n, bytes)));
        assert_eq!((&recovery.lost[..], &recovery.skipped[..]), (&[][..], &[][..]));
        assert_eq!(log.append(b"after").unwrap(), kept);
        drop(log);
        assert_eq!(open(&image).1.len() as u64, kept + 1);
    });
    images
}

#[test]
fn every_crash_image_keeps_what_was_promised() {
    let images = survives_every_cut(40, 5) + survives_every_cut(1400, 5) + survives_every_cut(5000, 3);
    assert!(images > 3000, "{images}");
}

#[test]
fn a_torn_batch_that_looks_like_a_log_is_not_believed() {
    // The payload of a torn batch is a whole page of another log: it must not pass for a batch.
    let other = filled(1, 100).files().remove(&segment::name(0)).unwrap();
    let medium = filled(1, 8);
    medium.damage(&segment::name(0), |bytes| {
        bytes[2 * PAGE..3 * PAGE].copy_from_slice(&other[PAGE..2 * PAGE]);
    });
    let (_, records, recovery) = open(&medium);
    assert_eq!((records.len(), recovery.lost.len()), (1, 0));
}

#[test]
fn a_flipped_bit_costs_one_batch_and_is_named() {
    let clean = filled(6, 100);
    let segments = clean.files();
    for (name, bytes) in &segments {
        for at in (PAGE..bytes.len()).step_by(509) {
            let medium = MemoryMedium::with_files(segments.clone());
            medium.damage(name, |bytes| bytes[at] ^= 0x10);
            let (_, records, recovery) = open(&medium);
            assert!(records.len() >= 5, "byte {at} of {name}");
            // Damage in the middle is named; damage of the last batch cannot be told from a crash.
            let last = records.iter().all(|r| *r != record(5, 100));
            assert_eq!(recovery.lost.len(), usize::from(records.len() == 5 && !last), "byte {at} of {name}");
        }
    }
}

#[test]
fn a_damaged_header_hides_one_segment_only() {
    let medium = filled(6, 100);
    medium.damage(&segment::name(1), |bytes| bytes[9] ^= 0x80);
    medium.damage(&segment::name(1), |bytes| bytes[13] ^= 1);
    let recovery = read(&medium, |_, _| {}).unwrap();
    assert_eq!((recovery.records, recovery.skipped.len(), recovery.lost.len()), (4, 1, 1));
}

#[test]
fn a_cut_file_keeps_what_is_before_the_cut() {
    for keep in (0..3 * PAGE).step_by(777) {
        let medium = filled(2, 100);
        medium.damage(&segment::name(0), |bytes| bytes.truncate(keep));
        let recovery = read(&medium, |_, _| {}).unwrap();
        let whole = [PAGE + 128, 2 * PAGE + 128].iter().filter(|end| **end <= keep).count() as u64;
        assert_eq!(recovery.records, whole, "cut at {keep}");
    }
}

#[test]
fn a_segment_of_a_later_version_is_left_alone() {
    let medium = filled(4, 100);
    medium.damage(&segment::name(1), |bytes| bytes[8] = 9);
    let before = medium.files();
    let error = Log::open(Arc::new(medium.clone()), SMALL, |_, _| {}).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 9, .. }), "{error}");
    assert_eq!(read(&medium, |_, _| {}).unwrap().records, 2);
    assert_eq!(medium.files(), before);
}

#[test]
fn a_full_disk_is_one_clear_error_and_passes() {
    let medium = MemoryMedium::default();
    let (log, ..) = open(&medium);
    medium.set_room(Some(3 * PAGE));
    assert_eq!((log.append(b"a").unwrap(), log.append(b"b").unwrap()), (0, 1));
    let error = log.append(b"c").unwrap_err();
    assert_eq!(error.to_string(), "cannot write `spare.tmp`: no room left on the disk");
    medium.set_room(None);
    assert_eq!(log.append(b"d").unwrap(), 2);
    assert_eq!(open(&medium).1, [b"a", b"b", b"d"]);
}

#[test]
fn a_failed_write_stops_the_log_until_it_is_opened_again() {
    let medium = filled(1, 8);
    let (log, ..) = open(&medium);
    medium.fail_after(0);
    assert!(matches!(log.append(b"x"), Err(StoreError::Io { .. })));
    assert!(matches!(log.append(b"y"), Err(StoreError::Stopped { .. })));
}

#[test]
fn a_read_only_disk_is_still_read() {
    let medium = filled(3, 8);
    medium.set_read_only(true);
    assert_eq!(read(&medium, |_, _| {}).unwrap().records, 3);
    let error = open(&medium).0.append(b"x").unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
}

#[test]
fn a_record_larger_than_a_segment_is_refused() {
    let (log, ..) = open(&MemoryMedium::default());
    assert!(matches!(log.append(&vec![0; 3 * PAGE]), Err(StoreError::TooLarge { .. })));
    assert_eq!(log.append(&vec![7; 2 * PAGE - 28]).unwrap(), 0);
}

#[test]
fn released_segments_go_and_numbers_continue() {
    let medium = filled(10, 100);
    let (log, ..) = open(&medium);
    assert_eq!(log.release_before(5).unwrap(), 2);
    let (log, records, recovery) = open(&medium);
    assert_eq!((records.len(), recovery.next, recovery.lost.len()), (6, 10, 0));
    assert_eq!(log.release_before(u64::MAX).unwrap(), 2);
    assert_eq!(open(&medium).0.append(b"x").unwrap(), 10);
}

#[test]
fn eight_writers_share_writes_and_lose_nothing() {
    let medium = MemoryMedium::default();
    let options = LogOptions { segment_bytes: 16 * PAGE, is_prepared: true };
    let (log, _) = Log::open(Arc::new(medium.clone()), options, |_, _| {}).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8u64 {
            let log = &log;
            scope.spawn(move || {
                for n in 0..500u64 {
                    let seq = log.append(&(writer << 32 | n).to_le_bytes()).unwrap();
                    assert!(seq < 4000);
                }
            });
        }
    });
    assert_eq!(log.stats().records, 4000);
    drop(log);
    let mut seen: Vec<u64> = Vec::new();
    let recovery = read(&medium, |_, r| seen.push(u64::from_le_bytes(r.try_into().unwrap()))).unwrap();
    assert_eq!((recovery.records, recovery.lost.len()), (4000, 0));
    seen.sort_unstable();
    assert!(
        seen.iter().eq((0..8).flat_map(|w| (0..500).map(move |n| w << 32 | n)).collect::<Vec<_>>().iter())
    );
}
