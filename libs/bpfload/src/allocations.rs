//! What one process allocates and does not free: [`Allocations::watch`], [`Allocations::read`] now and then, then
//! [`Allocations::live`].
//!
//! Loaded and attached in between only, to that process only; dropped, or when this process dies, it is gone. x86-64.

use aya::maps::{MapData, RingBuf};

use crate::Error;
use crate::intf::{AllocSample, Plain};
use crate::missing::Lack;
use crate::probes::{Point, Probes};
use crate::programs::Object;

/// Where a function of an allocator has what it is asked for. Values: `bpf/intf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// malloc.
    Malloc = 0,
    /// calloc.
    Calloc = 1,
    /// realloc.
    Realloc = 2,
    /// aligned_alloc, memalign.
    Aligned = 3,
    /// posix_memalign.
    Memalign = 4,
    /// free.
    Free = 5,
}

/// A watch under way.
pub struct Allocations {
    probes: Probes,
    samples: RingBuf<MapData>,
}

impl Allocations {
    /// Attaches to the functions of the allocator of the process `pid`. A sample stands for `interval` bytes, or for its own
    /// size if that is more.
    ///
    /// Errors: why not; then nothing is attached.
    pub fn watch(pid: u32, points: &[(Point, Allocator)], interval: u64) -> Result<Self, Lack> {
        let mut probes = Probes::load(Object::Alloc)?;
        let samples = probes.take_ring("alloc_samples").map_err(|error| Lack::map(&error))?;
        let mut watch = Self { probes, samples };
        // Before anything runs: a sample that stands for nothing is none.
        watch.set_interval(interval).map_err(|error| Lack::map(&error))?;
        let all = points.iter().map(|(point, kind)| (point.clone(), *kind as u64)).collect::<Vec<_>>();
        let free = Allocator::Free as u64;
        let returns = all.iter().filter(|(_, cookie)| *cookie != free).cloned().collect::<Vec<_>>();
        watch.probes.attach("alloc_return", pid, &returns)?;
        watch.probes.attach("alloc_enter", pid, &all)?;
        Ok(watch)
    }

    /// From now on a sample stands for so many bytes.
    ///
    /// Errors: the map cannot be written.
    pub fn set_interval(&mut self, bytes: u64) -> Result<(), Error> {
        self.probes.set("alloc_interval", bytes.max(1))
    }

    /// Traps that the process has paid for so far.
    ///
    /// Errors: the map cannot be read.
    pub fn traps(&self) -> Result<u64, Error> {
        self.probes.sum("alloc_traps")
    }

    /// Allocations and samples that there was no room for so far.
    ///
    /// Errors: the map cannot be read.
    pub fn lost(&self) -> Result<u64, Error> {
        self.probes.lost()
    }

    /// Gives every sample that has come to `each`. Never waits.
    pub fn read(&mut self, mut each: impl FnMut(&AllocSample)) {
        while let Some(record) = self.samples.next() {
            if let Some(sample) = AllocSample::from_bytes(&record) {
                each(&sample);
            }
        }
    }

    /// Takes the probes off; address and time (as in its sample) of what was sampled and is not freed.
    ///
    /// Errors: the map cannot be read.
    pub fn live(mut self) -> Result<Vec<(u64, u64)>, Error> {
        // Before any probe goes: what is freed meanwhile is still seen.
        let live = self.probes.entries("alloc_live")?;
        self.probes.detach();
        Ok(live)
    }
}
