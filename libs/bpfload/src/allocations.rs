//! What one process allocates and does not free: [`Allocations::watch`], [`Allocations::read`] now and then, then
//! [`Allocations::live`].
//!
//! Loaded and attached in between only, to that process only; dropped, or when this process dies, it is gone. x86-64.

use std::os::fd::AsFd;

use aya::maps::{Array, Map, MapData, PerCpuArray, RingBuf};
use aya::{Ebpf, EbpfLoader};

use crate::Error;
use crate::drain::take_entries;
use crate::intf::{AllocSample, Plain};
use crate::missing::Lack;
use crate::probes::{self, Point, Probes};
use crate::programs::Object;
use crate::sys::BatchBuffer;

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
    ebpf: Ebpf,
    samples: RingBuf<MapData>,
}

impl Allocations {
    /// Attaches to the functions of the allocator of the process `pid`. A sample stands for `interval` bytes, or for its own
    /// size if that is more.
    ///
    /// Errors: why not; then nothing is attached.
    pub fn watch(pid: u32, points: &[(Point, Allocator)], interval: u64) -> Result<Self, Lack> {
        if let Some(lack) = probes::lack() {
            return Err(lack);
        }
        let mut ebpf =
            EbpfLoader::new().btf(None).load(Object::Alloc.code()).map_err(|e| Lack::object(&e))?;
        let samples = ebpf.take_map("alloc_samples").and_then(|map| RingBuf::try_from(map).ok());
        let samples = samples.ok_or_else(Lack::privilege)?;
        let mut watch = Self { probes: Probes::default(), ebpf, samples };
        // Before anything runs: a sample that stands for nothing is none.
        watch.set_interval(interval).map_err(|_| Lack::privilege())?;
        let all = points.iter().map(|(point, kind)| (point.clone(), *kind as u64)).collect::<Vec<_>>();
        let free = Allocator::Free as u64;
        let returns = all.iter().filter(|(_, cookie)| *cookie != free).cloned().collect::<Vec<_>>();
        watch.probes.attach(&mut watch.ebpf, "alloc_return", pid, &returns)?;
        watch.probes.attach(&mut watch.ebpf, "alloc_enter", pid, &all)?;
        Ok(watch)
    }

    /// From now on a sample stands for so many bytes.
    ///
    /// Errors: the map cannot be written.
    pub fn set_interval(&mut self, bytes: u64) -> Result<(), Error> {
        let map = self.ebpf.map_mut("alloc_interval").ok_or_else(|| missing("alloc_interval"))?;
        let set = Array::<_, u64>::try_from(map).and_then(|mut array| array.set(0, bytes.max(1), 0));
        set.map_err(|e| broken("alloc_interval", e))
    }

    /// Traps that the process has paid for so far.
    ///
    /// Errors: the map cannot be read.
    pub fn traps(&self) -> Result<u64, Error> {
        self.sum("alloc_traps", 1)
    }

    /// Allocations and samples that there was no room for so far.
    ///
    /// Errors: the map cannot be read.
    pub fn lost(&self) -> Result<u64, Error> {
        self.sum("lost", 3)
    }

    fn sum(&self, name: &'static str, cells: u32) -> Result<u64, Error> {
        let map = self.ebpf.map(name).ok_or_else(|| missing(name))?;
        let array = PerCpuArray::<_, u64>::try_from(map).map_err(|e| broken(name, e))?;
        let mut sum = 0;
        for cell in 0..cells {
            sum += array.get(&cell, 0).map_err(|e| broken(name, e))?.iter().sum::<u64>();
        }
        Ok(sum)
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
        let mut live = Vec::new();
        if let Some(Map::HashMap(map)) = self.ebpf.map("alloc_live") {
            take_entries(map.fd().as_fd(), &mut BatchBuffer::default(), &mut live)
                .map_err(|source| Error::Map { map: "alloc_live", source })?;
        }
        self.probes.detach();
        Ok(live)
    }
}

fn missing(name: &str) -> Error {
    Error::NotLoaded(name.to_owned())
}

fn broken(map: &'static str, error: aya::maps::MapError) -> Error {
    Error::Map { map, source: std::io::Error::other(error) }
}
