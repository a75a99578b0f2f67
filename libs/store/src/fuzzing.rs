//! What the fuzzers run, and the tests on seeds: any bytes as a file or a chunk. None may panic, loop or allocate without
//! bound; what opens must also read, and answer alike twice.

use std::sync::Arc;

use crate::codec::{self, Effort, Kind, Scratch};
use crate::history::{History, HistoryOptions, Hot, HotSize, Query, Select};
use crate::log::{self, LogOptions};
use crate::medium::{Medium, MemoryMedium, PAGE};

/// Any bytes as an encoded chunk, and as values to encode.
pub fn codec(bytes: &[u8]) {
    let Some((&[kind, codec_byte, count], rest)) = bytes.split_first_chunk() else { return };
    let kind = if kind & 1 == 1 { Kind::Float } else { Kind::Int };
    let mut out = vec![0; usize::from(count) + 1];
    // Refused or decoded, but never out of bounds.
    let _ = codec::decode(kind, codec_byte, rest, &mut out);
    let values: Vec<u64> = rest
        .chunks(8)
        .map(|eight| {
            let mut word = [0; 8];
            word[..eight.len()].copy_from_slice(eight);
            u64::from_le_bytes(word)
        })
        .collect();
    // A chunk has at least one value, and a block never asks for one of none.
    if values.is_empty() {
        return;
    }
    for effort in [Effort::Fast, Effort::Best] {
        let mut encoded = Vec::new();
        let codec_byte = codec::encode(kind, &values, effort, &mut Scratch::default(), &mut encoded);
        let mut back = vec![0; values.len()];
        assert!(codec::decode(kind, codec_byte, &encoded, &mut back).is_some() && back == values);
    }
}

/// Any bytes as a segment of the log or, by the first of them, as a file of the history.
pub fn recovery(bytes: &[u8]) {
    let Some((&which, body)) = bytes.split_first() else { return };
    let name = match which % 4 {
        0 => "0000000000000000.log",
        1 => "fresh-0000000000000001-0000000000000000.hst",
        2 => "raw-0000000000000001-0000000000000001.hst",
        _ => "minute-0000000000000001-0000000000000001.hst",
    };
    let medium = MemoryMedium::default();
    let put = |medium: &MemoryMedium| medium.create(name).and_then(|file| file.write_at(body, 0));
    if put(&medium).is_err() {
        return;
    }
    let count = || {
        let mut records = 0_u64;
        log::read(&medium, |_, record| records += record.len() as u64 + 1).map(|_| records).ok()
    };
    assert_eq!(count(), count());
    let options = HistoryOptions {
        log: LogOptions { segment_bytes: 16 * PAGE, is_prepared: false },
        ..HistoryOptions::default()
    };
    let size = HotSize { key_bytes: 4 << 10, tick_bytes: 8 << 10 };
    let medium: Arc<dyn Medium> = Arc::new(medium);
    if let Ok((history, _)) = History::open_to_read(medium.clone(), None, options) {
        everything(&history);
    }
    let Ok(hot) = Hot::anonymous(size) else { return };
    if let Ok((history, _, _)) = History::open(medium, hot, options) {
        everything(&history);
        history.compact(i64::MAX / 2);
        everything(&history);
    }
}

fn everything(history: &History) {
    let query = || Query { limit: 1 << 20, ..Query::new(Select::Prefix(b""), i64::MIN, i64::MAX) };
    let _ = history.samples(&query(), |chunk| assert_eq!(chunk.times.len(), chunk.values.len()));
    let _ = history.rows(&query(), 60_000);
    let _ = history.check();
    let _ = history.stats();
}

#[cfg(test)]
mod tests {
    use super::{codec, recovery};
    use crate::codec::Kind;
    use crate::history::{History, HistoryOptions, Hot, HotSize};
    use crate::log::{Log, LogOptions};
    use crate::medium::{Medium, MemoryMedium, PAGE, read_all};
    use std::sync::Arc;

    /// A fixed row of pseudo-random numbers: the same in every run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % limit.max(1)
        }
    }

    /// Whole files of every kind, each with the byte in front that names it.
    fn seeds() -> Vec<Vec<u8>> {
        let disk = MemoryMedium::default();
        let options = LogOptions { segment_bytes: 16 * PAGE, is_prepared: false };
        let log = Log::open(Arc::new(disk.clone()), options, |_, _| {}).unwrap().0;
        for n in 0..5_u8 {
            log.append(&[n; 300]).unwrap();
        }
        let files = MemoryMedium::default();
        let hot = Hot::anonymous(HotSize { key_bytes: 16 << 10, tick_bytes: 64 << 10 }).unwrap();
        let options = HistoryOptions { log: options, ..HistoryOptions::default() };
        let (history, mut writer, _) = History::open(Arc::new(files.clone()), hot, options).unwrap();
        let mut seeds = vec![named(0, &disk, "0000000000000000.log")];
        for second in 0..400_i64 {
            writer.begin_tick(second * 1000);
            for n in 0..6_i64 {
                let kind = if n % 2 == 0 { Kind::Int } else { Kind::Float };
                let series = writer.series(format!("a/{n}").as_bytes(), kind).unwrap();
                writer.push(
                    series,
                    if n % 2 == 0 { (second * n) as u64 } else { (second as f64 / 3.0).to_bits() },
                );
            }
            writer.end_tick();
            history.maintain(second * 1000);
        }
        for turn in 0..2 {
            for name in files.list().unwrap().iter().filter(|name| name.ends_with(".hst")) {
                let which =
                    ["", "fresh", "raw", "minute"].iter().rposition(|tier| name.starts_with(tier)).unwrap();
                seeds.push(named(which as u8, &files, name));
            }
            if turn == 0 {
                history.compact(400_000);
            }
        }
        assert!(seeds.len() >= 4, "a file of every kind");
        seeds
    }

    fn named(which: u8, medium: &MemoryMedium, name: &str) -> Vec<u8> {
        let mut seed = vec![which];
        seed.extend(read_all(&*medium.open(name).unwrap()).unwrap());
        seed
    }

    #[test]
    fn files_with_a_few_bytes_changed_or_cut_are_refused_or_read() {
        let mut dice = Dice(1);
        for seed in seeds() {
            recovery(&seed);
            for _ in 0..60 {
                let mut bytes = seed.clone();
                for _ in 0..=dice.below(4) {
                    let at = 1 + dice.below(bytes.len() - 1);
                    bytes[at] = dice.below(256) as u8;
                }
                if dice.below(4) == 0 {
                    bytes.truncate(1 + dice.below(bytes.len() - 1));
                }
                recovery(&bytes);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_chunk_that_is_refused_or_decoded() {
        let mut dice = Dice(2);
        for _ in 0..3_000 {
            let bytes: Vec<u8> = (0..dice.below(120)).map(|_| dice.below(256) as u8).collect();
            codec(&bytes);
        }
    }
}
