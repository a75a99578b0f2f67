//! The history's promises: exact, across kills, power cuts, damage, full disks and clocks that jump.

mod reading;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use super::{History, HistoryOptions, Hot, HotSize, Opened, Query, Select, Series, Tier, Writer};
use crate::codec::Kind;
use crate::error::StoreError;
use crate::log::LogOptions;
use crate::medium::{Medium, MemoryMedium, PAGE, RecordingMedium};

const SIZE: HotSize = HotSize { key_bytes: 16 << 10, tick_bytes: 64 << 10 };
/// An hour's start, so that tests know where rows begin.
const START: i64 = 1_800_000_000_000 - 1_800_000_000_000 % 86_400_000;

fn options() -> HistoryOptions {
    let log = LogOptions { segment_bytes: 16 * PAGE, is_prepared: false };
    HistoryOptions { generation_ms: 60_000, tail_ms: 10_000, log, ..HistoryOptions::default() }
}

/// A machine: a disk, a memory, and what was written so far.
struct Machine {
    disk: Arc<dyn Medium>,
    memory: File,
    history: History,
    writer: Writer,
    opened: Opened,
    truth: Truth,
}

type Truth = BTreeMap<Vec<u8>, Vec<(i64, u64)>>;

fn memory() -> File {
    Hot::anonymous(SIZE).unwrap().file().try_clone().unwrap()
}

fn start(disk: Arc<dyn Medium>, memory: File) -> Machine {
    let hot = Hot::from_file(memory.try_clone().unwrap(), SIZE).unwrap().0;
    let (history, writer, opened) = History::open(disk.clone(), hot, options()).unwrap();
    Machine { disk, memory, history, writer, opened, truth: Truth::new() }
}

fn machine() -> (Machine, MemoryMedium) {
    let disk = MemoryMedium::default();
    (start(Arc::new(disk.clone()), memory()), disk)
}

fn key(n: u64) -> Vec<u8> {
    format!("thing/{:03}/value", n).into_bytes()
}

impl Machine {
    /// One tick of `series` series; every fifth is a float, the last misses every other tick.
    fn tick(&mut self, at_ms: i64, series: u64) {
        self.writer.begin_tick(at_ms);
        for n in 0..series {
            if n + 1 == series && at_ms / 1000 % 2 == 1 {
                continue;
            }
            let bits = value(n, at_ms);
            let kind = if n % 5 == 4 { Kind::Float } else { Kind::Int };
            let series: Series = self.writer.series(&key(n), kind).unwrap();
            assert!(self.writer.push(series, bits));
            self.truth.entry(key(n)).or_default().push((at_ms, bits));
        }
        self.writer.end_tick();
    }

    fn run(&mut self, seconds: std::ops::Range<i64>, series: u64) {
        for second in seconds {
            let at_ms = START + second * 1000;
            self.tick(at_ms, series);
            let done = self.history.maintain(at_ms);
            assert_eq!(done.notes, [""; 0]);
        }
    }

    /// The process dies; the memory stays.
    fn kill(self) -> Self {
        let Self { disk, memory, truth, .. } = self;
        Self { truth, ..start(disk, memory) }
    }

    fn all(&self) -> Truth {
        let mut found = Truth::new();
        let query = Query::new(Select::Prefix(b"thing/"), i64::MIN, i64::MAX);
        let scanned = self.history.samples(&query, |chunk| {
            let pairs = chunk.times.iter().copied().zip(chunk.values.iter().copied());
            found.entry(chunk.key.to_vec()).or_default().extend(pairs);
        });
        assert_eq!(scanned.unwrap().notes, [""; 0]);
        found
    }
}

/// A counter, a gauge, a constant, noise, or a float.
fn value(n: u64, at_ms: i64) -> u64 {
    let second = at_ms / 1000;
    let noise = (second.wrapping_mul(6_364_136_223_846_793_005) >> 40) * (n as i64 + 1);
    match n % 5 {
        0 => (second * 100) as u64,
        1 => noise as u64,
        2 => n,
        3 => (noise % 64 * 4096) as u64,
        _ => (noise as f64 / 7.0).to_bits(),
    }
}

#[test]
fn samples_are_exact_hot_cold_and_compacted() {
    let (mut machine, _) = machine();
    machine.run(0..30, 12);
    assert_eq!(machine.all(), machine.truth);
    machine.run(30..200, 12);
    assert_eq!(machine.all(), machine.truth);
    assert!(!machine.history.compact(START + 200_000).compacted.is_empty());
    assert_eq!(machine.all(), machine.truth);
    let machine = machine.kill();
    assert_eq!(machine.all(), machine.truth);
    assert_eq!(machine.history.check().unwrap().damage, [""; 0]);
}

#[test]
fn a_series_and_a_span_are_found_alone() {
    let (mut machine, _) = machine();
    machine.run(0..200, 40);
    let mut seen = Vec::new();
    let wanted = key(7);
    let query = Query::new(Select::Key(&wanted), START + 50_000, START + 150_000);
    let scanned =
        machine.history.samples(&query, |c| seen.extend(c.times.iter().copied().zip(c.values.to_vec())));
    let truth = &machine.truth[&wanted];
    let inside: Vec<_> =
        truth.iter().copied().filter(|(t, _)| (50_000..150_000).contains(&(t - START))).collect();
    assert_eq!(seen, inside);
    assert_eq!((scanned.unwrap().blocks, seen.len()), (3, 100));
}

#[test]
fn chunks_without_a_value_so_great_are_not_decoded() {
    let disk = Arc::new(MemoryMedium::default());
    let hot = Hot::anonymous(SIZE).unwrap();
    // Chunks of five minutes: short ones are decoded as fast as looked at.
    let options = HistoryOptions { generation_ms: 300_000, ..options() };
    let (history, writer, opened) = History::open(disk.clone(), hot, options).unwrap();
    let mut machine = Machine { disk, memory: memory(), history, writer, opened, truth: Truth::new() };
    machine.run(0..900, 1);
    let at_least = Some((START / 1000 + 605) as f64 * 100.0);
    let query = Query { at_least, ..Query::new(Select::Where(&|_| true), START, i64::MAX) };
    let scanned = machine.history.samples(&query, |_| {}).unwrap();
    assert_eq!((scanned.pruned, scanned.chunks), (2, 0));
}

/// What rows of a step must be, from the samples.
fn naive(samples: &[(i64, u64)], step_ms: i64) -> BTreeMap<i64, (i64, i64, i64, u64, i64)> {
    let mut rows = BTreeMap::new();
    for (at, bits) in samples {
        let v = *bits as i64;
        let row = rows.entry(at - at % step_ms).or_insert((i64::MAX, i64::MIN, 0, 0, 0));
        *row = (row.0.min(v), row.1.max(v), row.2 + v, row.3 + 1, v);
    }
    rows
}

#[test]
fn rows_are_the_same_from_every_tier() {
    let (mut machine, _) = machine();
    // Two days in steps of 7 s around midnight, so that hours, days and today all have their turn.
    let midnight = 86_400 - 7_000;
    for n in 0..2_000 {
        let at_ms = START + (midnight + n * 7) * 1000;
        machine.tick(at_ms, 4);
        assert_eq!(machine.history.maintain(at_ms).notes, [""; 0]);
    }
    let stats = machine.history.stats().unwrap();
    assert!(stats.tiers.iter().all(|t| t.tier == Tier::Fresh || t.files > 0), "{stats}");
    for step_ms in [1_000, 60_000, 300_000, 3_600_000, 7_200_000] {
        for n in 0..4 {
            let wanted = key(n);
            let query = Query::new(Select::Key(&wanted), i64::MIN, i64::MAX);
            let (series, scanned) = machine.history.rows(&query, step_ms).unwrap();
            let rows: BTreeMap<i64, _> = series[0]
                .rows
                .iter()
                .map(|r| (r.at_ms, r.summary))
                .map(|(t, s)| (t, (s.min as i64, s.max as i64, s.sum as i64, s.count, s.last as i64)))
                .collect();
            assert_eq!(rows, naive(&machine.truth[&wanted], i64::from(step_ms)), "step {step_ms} series {n}");
            assert_eq!(scanned.notes, [""; 0]);
        }
    }
}

#[test]
fn a_kill_loses_no_sample_at_any_second() {
    let (mut machine, _) = machine();
    for second in 0..150 {
        machine.run(second..second + 1, 6);
        if second % 7 == 0 {
            machine = machine.kill();
        }
        assert_eq!(machine.all(), machine.truth, "second {second}");
    }
}

#[test]
fn a_kill_inside_a_tick_keeps_the_samples_pushed() {
    let (mut machine, _) = machine();
    machine.run(0..5, 3);
    machine.writer.begin_tick(START + 5_000);
    let series = machine.writer.series(&key(0), Kind::Int).unwrap();
    assert!(machine.writer.push_int(series, 77));
    machine.truth.get_mut(&key(0)).unwrap().push((START + 5_000, 77));
    let mut machine = machine.kill();
    assert_eq!(machine.all(), machine.truth);
    machine.run(6..200, 3);
    assert_eq!(machine.all(), machine.truth);
}

#[test]
fn a_power_cut_loses_at_most_the_tail() {
    let (mut machine, disk) = machine();
    machine.run(0..155, 6);
    let truth = machine.truth;
    drop((machine.history, machine.writer));
    // Twice: what the first start took over from the tail must not be taken over again.
    for _ in 0..2 {
        let machine = start(Arc::new(disk.clone()), memory());
        for (key, found) in machine.all() {
            assert!(truth[&key].starts_with(&found), "only the end may be missing");
            let missing = truth[&key].iter().skip(found.len());
            assert!(missing.clone().count() <= 10, "{}", missing.count());
        }
    }
}

#[test]
fn every_crash_image_of_the_files_keeps_what_was_promised() {
    let disk = RecordingMedium::default();
    let mut machine = start(Arc::new(disk.clone()), memory());
    // Seven seconds a generation, two generations and their compaction.
    let mut promised = 0;
    for second in 0..3 {
        let at_ms = START + second * 60_000;
        machine.tick(at_ms, 3);
        if machine.history.maintain(at_ms).sealed > 0 {
            promised = second;
        }
        disk.promise(promised as u64);
    }
    assert_eq!(machine.history.compact(START + 180_000).compacted.len(), 2);
    disk.promise(promised as u64);
    let truth = machine.truth;
    let (images, _) = disk.crash_images(150, |promises, image| {
        let machine = start(Arc::new(image), memory());
        let found = machine.all();
        let promised = promises.last().map_or(0, |seconds| *seconds as usize);
        for (key, samples) in &truth {
            let kept = found.get(key).map_or(&[][..], Vec::as_slice);
            let due = samples.iter().take_while(|(t, _)| *t < START + promised as i64 * 60_000).count();
            assert!(samples.starts_with(kept) && kept.len() >= due, "{} of {due} kept", kept.len());
        }
        assert_eq!(machine.history.check().unwrap().damage, [""; 0]);
    });
    assert!(images > 1000, "{images}");
}

#[test]
fn flipped_bits_are_found_and_the_rest_is_read() {
    let (mut machine, disk) = machine();
    machine.run(0..190, 70);
    machine.history.compact(START + 200_000);
    machine.run(200..270, 70);
    let truth = machine.truth;
    let files = disk.files();
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".hst")) {
        for at in (0..bytes.len()).step_by(bytes.len() / 40) {
            let disk = MemoryMedium::with_files(files.clone());
            disk.damage(name, |bytes| bytes[at] ^= 4);
            let machine = start(Arc::new(disk), machine.memory.try_clone().unwrap());
            let check = machine.history.check().unwrap();
            assert!(check.damage.len() + machine.opened.notes.len() > 0, "byte {at} of {name}");
            let query = Query::new(Select::Prefix(b"thing/"), i64::MIN, i64::MAX);
            let mut seen = 0;
            let each = |chunk: super::Chunk<'_>| {
                let truth = &truth[chunk.key];
                let pairs = chunk.times.iter().copied().zip(chunk.values.iter().copied());
                pairs.for_each(|pair| assert!(truth.binary_search(&pair).is_ok(), "byte {at} of {name}"));
                seen += 1;
            };
            machine.history.samples(&query, each).unwrap();
            assert!(seen > 0);
        }
    }
}

#[test]
fn a_file_of_a_later_version_is_named_and_left_alone() {
    let (mut machine, disk) = machine();
    machine.run(0..130, 3);
    let name = disk.files().into_keys().find(|name| name.ends_with(".hst")).unwrap();
    disk.damage(&name, |bytes| bytes[8] = 7);
    let before = disk.files()[&name].clone();
    let mut machine = machine.kill();
    let line = format!("`{name}` has format version 7, this program knows up to 3");
    assert_eq!(machine.opened.notes, [line]);
    machine.run(130..400, 3);
    assert!(disk.files()[&name] == before);
}

#[test]
fn a_file_of_the_version_before_is_read_and_not_appended_to() {
    let (mut machine, disk) = machine();
    machine.run(0..130, 1);
    let name = disk.files().into_keys().find(|name| name.ends_with(".hst")).unwrap();
    disk.damage(&name, |bytes| {
        bytes[8] = 1;
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    });
    let before = disk.files()[&name].clone();
    let mut machine = machine.kill();
    assert_eq!(machine.opened.notes, [""; 0]);
    machine.run(130..300, 1);
    // As no later block goes into it, it is compacted like a file whose hour is over.
    assert!(disk.files().get(&name).is_none_or(|now| *now == before));
    assert_eq!(machine.all(), machine.truth);
    assert_eq!(machine.history.compact(START + 300_000).notes, [""; 0]);
    assert_eq!(machine.all(), machine.truth);
}

#[test]
fn a_full_disk_is_one_line_and_nothing_is_lost_when_it_passes() {
    let (mut machine, disk) = machine();
    machine.run(0..50, 3);
    disk.set_room(Some(disk.files().values().map(Vec::len).sum()));
    let mut notes = Vec::new();
    for second in 50..130 {
        machine.tick(START + second * 1000, 3);
        notes.extend(machine.history.maintain(START + second * 1000).notes);
    }
    notes.dedup();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].ends_with("no room left on the disk"), "{notes:?}");
    assert_eq!(machine.all(), machine.truth);
    disk.set_room(None);
    machine.run(130..200, 3);
    assert_eq!(machine.all(), machine.truth);
    assert_eq!(machine.kill().history.check().unwrap().damage, [""; 0]);
}

#[test]
fn a_clock_that_goes_back_loses_nothing() {
    let (mut machine, _) = machine();
    machine.run(0..100, 3);
    machine.run(40..90, 3);
    machine.run(300..400, 3);
    machine.history.compact(START + 500_000);
    let mut machine = machine.kill();
    let mut found = machine.all();
    found.values_mut().chain(machine.truth.values_mut()).for_each(|samples| samples.sort_unstable());
    assert_eq!(found, machine.truth);
}

#[test]
fn age_and_budget_let_the_oldest_samples_go_first() {
    let disk = MemoryMedium::default();
    let hot = Hot::anonymous(SIZE).unwrap();
    let options = HistoryOptions { disk_bytes: 500_000, generation_ms: 600_000, ..options() };
    let (history, mut writer, _) = History::open(Arc::new(disk.clone()), hot, options).unwrap();
    for tick in 0..6 * 60 * 30 {
        let at_ms = START + tick * 10_000;
        writer.begin_tick(at_ms);
        for n in 0..8 {
            let series = writer.series(&key(n), Kind::Int).unwrap();
            writer.push(series, value(1, at_ms + n as i64));
        }
        writer.end_tick();
        assert_eq!(history.maintain(at_ms).notes, [""; 0]);
    }
    let stats = history.stats().unwrap();
    let bytes: u64 = stats.tiers.iter().map(|t| t.bytes).sum();
    assert!(bytes <= 500_000 && !stats.tiers[1..].iter().any(|t| t.files == 0), "{stats}");
    let from = |tier: usize| stats.tiers[tier].span_ms.unwrap().0;
    assert!(from(3) <= from(2) && from(2) <= from(1), "{stats}");
    assert_eq!(from(3), START, "{stats}");
}

#[test]
fn a_table_that_is_full_refuses_and_counts() {
    let disk = MemoryMedium::default();
    let options = HistoryOptions { series_max: 10, ..options() };
    let (history, mut writer, _) =
        History::open(Arc::new(disk), Hot::anonymous(SIZE).unwrap(), options).unwrap();
    writer.begin_tick(START);
    let refused = (0..15).filter(|n| writer.series(&key(*n), Kind::Int).is_err()).count();
    assert_eq!((refused, history.shed().series()), (5, 5));
    assert!(matches!(writer.series(&[0; 2000], Kind::Int), Err(StoreError::TooLarge { .. })));
}

#[test]
fn many_short_lived_series_stay_within_bounds() {
    let (mut machine, _) = machine();
    for second in 0..300 {
        let at_ms = START + second * 1000;
        machine.writer.begin_tick(at_ms);
        for n in 0..20 {
            let key = format!("process/{}.{second}/rss_bytes", second * 20 + n);
            let series = machine.writer.series(key.as_bytes(), Kind::Int).unwrap();
            assert!(machine.writer.push_int(series, 4096 * n));
        }
        machine.writer.end_tick();
        machine.history.maintain(at_ms);
        // Two generations of at most 60 ticks each.
        assert!(machine.writer.live_series() <= 2 * 60 * 20);
    }
    assert_eq!(machine.history.shed().samples(), 0);
    machine.history.compact(START + 300_000);
    let stats = machine.history.stats().unwrap();
    let raw = stats.tiers[1];
    assert!(raw.bytes / raw.values < 24, "{stats}");
}

#[test]
fn a_series_that_ended_is_given_up_within_its_generation_and_may_come_back() {
    let options = HistoryOptions { generation_ms: 3_600_000, ..options() };
    let hot = Hot::anonymous(HotSize { key_bytes: 1 << 20, tick_bytes: 1 << 20 }).unwrap();
    let (history, mut writer, _) = History::open(Arc::new(MemoryMedium::default()), hot, options).unwrap();
    let mut truth = Vec::new();
    for second in 0..400 {
        writer.begin_tick(START + second * 1000);
        for n in 0..20 {
            let series = writer.series(format!("process/{second}.{n}").as_bytes(), Kind::Int).unwrap();
            assert!(writer.push_int(series, n));
        }
        // Away for longer than a series may be, then back with another value.
        if second % 200 < 10 {
            let series = writer.series(b"now and then", Kind::Int).unwrap();
            assert!(writer.push_int(series, second / 100));
            truth.push((START + second * 1000, second as u64 / 100));
        }
        writer.end_tick();
        assert!(writer.live_series() <= 2 * 64 * 20 + 1, "{} at {second}", writer.live_series());
    }
    let mut found = Vec::new();
    let query = Query::new(Select::Key(b"now and then"), START, i64::MAX);
    let mut read = |history: &History| {
        found.clear();
        let scanned = history.samples(&query, |chunk| {
            found.extend(chunk.times.iter().copied().zip(chunk.values.iter().copied()));
        });
        assert_eq!(scanned.unwrap().notes, [""; 0]);
        found.clone()
    };
    assert_eq!(read(&history), truth);
    writer.finish();
    assert_eq!(history.maintain(START + 400_000).notes, [""; 0]);
    assert_eq!(read(&history), truth);
    assert_eq!(history.shed().samples(), 0);
}
