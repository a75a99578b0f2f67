//! Whose allocations are kept: a sample of what a process allocates, by its stacks, less what it frees.
//!
//! Where page faults name who touches memory first, this names who asked for it, and so is right where the heap hands the room
//! of large buffers that come and go to a small leak. It costs two traps an allocation and one to free it, also for those that are
//! not sampled.
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bpfload::{AllocSample, Allocations, Allocator, Point};
use kernfs::ProcFs;

use crate::Refusal;
use crate::arch::Registers;
use crate::counts::Counts;
use crate::functions::{code, exports, no_answer, no_probes};
use crate::profile::{Kind, Profile};
use crate::request::{Request, thread_cpu_us};
use crate::space::{Space, name_of, refused};
use crate::unwind::{StackCopy, Walker};

/// Functions of an allocator, and how they are asked: `free` is attached first, so that none of what is sampled is given back
/// unseen.
const FUNCTIONS: [(&str, Allocator); 7] = [
    ("free", Allocator::Free),
    ("realloc", Allocator::Realloc),
    ("posix_memalign", Allocator::Memalign),
    ("memalign", Allocator::Aligned),
    ("aligned_alloc", Allocator::Aligned),
    ("calloc", Allocator::Calloc),
    ("malloc", Allocator::Malloc),
];
/// What a trap costs the process that is watched. Measured: `cargo xtask bench profile`, half of a call. Unit: us.
const TRAP_US: u64 = 5;
/// Bytes that a sample stands for at first and at least, and at most.
const INTERVAL_MIN: u64 = 4 << 10;
const INTERVAL_MAX: u64 = 1 << 30;
/// Samples that are due in a second.
const SAMPLES_PER_S: f64 = 400.0;
/// How often samples are read, and how often their pace is set.
const READ: Duration = Duration::from_millis(50);
const PACE: Duration = Duration::from_millis(250);
/// What is younger at the end may just be in use: at most this, at most half of the time watched.
const YOUNG: Duration = Duration::from_secs(1);
/// Addresses whose last allocation is kept.
const ADDRESSES_MAX: usize = 1 << 14;

/// One sampled allocation.
struct Taken {
    at_ns: u64,
    stack: usize,
    weight: u64,
}

/// A watch that runs.
struct Watch {
    proc: ProcFs,
    pid: u32,
    space: Space,
    walker: Walker,
    counts: Counts,
    taken: BTreeMap<u64, Taken>,
    frames: Vec<u64>,
    last_ns: u64,
}

/// Watches the allocator of a process for the time asked. The budget is of the CPU time of both, ours and what the traps
/// cost the process.
pub(crate) fn profile(request: &Request) -> Result<Profile, Refusal> {
    let pid = request.pid;
    let mut proc = ProcFs::open(Path::new("/proc")).map_err(|error| refused(pid, &error))?;
    let space = Space::read(&mut proc, pid)?;
    let points = allocator(&mut proc, pid)?;
    let mut interval = INTERVAL_MIN;
    let mut allocations = Allocations::watch(pid, &points, interval).map_err(no_probes)?;
    let (walker, counts, frames) = (Walker::new(), Counts::default(), Vec::new());
    let mut watch = Watch { proc, pid, space, walker, counts, taken: BTreeMap::new(), frames, last_ns: 0 };
    let (start, cpu_us) = (Instant::now(), thread_cpu_us());
    let length = Duration::from_secs_f64(request.seconds.clamp(0.0, 600.0));
    let (mut paced, mut seen, mut cut_short) = (start, 0, None);
    while start.elapsed() < length && cut_short.is_none() {
        std::thread::sleep(READ.min(length.saturating_sub(start.elapsed())));
        allocations.read(|sample| watch.take(sample));
        if paced.elapsed() >= PACE {
            let rate = (watch.counts.samples - seen) as f64 / paced.elapsed().as_secs_f64();
            (paced, seen) = (Instant::now(), watch.counts.samples);
            interval = next_interval(interval, rate);
            allocations.set_interval(interval).map_err(no_answer)?;
        }
        let own_us = thread_cpu_us().saturating_sub(cpu_us);
        let traps_us = allocations.traps().map_err(no_answer)?.saturating_mul(TRAP_US);
        if own_us + traps_us > request.budget_us {
            cut_short = Some("its budget of CPU time was used up".to_owned());
        } else if watch.proc.stat(pid).is_err() {
            cut_short = Some("the process ended".to_owned());
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let lost = allocations.lost().map_err(no_answer)?;
    allocations.read(|sample| watch.take(sample));
    let live = allocations.live().map_err(no_answer)?;
    Ok(watch.named(&live, seconds, lost, (cpu_us, cut_short)))
}

/// As many bytes a sample as keep the rate of samples, and with it the cost, level; changed at most fourfold at a time.
fn next_interval(interval: u64, rate: f64) -> u64 {
    let factor = (rate / SAMPLES_PER_S).clamp(0.25, 4.0);
    ((interval as f64 * factor) as u64).clamp(INTERVAL_MIN, INTERVAL_MAX)
}

impl Watch {
    fn take(&mut self, sample: &AllocSample) {
        self.last_ns = self.last_ns.max(sample.at_ns);
        let registers = Registers { ip: sample.ip, sp: sample.sp, fp: sample.fp };
        let bytes = &sample.stack[..sample.stack.len().min(sample.copied as usize)];
        let mut copy = StackCopy { start: sample.sp, bytes, rest: Some((&mut self.proc, self.pid)) };
        self.walker.walk(&self.space, registers, &mut copy, &mut self.frames);
        let Some(stack) = self.counts.meet(&self.frames, sample.tid) else { return };
        if self.taken.len() >= ADDRESSES_MAX && !self.taken.contains_key(&sample.address) {
            self.counts.lost += 1;
            return;
        }
        self.taken.insert(sample.address, Taken { at_ns: sample.at_ns, stack, weight: sample.weight });
    }

    /// Gives each stack what it allocated and what is not freed; names the heaviest.
    fn named(
        mut self,
        live: &[(u64, u64)],
        seconds: f64,
        lost: u64,
        (cpu_us, cut_short): (u64, Option<String>),
    ) -> Profile {
        let young_ns = (YOUNG.as_nanos() as f64).min(seconds * 5e8) as u64;
        for (address, at_ns) in live {
            if let Some(taken) = self.taken.get(address).filter(|one| one.at_ns == *at_ns)
                && at_ns.saturating_add(young_ns) <= self.last_ns
            {
                self.counts.add(taken.stack, taken.weight);
            }
        }
        let (samples, lost) = (self.counts.samples, lost + self.counts.lost);
        let (weight, stacks) = self.counts.named(&mut self.proc, self.pid, &self.space);
        let cpu_us = thread_cpu_us().saturating_sub(cpu_us);
        Profile { kind: Kind::MemoryKept, seconds, stacks, weight, samples, lost, cpu_us, cut_short }
    }
}

/// Where the process's allocator is: in the first file that exports both ends of one, in the C library only if there is no other.
fn allocator(proc: &mut ProcFs, pid: u32) -> Result<Vec<(Point, Allocator)>, Refusal> {
    let mut code = code(proc, pid)?;
    // The dynamic loader of old systems exports one that it alone uses.
    code.retain(|one| !name_of(one).starts_with("ld-"));
    code.sort_by_key(|one| name_of(one).starts_with("libc.so") || name_of(one).starts_with("libc-"));
    let names = FUNCTIONS.map(|(name, _)| name);
    for map in code {
        let Some((file, offsets)) = exports(pid, &map, &names) else { continue };
        if let [Some(_), .., Some(_)] = offsets.as_slice() {
            let found = FUNCTIONS.iter().zip(offsets);
            let point = |(function, offset): (&(&str, Allocator), Option<u64>)| {
                Some((Point { file: file.clone(), offset: offset? }, function.1))
            };
            return Ok(found.filter_map(point).collect());
        }
    }
    Err(Refusal::NoAllocator(pid))
}
