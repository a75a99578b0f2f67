//! What is read of which files: those of the version before, and only the blocks that may hold a series.

use super::*;

/// Files that the program wrote when it had format version 2: 70 s of twelve series compacted, then 60 s fresh.
#[test]
fn files_of_format_version_2_are_read_to_the_bit() {
    let names = ["fresh-0000000000000002-0000000000000000", "raw-0000000000000001-0000000000000001"];
    let bytes: [&[u8]; 2] = [
        include_bytes!("../../../tests/data/version-2-fresh.hst"),
        include_bytes!("../../../tests/data/version-2-raw.hst"),
    ];
    let files = names.iter().zip(bytes).map(|(name, bytes)| (format!("{name}.hst"), bytes.to_vec()));
    let mut machine = start(Arc::new(MemoryMedium::with_files(files.collect())), memory());
    assert_eq!(machine.opened.notes, [""; 0]);
    let found = machine.all();
    let mut truth = Truth::new();
    for (second, n) in (0..120).flat_map(|second| (0..12).map(move |n| (second, n))) {
        let at_ms = START + second * 1000;
        if n < 11 || at_ms / 1000 % 2 == 0 {
            truth.entry(key(n)).or_default().push((at_ms, value(n, at_ms)));
        }
    }
    assert_eq!(found, truth);
    assert_eq!(machine.history.check().unwrap().damage, [""; 0]);
    assert_eq!(machine.history.compact(START + 200_000).notes, [""; 0]);
    machine.truth = truth;
    assert_eq!(machine.all(), machine.truth);
}

#[test]
fn one_series_among_many_opens_only_its_block() {
    let hot = HotSize { key_bytes: 1 << 20, tick_bytes: 1 << 20 };
    let hot = Hot::anonymous(hot).unwrap();
    let (history, mut writer, _) = History::open(Arc::new(MemoryMedium::default()), hot, options()).unwrap();
    let name = |n: u64| format!("process/{n:05}/value").into_bytes();
    for second in 0..3 {
        writer.begin_tick(START + second * 1000);
        for n in 0..10_000 {
            let series = writer.series(&name(n), Kind::Int).unwrap();
            assert!(writer.push_int(series, n as i64));
        }
        writer.end_tick();
    }
    writer.finish();
    assert_eq!(history.compact(START + 7_200_000).notes, [""; 0]);
    let look = |select: Select<'_>| {
        let mut found = Vec::new();
        let query = Query::new(select, i64::MIN, i64::MAX);
        let scanned = history.samples(&query, |chunk| found.push(chunk.values[0])).unwrap();
        (scanned.blocks, found)
    };
    let (all, found) = look(Select::Prefix(b""));
    assert!(all > 2 && found.len() == 10_000, "{all} blocks, {} series", found.len());
    for n in [0, 4095, 4096, 9_999] {
        assert_eq!(look(Select::Key(&name(n))), (1, vec![n]));
    }
    assert_eq!(look(Select::Prefix(b"process/0409")).1, (4090..4100).collect::<Vec<_>>());
    assert_eq!(look(Select::Key(b"a")), (0, vec![]));
}
