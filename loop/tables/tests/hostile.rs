//! Statements that would write, reach outside, exhaust memory or run for ever.
//!
//! A process of its own: SQLite counts memory by process, and other tests would be counted too.
#![allow(clippy::unwrap_used)] // A helper outside a test function is still a test.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tables::engine::heap_bytes;
use tables::{Deriver, Engine, View};
use vocab::query::Query;
use vocab::recent::Recent;
use vocab::sample::{ProcessStat, Sample};
use vocab::{Timestamp, Value};

/// One test at a time: they measure time and memory.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// CPU time of this thread: what others do on the machine does not count.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("not negative")
}

fn engine(count: u32) -> Engine {
    let processes = (1..=count).map(|pid| ProcessStat { pid, ..Default::default() }).collect();
    let sample = Sample { at: Timestamp::from_secs(1), turn: 1, processes, ..Default::default() };
    let snapshot = Arc::new(Deriver::new().snapshot(&sample));
    let mut engine = Engine::new().unwrap();
    engine.set_view(View::new(snapshot, Arc::default(), Recent::default()));
    engine
}

fn refused(engine: &mut Engine, sql: &str) -> String {
    match engine.select(sql) {
        Err(error) => error.message,
        Ok(result) => panic!("{sql} gave {} rows", result.rows.len()),
    }
}

fn still_answers(engine: &mut Engine, count: i64) {
    let result = engine.select("SELECT count(*) FROM processes").unwrap();
    assert_eq!(result.rows, [[Value::Int(count)]]);
}

#[test]
fn nothing_can_be_written_or_reached() {
    let _alone = alone();
    let mut engine = engine(9);
    let statements = [
        "INSERT INTO processes(pid) VALUES (1)",
        "UPDATE processes SET nice = 1",
        "DELETE FROM processes",
        "REPLACE INTO processes(pid) VALUES (1)",
        "CREATE TABLE t(x)",
        "CREATE TEMP TABLE t(x)",
        "CREATE TABLE t AS SELECT * FROM processes",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END",
        "CREATE INDEX i ON processes(pid)",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
        "DROP TABLE processes",
        "ALTER TABLE processes RENAME TO x",
        "ATTACH '/tmp/homeostat-hostile.db' AS a",
        "ATTACH ':memory:' AS a",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO '/tmp/homeostat-hostile.db'",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA hard_heap_limit = 0",
        "PRAGMA writable_schema = ON",
        "PRAGMA temp_store_directory = '/tmp'",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT s",
        "ANALYZE",
        "REINDEX",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT sqlite_log(1, 'x')",
        "SELECT writefile('/tmp/x', 'x')",
        "SELECT readfile('/etc/passwd')",
        "SELECT rtreecheck('x')",
        "SELECT sql FROM sqlite_master",
        "SELECT * FROM sqlite_schema",
        "SELECT count(*) FROM sqlite_master",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM pragma_function_list()",
        "SELECT * FROM dbstat",
        "SELECT count(*) FROM dbstat",
        "SELECT * FROM fts3tokenize('simple', 'a b')",
        "EXPLAIN UPDATE processes SET nice = 1",
        "WITH x AS (SELECT 1) DELETE FROM processes",
        "SELECT 1; DROP TABLE processes",
    ];
    for sql in statements {
        let message = refused(&mut engine, sql);
        assert!(!message.is_empty());
        assert!(engine.rows(sql, &[]).is_err(), "{sql} as a rule");
        assert!(engine.plan_update(sql).is_err() || sql.starts_with("UPDATE"), "{sql} as a plan");
    }
    assert!(!std::path::Path::new("/tmp/homeostat-hostile.db").exists());
    still_answers(&mut engine, 9);
}

/// Statements without end, or with an end too far.
const BOMBS: &[&str] = &[
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION SELECT x + 1 FROM c) SELECT max(x) FROM c",
    "WITH RECURSIVE c(x) AS (SELECT zeroblob(200000) UNION ALL SELECT zeroblob(200000) FROM c) SELECT sum(length(x)) FROM (SELECT x FROM c ORDER BY x)",
    "WITH RECURSIVE c(x, y) AS (SELECT 1, hex(zeroblob(60000)) UNION ALL SELECT x + 1, y || x FROM c) SELECT count(*) FROM (SELECT DISTINCT y FROM c)",
    "WITH RECURSIVE c(x) AS (SELECT 'x' UNION ALL SELECT x || x FROM c) SELECT max(length(x)) FROM c",
    "SELECT count(*) FROM processes a, processes b, processes c, processes d, processes e",
    "SELECT count(*) FROM processes a, processes b, processes c, processes d WHERE a.name || b.name LIKE c.name || d.name",
    "SELECT a.pid FROM processes a, processes b, processes c, processes d ORDER BY a.pid * b.pid % 7 + c.pid % 11 + d.pid",
    "SELECT group_concat(a.name || b.name || c.name) FROM processes a, processes b, processes c",
    "SELECT json_group_array(hex(zeroblob(50000))) FROM processes a, processes b",
    "SELECT percentile(a.pid * b.pid, 50) FROM processes a, processes b, processes c",
    "SELECT printf('%1000000000d', 1)",
    "SELECT format('%.*c', 1000000000, 'x')",
    "SELECT zeroblob(2000000000)",
    "SELECT hex(zeroblob(250000))",
    "SELECT replace(hex(zeroblob(100000)), '0', 'xxxxxxxxxxxxxxxxxxxxxxxx')",
    "SELECT count(*) FROM processes WHERE name LIKE '%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%b'",
    "WITH t(s) AS (SELECT replace(hex(zeroblob(60000)), '0', 'a')) SELECT count(*) FROM t, processes a, processes b WHERE s || a.pid || b.pid LIKE '%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'",
    "WITH t(s) AS (SELECT replace(hex(zeroblob(60000)), '0', 'a')) SELECT count(*) FROM t, processes a, processes b WHERE s || a.pid || b.pid GLOB '*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'",
    "WITH t(s) AS (SELECT replace(hex(zeroblob(60000)), '0', 'a')) SELECT count(*) FROM t, processes a, processes b WHERE instr(s || a.pid || b.pid, replace(hex(zeroblob(25000)), '0', 'a') || 'b')",
];

#[test]
fn bombs_end_soon_in_little_memory() {
    let _alone = alone();
    let mut engine = engine(300);
    let before = heap_bytes();
    for sql in BOMBS {
        let start = cpu_time();
        refused(&mut engine, sql);
        let took = cpu_time() - start;
        assert!(took < Duration::from_secs(5), "{sql} took {took:?}");
        assert!(heap_bytes() - before < 4 << 20, "{sql} kept {} bytes", heap_bytes() - before);
    }
    still_answers(&mut engine, 300);
}

#[test]
fn statements_that_are_dear_to_prepare_are_refused_soon() {
    let _alone = alone();
    let mut engine = engine(3);
    let doubling = (1..30).fold("WITH c0 AS NOT MATERIALIZED (SELECT 1 AS x)".to_owned(), |sql, level| {
        let below = level - 1;
        format!("{sql}, c{level} AS NOT MATERIALIZED (SELECT a.x FROM c{below} a, c{below} b)")
    });
    let statements = [
        format!("{doubling} SELECT count(*) FROM c29"),
        format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT {}1", "1+".repeat(20_000)),
        format!("SELECT 1 {}", "UNION SELECT 1 ".repeat(500)),
        format!("SELECT {}1", "1,".repeat(5_000)),
        format!("SELECT '{}'", "x".repeat(100_000)),
        format!("SELECT 1 FROM {} processes", "processes,".repeat(100)),
        format!("SELECT {}1{}", "abs(".repeat(500), ")".repeat(500)),
        "\0SELECT 1".to_owned(),
        "SELECT 'unfinished".to_owned(),
        "SELECT /* unfinished".to_owned(),
    ];
    for sql in statements {
        let start = cpu_time();
        refused(&mut engine, &sql);
        let took = cpu_time() - start;
        assert!(took < Duration::from_secs(5), "{sql:.60} took {took:?}");
    }
}

#[test]
fn a_bomb_in_a_rule_ends_the_same_way_every_time() {
    let _alone = alone();
    let mut engine = engine(300);
    for sql in BOMBS {
        let (start, start_cpu) = (Instant::now(), cpu_time());
        let first = engine.rows(sql, &[]);
        let (took, took_cpu) = (start.elapsed(), cpu_time() - start_cpu);
        assert!(took_cpu < Duration::from_secs(5), "{sql} took {took_cpu:?}");
        // The few that only the wall clock stops are too slow to be run twice.
        if took < Duration::from_millis(500) {
            assert_eq!(engine.rows(sql, &[]), first, "{sql}");
        }
    }
    still_answers(&mut engine, 300);
}
