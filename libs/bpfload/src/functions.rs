//! Calls of functions of libraries, as one process makes them: [`Functions::watch`], then [`Functions::end`].
//!
//! Loaded and attached in between only, to that process only. Dropping it, or the death of this process, takes every
//! probe off: the code of the process is as it was. x86-64.

use crate::Error;
use crate::intf::{API_FUNCTIONS, ApiLive, ApiOpen, ApiStat};
use crate::missing::Lack;
use crate::probes::{Point, Probes};
use crate::programs::Object;

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
    probes: Probes,
    count: usize,
}

impl Functions {
    /// Attaches to the functions at `points`, the first 64, as the process `pid` calls them.
    ///
    /// Errors: why not; then nothing is attached.
    pub fn watch(pid: u32, points: &[(Point, Arguments)]) -> Result<Self, Lack> {
        let mut probes = Probes::load(Object::Api)?;
        let count = points.len().min(API_FUNCTIONS);
        let cookie = |(index, (point, arguments)): (usize, &(Point, Arguments))| {
            (point.clone(), (*arguments as u64) << 8 | index as u64)
        };
        let all = points.iter().take(count).enumerate().map(cookie).collect::<Vec<_>>();
        // Returns first: a call of which the entry alone is seen would stay open.
        probes.attach("api_return", pid, &all)?;
        probes.attach("api_enter", pid, &all)?;
        probes.set("api_on", 1u32).map_err(|error| Lack::map(&error))?;
        Ok(Self { probes, count })
    }

    /// What was called until now, by place.
    ///
    /// Errors: the map cannot be read.
    pub fn calls(&self) -> Result<Vec<ApiStat>, Error> {
        self.probes.values("api_calls", self.count)
    }

    /// Takes the probes off; what was called, by place, and how many values there was no room for.
    ///
    /// Errors: the first map that cannot be read.
    pub fn end(mut self) -> Result<(Vec<Called>, u64), Error> {
        let lost = self.probes.lost()?;
        self.probes.set("api_on", 0u32)?;
        let called = |stat| Called { stat, ..Called::default() };
        let mut calls = self.calls()?.into_iter().map(called).collect::<Vec<_>>();
        for (_, one) in self.probes.entries::<ApiLive>("api_live")? {
            if let Some(call) = usize::try_from(one.function).ok().and_then(|index| calls.get_mut(index)) {
                call.live_bytes = call.live_bytes.saturating_add(one.bytes);
            }
        }
        // One that began a moment ago is only under way.
        let latest_ns = now_ns().saturating_sub(OPEN_NS);
        let open = self.probes.entries::<ApiOpen>("api_open")?;
        for (key, _) in open.iter().filter(|(_, one)| one.start_ns <= latest_ns) {
            if let Some(call) = usize::try_from(*key as u32).ok().and_then(|index| calls.get_mut(index)) {
                call.open += 1;
            }
        }
        self.probes.detach();
        Ok((calls, lost))
    }
}

/// The clock of `bpf_ktime_get_ns`. Unit: ns.
fn now_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, which outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
