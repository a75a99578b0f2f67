//! The system calls of one process, while it is watched: [`Kernel::watch_calls`], then [`Kernel::end_watch`].
//!
//! The programs are attached in between only. One process at a time.

use std::os::fd::AsFd;

use aya::maps::{Array, Map, MapData};

use crate::Error;
use crate::drain::take_entries;
use crate::intf::{CALL_BITS, CALLS_KEPT, CallOpen, CallSequence, CallStat};
use crate::load::Kernel;
use crate::programs::Object;
use crate::sys::BatchBuffer;

// SAFETY: repr(C), integers only, no padding.
unsafe impl aya::Pod for CallSequence {}

/// What was seen of a process between two calls.
#[derive(Default)]
pub struct Watched {
    /// By number of the system call.
    pub calls: Vec<(u32, CallStat)>,
    /// Calls that had not returned at the end, by thread.
    pub open: Vec<(u32, CallOpen)>,
    /// Thread and number of each call in order, the first 8,192 of them.
    pub sequence: Vec<(u32, u32)>,
    /// Calls after those in `sequence`.
    pub cut: u64,
}

impl Kernel {
    /// Attaches the programs on system calls and counts those of the process `pid`, until [`Kernel::end_watch`].
    ///
    /// Errors: the programs are missing, or the kernel refuses; then nobody is watched.
    pub fn watch_calls(&mut self, pid: u32) -> Result<(), Error> {
        // What an earlier watch that failed may have left.
        self.take_watched(&mut Watched::default())?;
        self.set_cell("calls_watched", pid)?;
        let attached = self.set_attached(Object::Syscalls, true);
        if attached.is_err() {
            self.set_attached(Object::Syscalls, false)?;
        }
        attached
    }

    /// Detaches the programs again; what was seen since.
    ///
    /// Errors: the first map that cannot be read.
    pub fn end_watch(&mut self) -> Result<Watched, Error> {
        self.set_attached(Object::Syscalls, false)?;
        let mut watched = Watched::default();
        self.take_watched(&mut watched)?;
        self.set_cell("calls_watched", 0u32)?;
        Ok(watched)
    }

    fn take_watched(&mut self, watched: &mut Watched) -> Result<(), Error> {
        let mut buffer = BatchBuffer::default();
        take_entries(self.map_of("calls_by_number")?.fd().as_fd(), &mut buffer, &mut watched.calls)
            .map_err(|source| Error::Map { map: "calls_by_number", source })?;
        take_entries(self.map_of("calls_open")?.fd().as_fd(), &mut buffer, &mut watched.open)
            .map_err(|source| Error::Map { map: "calls_open", source })?;
        let sequence = self.sequence()?;
        let kept = usize::try_from(sequence.seen).unwrap_or(usize::MAX).min(CALLS_KEPT);
        let call = |one: &u32| (one >> CALL_BITS, one & ((1 << CALL_BITS) - 1));
        watched.sequence = sequence.calls[..kept].iter().map(call).collect();
        watched.cut = sequence.seen - kept as u64;
        self.set_cell("calls_sequence", CallSequence::default())
    }

    fn sequence(&self) -> Result<CallSequence, Error> {
        let broken = |e: aya::maps::MapError| broken("calls_sequence", e);
        let map = self.loaded_map("calls_sequence")?;
        Array::<_, CallSequence>::try_from(map).and_then(|array| array.get(&0, 0)).map_err(broken)
    }

    fn set_cell<V: aya::Pod>(&mut self, name: &'static str, value: V) -> Result<(), Error> {
        let loaded = self.loaded.iter_mut().find(|one| one.object == Object::Syscalls);
        let map = loaded.and_then(|one| one.ebpf.map_mut(name)).ok_or_else(|| missing(name))?;
        Array::<_, V>::try_from(map).and_then(|mut array| array.set(0, value, 0)).map_err(|e| broken(name, e))
    }

    fn loaded_map(&self, name: &'static str) -> Result<&Map, Error> {
        let loaded = self.loaded.iter().find(|one| one.object == Object::Syscalls);
        loaded.and_then(|one| one.ebpf.map(name)).ok_or_else(|| missing(name))
    }

    fn map_of(&self, name: &'static str) -> Result<&MapData, Error> {
        match self.loaded_map(name)? {
            Map::HashMap(map) => Ok(map),
            _ => Err(missing(name)),
        }
    }
}

fn missing(name: &str) -> Error {
    Error::NotLoaded(name.to_owned())
}

fn broken(map: &'static str, error: aya::maps::MapError) -> Error {
    Error::Map { map, source: std::io::Error::other(error) }
}
