//! On-demand readers for SQL: what is too dear to sample is read when a statement asks for it.
use std::path::Path;
use std::sync::Arc;

use observe::{Observe, ObserveConfig};
use tables::{Deriver, Live};
use vocab::Timestamp;
use vocab::rows::{Map, OpenFile, Process, Thread};
use vocab::sample::Sample;
use vocab::snapshot::Snapshot;

use crate::clock;

/// Readers over this machine's /proc.
struct Readers {
    live: observe::Live,
    clock: Timestamp,
}

/// Readers for the engine of a door or of the command line; `None` without a /proc.
pub fn readers() -> Option<Box<dyn Live>> {
    let live = observe::Live::open(Path::new("/proc")).ok()?;
    Some(Box::new(Readers { live, clock: clock::start() }))
}

impl Readers {
    /// The whole machine, looked at twice for its rates when `rates` is set.
    fn look(&self) -> Option<Snapshot> {
        let mut observe = Observe::open(ObserveConfig::default()).ok()?;
        let mut deriver = Deriver::new();
        deriver.snapshot(&observe.collect(clock::now(self.clock), 1, 0, &[]));
        std::thread::sleep(std::time::Duration::from_millis(200));
        Some(deriver.snapshot(&observe.collect(clock::now(self.clock), 2, 0, &[])))
    }
}

impl Live for Readers {
    fn threads(&mut self, pid: u32, _: u64) -> Vec<Thread> {
        self.live.threads(pid)
    }

    fn open_files(&mut self, pid: u32, _: u64) -> Vec<OpenFile> {
        self.live.open_files(pid)
    }

    fn maps(&mut self, pid: u32, _: u64) -> Vec<Map> {
        self.live.maps(pid)
    }

    fn process(&mut self, pid: u32, _: u64) -> Option<Process> {
        let one = self.live.process(pid)?;
        let sample = Sample {
            at: clock::now(self.clock),
            turn: 1,
            processes: vec![one.stat],
            process_infos: vec![one.info],
            process_details: one.detail.into_iter().collect(),
            ..Sample::default()
        };
        let snapshot = Deriver::new().snapshot(&sample);
        snapshot.processes.into_iter().find(|process| process.pid == pid)
    }

    fn snapshot(&mut self) -> Arc<Snapshot> {
        Arc::new(self.look().unwrap_or_default())
    }
}
