//! Kinds of log lines: counted, new, bursting, vanished, bounded.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vocab::Entity;
use vocab::event::{Event, EventKind};
use vocab::rows::LogTemplateRow;

use crate::lines::Lines;

fn run(lines: &mut Lines, seconds: core::ops::Range<i64>, say: impl Fn(i64) -> Vec<String>) {
    for second in seconds {
        let mut snapshot = super::snapshot(second, Vec::new());
        snapshot.events = say(second)
            .into_iter()
            .map(|message| Event {
                at: snapshot.at,
                kind: EventKind::ServiceLog,
                entity: Entity::Service("web".to_string()),
                level: None,
                message,
            })
            .collect();
        lines.run(&snapshot);
    }
}

fn row(lines: &Lines, begins: &str) -> LogTemplateRow {
    lines.rows().into_iter().find(|row| row.text.starts_with(begins)).expect("such a kind of line")
}

/// One request every ten seconds.
fn usual(second: i64) -> Vec<String> {
    let line = format!("served request {second} in {} ms", second % 7);
    if second % 10 == 0 { Vec::from([line]) } else { Vec::new() }
}

#[test]
fn steady_lines_are_one_kind_with_a_rate() {
    let mut lines = Lines::default();
    run(&mut lines, 0..7_200, usual);
    let row = row(&lines, "served");
    assert_eq!((row.lines, &*row.state, &*row.text), (720, "known", "served request <*> in <*> ms"));
    assert!((row.lines_per_min - 6.0).abs() < 0.5, "{row:?}");
    assert_eq!(lines.rows().len(), 1);
}

#[test]
fn new_bursting_and_vanished_kinds_are_told_apart_and_pass() {
    let mut lines = Lines::default();
    run(&mut lines, 0..7_200, usual);
    run(&mut lines, 7_200..7_260, |_| Vec::from(["database is locked".to_string()]));
    assert_eq!((&*row(&lines, "database").state, &*row(&lines, "served").state), ("new", "known"));
    run(&mut lines, 7_260..7_500, |second| {
        (0..5).map(|one| format!("served request {second}{one} in 1 ms")).collect()
    });
    assert_eq!(row(&lines, "served").state, "burst");
    run(&mut lines, 7_500..8_400, usual);
    assert_eq!((&*row(&lines, "database").state, &*row(&lines, "served").state), ("known", "known"));
    run(&mut lines, 8_400..9_600, |_| Vec::new());
    assert_eq!(row(&lines, "served").state, "vanished");
    run(&mut lines, 9_600..9_700, usual);
    assert_eq!(row(&lines, "served").state, "known");
}

#[test]
fn kinds_and_writers_are_bounded() {
    let mut lines = Lines::default();
    let word = |mut number: i64| -> String {
        (0..6)
            .map(|_| {
                let letter = b'a' + (number % 26) as u8;
                number /= 26;
                letter as char
            })
            .collect()
    };
    run(&mut lines, 0..500, |second| Vec::from([word(second)]));
    assert_eq!((lines.kinds(), lines.rows().len()), (64, 65));
}
