//! The engine over a small machine.
mod plan;
mod reads;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vocab::recent::Recent;

use vocab::ledger::Ledger;
use vocab::rows::{IncidentRow, Map, OpenFile, Process, Thread};
use vocab::sample::{CgroupSample, MachineSample, ProcessInfo, ProcessStat, Sample};
use vocab::snapshot::Snapshot;
use vocab::{ProcessId, Timestamp, Value};

use super::{Cells, Engine, Live, Past};
use crate::Deriver;
use crate::View;

/// A machine with processes 1 to `count`, of which 7 is nice, and two cgroups.
pub fn machine(count: u32) -> Arc<Snapshot> {
    let machine = MachineSample { cpus: 2, ticks_per_second: 100, uptime_s: 100.0, ..Default::default() };
    let mut sample = Sample { at: Timestamp::from_secs(10), turn: 1, machine, ..Default::default() };
    for pid in 1..=count {
        let id = ProcessId { pid, start_ticks: u64::from(pid) * 10 };
        let nice = if pid == 7 { 5 } else { 0 };
        sample.processes.push(ProcessStat {
            pid,
            start_ticks: id.start_ticks,
            ppid: pid / 2,
            nice,
            state: b'S',
            rss_bytes: u64::from(pid) << 20,
            ..Default::default()
        });
        sample.process_infos.push(ProcessInfo {
            id,
            name: format!("p{pid}").into(),
            exe: None,
            command: None,
            uid: 0,
            cgroup: Some("/a".into()),
            unit: None,
            service: None,
            is_kernel: false,
            descriptor_limits: None,
        });
    }
    let cgroup =
        |path: &str, inode| CgroupSample { path: path.into(), inode, version: 2, ..Default::default() };
    sample.cgroups = Some(vec![cgroup("/a", 2), cgroup("/b", 3)]);
    Arc::new(Deriver::new().snapshot(&sample))
}

/// An incident of that number.
pub fn incident(id: u64) -> Arc<IncidentRow> {
    let at = Timestamp::from_secs(id as i64);
    Arc::new(IncidentRow { opened_at: at, last_seen_at: at, ..vocab::kit::incident_row(id) })
}

/// An engine over `count` processes.
pub fn engine(count: u32) -> Engine {
    let mut engine = Engine::new().unwrap();
    engine.set_view(View::new(machine(count), Arc::default(), Recent::default()));
    engine
}

/// The rows of a statement that must work.
pub fn select(engine: &mut Engine, sql: &str) -> Vec<Vec<Value>> {
    engine.select(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).rows
}

/// The message of a statement that must fail.
pub fn refused(engine: &mut Engine, sql: &str) -> String {
    match engine.select(sql) {
        Err(error) => error.message,
        Ok(result) => panic!("{sql} gave {} rows", result.rows.len()),
    }
}

/// Counts what is read, and reads two threads of every process.
#[derive(Clone, Default)]
pub struct Counted {
    pub threads: Arc<AtomicUsize>,
    pub processes: Arc<AtomicUsize>,
    pub snapshots: Arc<AtomicUsize>,
}

impl Live for Counted {
    fn threads(&mut self, pid: u32, _: u64) -> Vec<Thread> {
        self.threads.fetch_add(1, Ordering::Relaxed);
        let thread = |tid| Thread {
            pid,
            tid,
            name: "t".into(),
            state: "S".to_owned(),
            cpu_time_s: 0.0,
            voluntary_switches: None,
            wait_channel: None,
            system_call: None,
            futex: None,
            futex_owner: None,
        };
        vec![thread(pid), thread(pid + 1000)]
    }

    fn open_files(&mut self, _: u32, _: u64) -> Vec<OpenFile> {
        vec![]
    }

    fn maps(&mut self, _: u32, _: u64) -> Vec<Map> {
        vec![]
    }

    fn process(&mut self, pid: u32, _: u64) -> Option<Process> {
        self.processes.fetch_add(1, Ordering::Relaxed);
        machine(9).processes.iter().find(|one| one.pid == pid).cloned()
    }

    fn snapshot(&mut self) -> Arc<Snapshot> {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        machine(9)
    }
}

/// A store that holds incidents 1 to 5.
pub struct Stored;

impl Past for Stored {
    fn rows(&mut self, table: &str) -> Option<Arc<dyn Cells>> {
        (table == "incidents")
            .then(|| -> Arc<dyn Cells> { Arc::new((1..=5).map(incident).collect::<Vec<_>>()) })
    }

    fn incident(&mut self, _: u64) -> Option<Ledger> {
        None
    }
}
