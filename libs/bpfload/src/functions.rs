//! Calls of functions of libraries, as one process makes them: [`Functions::watch`], then [`Functions::end`].
//!
//! Loaded and attached in between only, to that process only. Dropping it, or the death of this process, takes every
//! probe off: the code of the process is as it was. x86-64.

use std::os::fd::AsFd;

use aya::EbpfLoader;
use aya::maps::{Array, Map};

use crate::Error;
use crate::drain::{Lost, add_lost, take_entries};
use crate::intf::{API_FUNCTIONS, ApiLive, ApiOpen, ApiStat, Plain};
use crate::load::Loaded;
use crate::missing::Lack;
use crate::probes::{self, Point, Probes};
use crate::programs::Object;
use crate::sys::BatchBuffer;

// SAFETY: repr(C), integers only, no padding.
unsafe impl aya::Pod for ApiStat {}

/// How long before the end a call must have begun to be called open. Unit: ns.
const OPEN_NS: u64 = 1_000_000_000;

/// What the arguments of a function say. Values: `bpf/intf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// Nothing that is counted.
    Plain = 0,
    /// The third is bytes.
    Copy = 1,
    /// The third is elements, the fourth their type as NCCL numbers them.
    Reduce = 2,
    /// The second is elements, the third their type.
    Send = 3,
    /// The first is where to put an address, the second bytes.
    Allocate = 4,
    /// The first is an address.
    Free = 5,
}

/// What became of one function's calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Called {
    /// How many, how long, how many bytes.
    pub stat: ApiStat,
    /// Of what it allocated during the watch: not freed. Unit: bytes.
    pub live_bytes: u64,
    /// Calls that began during the watch, a second before its end or more, and have not returned.
    pub open: u64,
}

/// A watch under way.
pub struct Functions {
    loaded: Loaded,
    probes: Probes,
    count: usize,
}

impl Functions {
    /// Attaches to the functions at `points`, the first 64, as the process `pid` calls them.
    ///
    /// Errors: why not; then nothing is attached.
    pub fn watch(pid: u32, points: &[(Point, Arguments)]) -> Result<Self, Lack> {
        if let Some(lack) = probes::lack() {
            return Err(lack);
        }
        // No structure of the kernel is read: its types need not be.
        let mut ebpf = EbpfLoader::new().btf(None).load(Object::Api.code()).map_err(|e| Lack::object(&e))?;
        let count = points.len().min(API_FUNCTIONS);
        let cookie = |(index, (point, arguments)): (usize, &(Point, Arguments))| {
            (point.clone(), (*arguments as u64) << 8 | index as u64)
        };
        let all = points.iter().take(count).enumerate().map(cookie).collect::<Vec<_>>();
        let mut probes = Probes::default();
        // Returns first: a call of which the entry alone is seen would stay open.
        probes.attach(&mut ebpf, "api_return", pid, &all)?;
        probes.attach(&mut ebpf, "api_enter", pid, &all)?;
        let mut watch = Self { loaded: Loaded { object: Object::Api, ebpf }, probes, count };
        watch.set_on(true).map_err(|error| Lack { reason: error.to_string(), would_bring: String::new() })?;
        Ok(watch)
    }

    /// What was called until now, by place.
    ///
    /// Errors: the map cannot be read.
    pub fn calls(&self) -> Result<Vec<ApiStat>, Error> {
        let broken = |e| Error::Map { map: "api_calls", source: std::io::Error::other(e) };
        let map =
            self.loaded.ebpf.map("api_calls").ok_or_else(|| Error::NotLoaded("api_calls".to_owned()))?;
        let array = Array::<_, ApiStat>::try_from(map).map_err(broken)?;
        (0..self.count).map(|index| array.get(&(index as u32), 0).map_err(broken)).collect()
    }

    /// Takes the probes off; what was called, by place, and how many values there was no room for.
    ///
    /// Errors: the first map that cannot be read.
    pub fn end(mut self) -> Result<(Vec<Called>, u64), Error> {
        let mut lost = Lost::default();
        add_lost(&self.loaded, &mut lost)?;
        self.set_on(false)?;
        let called = |stat| Called { stat, ..Called::default() };
        let mut calls = self.calls()?.into_iter().map(called).collect::<Vec<_>>();
        for (_, one) in self.entries::<ApiLive>("api_live")? {
            if let Some(call) = usize::try_from(one.function).ok().and_then(|index| calls.get_mut(index)) {
                call.live_bytes = call.live_bytes.saturating_add(one.bytes);
            }
        }
        // One that began a moment ago is only under way.
        let latest_ns = now_ns().saturating_sub(OPEN_NS);
        for (key, _) in
            self.entries::<ApiOpen>("api_open")?.iter().filter(|(_, one)| one.start_ns <= latest_ns)
        {
            if let Some(call) = usize::try_from(*key as u32).ok().and_then(|index| calls.get_mut(index)) {
                call.open += 1;
            }
        }
        self.probes.detach();
        Ok((calls, lost.map_full + lost.skipped))
    }

    fn set_on(&mut self, is_on: bool) -> Result<(), Error> {
        let map = self.loaded.ebpf.map_mut("api_on").ok_or_else(|| Error::NotLoaded("api_on".to_owned()))?;
        let set = Array::<_, u32>::try_from(map).and_then(|mut array| array.set(0, u32::from(is_on), 0));
        set.map_err(|e| Error::Map { map: "api_on", source: std::io::Error::other(e) })
    }

    fn entries<V: Plain>(&self, name: &'static str) -> Result<Vec<(u64, V)>, Error> {
        let mut entries = Vec::new();
        let Some(Map::HashMap(map)) = self.loaded.ebpf.map(name) else { return Ok(entries) };
        take_entries(map.fd().as_fd(), &mut BatchBuffer::default(), &mut entries)
            .map_err(|source| Error::Map { map: name, source })?;
        Ok(entries)
    }
}

/// The clock of `bpf_ktime_get_ns`. Unit: ns.
fn now_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, which outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
