//! What the log bench compares: our log, the device floor, and four embedded stores that also promise durability.
//!
//! Every subject commits one record durably a call and may be called by several threads. The peers run with the settings
//! their manuals give for a commit that survives a power cut.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::OFlags;
use store::log::{Log, LogOptions};
use store::medium::{FileMedium, PAGE, PageBuf};

/// Failure of a subject.
pub type Failure = Box<dyn Error + Send + Sync>;

/// One way to make a record durable.
pub trait Subject: Sync {
    /// Makes a record durable before it returns.
    fn commit(&self, writer: usize, record: &[u8]) -> Result<(), Failure>;
}

/// A subject's name and how it is opened in a folder for a number of writers.
pub type Opener = (&'static str, fn(&Path, usize) -> Result<Box<dyn Subject>, Failure>);

/// All subjects; the floor first, ours second.
pub const SUBJECTS: [Opener; 6] = [
    ("floor", Floor::open),
    ("homeostat", Ours::open),
    ("sqlite-wal-full", Sqlite::open),
    ("fjall", Fjall::open),
    ("redb", Redb::open),
    ("lmdb", Lmdb::open),
];

/// The same bytes with one `O_DIRECT | O_DSYNC` write into a file of zeros, a file a writer.
struct Floor {
    files: Vec<(File, AtomicU64)>,
}

const FLOOR_BYTES: u64 = 4 << 20;

impl Floor {
    fn open(folder: &Path, writers: usize) -> Result<Box<dyn Subject>, Failure> {
        let open = |n| -> Result<_, Failure> {
            let path = folder.join(format!("floor-{n}"));
            fs::write(&path, vec![0; FLOOR_BYTES as usize])?;
            File::open(&path)?.sync_all()?;
            let flags = (OFlags::DIRECT | OFlags::DSYNC).bits() as i32;
            let file = OpenOptions::new().write(true).custom_flags(flags).open(&path)?;
            Ok((file, AtomicU64::new(0)))
        };
        Ok(Box::new(Self { files: (0..writers).map(open).collect::<Result<_, _>>()? }))
    }
}

impl Subject for Floor {
    fn commit(&self, writer: usize, record: &[u8]) -> Result<(), Failure> {
        let (file, next) = &self.files[writer];
        let mut page = PageBuf::with_capacity(PAGE);
        page.push(record);
        let at = next.fetch_add(PAGE as u64, Ordering::Relaxed) % FLOOR_BYTES;
        Ok(file.write_all_at(page.padded(), at)?)
    }
}

struct Ours(Log);

impl Ours {
    fn open(folder: &Path, _: usize) -> Result<Box<dyn Subject>, Failure> {
        let medium = Arc::new(FileMedium::open(folder)?);
        Ok(Box::new(Self(Log::open(medium, LogOptions::default(), |_, _| {})?.0)))
    }
}

impl Subject for Ours {
    fn commit(&self, _: usize, record: &[u8]) -> Result<(), Failure> {
        self.0.append(record)?;
        Ok(())
    }
}

struct Sqlite(Mutex<rusqlite::Connection>);

impl Sqlite {
    fn open(folder: &Path, _: usize) -> Result<Box<dyn Subject>, Failure> {
        let connection = rusqlite::Connection::open(folder.join("sqlite"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE log(seq INTEGER PRIMARY KEY, record BLOB NOT NULL);",
        )?;
        Ok(Box::new(Self(Mutex::new(connection))))
    }
}

impl Subject for Sqlite {
    fn commit(&self, _: usize, record: &[u8]) -> Result<(), Failure> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connection.prepare_cached("INSERT INTO log(record) VALUES (?1)")?.execute([record])?;
        Ok(())
    }
}

struct Fjall {
    database: fjall::Database,
    log: fjall::Keyspace,
    next: AtomicU64,
}

impl Fjall {
    fn open(folder: &Path, _: usize) -> Result<Box<dyn Subject>, Failure> {
        let database = fjall::Database::builder(folder.join("fjall")).open()?;
        let log = database.keyspace("log", fjall::KeyspaceCreateOptions::default)?;
        Ok(Box::new(Self { database, log, next: AtomicU64::new(0) }))
    }
}

impl Subject for Fjall {
    fn commit(&self, _: usize, record: &[u8]) -> Result<(), Failure> {
        let key = self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        self.log.insert(key, record)?;
        Ok(self.database.persist(fjall::PersistMode::SyncData)?)
    }
}

struct Redb {
    database: redb::Database,
    next: AtomicU64,
}

const TABLE: redb::TableDefinition<'static, u64, &'static [u8]> = redb::TableDefinition::new("log");

impl Redb {
    fn open(folder: &Path, _: usize) -> Result<Box<dyn Subject>, Failure> {
        let database = redb::Database::create(folder.join("redb"))?;
        Ok(Box::new(Self { database, next: AtomicU64::new(0) }))
    }
}

impl Subject for Redb {
    fn commit(&self, _: usize, record: &[u8]) -> Result<(), Failure> {
        let write = self.database.begin_write()?;
        write.open_table(TABLE)?.insert(self.next.fetch_add(1, Ordering::Relaxed), record)?;
        Ok(write.commit()?)
    }
}

struct Lmdb {
    environment: heed::Env,
    log: heed::Database<heed::types::Bytes, heed::types::Bytes>,
    next: AtomicU64,
}

impl Lmdb {
    fn open(folder: &Path, _: usize) -> Result<Box<dyn Subject>, Failure> {
        let folder = folder.join("lmdb");
        fs::create_dir_all(&folder)?;
        let mut options = heed::EnvOpenOptions::new();
        options.map_size(1 << 30);
        // SAFETY: the folder was made for this run; nobody else opens or changes the file while it is mapped.
        let environment = unsafe { options.open(&folder)? };
        let mut write = environment.write_txn()?;
        let log = environment.create_database(&mut write, None)?;
        write.commit()?;
        Ok(Box::new(Self { environment, log, next: AtomicU64::new(0) }))
    }
}

impl Subject for Lmdb {
    fn commit(&self, _: usize, record: &[u8]) -> Result<(), Failure> {
        let mut write = self.environment.write_txn()?;
        let key = self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        self.log.put(&mut write, &key, record)?;
        Ok(write.commit()?)
    }
}
