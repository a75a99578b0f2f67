//! The store over real files.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use vocab::recent::Recent;

use vocab::ledger::Ledger;
use vocab::rows::{EventRow, EvidenceRow, IncidentRow};
use vocab::{Entity, Timestamp, Value};

use super::{PENDING_MAX, Store, StoreError, past_of};
use crate::{Engine, View};

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("homeostat-store-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn file(&self) -> PathBuf {
        self.state().join("homeostat.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(dir: &Path) -> Store {
    let store = Store::open(dir).unwrap();
    assert_eq!(store.notices(), [] as [String; 0]);
    store
}

fn incidents(ids: impl Iterator<Item = u64>) -> Ledger {
    Ledger { incidents: ids.map(incident).collect::<Vec<_>>().into(), ..Ledger::default() }
}

fn incident(id: u64) -> Arc<IncidentRow> {
    crate::engine::tests::incident(id)
}

fn evidence(incident_id: u64, position: u32) -> Arc<EvidenceRow> {
    Arc::new(EvidenceRow {
        incident_id,
        position,
        role: "cell".to_owned(),
        parent: None,
        entity: Entity::Machine,
        source_table: None,
        source_column: None,
        value: None,
        normal: None,
        weight: Some(0.1),
        sentence: "memory".to_owned(),
    })
}

fn event(second: i64) -> EventRow {
    EventRow {
        at: Timestamp::from_secs(second),
        kind: "own".to_owned(),
        entity: Entity::Machine,
        level: None,
        message: "started".to_owned(),
    }
}

#[test]
fn what_is_saved_is_there_after_the_next_start_and_no_number_comes_twice() {
    let folder = Folder::new();
    let mut store = open(&folder.state());
    assert_eq!(store.next_ids(), [1, 1, 1]);
    let mut rows = incidents([7, 8].into_iter());
    rows.evidence = vec![evidence(7, 0), evidence(7, 1), evidence(8, 0)].into();
    store.save(&rows, &[event(1), event(2)]).unwrap();
    let mut changed = incidents(std::iter::once(7));
    Arc::make_mut(&mut Arc::make_mut(&mut changed.incidents)[0]).state = "repaired".to_owned();
    changed.evidence = vec![evidence(7, 0)].into();
    store.save(&changed, &[]).unwrap();
    store.save_blob("learned", b"abc").unwrap();
    drop(store);

    let store = open(&folder.state());
    let recent = store.recent();
    assert_eq!(*recent.incidents, [changed.incidents[0].clone(), incident(8)]);
    assert_eq!(*recent.evidence, [evidence(7, 0), evidence(8, 0)]);
    assert_eq!(store.recent_events(), [event(1), event(2)]);
    assert_eq!(store.next_ids(), [9, 1, 1]);
    assert_eq!((store.blob("learned"), store.blob("other")), (Some(b"abc".to_vec()), None));
}

#[test]
fn files_are_ours_alone() {
    let folder = Folder::new();
    let mut store = open(&folder.state());
    store.save(&incidents(1..3), &[]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.state()), 0o700);
    for file in fs::read_dir(folder.state()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_second_daemon_is_locked_out_until_the_first_ends() {
    let folder = Folder::new();
    let store = open(&folder.state());
    let refused = Store::open(&folder.state()).err().unwrap();
    assert_eq!(refused, StoreError::Locked(folder.state()));
    assert!(refused.to_string().contains("homeostat status"));
    drop(store);
    open(&folder.state());
}

#[test]
fn a_foreign_or_damaged_file_is_set_aside_each_under_its_own_name() {
    let folder = Folder::new();
    fs::create_dir(folder.state()).unwrap();
    let aside = |number: u32| folder.state().join(format!("homeostat.db.corrupt-{number}"));

    fs::write(folder.file(), "a diary, not a database, but long enough to look at".repeat(40)).unwrap();
    let diary = fs::read(folder.file()).unwrap();
    let mut store = Store::open(&folder.state()).unwrap();
    assert_eq!(store.notices().len(), 1);
    assert!(store.notices()[0].contains("corrupt-1"), "{:?}", store.notices());
    assert_eq!(fs::read(aside(1)).unwrap(), diary);
    let many = Ledger { incidents: (1..2_000).map(incident).collect::<Vec<_>>().into(), ..Ledger::default() };
    store.save(&many, &[]).unwrap();
    drop(store);

    let mut bytes = fs::read(folder.file()).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 8192].fill(0xA5);
    fs::write(folder.file(), &bytes).unwrap();
    let store = Store::open(&folder.state()).unwrap();
    assert!(store.notices()[0].contains("is damaged") && store.notices()[0].contains("corrupt-2"));
    assert_eq!((fs::read(aside(1)).unwrap(), fs::read(aside(2)).unwrap()), (diary, bytes));
    drop(store);

    fs::remove_file(folder.file()).unwrap();
    let other = rusqlite::Connection::open(folder.file()).unwrap();
    other.execute_batch("CREATE TABLE recipes(x)").unwrap();
    drop(other);
    assert!(Store::open(&folder.state()).unwrap().notices()[0].contains("corrupt-3"));
}

#[test]
fn a_truncated_file_is_never_a_panic_and_never_lost() {
    let folder = Folder::new();
    let mut store = open(&folder.state());
    store.save(&incidents(1..200), &[]).unwrap();
    drop(store);
    let whole = fs::read(folder.file()).unwrap();
    for length in [0, 1, 15, 16, 99, 100, 512, 4096, whole.len() - 1] {
        fs::write(folder.file(), &whole[..length]).unwrap();
        let before = fs::read_dir(folder.state()).unwrap().count();
        let store = Store::open(&folder.state()).unwrap();
        assert!(!store.is_in_memory(), "{length} bytes: {:?}", store.notices());
        // An empty file holds nothing to set aside.
        let kept = fs::read_dir(folder.state()).unwrap().count() > before;
        assert!(kept || length == 0, "{length} bytes were overwritten");
    }
}

#[test]
fn a_store_of_a_later_version_is_refused_untouched() {
    let folder = Folder::new();
    let store = open(&folder.state());
    store.connection.pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    let before = fs::read(folder.file()).unwrap();
    let refused = Store::open(&folder.state()).err().unwrap();
    assert_eq!(refused, StoreError::Newer(folder.file(), 99));
    assert_eq!(fs::read(folder.file()).unwrap(), before);
}

#[test]
fn a_folder_that_cannot_be_made_leaves_a_store_in_memory_that_says_so() {
    let folder = Folder::new();
    fs::write(folder.0.join("file"), "").unwrap();
    let mut store = Store::open(&folder.0.join("file/state")).unwrap();
    assert!(store.is_in_memory());
    assert!(store.notices()[0].contains("is forgotten"));
    store.save(&incidents(1..3), &[]).unwrap();
    assert_eq!(store.recent().incidents.len(), 2);
    assert!(store.past().is_none());
}

#[test]
fn a_full_disk_loses_nothing_until_the_bound_and_catches_up() {
    let folder = Folder::new();
    let mut store = open(&folder.state());
    let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let refused = store.save(&incidents(1..1_000), &[]).unwrap_err();
    assert!(refused.to_string().contains("full"), "{refused}");
    let mut last = incidents(1_000..1_001);
    last.evidence = vec![evidence(1_000, 0), evidence(1_000, 1)].into();
    store.save(&last, &[]).unwrap_err();
    Arc::make_mut(&mut last.evidence).pop();
    store.save(&last, &[]).unwrap_err();
    store.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    store.save(&Ledger::default(), &[]).unwrap();
    assert_eq!(store.connection.query_row("SELECT count(*) FROM rows", [], |row| row.get(0)), Ok(1_001));
    assert_eq!((store.dropped(), store.next_ids()[0]), (0, 1_001));

    store.connection.pragma_update(None, "max_page_count", 1).unwrap();
    let too_many = PENDING_MAX as u64 + 2_000;
    store.save(&incidents(2_000..2_000 + too_many), &[]).unwrap_err();
    assert_eq!(store.dropped(), 2_000);
}

#[test]
fn every_table_is_bounded() {
    let folder = Folder::new();
    let mut store = open(&folder.state());
    for start in [1, 3_001, 6_001] {
        store.save(&incidents(start..start + 3_000), &[]).unwrap();
    }
    let count: i64 = store.connection.query_row("SELECT count(*) FROM rows", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 5_000);
    assert_eq!(store.recent().incidents.len(), Ledger::ROWS_MAX);
    assert_eq!(store.recent().incidents.last().map(|row| row.id), Some(9_000));
    assert_eq!(store.next_ids()[0], 9_001);
}

#[test]
fn the_past_is_read_through_sql_while_the_daemon_writes() {
    let folder = Folder::new();
    let mut store = open(&folder.state());
    store.save(&incidents(1..4), &[event(1)]).unwrap();
    let mut engine = Engine::new().unwrap();
    engine.set_past(store.past().unwrap());
    let ledger = incidents(3..5);
    engine.set_view(View::new(Arc::default(), Arc::new(ledger), Recent::default()));
    let count = |engine: &mut Engine, table: &str| {
        engine.select(&format!("SELECT count(*) FROM {table}")).unwrap().rows[0][0].clone()
    };
    assert_eq!(count(&mut engine, "incidents"), Value::Int(4));
    assert_eq!(count(&mut engine, "events"), Value::Int(1));
    store.save(&incidents(10..11), &[event(2)]).unwrap();
    assert_eq!(count(&mut engine, "incidents"), Value::Int(5));
    assert!(past_of(&folder.state()).is_some() && past_of(&folder.0).is_none());
}

#[test]
fn a_store_of_schema_1_loses_its_means_with_one_notice_and_nothing_else() {
    let folder = Folder::new();
    let mut store = open(&folder.state());
    store.save(&incidents(1..4), &[event(1)]).unwrap();
    store.connection.execute_batch("CREATE TABLE history(x); PRAGMA user_version = 1").unwrap();
    drop(store);
    let store = Store::open(&folder.state()).unwrap();
    assert!(store.notices().len() == 1 && store.notices()[0].contains("schema 1"), "{:?}", store.notices());
    assert_eq!((store.recent().incidents.len(), store.recent_events().len()), (3, 1));
    drop(store);
    open(&folder.state());
}
