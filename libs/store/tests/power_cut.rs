//! Cuts the power of a real file system, again and again, and looks at what is left.
//!
//! ext4 on a loop device on a file that a process of our own serves, which forgets at the cut what was not flushed
//! (`bench/powercut`). The child writes samples and, from three threads at once, records, and prints the number of each
//! once it was promised. `STORE_POWER_CUTS` says how many rounds. Needs root; elsewhere it says so and ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use powercut::{Disk, is_cut};
use store::codec::Kind;
use store::history::{History, HistoryOptions, Hot, HotSize, Query, Select, Writer};
use store::log::{Log, LogOptions, read};
use store::medium::{FileMedium, PAGE};

const TEST: &str = "nothing_promised_is_lost_by_power_cuts";
const CHILD: &str = "STORE_POWER_CHILD";
const SIZE: HotSize = HotSize { key_bytes: 16 << 10, tick_bytes: 32 << 10 };
const LOG: LogOptions = LogOptions { segment_bytes: 32 * PAGE, is_prepared: true };
const THREADS: u64 = 3;
/// Time between two samples: an hour, and with it a compaction, comes every 60. Unit: ms.
const STEP_MS: i64 = 60_000;

/// A history whose memory does not outlive the power, and whose tail is written at every call.
fn history(mounted: &Path) -> (History, Writer) {
    let log = LogOptions { segment_bytes: 16 * PAGE, is_prepared: false };
    let options = HistoryOptions { tail_ms: 0, log, ..HistoryOptions::default() };
    let medium = Arc::new(FileMedium::open(&mounted.join("history")).unwrap());
    let (history, writer, opened) = History::open(medium, Hot::anonymous(SIZE).unwrap(), options).unwrap();
    // The unfinished end of a file is what a cut leaves; damage is not.
    assert!(
        opened.notes.iter().all(|note| note.contains("are cut off") || note.contains("no block")),
        "{opened:?}"
    );
    (history, writer)
}

/// Samples so far: their number, having checked that they are 0, 1, 2 without a gap.
fn samples(history: &History) -> u64 {
    let mut next = 0;
    let query = Query::new(Select::Key(b"counter"), i64::MIN, i64::MAX);
    let scanned = history.samples(&query, |chunk| {
        for (time, value) in chunk.times.iter().zip(chunk.values) {
            assert_eq!((*time, *value), (next as i64 * STEP_MS, next));
            next += 1;
        }
    });
    assert_eq!(scanned.unwrap().notes, [""; 0]);
    next
}

/// The next number of every thread, having checked that no record of it is missing between two others.
fn records(mounted: &Path) -> BTreeMap<u64, u64> {
    let mut next = BTreeMap::new();
    let medium = FileMedium::open(&mounted.join("log")).unwrap();
    let found = read(&medium, |_, bytes| {
        let word = |n: usize| u64::from_le_bytes(bytes[8 * n..][..8].try_into().unwrap());
        let before = next.insert(word(0), word(1) + 1);
        assert!(before.is_none_or(|before| before == word(1)), "thread {} has a gap at {}", word(0), word(1));
    });
    assert_eq!(found.unwrap().lost, []);
    next
}

/// Writes until it is killed. A line is printed after a promise, and only while there was power.
fn child(mounted: &Path, disk: &Path) {
    let next = records(mounted);
    std::thread::scope(|scope| {
        let medium = Arc::new(FileMedium::open(&mounted.join("log")).unwrap());
        let log = Arc::new(Log::open(medium, LOG, |_, _| {}).unwrap().0);
        for thread in 0..THREADS {
            let (log, first) = (log.clone(), next.get(&thread).copied().unwrap_or(0));
            scope.spawn(move || {
                for n in first.. {
                    let mut record = [thread.to_le_bytes(), n.to_le_bytes()].concat();
                    // Of one page, of two, of three.
                    record.resize(record.len() + (n as usize % 3) * 4000, n as u8);
                    let seq = log.append(&record).unwrap();
                    if is_cut(disk) {
                        return;
                    }
                    println!("record {thread} {n}");
                    if n % 200 == 0 {
                        log.release_before(seq.saturating_sub(400)).unwrap();
                    }
                }
            });
        }
        let (history, mut writer) = history(mounted);
        let mut unpromised = std::fs::File::create(mounted.join("unpromised")).unwrap();
        for n in samples(&history).. {
            writer.begin_tick(n as i64 * STEP_MS);
            let series = writer.series(b"counter", Kind::Int).unwrap();
            assert!(writer.push(series, n));
            writer.end_tick();
            assert_eq!(history.maintain(n as i64 * STEP_MS).notes, [""; 0]);
            if is_cut(disk) {
                return;
            }
            println!("sample {n}");
            unpromised.write_all(&[1]).unwrap();
        }
    });
}

/// What was promised: the last sample, and the last record of every thread.
type Promised = (Option<u64>, BTreeMap<u64, u64>);

/// Starts the child; what is received first says that it writes, what the thread returns is what it promised.
fn start(mounted: &Path, disk: &Path) -> (Child, Receiver<()>, std::thread::JoinHandle<Promised>) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, mounted)
        .env("STORE_POWER_DISK", disk)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = process.stdout.take().unwrap();
    let (began, first) = channel();
    let reader = std::thread::spawn(move || {
        let mut promised = Promised::default();
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |n: usize| words.get(n).and_then(|word| word.parse::<u64>().ok());
            match (words[0], number(1), number(2)) {
                ("sample", Some(n), None) => {
                    promised.0 = Some(n);
                    let _ = began.send(());
                }
                ("record", Some(thread), Some(n)) => drop(promised.1.insert(thread, n)),
                _ => {}
            }
        }
        promised
    });
    (process, first, reader)
}

#[test]
fn nothing_promised_is_lost_by_power_cuts() {
    Disk::serve_if_asked();
    if let (Some(mounted), Some(disk)) = (std::env::var_os(CHILD), std::env::var_os("STORE_POWER_DISK")) {
        return child(Path::new(&mounted), Path::new(&disk));
    }
    match powercut::alone(TEST) {
        None => {}
        Some(Ok(())) => return,
        Some(Err(why)) => return eprintln!("skipped: {why}"),
    }
    let rounds = std::env::var("STORE_POWER_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let folder = PathBuf::from("/dev/shm").join(format!("store-power-{}", std::process::id()));
    let disk = Disk::new(&folder, TEST).unwrap();
    let (mut kept, mut all, mut is_any_lost) = (0, Promised::default(), false);
    for round in 0..=rounds {
        let mut plugged = disk.plug(round).unwrap();
        {
            let (history, _) = history(&plugged.path);
            let now = samples(&history);
            assert!(all.0.is_none_or(|n| now > n), "round {round}: {now} samples, {all:?} promised");
            assert!(now >= kept, "round {round}: {now} samples after {kept}");
            kept = now;
            let next = records(&plugged.path);
            assert!(
                all.1.iter().all(|(t, n)| next.get(t) > Some(n)),
                "round {round}: {next:?}, promised {all:?}"
            );
            assert_eq!(history.check().unwrap().damage, [""; 0], "round {round}");
            // What nobody flushed is gone: the cuts do bite.
            let unpromised =
                std::fs::metadata(plugged.path.join("unpromised")).map_or(0, |found| found.len());
            is_any_lost |= round > 0 && unpromised == 0;
        }
        if round == rounds {
            plugged.unplug().unwrap();
            break;
        }
        let (mut process, first, reader) = start(&plugged.path, plugged.folder());
        // Every fourth is cut while it opens, the others at work.
        if round % 4 > 0 {
            first.recv_timeout(Duration::from_secs(60)).expect("the child writes");
        }
        plugged.cut_after(1 + round * 37 % 150).unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        let (sample, records) = reader.join().unwrap();
        all.0 = all.0.max(sample);
        for (thread, n) in records {
            let known = all.1.entry(thread).or_default();
            *known = n.max(*known);
        }
        plugged.unplug().unwrap();
    }
    // None at all would prove nothing.
    assert!(is_any_lost && all.0 > Some(0) && all.1.len() == THREADS as usize, "{all:?}");
    println!("{rounds} power cuts: {kept} samples kept, promised up to {all:?}, nothing lost");
    std::fs::remove_dir_all(&folder).unwrap();
}
