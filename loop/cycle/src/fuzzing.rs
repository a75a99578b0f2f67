//! What the fuzzers run, and the tests on seeds: any bytes as a recording, as what a film begins with, as exported models.
//! None may panic, loop or allocate without bound; what is taken must also be gone on from, and be written again alike.
use std::collections::VecDeque;

use learn::Learn;
use vocab::Timestamp;
use vocab::snapshot::Snapshot;

use crate::Mind;
use crate::models::{decode_parcel, encode_parcel, sealed};
use crate::recording::{Header, Reader, Recorded, Writer, frame};
use crate::replay::replay;

/// Any bytes as a recording: as they are, or, by the first of them, behind a whole head as the frame of a turn.
pub fn recording(bytes: &[u8]) {
    let Some((&which, body)) = bytes.split_first() else { return };
    let mut file = Vec::new();
    match which % 2 {
        0 => file.extend_from_slice(body),
        _ => {
            // Memory can be written.
            let _ = Writer::new(&mut file, &Header::default());
            file.extend(frame(body));
        }
    }
    let count = || {
        let (mut reader, _) = Reader::new(file.as_slice()).ok()?;
        let mut turns = 0_u32;
        while let Ok(Some(_)) = reader.read() {
            turns += 1;
        }
        Some(turns)
    };
    assert_eq!(count(), count());
    // In words: what is no number is not equal to itself.
    let said = || replay(file.as_slice(), None).ok().map(|replayed| format!("{:?}", replayed.thoughts));
    assert_eq!(said(), said());
}

/// Any bytes as what the loop knew: packed as they are, or to be packed first.
pub fn mind(bytes: &[u8]) {
    let Some((&which, body)) = bytes.split_first() else { return };
    let packed = if which % 2 == 0 { body.to_vec() } else { lz4_flex::block::compress_prepend_size(body) };
    let Some(known) = Mind::unpack(&packed) else { return };
    let again = known.pack();
    assert!(Mind::unpack(&again).is_some_and(|known| known.pack() == again));
    let mut head = Vec::new();
    let _ = Writer::new(&mut head, &Header::default());
    if let Ok((reader, header)) = Reader::new(head.as_slice()) {
        let world = Recorded::new(reader, header.capabilities);
        if let Ok(mut cycle) = crate::Cycle::resume(world, header.start, known) {
            assert!(cycle.turn().is_none());
        }
    }
}

/// Any bytes as exported models: as they are, or sealed with a right checksum first.
pub fn models(bytes: &[u8]) {
    let Some((&which, body)) = bytes.split_first() else { return };
    let file = if which % 2 == 0 { body.to_vec() } else { sealed(body) };
    let Ok(mut parcel) = decode_parcel(&file) else { return };
    assert_eq!(decode_parcel(&encode_parcel(&parcel)).as_ref(), Ok(&parcel));
    let mut learn = Learn::default();
    learn.take_in(&parcel, "any", 1);
    let mut turns: VecDeque<i64> = (2..10).collect();
    while let Some(second) = turns.pop_front() {
        let (at, turn) = (Timestamp::from_secs(second), second.unsigned_abs());
        learn.run(&Snapshot { at, turn, interval_s: 1.0, ..Snapshot::default() }, &[], &[]);
    }
    parcel.quantize();
    assert!(parcel.flaw().is_none());
    parcel.distill();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Start;
    use crate::recording::Record;
    use vocab::sample::Sample;

    /// A fixed row of pseudo-random numbers: the same in every run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % limit.max(1)
        }
    }

    fn damaged(target: fn(&[u8]), seeds: &[Vec<u8>]) {
        let mut dice = Dice(1);
        for seed in seeds {
            target(seed);
            for _ in 0..300 {
                let mut bytes = seed.clone();
                for _ in 0..=dice.below(4) {
                    let at = dice.below(bytes.len());
                    bytes[at] = dice.below(256) as u8;
                }
                if dice.below(4) == 0 {
                    bytes.truncate(1 + dice.below(bytes.len()));
                }
                target(&bytes);
            }
        }
    }

    fn with(first: u8, rest: &[u8]) -> Vec<u8> {
        [&[first], rest].concat()
    }

    #[test]
    fn recordings_with_bytes_changed_or_cut_are_refused_or_read() {
        let record = |turn| Record {
            sample: Sample { at: Timestamp::from_secs(turn), turn: turn.unsigned_abs(), ..Sample::default() },
            ..Record::default()
        };
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file, &Header::default()).unwrap();
        (1..4).for_each(|turn| writer.write(&record(turn)).unwrap());
        let frame = postcard::to_allocvec(&record(1)).unwrap();
        damaged(recording, &[with(0, &file), with(1, &frame)]);
    }

    #[test]
    fn what_was_known_with_bytes_changed_or_cut_is_refused_or_gone_on_from() {
        let mut head = Vec::new();
        Writer::new(&mut head, &Header::default()).unwrap();
        let (reader, header) = Reader::new(head.as_slice()).unwrap();
        let world = Recorded::new(reader, header.capabilities);
        let cycle = crate::Cycle::new(world, Start::default()).unwrap();
        let packed = cycle.mind.pack();
        let plain = crate::packing::unpack(&packed).unwrap();
        damaged(mind, &[with(0, &packed), with(1, &plain)]);
    }

    #[test]
    fn models_with_bytes_changed_or_cut_are_refused_or_taken_in() {
        let mut learn = Learn::default();
        for second in 1..300 {
            let (at, turn) = (Timestamp::from_secs(second), second.unsigned_abs());
            let mut snapshot = Snapshot { at, turn, interval_s: 1.0, ..Snapshot::default() };
            snapshot.machine.cpu_idle_pct = Some((second * second % 97) as f64);
            learn.run(&snapshot, &[], &[]);
        }
        let file = encode_parcel(&learn.parcel(None, "x86_64"));
        assert!(file.len() > 1_000);
        damaged(models, &[with(0, &file), with(1, &file[16..])]);
    }
}
