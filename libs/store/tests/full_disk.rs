//! A real file system that is full: one clear line, nothing lost, and the store goes on when there is room.
//!
//! Needs to mount a small tmpfs in a mount namespace of its own; where it may not, the test says so and ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use store::codec::Kind;
use store::history::{History, HistoryOptions, Hot, HotSize, Query, Select};
use store::log::{Log, LogOptions, read};
use store::medium::{FileMedium, PAGE};

#[test]
fn a_full_file_system_is_one_clear_line() {
    if let Some(folder) = std::env::var_os("STORE_FULL_CHILD") {
        full_log(&Path::new(&folder).join("log"));
        full_history(&Path::new(&folder).join("history"));
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("full-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let script = "mount -t tmpfs -o size=512k none \"$STORE_FULL_CHILD\" || exit 77; exec \"$@\"";
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["a_full_file_system_is_one_clear_line", "--exact", "--test-threads=1"])
        .env("STORE_FULL_CHILD", &folder)
        .status();
    std::fs::remove_dir_all(&folder).unwrap();
    match status.map(|status| status.code()) {
        Ok(Some(0)) => {}
        Ok(Some(101)) | Ok(None) => panic!("the run on the full file system failed"),
        _ => eprintln!("skipped: this user may not mount a tmpfs"),
    }
}

fn full_log(folder: &Path) {
    let medium = Arc::new(FileMedium::open(folder).unwrap());
    let options = LogOptions { segment_bytes: 16 * PAGE, is_prepared: true };
    let (log, _) = Log::open(medium.clone(), options, |_, _| {}).unwrap();
    let mut kept = 0;
    let error = loop {
        match log.append(&[7; 1000]) {
            Ok(seq) => kept = seq + 1,
            Err(error) => break error.to_string(),
        }
    };
    assert_eq!(error, "cannot write `spare.tmp`: no room left on the disk");
    assert_eq!(read(&*medium, |_, _| {}).unwrap().records, kept);
    assert!(log.release_before(kept / 2).unwrap() > 0);
    assert_eq!(log.append(b"room again").unwrap(), kept);
    drop(log);
    std::fs::remove_dir_all(folder).unwrap();
}

fn full_history(folder: &Path) {
    let medium = Arc::new(FileMedium::open(folder).unwrap());
    let log = LogOptions { segment_bytes: 16 * PAGE, is_prepared: false };
    let options = HistoryOptions { generation_ms: 10_000, log, ..HistoryOptions::default() };
    let hot = Hot::anonymous(HotSize { key_bytes: 16 << 10, tick_bytes: 256 << 10 }).unwrap();
    let (history, mut writer, _) = History::open(medium, hot, options).unwrap();
    let filler = folder.join("filler");
    let mut notes = Vec::new();
    let mut pushed = 0;
    for second in 0..40i64 {
        if second == 12 {
            // Whatever room is left goes to somebody else.
            let _ = std::fs::write(&filler, vec![0; 1 << 20]);
        }
        if second == 30 {
            std::fs::remove_file(&filler).unwrap();
        }
        writer.begin_tick(second * 1000);
        for n in 0..100 {
            let series = writer.series(format!("series/{n}").as_bytes(), Kind::Int).unwrap();
            // Noise of its own for each, which no codec makes small enough for what is left of a page.
            let noise = (second * 100 + n).wrapping_mul(0x5851_f42d_4c95_7f2d).rotate_left(29);
            pushed += usize::from(writer.push_int(series, noise.wrapping_mul(0x5851_f42d_4c95_7f2d) >> 20));
        }
        writer.end_tick();
        notes.extend(history.maintain(second * 1000).notes);
    }
    notes.dedup();
    assert!(!notes.is_empty() && notes.len() <= 2, "{notes:?}");
    assert!(notes.iter().all(|note| note.ends_with("no room left on the disk")), "{notes:?}");
    let mut found = 0;
    let query = Query::new(Select::Prefix(b"series/"), i64::MIN, i64::MAX);
    history.samples(&query, |chunk| found += chunk.values.len()).unwrap();
    assert_eq!((found, pushed), (4000, 4000));
    assert_eq!(history.check().unwrap().damage, [""; 0]);
}
