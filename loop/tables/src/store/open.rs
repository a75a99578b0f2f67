//! Opening the store's file: folder, lock, version, and what to do with a file that is not ours.
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;

/// The store's file in its state folder.
pub const FILE: &str = "homeostat.db";
/// Locked by the daemon as long as it runs. Never removed: a lock on a removed file locks nobody out.
const LOCK_FILE: &str = "homeostat.lock";
/// `HMST`: marks the file as ours.
const APPLICATION_ID: i32 = 0x484d_5354;
/// Version of the schema below.
const SCHEMA: i32 = 2;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS rows(
        kind TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY(kind, key)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS blobs(name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;";

/// The lock of one daemon on its state folder; the kernel lets go of it however the daemon ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// A store that was opened.
pub struct Opened {
    /// The file, or memory.
    pub connection: Connection,
    /// The file; `None` in memory.
    pub path: Option<PathBuf>,
    /// What a person should know.
    pub notices: Vec<String>,
    /// The lock; `None` where even that could not be made.
    pub lock: Option<Lock>,
}

/// Why the file cannot be used.
enum Trouble {
    /// It is damaged or not ours.
    Foreign(String),
    /// It is of a later version.
    Newer(i32),
    /// The machine refuses.
    Refused(String),
}

/// Opens the store of a state folder.
pub fn open(dir: &Path) -> Result<Opened, StoreError> {
    let in_memory = |why: String, lock: Option<Lock>| -> Result<Opened, StoreError> {
        let notice = format!(
            "the state folder {} cannot be used ({why}): what is found now is forgotten when Homeostat ends",
            dir.display()
        );
        let connection = memory().map_err(|error| StoreError::NotWritten(error.to_string()))?;
        Ok(Opened { connection, path: None, notices: vec![notice], lock })
    };
    if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        return in_memory(error.to_string(), None);
    }
    let lock = match lock(dir) {
        Ok(Some(lock)) => lock,
        Ok(None) => return Err(StoreError::Locked(dir.to_owned())),
        Err(error) => return in_memory(error.to_string(), None),
    };
    let path = dir.join(FILE);
    let mut notices = Vec::new();
    let mut attempt = file(&path);
    if let Err(Trouble::Foreign(why)) = &attempt {
        match set_aside(&path) {
            Ok(aside) => notices.push(format!(
                "{} {why}: it was set aside as {} and a new store begun",
                path.display(),
                aside.display()
            )),
            Err(error) => return in_memory(error.to_string(), Some(lock)),
        }
        attempt = file(&path);
    }
    match attempt {
        Ok((connection, is_migrated)) => {
            if is_migrated {
                notices.push(format!(
                    "{} was of schema 1: its means over a minute are dropped, `metrics` begins now",
                    path.display()
                ));
            }
            Ok(Opened { connection, path: Some(path), notices, lock: Some(lock) })
        }
        Err(Trouble::Newer(version)) => Err(StoreError::Newer(path, version)),
        Err(Trouble::Foreign(why) | Trouble::Refused(why)) => in_memory(why, Some(lock)),
    }
}

/// `None` if another daemon holds it.
fn lock(dir: &Path) -> std::io::Result<Option<Lock>> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

/// The store in a file, and whether it was of an earlier schema.
fn file(path: &Path) -> Result<(Connection, bool), Trouble> {
    // Made here so that no one but us can read it, not even for an instant.
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    if let Err(error) = made
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(Trouble::Refused(error.to_string()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(trouble)?;
    let is_migrated = check(&connection)?;
    prepare(&connection).map_err(trouble)?;
    Ok((connection, is_migrated))
}

/// Whether it is of an earlier schema, where it is empty, or ours, whole and not too new.
fn check(connection: &Connection) -> Result<bool, Trouble> {
    let number = |pragma: &str| {
        connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0)).map_err(trouble)
    };
    let (application, version) = (number("application_id")?, number("user_version")?);
    let sql = "SELECT count(*) FROM sqlite_schema";
    let objects: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(trouble)?;
    if application != APPLICATION_ID {
        let is_empty = objects == 0 && application == 0 && version == 0;
        return if is_empty {
            Ok(false)
        } else {
            Err(Trouble::Foreign("is not a store of Homeostat".to_owned()))
        };
    }
    if version > SCHEMA {
        return Err(Trouble::Newer(version));
    }
    let sql = "PRAGMA quick_check(1)";
    let verdict: String = connection.query_row(sql, [], |row| row.get(0)).map_err(trouble)?;
    if verdict == "ok" { Ok(version < SCHEMA) } else { Err(Trouble::Foreign("is damaged".to_owned())) }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512;
         PRAGMA journal_size_limit = 4194304; PRAGMA busy_timeout = 1000; PRAGMA temp_store = MEMORY;
         BEGIN IMMEDIATE; {TABLES} DROP TABLE IF EXISTS history;
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA}; COMMIT;"
    ))
}

fn trouble(error: rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Trouble::Foreign("is not a store of Homeostat".to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => Trouble::Foreign("is damaged".to_owned()),
        _ if matches!(error, rusqlite::Error::SqliteFailure(..)) => Trouble::Refused(error.to_string()),
        // Its tables are not what ours are.
        _ => Trouble::Foreign("is damaged".to_owned()),
    }
}

/// Renames the file and its companions to the first free `homeostat.db.corrupt-N`.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let with = |suffix: &str| -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let free = |number: &u32| {
        ["", "-wal", "-shm"].iter().all(|part| !with(&format!(".corrupt-{number}{part}")).exists())
    };
    let number = (1..10_000).find(free).ok_or(std::io::ErrorKind::AlreadyExists)?;
    let aside = with(&format!(".corrupt-{number}"));
    fs::rename(path, &aside)?;
    for part in ["-wal", "-shm"] {
        match fs::rename(with(part), with(&format!(".corrupt-{number}{part}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}
