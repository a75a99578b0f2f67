//! What SELECT gives.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vocab::recent::Recent;

use vocab::Value;
use vocab::ledger::Ledger;
use vocab::query::Query;
use vocab::rows::TABLES;

use super::{Counted, Stored, engine, incident, machine, refused, select};
use crate::{Engine, View};

#[test]
fn every_table_can_be_read_by_every_column() {
    let mut engine = engine(9);
    engine.set_live(Box::new(Counted::default()));
    // Without a history there is nothing that these could say.
    for table in TABLES.iter().filter(|table| !["metrics", "scores"].contains(&table.name)) {
        let names: Vec<String> = table.columns.iter().map(|one| format!("\"{}\"", one.name)).collect();
        let result = engine.select(&format!("SELECT {} FROM \"{}\"", names.join(","), table.name)).unwrap();
        let plain: Vec<_> = table.columns.iter().map(|one| one.name.to_owned()).collect();
        assert_eq!(result.columns, plain);
    }
}

#[test]
fn joins_filters_and_groups_give_what_sql_says() {
    let mut engine = engine(9);
    let rows = select(
        &mut engine,
        "SELECT p.pid, c.pid FROM processes p JOIN processes c ON c.ppid = p.pid
        WHERE p.pid = 4 ORDER BY c.pid",
    );
    assert_eq!(rows, [[Value::Int(4), Value::Int(8)], [Value::Int(4), Value::Int(9)]]);
    let count = |engine: &mut Engine, sql: &str| select(engine, sql)[0][0].clone();
    assert_eq!(count(&mut engine, "SELECT count(*) FROM processes WHERE name = 'p3'"), Value::Int(1));
    assert_eq!(
        count(&mut engine, "SELECT count(*) FROM processes WHERE name = 'P3' COLLATE NOCASE"),
        Value::Int(1)
    );
    assert_eq!(count(&mut engine, "SELECT count(*) FROM processes WHERE pid = '3'"), Value::Int(1));
    assert_eq!(count(&mut engine, "SELECT count(*) FROM processes WHERE pid = 3.0"), Value::Int(1));
    assert_eq!(count(&mut engine, "SELECT count(*) FROM processes WHERE pid = NULL"), Value::Int(0));
    assert_eq!(count(&mut engine, "SELECT count(*) FROM processes WHERE pid IN (1, 2, 99)"), Value::Int(2));
    assert_eq!(
        count(&mut engine, "SELECT count(*) FROM processes JOIN cgroups ON path = cgroup"),
        Value::Int(9)
    );
    let recursive =
        "WITH RECURSIVE up(pid) AS (SELECT 9 UNION SELECT ppid FROM processes JOIN up USING (pid))
        SELECT count(*) FROM up";
    assert_eq!(count(&mut engine, recursive), Value::Int(5));
}

#[test]
fn a_statement_sees_one_view_and_the_next_sees_the_next() {
    let mut engine = engine(9);
    let both = "SELECT (SELECT count(*) FROM processes), (SELECT max(pid) FROM processes)";
    assert_eq!(select(&mut engine, both), [[Value::Int(9), Value::Int(9)]]);
    engine.set_view(View::new(machine(4), Arc::default(), Recent::default()));
    assert_eq!(select(&mut engine, both), [[Value::Int(4), Value::Int(4)]]);
}

#[test]
fn threads_are_read_for_the_process_asked_for_only() {
    let mut engine = engine(9);
    let live = Counted::default();
    engine.set_live(Box::new(live.clone()));
    assert_eq!(select(&mut engine, "SELECT tid FROM threads WHERE pid = 3").len(), 2);
    assert_eq!(live.threads.load(Ordering::Relaxed), 1);
    let join = "SELECT tid FROM processes p JOIN threads t ON t.pid = p.pid WHERE p.pid < 4";
    assert_eq!(select(&mut engine, join).len(), 6);
    assert_eq!(live.threads.load(Ordering::Relaxed), 4);
    assert_eq!(select(&mut engine, "SELECT tid FROM threads").len(), 18);
}

#[test]
fn reading_every_process_on_demand_is_bounded() {
    let mut engine = engine(3_000);
    engine.set_live(Box::new(Counted::default()));
    assert!(refused(&mut engine, "SELECT count(*) FROM threads").contains("WHERE pid"));
}

#[test]
fn without_a_daemon_one_pid_reads_one_process() {
    let mut engine = Engine::new().unwrap();
    let live = Counted::default();
    engine.set_live(Box::new(live.clone()));
    assert_eq!(select(&mut engine, "SELECT name FROM processes WHERE pid = 3")[0][0], Value::from("p3"));
    let reads =
        |live: &Counted| (live.processes.load(Ordering::Relaxed), live.snapshots.load(Ordering::Relaxed));
    assert_eq!(reads(&live), (1, 0));
    select(&mut engine, "SELECT * FROM processes a, processes b, machine");
    assert_eq!(reads(&live), (1, 1));
}

#[test]
fn people_see_the_past_without_duplicates_and_rules_only_the_present() {
    let mut engine = engine(1);
    let ledger =
        Ledger { incidents: vec![incident(4), incident(5), incident(6)].into(), ..Ledger::default() };
    engine.set_view(View::new(machine(1), Arc::new(ledger), Recent::default()));
    engine.set_past(Box::new(Stored));
    let ids = |rows: Vec<Vec<Value>>| rows.into_iter().filter_map(|row| row[0].as_f64()).collect::<Vec<_>>();
    let sql = "SELECT id FROM incidents ORDER BY id";
    assert_eq!(ids(select(&mut engine, sql)), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(ids(select(&mut engine, "SELECT id FROM incidents WHERE id = 2")), [2.0]);
    assert_eq!(ids(engine.rows(sql, &[]).unwrap()), [4.0, 5.0, 6.0]);
}

#[test]
fn rules_have_parameters_and_no_clock_chance_or_machine() {
    let mut engine = engine(9);
    engine.set_live(Box::new(Counted::default()));
    let pid = [(":pid", Value::Int(7)), (":unused", Value::Null)];
    assert!(engine.holds("(SELECT nice FROM processes WHERE pid = :pid) = 5", &pid).unwrap());
    assert!(!engine.holds("NULL", &[]).unwrap());
    for sql in
        ["SELECT random()", "SELECT datetime('now')", "SELECT current_timestamp", "SELECT * FROM threads"]
    {
        assert!(engine.rows(sql, &[]).unwrap_err().message.contains("replay"), "{sql}");
    }
    assert!(engine.rows("SELECT :pid", &[]).unwrap_err().message.contains(":pid"));
    select(&mut engine, "SELECT random(), datetime('now'), current_timestamp");
}

#[test]
fn a_rule_stops_at_the_same_step_every_time() {
    let mut engine = engine(500);
    let slow = "SELECT count(*) FROM processes a, processes b, processes c";
    let first = engine.rows(slow, &[]).unwrap_err();
    assert!(first.message.contains("too many steps"), "{first}");
    assert_eq!(engine.rows(slow, &[]), Err(first));
}

#[test]
fn functions_for_people() {
    let mut engine = engine(9);
    let sql = "SELECT bytes(0), bytes(1536), bytes(NULL), utc(0), utc(NULL), percentile(pid, 50), percentile(pid, 95),
        percentile(NULL, 5) FROM processes";
    let expected = [
        Value::from("0 B"),
        Value::from("1.5 KiB"),
        Value::Null,
        Value::from("1970-01-01T00:00:00.000Z"),
        Value::Null,
        Value::Real(5.0),
        Value::Real(8.6),
        Value::Null,
    ];
    assert_eq!(select(&mut engine, sql), [expected]);
    assert!(refused(&mut engine, "SELECT percentile(pid, 101) FROM processes").contains("0 to 100"));
    assert_eq!(select(&mut engine, "SELECT percentile(pid, 50) FROM processes WHERE 0"), [[Value::Null]]);
}

#[test]
fn a_long_result_is_cut_and_says_so() {
    let mut engine = engine(200);
    let result = engine.select("SELECT a.pid FROM processes a, processes b").unwrap();
    assert_eq!((result.rows.len(), result.is_truncated), (10_000, true));
    assert!(!engine.select("SELECT pid FROM processes").unwrap().is_truncated);
}

#[test]
fn errors_name_the_nearest_table_and_column() {
    let mut engine = engine(1);
    let cases = [
        ("SELECT * FROM proceses", "did you mean `processes`?"),
        ("SELECT rss FROM processes", "did you mean `rss_bytes`?"),
        ("SELECT p.nme FROM processes p", "did you mean `name`?"),
        ("SELEC 1", "syntax error"),
        ("", "SELECT"),
        ("-- nothing", "SELECT"),
        ("SELECT 1; SELECT 2", "one statement"),
    ];
    for (sql, hint) in cases {
        let message = refused(&mut engine, sql);
        assert!(message.contains(hint), "{sql}: {message}");
    }
}
