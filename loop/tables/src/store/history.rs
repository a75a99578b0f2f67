//! A modest history: means over a minute of the machine and of every service.
//!
//! libs/store replaces it by compressed chunks. Until then one row a minute, key and metric: about 35 bytes.
use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use vocab::Timestamp;
use vocab::rows::{HistoryRow, Machine, Service};
use vocab::snapshot::Snapshot;

use crate::engine::Cells;

/// One row covers so much time. Unit: s.
const STEP_S: f64 = 60.0;
/// Rows are forgotten after so long. Unit: ns. Seven days.
const AGE_MAX_NS: i64 = 7 * 86_400 * 1_000_000_000;
/// Rows kept in all, whatever their age: some 20 MB.
const ROWS_MAX: i64 = 500_000;
/// Services of which one minute is kept, in order of name.
const KEYS_MAX: usize = 200;

/// A quantity and where it stands in a row.
type Quantity<R> = (&'static str, fn(&R) -> Option<f64>);

/// What is kept of the machine.
const OF_MACHINE: &[Quantity<Machine>] = &[
    ("cpu_busy_pct", |one| one.cpu_idle_pct.map(|idle| 100.0 - idle)),
    ("cpu_iowait_pct", |one| one.cpu_iowait_pct),
    ("memory_available_bytes", |one| Some(one.memory_available_bytes as f64)),
    ("anon_bytes", |one| Some(one.anon_bytes as f64)),
    ("swap_free_bytes", |one| Some(one.swap_free_bytes as f64)),
    ("load_1", |one| Some(one.load_1)),
    ("refaults_per_s", |one| one.refaults_per_s),
    ("major_faults_per_s", |one| one.major_faults_per_s),
];
/// What is kept of a service.
const OF_SERVICE: &[Quantity<Service>] = &[
    ("cpu_pct", |one| one.cpu_pct),
    ("anon_bytes", |one| one.anon_bytes.map(|bytes| bytes as f64)),
    ("descriptors", |one| one.descriptors.map(|count| count as f64)),
    ("run_delay_pct", |one| one.run_delay_pct),
];

/// Sum and count of the values in one minute.
type Means = BTreeMap<(Arc<str>, &'static str), (f64, u32)>;

/// The minute under way.
#[derive(Default)]
pub struct History {
    since: Option<Timestamp>,
    means: Means,
}

/// One minute that is over.
pub struct Minute {
    at: Timestamp,
    means: Means,
}

impl History {
    /// Takes one turn; gives the minute once it is over.
    pub fn note(&mut self, snapshot: &Snapshot) -> Option<Minute> {
        let since = *self.since.get_or_insert(snapshot.at);
        let age_s = snapshot.at.seconds_since(since);
        let over = (!(0.0..STEP_S).contains(&age_s)).then(|| {
            self.since = Some(snapshot.at);
            Minute { at: since, means: std::mem::take(&mut self.means) }
        });
        let machine: Arc<str> = Arc::from("machine");
        for (metric, value) in OF_MACHINE {
            self.add(&machine, metric, value(&snapshot.machine));
        }
        for service in snapshot.services.iter().take(KEYS_MAX) {
            for (metric, value) in OF_SERVICE {
                self.add(&service.name, metric, value(service));
            }
        }
        over
    }

    fn add(&mut self, key: &Arc<str>, metric: &'static str, value: Option<f64>) {
        if let Some(value) = value {
            let (sum, count) = self.means.entry((key.clone(), metric)).or_default();
            *sum += value;
            *count += 1;
        }
    }
}

/// Writes one minute and forgets what is too old.
pub fn write(connection: &mut Connection, minute: &Minute) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut put = transaction.prepare("INSERT OR REPLACE INTO history VALUES (?1, ?2, ?3, ?4)")?;
        for ((key, metric), (sum, count)) in &minute.means {
            put.execute(params![&**key, metric, minute.at.0, sum / f64::from(*count)])?;
        }
    }
    transaction.execute("DELETE FROM history WHERE at < ?1", [minute.at.0.saturating_sub(AGE_MAX_NS)])?;
    let beyond =
        "DELETE FROM history WHERE at <= (SELECT at FROM history ORDER BY at DESC LIMIT 1 OFFSET ?1)";
    transaction.execute(beyond, [ROWS_MAX])?;
    transaction.commit()
}

/// The newest rows, oldest first.
pub fn newest(connection: &Connection, limit: usize) -> Arc<dyn Cells> {
    let read = || -> rusqlite::Result<Vec<HistoryRow>> {
        let sql = "SELECT at, key, metric, value FROM history ORDER BY at DESC, key, metric LIMIT ?1";
        let mut statement = connection.prepare(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map([limit], |row| {
            Ok(HistoryRow {
                at: Timestamp(row.get(0)?),
                key: Arc::from(row.get::<_, String>(1)?),
                metric: row.get(2)?,
                value: row.get(3)?,
            })
        })?;
        let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        rows.reverse();
        Ok(rows)
    };
    Arc::new(read().unwrap_or_default())
}
