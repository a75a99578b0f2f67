//! The history over a memory of its own: what was noted is what SQL gives back.
use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use store::history::Hot;
use store::medium::MemoryMedium;
use vocab::learnt::Learnt;
use vocab::recent::Recent;
use vocab::rows::{AnomalyRow, FindingRow, LeaseRow, Pressure, SelfRow};
use vocab::snapshot::Snapshot;
use vocab::{Entity, Timestamp, Value};

use super::kept::KEPT;
use super::rounding::{rounded, two_digits};
use super::{Keeper, Reader, key, place};
use crate::engine::tests::{machine, refused, select};
use crate::{Engine, View};
use vocab::ledger::Ledger;

const START_S: i64 = 1_800_000_000 - 1_800_000_000 % 86_400;

/// A disk and a memory that outlive the process.
struct World {
    disk: MemoryMedium,
    memory: File,
}

impl World {
    fn new() -> Self {
        let memory = Hot::anonymous(place::HOT).unwrap().file().try_clone().unwrap();
        Self { disk: MemoryMedium::default(), memory }
    }

    fn keeper(&self) -> Keeper {
        let hot = Hot::from_file(self.memory.try_clone().unwrap(), place::HOT).unwrap().0;
        let (keeper, notes) = Keeper::over(Arc::new(self.disk.clone()), hot).unwrap();
        assert_eq!(notes, [""; 0]);
        keeper
    }
}

/// The machine at a second: process 3 works, 4 appears after ten seconds, and its state changes every other one.
fn view(second: i64) -> View {
    let mut snapshot: Snapshot = (*machine(4)).clone();
    snapshot.at = Timestamp::from_secs(START_S + second);
    snapshot.machine.load_1 = second as f64 / 4.0;
    for one in &mut snapshot.processes {
        one.age_s = 100.0;
        one.program = format!("program{}", one.pid).into();
    }
    snapshot.processes[2].cpu_pct = Some(second as f64);
    snapshot.processes[3].age_s = second as f64 - 5.0;
    snapshot.processes[3].state = if second % 2 == 0 { "R" } else { "S" }.to_owned();
    snapshot.pressures = vec![Pressure {
        entity: Entity::Machine,
        resource: "memory".to_owned(),
        some_pct: Some(2.5),
        full_pct: None,
        some_us: 1,
        full_us: None,
    }];
    let ledger = Ledger {
        findings: vec![finding(second)],
        leases: vec![lease()],
        own: vec![own()].into(),
        ..Ledger::default()
    };
    // Strange now and then, and each time less probable.
    let anomalies = if second % 100 < 20 { vec![anomaly(second)] } else { Vec::new() };
    let learnt = Learnt { anomalies: Arc::new(anomalies), ..Learnt::default() };
    View::new(Arc::new(snapshot), Arc::new(ledger), Recent::default()).with_learnt(learnt)
}

fn anomaly(second: i64) -> AnomalyRow {
    AnomalyRow {
        entity: Entity::Service("web".to_owned()),
        name: "web".to_owned(),
        metric: "cpu_pct".to_owned(),
        value: second as f64,
        low: 0.0,
        high: 1.0,
        probability: 1.0 / (1_000.0 + second as f64),
        samples: 1_000,
        since: Timestamp::from_secs(START_S),
        sentence: "web differs".to_owned(),
    }
}

fn finding(second: i64) -> FindingRow {
    FindingRow {
        at: Timestamp::from_secs(START_S + second),
        kind: "memory_leak".to_owned(),
        culprit: Entity::Service("web".to_owned()),
        pid: Some(3),
        severity: "warning".to_owned(),
        confidence: 0.5,
        exhaustion_s: None,
        sentence: "it grows".to_owned(),
    }
}

fn lease() -> LeaseRow {
    LeaseRow {
        action_id: 7,
        action: "freeze".to_owned(),
        target: Entity::Machine,
        state: "applied".to_owned(),
        until: Timestamp::from_secs(START_S + 999),
        release_when: None,
        undo_on_death: true,
    }
}

fn own() -> SelfRow {
    SelfRow { name: "cpu_us".to_owned(), value: Some(4.0), unit: "us".to_owned(), bound: None, note: None }
}

fn engine(reader: Reader) -> Engine {
    let mut engine = Engine::new().unwrap();
    engine.set_history(reader);
    engine
}

/// So many seconds noted, with upkeep each second.
fn noted(seconds: i64) -> (World, Keeper) {
    let world = World::new();
    let mut keeper = world.keeper();
    for second in 0..seconds {
        keeper.note(&view(second));
        let done = keeper.upkeep().maintain((START_S + second) * 1_000);
        assert_eq!(done.notes, [""; 0]);
    }
    (world, keeper)
}

#[test]
fn no_two_columns_share_an_id_and_every_table_has_a_column_that_tells_who_was_there() {
    let mut seen = BTreeSet::new();
    for kept in KEPT.iter() {
        assert!(kept.always().is_some(), "{}", kept.spec.name);
        for column in &kept.columns {
            assert!(seen.insert(column.id), "{}.{}", kept.spec.name, column.name);
            assert!(!column.id.contains(&0), "{}.{}", kept.spec.name, column.name);
        }
    }
    assert_eq!(KEPT.len(), 12);
}

#[test]
fn a_key_reads_back_as_it_was_written() {
    let mut row = "cgroup:/a".to_owned();
    key::qualify(&mut row, "memory");
    let mut written = Vec::new();
    key::write(&mut written, &row, [1, 2, 3], "text");
    let parts = key::Parts { entity: "cgroup:/a", qualifier: Some("memory"), id: [1, 2, 3], text: "text" };
    assert_eq!(key::parts(&written), Some(parts));
    assert_eq!(key::cut("aé", 2), "a");
}

#[test]
fn what_was_noted_is_what_the_tables_at_an_instant_show() {
    let (_world, keeper) = noted(400);
    let mut engine = engine(keeper.reader());
    for (second, after_ns) in [(0, 0), (17, 300_000_000), (310, 0), (399, 5_000_000_000)] {
        let live = view(second);
        engine.set_view(live.clone());
        let instant = (START_S + second) * 1_000_000_000 + after_ns;
        for kept in KEPT.iter() {
            let names = kept.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
            let keys = kept.key.iter().chain(&kept.qualifier).map(|index| kept.spec.columns[*index].name);
            let keys = keys.collect::<Vec<_>>();
            let order = if keys.is_empty() { "1".to_owned() } else { keys.join(", ") };
            let what = format!("{}{}{names}", keys.join(", "), if keys.is_empty() { "" } else { ", " });
            let table = kept.spec.name;
            let past =
                select(&mut engine, &format!("SELECT {what} FROM {table}_at({instant}) ORDER BY {order}"));
            let young = if table == "processes" { "WHERE age_s >= 5" } else { "" };
            let mut now =
                select(&mut engine, &format!("SELECT {what} FROM {table} {young} ORDER BY {order}"));
            for cell in now.iter_mut().flatten() {
                if let Value::Real(value) = cell {
                    *value = if table == "anomalies" { two_digits(*value) } else { rounded(*value) };
                }
            }
            assert_eq!(past, now, "{table} at {second}");
        }
    }
    let before = format!("SELECT * FROM machine_at({})", (START_S - 60) * 1_000_000_000);
    assert!(select(&mut engine, &before).is_empty());
    assert!(refused(&mut engine, "SELECT * FROM machine_at").contains("an instant is missing"));
}

#[test]
fn metrics_are_found_by_time_entity_and_series_raw_and_in_steps() {
    let (_world, keeper) = noted(400);
    let mut engine = engine(keeper.reader());
    let from = (START_S + 120) * 1_000_000_000;
    let to = (START_S + 180) * 1_000_000_000;
    let load = "FROM metrics WHERE entity = 'machine' AND series = 'load_1'";
    let raw = select(
        &mut engine,
        &format!("SELECT count(*), min(value), max(value) {load} AND at >= {from} AND at < {to}"),
    );
    assert_eq!(raw, [[Value::Int(60), Value::Real(30.0), Value::Real(44.75)]]);
    let steps = select(
        &mut engine,
        &format!(
            "SELECT at / 1000000000 - {START_S}, value, least, greatest, last, samples {load} AND step_s = 60 AND at >= {from} AND at < {to}"
        ),
    );
    let real = Value::Real;
    assert_eq!(
        steps,
        [[Value::Int(120), real(37.375), real(30.0), real(44.75), real(44.75), Value::Int(60)]]
    );
    let pressure =
        "SELECT count(*), avg(value) FROM metrics WHERE entity = 'machine' AND series = 'memory_some_pct'";
    assert_eq!(select(&mut engine, pressure), [[Value::Int(400), real(2.5)]]);
    // Without the entity, without the series, and with what SQLite must check itself, the answer is the same.
    for sql in [
        "SELECT count(*) FROM metrics WHERE series = 'memory_some_pct'",
        "SELECT count(*) FROM metrics WHERE entity = 'machine' AND series LIKE 'memory_some_%t'",
        "SELECT count(*) FROM metrics WHERE entity || '' = 'machine' AND series || '' = 'memory_some_pct'",
    ] {
        assert_eq!(select(&mut engine, sql), [[Value::Int(400)]], "{sql}");
    }
    let groups = "SELECT count(DISTINCT entity) FROM metrics WHERE series = 'cpu_pct' AND step_s = 60";
    assert_eq!(select(&mut engine, groups), [[Value::Int(1)]], "only one process has it");
    assert!(refused(&mut engine, "SELECT * FROM metrics WHERE step_s = 0").contains("from 1 on"));
    // What no name can be is nowhere; a second name of the same column is looked at, too.
    for wanted in
        ["entity = NULL", "entity = ''", "entity = 5", "series = x''", "entity = 'machine' AND entity = 'x'"]
    {
        assert_eq!(
            select(&mut engine, &format!("SELECT * FROM metrics WHERE {wanted}")).len(),
            0,
            "{wanted}"
        );
    }
    let either =
        "SELECT count(*) FROM metrics WHERE entity IN ('x', 'machine') AND series IN ('load_1', 'load_5')";
    assert_eq!(select(&mut engine, either), [[Value::Int(800)]]);
}

#[test]
fn time_is_bounded_to_the_nanosecond() {
    let (_world, keeper) = noted(400);
    let mut engine = engine(keeper.reader());
    let from = (START_S + 120) * 1_000_000_000;
    let to = (START_S + 180) * 1_000_000_000;
    let load = "FROM metrics WHERE entity = 'machine' AND series = 'load_1'";
    // Of samples and of steps. (A fraction is rounded to 256 ns by SQLite.)
    for (bound, count) in [
        (format!("at > {from} AND at <= {to}"), 60),
        (format!("at >= {from} + 1 AND at < {to}"), 59),
        (format!("at >= {} AND at < {}", from + 1, to + 1), 60),
        (format!("at > {}.5 AND at < {to}.5", from - 1), 59),
        (format!("at = {from}"), 1),
        (format!("at = {}", from + 1), 0),
        (format!("at > '{from}' AND at < 'x' AND at < {to}"), 59),
        (format!("at BETWEEN {from} AND {to} AND step_s = 60"), 2),
        (format!("at > {from} AND at < {to} AND step_s = 60"), 0),
        (format!("at > {} AND at < {to} AND step_s = 60", from - 1), 1),
    ] {
        assert_eq!(
            select(&mut engine, &format!("SELECT count(*) {load} AND {bound}")),
            [[Value::Int(count)]],
            "{bound}"
        );
    }
}

#[test]
fn rows_of_a_table_are_found_by_their_key_and_by_the_stable_names() {
    let (_world, keeper) = noted(400);
    let mut engine = engine(keeper.reader());
    let count = |engine: &mut Engine, wanted: &str| {
        select(engine, &format!("SELECT count(*), count(DISTINCT pid) FROM processes_history WHERE {wanted}"))
    };
    let rows = |all, pids| [[Value::Int(all), Value::Int(pids)]];
    assert_eq!(count(&mut engine, "pid = 3"), rows(400, 1));
    assert_eq!(count(&mut engine, "pid = '3'"), rows(400, 1));
    assert_eq!(count(&mut engine, "program = 'program3'"), rows(400, 1));
    assert_eq!(count(&mut engine, "program = 'program4' AND state = 'R'"), rows(195, 1));
    assert_eq!(count(&mut engine, "program = 'nobody'"), rows(0, 0));
    assert_eq!(count(&mut engine, "1"), rows(3 * 400 + 390, 4));
    let busy =
        "SELECT at / 1000000000 - 1799971200, cpu_pct FROM processes_history WHERE cpu_pct > 397 ORDER BY at";
    let busy = select(&mut engine, busy);
    assert_eq!(busy, [398, 399].map(|s| [Value::Int(s), Value::Real(s as f64)]));
    let minute =
        "SELECT state, cpu_pct FROM processes_history WHERE pid = 3 AND step_s = 60 ORDER BY at LIMIT 1";
    assert_eq!(select(&mut engine, minute), [[Value::from("S"), Value::Real(29.5)]]);
}

#[test]
fn a_score_is_kept_while_somebody_differs_and_only_then() {
    let (_world, keeper) = noted(400);
    let mut engine = engine(keeper.reader());
    let sql = "SELECT count(*), max(probability), min(metric), max(low) FROM anomalies_history WHERE entity = 'service:web'";
    let row = [Value::Int(80), Value::Real(0.001), Value::from("cpu_pct"), Value::Null];
    assert_eq!(select(&mut engine, sql), [row]);
    let sql =
        "SELECT min(value), count(*) FROM metrics WHERE entity = 'service:web' AND series = 'probability'";
    assert_eq!(select(&mut engine, sql), [[Value::Real(0.000_76), Value::Int(80)]]);
}

#[test]
fn a_rule_cannot_read_the_past() {
    let (_world, keeper) = noted(5);
    let mut engine = engine(keeper.reader());
    for table in ["metrics", "scores", "machine_history", "machine_at(1)"] {
        let sql = format!("SELECT count(*) FROM {table}");
        let refused = vocab::query::Query::rows(&mut engine, &sql, &[]).unwrap_err();
        assert!(refused.message.contains("a replay could not answer alike"), "{refused:?}");
    }
    let mut engine = Engine::new().unwrap();
    assert!(self::refused(&mut engine, "SELECT * FROM metrics").contains("cannot be read here"));
}

#[test]
fn a_kill_loses_no_turn() {
    let (world, keeper) = noted(130);
    drop(keeper);
    let mut keeper = world.keeper();
    for second in 130..260 {
        keeper.note(&view(second));
    }
    let mut engine = engine(keeper.reader());
    let sql = "SELECT count(*), sum(cpu_pct) FROM processes_history WHERE pid = 3";
    assert_eq!(select(&mut engine, sql), [[Value::Int(260), Value::Real(f64::from(259 * 260 / 2))]]);
}

#[test]
fn rates_keep_six_digits_and_three_decimals() {
    for (value, kept) in [
        (0.000_4, 0.0),
        (-0.000_4, 0.0),
        (12.345_678, 12.346),
        (1_234.567_8, 1_234.57),
        (123_456.78, 123_457.0),
        (123_456_789.0, 123_457_000.0),
        (-98_765_432.1, -98_765_400.0),
    ] {
        assert_eq!(rounded(value).to_bits(), f64::to_bits(kept), "{value}");
    }
}

#[test]
fn a_chance_keeps_two_digits_however_small() {
    for (chance, kept) in [(0.012_34, 0.012), (6.283e-7, 6.3e-7), (1.0, 1.0), (9.99e-5, 1e-4), (0.0, 0.0)] {
        assert_eq!(two_digits(chance).to_bits(), f64::to_bits(kept), "{chance}");
    }
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn folder() -> Folder {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Folder(std::env::temp_dir().join(format!("homeostat-history-{}-{number}", std::process::id())))
}

#[test]
fn a_state_folder_is_read_beside_its_keeper_and_after_it() {
    let folder = folder();
    assert!(Reader::of(&folder.0).is_none());
    let (mut keeper, notes) = Keeper::open(&folder.0).unwrap();
    assert_eq!(notes, [""; 0]);
    (0..20).for_each(|second| keeper.note(&view(second)));
    let sql = "SELECT count(*) FROM machine_history";
    let count = |folder: &Folder| {
        let (reader, notes) = Reader::of(&folder.0).unwrap();
        assert_eq!(notes, [""; 0]);
        select(&mut engine(reader), sql)
    };
    assert_eq!(count(&folder), [[Value::Int(20)]]);
    let hot: Vec<_> = place::hot_places(&folder.0, false).collect();
    keeper.close((START_S + 20) * 1_000);
    assert!(hot.iter().all(|path| !path.exists()), "the shared memory is given back");
    assert_eq!(count(&folder), [[Value::Int(20)]]);
    let (keeper, _) = Keeper::open(&folder.0).unwrap();
    assert_eq!(select(&mut engine(keeper.reader()), sql), [[Value::Int(20)]]);
    keeper.close((START_S + 30) * 1_000);
}
