//! Once a tick: takes what the programs have counted out of their maps.
//!
//! Entries are read and deleted in batches, so a map holds the processes of one tick, not of all
//! time, and the values are differences already. A program that holds an entry in the very moment it
//! is deleted may lose that one increment.

use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Map, MapData, PerCpuArray};

use crate::Error;
use crate::drainer::SOFTIRQS;
use crate::hist::Hist;
use crate::intf::{BlockKey, BlockStat, FsStat, NetStat, Plain, ReclaimStat, SchedStat};
use crate::load::{Kernel, Loaded};
use crate::programs::Object;
use crate::sys::{BatchBuffer, program_info, take_batch};

/// Entries a call takes at first; doubled when one bucket of the map holds more.
const BATCH: u32 = 64;
const BATCH_MAX: u32 = 4096;
/// Reasons for a loss, in the order of `bpf/intf.h`.
const LOST_KINDS: usize = 4;

// SAFETY: repr(C), integers only, no padding.
unsafe impl aya::Pod for Hist {}

/// What could not be counted since the programs were loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Values for which a map had no room.
    pub map_full: u64,
    /// Task states for which there was no memory.
    pub task_state: u64,
    /// Events for which the ring buffer had no room.
    pub ring_full: u64,
    /// Block requests without a start time: iostats is off for that disk.
    pub untimed: u64,
    /// Calls of programs that the kernel skipped; see [`crate::ProgramCost::skipped`].
    pub skipped: u64,
}

/// One tick of aggregates. Reused: [`Kernel::drain`] clears it first.
#[derive(Default)]
pub struct Tick {
    /// By process id.
    pub sched: Vec<(u32, SchedStat)>,
    /// By disk and operation.
    pub block: Vec<(BlockKey, BlockStat)>,
    /// By process id.
    pub fs: Vec<(u32, FsStat)>,
    /// By cgroup id of the socket's owner.
    pub net: Vec<(u64, NetStat)>,
    /// By process id.
    pub reclaim: Vec<(u32, ReclaimStat)>,
    /// By kind: HI, TIMER, NET_TX, NET_RX, BLOCK, IRQ_POLL, TASKLET, SCHED, HRTIMER, RCU.
    /// One in eight is timed: `SOFTIRQ_SAMPLE` in `bpf/intf.h`; /proc/softirqs counts them all.
    pub softirq: [Hist; SOFTIRQS],
}

impl Kernel {
    /// Moves everything counted since the last call into `tick`.
    ///
    /// Errors: the first map that cannot be read; what was read before it is in `tick`.
    pub fn drain(&mut self, tick: &mut Tick) -> Result<(), Error> {
        let times_softirqs = self.runs(Object::Softirq);
        let Self { loaded, drainer, .. } = self;
        let did_time = std::mem::replace(&mut drainer.timed_softirqs, times_softirqs);
        tick.clear();
        for loaded in loaded.iter() {
            let buffer = &mut drainer.buffer;
            match loaded.object {
                Object::Sched => take_all(loaded, "sched_by_process", buffer, &mut tick.sched)?,
                Object::Block => take_all(loaded, "block_by_device", buffer, &mut tick.block)?,
                Object::Fs => take_all(loaded, "fs_by_process", buffer, &mut tick.fs)?,
                Object::Net => take_all(loaded, "net_by_cgroup", buffer, &mut tick.net)?,
                Object::Reclaim => take_all(loaded, "reclaim_by_process", buffer, &mut tick.reclaim)?,
                Object::Softirq if times_softirqs || did_time => {
                    let now = read_softirq(loaded)?;
                    for (kind, hist) in now.iter().enumerate() {
                        tick.softirq[kind] = hist.since(&drainer.softirq[kind]);
                    }
                    drainer.softirq = now;
                }
                // Watches end when their watcher says so.
                Object::Syscalls | Object::Events | Object::Tasks | Object::Api | Object::Alloc => {}
                // Not one was timed.
                Object::Softirq => {}
            }
        }
        Ok(())
    }
}

impl Kernel {
    /// What could not be counted or delivered since the programs were loaded. As dear as a drain: ask now and then.
    ///
    /// Errors: the first map that cannot be read.
    pub fn lost(&self) -> Result<Lost, Error> {
        let mut lost = Lost::default();
        self.loaded.iter().try_for_each(|loaded| add_lost(loaded, &mut lost))?;
        Ok(lost)
    }

    /// What one object could not count or deliver since it was loaded; 0 where it cannot be read.
    pub fn lost_of(&self, object: Object) -> u64 {
        let mut lost = Lost::default();
        for loaded in self.loaded.iter().filter(|one| one.object == object) {
            // A map that cannot be read is an error of the drain.
            let _ = add_lost(loaded, &mut lost);
        }
        lost.map_full + lost.task_state + lost.ring_full
    }
}

impl Tick {
    fn clear(&mut self) {
        empty(&mut self.sched);
        empty(&mut self.block);
        empty(&mut self.fs);
        empty(&mut self.net);
        empty(&mut self.reclaim);
        self.softirq = Default::default();
    }
}

/// Clears a list that is filled again soon; what a storm made it grow to is given back.
pub(crate) fn empty<T>(list: &mut Vec<T>) {
    if list.capacity() > 2 * list.len() {
        list.shrink_to(list.len() + list.len() / 4);
    }
    list.clear();
}

/// Takes every entry of a hash map.
fn take_all<K: Plain, V: Plain>(
    loaded: &Loaded,
    name: &'static str,
    buffer: &mut BatchBuffer,
    out: &mut Vec<(K, V)>,
) -> Result<(), Error> {
    let Some(Map::HashMap(map)) = loaded.ebpf.map(name) else { return Ok(()) };
    take_entries(map.fd().as_fd(), buffer, out).map_err(|source| Error::Map { map: name, source })
}

pub(crate) fn take_entries<K: Plain, V: Plain>(
    map: BorrowedFd<'_>,
    buffer: &mut BatchBuffer,
    out: &mut Vec<(K, V)>,
) -> std::io::Result<()> {
    let (mut cursor, mut batch, mut more) = (None, BATCH, true);
    while more {
        buffer.keys.resize(batch as usize * size_of::<K>(), 0);
        buffer.values.resize(batch as usize * size_of::<V>(), 0);
        let taken = match take_batch(map, &mut cursor, buffer, batch) {
            Err(e) if e.raw_os_error() == Some(libc::ENOSPC) && batch < BATCH_MAX => {
                batch *= 2;
                continue;
            }
            other => other?,
        };
        more = taken.1;
        let keys = buffer.keys.chunks_exact(size_of::<K>()).map(K::from_bytes);
        let values = buffer.values.chunks_exact(size_of::<V>()).map(V::from_bytes);
        out.extend(keys.zip(values).take(taken.0).filter_map(|(k, v)| Some((k?, v?))));
    }
    Ok(())
}

/// An array of one value a CPU.
pub(crate) fn per_cpu<'a, V: aya::Pod>(
    loaded: &'a Loaded,
    name: &'static str,
) -> Result<Option<PerCpuArray<&'a MapData, V>>, Error> {
    let broken = |e: aya::maps::MapError| Error::Map { map: name, source: std::io::Error::other(e) };
    loaded.ebpf.map(name).map(|map| PerCpuArray::try_from(map).map_err(broken)).transpose()
}

fn read_softirq(loaded: &Loaded) -> Result<[Hist; SOFTIRQS], Error> {
    let mut all = [Hist::default(); SOFTIRQS];
    let Some(map) = per_cpu::<Hist>(loaded, "softirq_by_kind")? else { return Ok(all) };
    for (kind, total) in all.iter_mut().enumerate() {
        let values = map
            .get(&(kind as u32), 0)
            .map_err(|e| Error::Map { map: "softirq_by_kind", source: std::io::Error::other(e) })?;
        values.iter().for_each(|one| total.merge(one));
    }
    Ok(all)
}

/// Adds an object's losses to those of the others.
pub(crate) fn add_lost(loaded: &Loaded, lost: &mut Lost) -> Result<(), Error> {
    let Some(map) = per_cpu::<u64>(loaded, "lost")? else { return Ok(()) };
    let mut sums = [0u64; LOST_KINDS];
    for (kind, sum) in sums.iter_mut().enumerate() {
        let values = map
            .get(&(kind as u32), 0)
            .map_err(|e| Error::Map { map: "lost", source: std::io::Error::other(e) })?;
        *sum = values.iter().sum();
    }
    lost.map_full += sums[0];
    lost.task_state += sums[1];
    lost.ring_full += sums[2];
    lost.untimed += sums[3];
    let programs = loaded.ebpf.programs().filter_map(|(_, program)| program.fd().ok());
    lost.skipped += programs.filter_map(|fd| program_info(fd.as_fd()).ok()).map(|i| i.skipped).sum::<u64>();
    Ok(())
}
