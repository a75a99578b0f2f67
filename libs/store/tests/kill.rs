//! Kills a real process at any instant, again and again, and looks at what is left.
//!
//! The child is this same test binary: it writes samples into a hot memory in a file and records into a log, and prints
//! the number of each once it was promised. The parent reads along, kills it with SIGKILL after a time that differs from
//! round to round, opens what is left and asserts that everything printed is there. The child of the next round goes on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use store::codec::Kind;
use store::history::{History, HistoryOptions, Hot, HotSize, Query, Select};
use store::log::{Log, LogOptions, read};
use store::medium::{FileMedium, PAGE};

const ROUNDS: u64 = 30;
const SIZE: HotSize = HotSize { key_bytes: 16 << 10, tick_bytes: 32 << 10 };
const LOG: LogOptions = LogOptions { segment_bytes: 8 * PAGE, is_prepared: true };

fn options() -> HistoryOptions {
    let log = LogOptions { segment_bytes: 64 * PAGE, is_prepared: false };
    HistoryOptions { generation_ms: 50, tail_ms: 20, log, ..HistoryOptions::default() }
}

fn history(folder: &Path) -> (History, store::history::Writer, store::history::Opened) {
    let hot = Hot::open(&folder.join("hot"), SIZE).unwrap().0;
    let medium = Arc::new(FileMedium::open(&folder.join("cold")).unwrap());
    History::open(medium, hot, options()).unwrap()
}

/// Samples so far: their number, having checked that they are 0, 1, 2 without a gap.
fn samples(history: &History) -> u64 {
    let mut next = 0;
    let query = Query::new(Select::Key(b"counter"), i64::MIN, i64::MAX);
    let scanned = history.samples(&query, |chunk| {
        for (time, value) in chunk.times.iter().zip(chunk.values) {
            assert_eq!((*time, *value), (next as i64, next));
            next += 1;
        }
    });
    assert_eq!(scanned.unwrap().notes, [""; 0]);
    next
}

fn child(folder: &Path) {
    let (history, mut writer, _) = history(folder);
    let medium = Arc::new(FileMedium::open(&folder.join("log")).unwrap());
    let (log, _) = Log::open(medium, LOG, |_, _| {}).unwrap();
    let mut out = std::io::stdout().lock();
    for n in samples(&history).. {
        writer.begin_tick(n as i64);
        let series = writer.series(b"counter", Kind::Int).unwrap();
        assert!(writer.push(series, n));
        writeln!(out, "sample {n}").unwrap();
        writer.end_tick();
        if n % 10 == 0 {
            assert_eq!(history.maintain(n as i64).notes, [""; 0]);
            let seq = log.append(&n.to_le_bytes()).unwrap();
            writeln!(out, "record {seq}").unwrap();
        }
    }
}

#[test]
fn nothing_promised_is_lost_by_kills() {
    if let Some(folder) = std::env::var_os("STORE_KILL_CHILD") {
        return child(Path::new(&folder));
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("kill-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut most = 0;
    for round in 0..ROUNDS {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["nothing_promised_is_lost_by_kills", "--exact", "--nocapture", "--test-threads=1"])
            .env("STORE_KILL_CHILD", &folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = process.stdout.take().unwrap();
        let (began, first) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let (mut sample, mut record) = (None, None);
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // Only whole lines were promised; the harness prints its own first.
                match line.split_once(' ') {
                    Some(("sample", n)) => {
                        sample = n.parse::<u64>().ok().or(sample);
                        let _ = began.send(());
                    }
                    Some(("record", n)) => record = n.parse::<u64>().ok().or(record),
                    _ => {}
                }
            }
            (sample, record)
        });
        // Every fourth is killed while it opens, the others at work, however busy the machine is.
        if round % 4 > 0 {
            first.recv_timeout(Duration::from_secs(60)).expect("the child writes");
        }
        std::thread::sleep(Duration::from_millis(round * 37 % 90));
        process.kill().unwrap();
        process.wait().unwrap();
        let (sample, record) = reader.join().unwrap();
        let (history, writer, opened) = history(&folder);
        drop(writer);
        assert_eq!(opened.notes, [""; 0], "round {round}");
        let kept = samples(&history);
        // A line cut by the kill may read as a smaller number, never as a larger one.
        assert!(sample.is_none_or(|sample| kept > sample), "round {round}: {kept} kept, {sample:?} promised");
        assert!(kept >= most);
        most = kept;
        let log = read(&FileMedium::open(&folder.join("log")).unwrap(), |_, _| {}).unwrap();
        assert!(record.is_none_or(|record| log.next > record), "round {round}");
        assert_eq!(log.lost, []);
        assert_eq!(history.check().unwrap().damage, [""; 0]);
    }
    // How many depends on the machine; none at all would prove nothing.
    assert!(most > 0, "no sample in any round");
    std::fs::remove_dir_all(&folder).unwrap();
}
