//! The history bench: what a sample costs in bytes and time, on a recording of a real machine.
//!
//! Replays the recording second by second through the writer, exactly as a daemon would, with upkeep in between; then
//! compacts, reads everything back and compares it to the bit before any figure is printed.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use store::codec::{self, Effort, Kind, Scratch};
use store::history::{History, HistoryOptions, Hot, HotSize, Query, Select, Series, Tier, Writer};
use store::medium::FileMedium;

use crate::figures::{Figures, quantile};
use crate::subjects::Failure;

/// A recording: keys and ticks of (series, bits).
struct Recording {
    keys: Vec<(Kind, Vec<u8>)>,
    ticks: Vec<(i64, Vec<(u32, u64)>)>,
}

impl Recording {
    fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = fs::read(path)?;
        let mut rest = bytes.strip_prefix(b"HREC1\n").ok_or("this is no recording")?;
        let mut recording = Self { keys: Vec::new(), ticks: Vec::new() };
        // A recording that is still being written ends inside a record.
        while recording.record(&mut rest).is_some() {}
        Ok(recording)
    }

    fn record(&mut self, rest: &mut &[u8]) -> Option<()> {
        let mut take = |n: usize| {
            let (front, behind) = rest.split_at_checked(n)?;
            *rest = behind;
            Some(front)
        };
        match take(1)?[0] {
            b'K' => {
                take(4)?;
                let kind = if take(1)?[0] == 1 { Kind::Float } else { Kind::Int };
                let len = u16::from_le_bytes(take(2)?.try_into().ok()?);
                self.keys.push((kind, take(usize::from(len))?.to_vec()));
            }
            _ => {
                let at_ms = i64::from_le_bytes(take(8)?.try_into().ok()?);
                let n = u32::from_le_bytes(take(4)?.try_into().ok()?);
                let sample = |s: &[u8]| {
                    let (id, bits) = s.split_first_chunk::<4>()?;
                    Some((u32::from_le_bytes(*id), u64::from_le_bytes(bits.try_into().ok()?)))
                };
                let samples = take(12 * n as usize)?.chunks_exact(12).filter_map(sample).collect();
                self.ticks.push((at_ms, samples));
            }
        }
        Some(())
    }

    fn samples(&self) -> usize {
        self.ticks.iter().map(|(_, samples)| samples.len()).sum()
    }

    /// Times and values of every series.
    fn columns(&self) -> Vec<(Vec<i64>, Vec<u64>)> {
        let mut columns = vec![(Vec::new(), Vec::new()); self.keys.len()];
        for (at_ms, samples) in &self.ticks {
            for (id, bits) in samples {
                let (times, values) = &mut columns[*id as usize];
                times.push(*at_ms);
                values.push(*bits);
            }
        }
        columns
    }
}

/// Runs all cases in a folder on disk.
pub fn run(recording: &Path, disk: &Path, figures: &mut Figures) -> Result<(), Failure> {
    let folder = disk.join(format!("bench-history-{}", std::process::id()));
    // First, while this process has used no memory for anything else.
    let bounded = short_lived(&folder.join("short"), figures);
    let recording = Recording::read(recording)?;
    let case = format!("{} series, {} s", recording.keys.len(), recording.ticks.len());
    figures.push("samples", &case, "homeostat", recording.samples() as f64, "samples");
    codec_speed(&recording, figures);
    let result = bounded
        .and_then(|()| replay(&recording, &folder.join("replay"), figures))
        .and_then(|()| day(&recording, &folder.join("day"), figures));
    fs::remove_dir_all(&folder)?;
    result
}

/// Time that this thread has had on a processor: what others do beside it does not count. Unit: s.
fn processor_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Speed of the codec alone, on the recording's own columns in chunks of five minutes and of an hour.
fn codec_speed(recording: &Recording, figures: &mut Figures) {
    let columns = recording.columns();
    for (case, length, effort) in [("fresh", 300, Effort::Fast), ("compacted", 3600, Effort::Best)] {
        let (mut encode, mut decode) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let (mut scratch, mut bytes, mut chunks) = (Scratch::default(), Vec::new(), Vec::new());
            let start = processor_s();
            for ((kind, _), (_, values)) in recording.keys.iter().zip(&columns) {
                for values in values.chunks(length) {
                    let at = bytes.len();
                    let codec = codec::encode(*kind, values, effort, &mut scratch, &mut bytes);
                    chunks.push((*kind, codec, at, values.len()));
                }
            }
            encode.push(recording.samples() as f64 / (processor_s() - start) / 1e6);
            let mut out = vec![0; length];
            let start = processor_s();
            for (n, (kind, codec, at, values)) in chunks.iter().enumerate() {
                let end = chunks.get(n + 1).map_or(bytes.len(), |next| next.2);
                let decoded = codec::decode(*kind, *codec, &bytes[*at..end], &mut out[..*values]);
                std::hint::black_box((decoded, &out));
            }
            decode.push(recording.samples() as f64 / (processor_s() - start) / 1e6);
        }
        figures.push("encode_msps", case, "codec", quantile(&encode, 0.5), "M samples/s");
        figures.push("decode_msps", case, "codec", quantile(&decode, 0.5), "M samples/s");
    }
}

fn open(folder: &Path) -> Result<(History, Writer), Failure> {
    let medium = Arc::new(FileMedium::open(folder)?);
    let hot = Hot::anonymous(HotSize::default())?;
    let (history, writer, _) = History::open(medium, hot, HistoryOptions::default())?;
    Ok((history, writer))
}

/// Names series once and pushes the ticks of a recording, shifted in time.
struct Player<'a> {
    recording: &'a Recording,
    writer: Writer,
    series: HashMap<u32, Series>,
}

impl Player<'_> {
    fn tick(&mut self, n: usize, at_ms: i64) {
        self.writer.begin_tick(at_ms);
        for (id, bits) in &self.recording.ticks[n].1 {
            let known = self.series.get(id).copied();
            if known.is_some_and(|series| self.writer.push(series, *bits)) {
                continue;
            }
            let (kind, key) = &self.recording.keys[*id as usize];
            if let Ok(series) = self.writer.series(key, *kind) {
                self.writer.push(series, *bits);
                self.series.insert(*id, series);
            }
        }
        self.writer.end_tick();
    }
}

/// The recording as it was: bytes, exactness, speed of sealing, of scanning and of looking up.
fn replay(recording: &Recording, folder: &Path, figures: &mut Figures) -> Result<(), Failure> {
    let (history, writer) = open(folder)?;
    let mut player = Player { recording, writer, series: HashMap::new() };
    let (mut pushing, mut sealing, mut tailing) = (0.0, 0.0, 0.0);
    // Begins at a full hour, so that one file holds the hour, and ends in the next, so that all of it is closed.
    let first = recording.ticks.first().ok_or("an empty recording")?.0;
    let shift = (first / 3_600_000 + 1) * 3_600_000 - first;
    let mut last = 0;
    for n in 0..recording.ticks.len() {
        let at_ms = recording.ticks[n].0 + shift;
        let start = Instant::now();
        player.tick(n, at_ms);
        pushing += start.elapsed().as_secs_f64();
        let start = Instant::now();
        // Upkeep believes to be in the same hour throughout: compaction has its own case.
        let done = history.maintain(at_ms.min(first + shift + 3_599_999));
        let took = start.elapsed().as_secs_f64();
        *(if done.sealed > 0 { &mut sealing } else { &mut tailing }) += took;
        last = at_ms;
    }
    player.writer.begin_tick(last + 300_000);
    history.maintain(first + shift + 3_599_999);
    let samples = recording.samples() as f64;
    figures.push("push_ns", "writer", "homeostat", pushing / samples * 1e9, "ns a sample");
    figures.push("upkeep_ms_per_h", "seal", "homeostat", sealing * 1e3, "ms");
    figures.push("upkeep_ms_per_h", "tail", "homeostat", tailing * 1e3, "ms");
    exact(recording, &history, shift)?;
    sizes(&history, "fresh", Tier::Fresh, figures)?;
    scans(&history, "fresh", samples, figures)?;
    let start = Instant::now();
    let done = history.compact(last);
    figures.push("compact_ms", "an hour", "homeostat", start.elapsed().as_secs_f64() * 1e3, "ms");
    if !done.notes.is_empty() {
        return Err(done.notes.join("; ").into());
    }
    exact(recording, &history, shift)?;
    sizes(&history, "compacted", Tier::Raw, figures)?;
    scans(&history, "compacted", samples, figures)?;
    println!("{}", history.stats()?);
    Ok(())
}

/// Every sample, to the bit.
fn exact(recording: &Recording, history: &History, shift: i64) -> Result<(), Failure> {
    let mut found: HashMap<Vec<u8>, (Vec<i64>, Vec<u64>)> = HashMap::new();
    let query = Query::new(Select::Prefix(b""), i64::MIN, i64::MAX);
    let scanned = history.samples(&query, |chunk| {
        let (times, values) = found.entry(chunk.key.to_vec()).or_default();
        times.extend(chunk.times.iter().map(|t| t - shift));
        values.extend_from_slice(chunk.values);
    })?;
    let is_exact = recording
        .keys
        .iter()
        .zip(recording.columns())
        .all(|((_, key), truth)| found.get(key) == Some(&truth) || truth.0.is_empty());
    match is_exact && scanned.notes.is_empty() {
        true => Ok(()),
        false => Err("what is read back is not what was written".into()),
    }
}

fn sizes(history: &History, case: &str, tier: Tier, figures: &mut Figures) -> Result<(), Failure> {
    let stats = history.stats()?;
    for own in stats.tiers.iter().filter(|own| own.tier == tier) {
        figures.push("bytes_per_sample", case, "homeostat", own.bytes as f64 / own.values as f64, "B");
    }
    Ok(())
}

/// Everything read and added up, the file in the page cache.
fn scans(history: &History, case: &str, samples: f64, figures: &mut Figures) -> Result<(), Failure> {
    let mut speeds = Vec::new();
    for _ in 0..7 {
        let mut sum = 0u64;
        let start = processor_s();
        history.samples(&Query::new(Select::Prefix(b""), i64::MIN, i64::MAX), |chunk| {
            sum = chunk.values.iter().fold(sum, |sum, bits| sum.wrapping_add(*bits));
        })?;
        speeds.push(samples / (processor_s() - start) / 1e6);
        std::hint::black_box(sum);
    }
    figures.push("scan_msps", case, "homeostat", quantile(&speeds, 0.5), "M samples/s");
    Ok(())
}

/// A day: the recording again and again, compacted hour by hour, then the questions of a chart.
fn day(recording: &Recording, folder: &Path, figures: &mut Figures) -> Result<(), Failure> {
    let (history, writer) = open(folder)?;
    let mut player = Player { recording, writer, series: HashMap::new() };
    let start_ms = recording.ticks.first().map_or(0, |tick| tick.0) / 86_400_000 * 86_400_000;
    let mut shed = 0;
    for second in 0..86_400 {
        let at_ms = start_ms + second as i64 * 1000;
        player.tick(second % recording.ticks.len(), at_ms);
        if second % 10 == 9 {
            shed += history.maintain(at_ms).notes.len();
        }
    }
    figures.push("shed", "a day", "homeostat", (shed as u64 + history.shed().samples()) as f64, "samples");
    let end_ms = start_ms + 86_400_000;
    let one = Query::new(Select::Key(b"meminfo/MemFree/1"), start_ms, end_ms);
    let chart = timed(|| Ok(history.rows(&one, 60_000)?.0.iter().map(|s| s.rows.len()).sum()))?;
    figures.push("query_ms", "day/1 series/60 s", "homeostat", chart.0, "ms");
    let raw = timed(|| {
        let mut samples = 0;
        history.samples(&one, |chunk| samples += chunk.values.len())?;
        Ok(samples)
    })?;
    figures.push("query_ms", "day/1 series/raw", "homeostat", raw.0, "ms");
    let hundred = Query::new(Select::Prefix(b"vmstat/"), start_ms, end_ms);
    let group = timed(|| Ok(history.rows(&hundred, 60_000)?.0.len()))?;
    let case = format!("day/{} series/60 s", group.1);
    figures.push("query_ms", &case, "homeostat", group.0, "ms");
    println!("chart rows {}, raw samples {}", chart.1, raw.1);
    println!("{}", history.stats()?);
    Ok(())
}

/// Median of eleven runs in ms, and what the last one counted.
fn timed(mut work: impl FnMut() -> Result<usize, Failure>) -> Result<(f64, usize), Failure> {
    let (mut times, mut count) = (Vec::new(), 0);
    for _ in 0..11 {
        let start = Instant::now();
        count = work()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok((quantile(&times, 0.5), count))
}

/// An hour with 100,000 processes that live two seconds, eight series each.
fn short_lived(folder: &Path, figures: &mut Figures) -> Result<(), Failure> {
    const PROCESSES: u64 = 100_000;
    let (history, mut writer) = open(folder)?;
    let before = peak_kib();
    let (mut live_max, mut samples) = (0, 0u64);
    let names = ["cpu", "minflt", "majflt", "utime", "stime", "threads", "vsize_bytes", "rss_bytes"];
    for second in 0..3600u64 {
        let at_ms = 1_800_000_000_000 + second as i64 * 1000;
        writer.begin_tick(at_ms);
        let (from, to) = (PROCESSES * second.saturating_sub(1) / 3600, PROCESSES * (second + 1) / 3600);
        for process in from..to {
            for (n, name) in names.iter().enumerate() {
                let key = format!("process/{}.{}/{name}", 1000 + process % 32_768, 100_000 + process);
                if let Ok(series) = writer.series(key.as_bytes(), Kind::Int) {
                    writer.push(series, (process * n as u64 * 37 + second) & 0xffff);
                    samples += 1;
                }
            }
        }
        writer.end_tick();
        history.maintain(at_ms);
        live_max = live_max.max(writer.live_series());
    }
    let start = Instant::now();
    history.compact(1_800_003_600_000 + 3_600_000);
    let peak = peak_kib();
    let stats = history.stats()?;
    let case = "100,000 processes";
    figures.push("compact_ms", case, "homeostat", start.elapsed().as_secs_f64() * 1e3, "ms");
    figures.push("live_series", case, "homeostat", live_max as f64, "series");
    figures.push("shed", case, "homeostat", history.shed().samples() as f64, "samples");
    figures.push("shed_series", case, "homeostat", history.shed().series() as f64, "series");
    figures.push("memory_growth", case, "homeostat", (peak - before) / 1024.0, "MiB");
    let bytes =
        |tier: Tier| stats.tiers.iter().filter(|t| t.tier == tier).map(|t| t.bytes).sum::<u64>() as f64;
    figures.push("file", case, "homeostat", bytes(Tier::Raw) / 1e6, "MB");
    figures.push("bytes_per_series", case, "homeostat", bytes(Tier::Raw) / (PROCESSES * 8) as f64, "B");
    figures.push("samples", case, "homeostat", samples as f64, "samples");
    println!("{stats}");
    Ok(())
}

/// Most memory this process was ever resident with, in KiB; the hot memory's pages count.
fn peak_kib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}
