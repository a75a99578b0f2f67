//! What UPDATE plans.
use vocab::{Entity, ProcessId, Value};

use super::{engine, select};
use crate::engine::Write;

#[test]
fn an_update_becomes_writes_and_changes_nothing() {
    let mut engine = engine(9);
    let writes = engine.plan_update("UPDATE processes SET nice = nice + 5 WHERE pid = 7").unwrap();
    let entity = Entity::Process(ProcessId { pid: 7, start_ticks: 70 });
    assert_eq!(writes, [Write { table: "processes", entity, column: "nice", value: Value::Int(10) }]);
    assert_eq!(select(&mut engine, "SELECT nice FROM processes WHERE pid = 7"), [[Value::Int(5)]]);
}

#[test]
fn several_columns_and_rows_become_one_write_each() {
    let mut engine = engine(9);
    let sql =
        "UPDATE cgroups SET memory_high = NULL, cpu_weight = 50, is_frozen = 1 WHERE path IN ('/a', '/b')";
    let writes = engine.plan_update(sql).unwrap();
    assert_eq!(writes.len(), 6);
    let of_b: Vec<_> = writes.iter().filter(|one| one.entity == Entity::Cgroup("/b".to_owned())).collect();
    let cells: Vec<_> = of_b.iter().map(|one| (one.column, one.value.clone())).collect();
    assert_eq!(cells.len(), 3);
    assert!(cells.contains(&("memory_high", Value::Null)) && cells.contains(&("is_frozen", Value::Int(1))));
}

#[test]
fn what_cannot_be_changed_is_said() {
    let mut engine = engine(200);
    let cases = [
        ("UPDATE processes SET pid = 1 WHERE pid = 7", "what can: processes.nice"),
        ("UPDATE incidents SET state = 'x'", "cannot be changed"),
        ("UPDATE processes SET nice = 20 WHERE pid = 7", "from -20 to 19"),
        ("UPDATE processes SET nice = NULL WHERE pid = 7", "from -20 to 19"),
        ("UPDATE processes SET nice = 'x' WHERE pid = 7", "from -20 to 19"),
        ("UPDATE cgroups SET memory_high = -1", "from 1 on"),
        ("UPDATE processes SET nice = 1 WHERE pid = 999", "no row matches"),
        ("UPDATE processes SET nice = 1", "more than 64"),
        ("SELECT 1", "changes nothing"),
        ("DELETE FROM processes WHERE pid = 7", "read"),
        ("UPDATE nowhere SET x = 1", "no such table"),
    ];
    for (sql, hint) in cases {
        let message = engine.plan_update(sql).unwrap_err().message;
        assert!(message.contains(hint), "{sql}: {message}");
    }
}
