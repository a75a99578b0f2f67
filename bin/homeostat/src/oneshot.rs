//! The machine without a daemon: read when a statement asks for it. See [`OneShot`].
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use observe::{Observe, ObserveConfig};
use tables::{Deriver, Live};
use vocab::Timestamp;
use vocab::capability::Capability;
use vocab::rows::{Map, OpenFile, Process, Thread};
use vocab::sample::Sample;
use vocab::snapshot::Snapshot;

use crate::error::UserError;

/// Time between the two samples that rates are worked out from.
const APART: Duration = Duration::from_millis(250);

/// A reader of this machine, with the rights of this process.
pub struct OneShot {
    live: observe::Live,
}

impl OneShot {
    /// Opens /proc.
    ///
    /// # Errors
    /// There is none.
    pub fn open() -> Result<Self, UserError> {
        let live = observe::Live::open(Path::new("/proc")).map_err(|error| blind(&error))?;
        Ok(Self { live })
    }

    /// What can be seen and done here. What needs our own supervisor is missing: it comes with a daemon.
    ///
    /// # Errors
    /// There is no /proc.
    pub fn capabilities() -> Result<Vec<Capability>, UserError> {
        let mut observe = Observe::open(ObserveConfig::default()).map_err(|error| blind(&error))?;
        let mut all = observe.capabilities();
        if let Ok(ring) = act::Ring::memfd() {
            all.extend(act::capabilities(&ring, &mut act::NoServices, false));
        }
        Ok(all)
    }

    /// The whole machine: two samples a quarter of a second apart, so that rates are known.
    ///
    /// # Errors
    /// There is no /proc.
    pub fn look() -> Result<Snapshot, UserError> {
        let mut observe = Observe::open(ObserveConfig::default()).map_err(|error| blind(&error))?;
        let mut deriver = Deriver::new();
        deriver.snapshot(&observe.collect(now(), 1, 0, &[]));
        thread::sleep(APART);
        Ok(deriver.snapshot(&observe.collect(now(), 2, 0, &[])))
    }
}

fn blind(error: &dyn std::fmt::Display) -> UserError {
    UserError::new(format!("this machine cannot be observed: {error}"), "mount /proc")
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

impl Live for OneShot {
    fn threads(&mut self, pid: u32, _: u64) -> Vec<Thread> {
        self.live.threads(pid)
    }

    fn open_files(&mut self, pid: u32, _: u64) -> Vec<OpenFile> {
        self.live.open_files(pid)
    }

    fn maps(&mut self, pid: u32, _: u64) -> Vec<Map> {
        self.live.maps(pid)
    }

    /// One process by way of a sample that holds nothing else: one rule for what its columns mean.
    fn process(&mut self, pid: u32, _: u64) -> Option<Process> {
        let read = self.live.process(pid)?;
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let mut sample = Sample { at: now(), turn: 1, ..Sample::default() };
        sample.machine.uptime_s = uptime.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
        sample.machine.ticks_per_second =
            u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
        sample.processes.push(read.stat);
        sample.process_infos.push(read.info);
        sample.process_details.extend(read.detail);
        Deriver::new().snapshot(&sample).processes.into_iter().next()
    }

    /// Nothing at all where /proc went away since this reader was opened.
    fn snapshot(&mut self) -> Arc<Snapshot> {
        Arc::new(Self::look().unwrap_or_default())
    }
}
