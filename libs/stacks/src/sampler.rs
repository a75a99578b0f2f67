//! Samples a process for a time: one event and one ring a thread, each sample unwound as it comes. Start at [`sample`].
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use kernfs::ProcFs;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Refusal;
use crate::counts::Counts;
use crate::perf::Event;
use crate::profile::{Kind, Profile};
use crate::request::{Request, thread_cpu_us};
use crate::ring::{Ring, Sample};
use crate::space::{Space, refused};
use crate::unwind::{StackCopy, Walker};

/// Threads that are watched at a time; further ones are counted as lost.
const THREADS_MAX: usize = 64;
/// Room for the samples of all threads together, and of one: powers of two of pages. Unit: bytes.
const RINGS_BYTES: usize = 1 << 20;
const RING_BYTES_MAX: usize = 256 << 10;
const RING_BYTES_MIN: usize = 32 << 10;
/// How often a running thread is looked at: beside the beat of what programs do at round intervals. Unit: Hz.
const CPU_HZ: u64 = 99;
/// Samples of first touches that are due in a second, and how many touches one stands for at first.
const TOUCHES_PER_S: f64 = 200.0;
const TOUCHES_FIRST: u64 = 61;
const PERIOD_MAX: u64 = 1 << 20;
/// How often new threads are looked for, and the longest wait for samples.
const LOOK: Duration = Duration::from_millis(250);
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Further looks at what is held once nothing is sampled any more, and the time between them.
const LOOKS_AFTER: u32 = 4;
const LOOK_AFTER: Duration = Duration::from_millis(23);
/// Least time between two looks at what is mapped.
const REMAP: Duration = Duration::from_millis(500);
/// Places of memory whose first touch is kept.
const TOUCHES_MAX: usize = 1 << 14;

/// Watches a process for the time asked: its CPU time, or the memory it takes.
///
/// # Errors
/// As [`crate::profile`].
pub(crate) fn sample(request: &Request) -> Result<Profile, Refusal> {
    Sampling::start(request)?.run(request)
}

/// A thread that is watched.
struct Watched {
    event: Event,
    ring: Ring,
    has_ended: bool,
}

/// A place of memory that was touched first in a stack.
struct Touch {
    stack: usize,
    bytes: u64,
    /// Whether it was given back, as far as was seen: room that comes and goes is no growth.
    is_gone: bool,
}

/// A profile that runs.
struct Sampling {
    proc: ProcFs,
    pid: u32,
    kind: Kind,
    space: Space,
    walker: Walker,
    counts: Counts,
    touches: BTreeMap<u64, Touch>,
    pages: Option<File>,
    page_bytes: u64,
    /// First touches that a sample stands for.
    period: u64,
    frames: Vec<u64>,
    mapped: Instant,
}

impl Sampling {
    fn start(request: &Request) -> Result<Self, Refusal> {
        let pid = request.pid;
        let mut proc = ProcFs::open(Path::new("/proc")).map_err(|error| refused(pid, &error))?;
        Ok(Self {
            space: Space::read(&mut proc, pid)?,
            pages: File::open(format!("/proc/{pid}/pagemap")).ok(),
            page_bytes: proc.page_bytes().max(1),
            proc,
            pid,
            kind: request.kind,
            walker: Walker::new(),
            counts: Counts::default(),
            touches: BTreeMap::new(),
            period: TOUCHES_FIRST,
            frames: Vec::new(),
            mapped: Instant::now(),
        })
    }

    fn run(mut self, request: &Request) -> Result<Profile, Refusal> {
        let (start, cpu_us) = (Instant::now(), thread_cpu_us());
        let mut threads = Threads::new();
        threads.attach(&mut self)?;
        let length = Duration::from_secs_f64(request.seconds.clamp(0.0, 600.0));
        let mut looked = start;
        let mut cut_short = None;
        while start.elapsed() < length && cut_short.is_none() {
            threads.wait();
            threads.drain(&mut self);
            if looked.elapsed() >= LOOK {
                threads.pace(&mut self, looked.elapsed());
                self.look_at_touches();
                looked = Instant::now();
                // Without a thread left to watch, whoever asked learns why the profile is short.
                if threads.attach(&mut self).is_err() || threads.watched.is_empty() {
                    cut_short = Some("the process ended".to_owned());
                }
            }
            if thread_cpu_us().saturating_sub(cpu_us) > request.budget_us {
                cut_short = Some("its budget of CPU time was used up".to_owned());
            }
        }
        threads.drain(&mut self);
        let seconds = start.elapsed().as_secs_f64();
        // What was attached goes before anything is named.
        let lost = threads.lost;
        drop(threads);
        self.weigh_touches();
        let (samples, lost) = (self.counts.samples, lost + self.counts.lost);
        let (weight, stacks) = self.counts.named(&mut self.proc, self.pid, &self.space);
        let cpu_us = thread_cpu_us().saturating_sub(cpu_us);
        Ok(Profile { kind: self.kind, seconds, stacks, weight, samples, lost, cpu_us, cut_short })
    }

    fn take(&mut self, sample: &Sample) {
        let Some(registers) = sample.registers else { return };
        self.remap(registers.ip);
        let mut copy =
            StackCopy { start: registers.sp, bytes: &sample.stack, rest: Some((&mut self.proc, self.pid)) };
        self.walker.walk(&self.space, registers, &mut copy, &mut self.frames);
        let Some(stack) = self.counts.meet(&self.frames, sample.tid) else { return };
        if self.kind == Kind::OnCpu {
            self.counts.add(stack, 1_000_000 / CPU_HZ);
            return;
        }
        let page = sample.page_bytes.max(self.page_bytes);
        let bytes = self.period.saturating_mul(page);
        let place = sample.address - sample.address % page;
        let is_full = self.touches.len() >= TOUCHES_MAX;
        match self.touches.get_mut(&place) {
            // Touched first again: it was given back meanwhile.
            Some(touch) => touch.is_gone = true,
            None if is_full => self.counts.lost += 1,
            None => drop(self.touches.insert(place, Touch { stack, bytes, is_gone: false })),
        }
    }

    /// Reads anew what is mapped, when code runs where none was known.
    fn remap(&mut self, ip: u64) {
        if self.space.module(ip).is_none() && self.mapped.elapsed() >= REMAP {
            self.mapped = Instant::now();
            if let Ok(space) = Space::read(&mut self.proc, self.pid) {
                (self.space, self.walker) = (space, Walker::new());
            }
        }
    }

    /// Marks what is not held any more. Looked at once, the room of the request at hand would pass for growth.
    fn look_at_touches(&mut self) {
        let mut touches = std::mem::take(&mut self.touches);
        for (place, touch) in touches.iter_mut().filter(|(_, touch)| !touch.is_gone) {
            touch.is_gone = !self.is_held(*place);
        }
        self.touches = touches;
    }

    /// Gives each stack what it touched and what is still held: at the end, and in each of some later moments, for a request may
    /// be under way in one.
    fn weigh_touches(&mut self) {
        self.look_at_touches();
        for _ in 0..LOOKS_AFTER {
            std::thread::sleep(LOOK_AFTER);
            self.look_at_touches();
        }
        for touch in std::mem::take(&mut self.touches).into_values().filter(|touch| !touch.is_gone) {
            self.counts.add(touch.stack, touch.bytes);
        }
    }

    /// Whether the page at `address` is anonymous memory of the process, in RAM or swapped out; true where that cannot
    /// be told. Source: kernel `Documentation/admin-guide/mm/pagemap.rst`.
    fn is_held(&self, address: u64) -> bool {
        const PRESENT: u64 = 1 << 63;
        const SWAPPED: u64 = 1 << 62;
        const OF_FILE: u64 = 1 << 61;
        let mut word = [0; 8];
        let at = (address / self.page_bytes).saturating_mul(8);
        match self.pages.as_ref().map(|pages| pages.read_exact_at(&mut word, at)) {
            Some(Ok(())) => {
                let word = u64::from_ne_bytes(word);
                word & (PRESENT | SWAPPED) != 0 && word & OF_FILE == 0
            }
            _ => true,
        }
    }
}

/// The threads that are watched.
struct Threads {
    watched: BTreeMap<u32, Watched>,
    refused: BTreeSet<u32>,
    lost: u64,
    /// Samples taken and lost when the pace was last set.
    seen: (u64, u64),
}

impl Threads {
    fn new() -> Self {
        let (watched, refused) = (BTreeMap::new(), BTreeSet::new());
        Self { watched, refused, lost: 0, seen: (0, 0) }
    }

    /// Lets a sample of memory stand for as many touches as keep the rate of samples, and with it the cost, level.
    fn pace(&mut self, of: &mut Sampling, since: Duration) {
        if of.kind != Kind::MemoryGrowth {
            return;
        }
        let new = (of.counts.samples - self.seen.0, self.lost - self.seen.1);
        self.seen = (of.counts.samples, self.lost);
        let rate = (new.0 + new.1) as f64 * of.period as f64 / since.as_secs_f64().max(0.01);
        // Odd: many programs touch memory in even strides.
        let period = ((rate / TOUCHES_PER_S) as u64).clamp(1, PERIOD_MAX) | 1;
        if period != of.period {
            of.period = period;
            self.watched.values().for_each(|one| one.event.set_period(period));
        }
    }

    /// Watches the threads that are new; fails if there is no thread at all, or none may be watched.
    fn attach(&mut self, of: &mut Sampling) -> Result<(), Refusal> {
        let mut tids = Vec::new();
        of.proc.tids(of.pid, &mut tids).map_err(|error| refused(of.pid, &error))?;
        let new = tids.iter().filter(|tid| !self.watched.contains_key(tid) && !self.refused.contains(tid));
        let new = new.copied().collect::<Vec<_>>();
        let share = RINGS_BYTES / tids.len().max(1).next_power_of_two();
        let bytes = share.clamp(RING_BYTES_MIN, RING_BYTES_MAX);
        let often = if of.kind == Kind::MemoryGrowth { of.period } else { CPU_HZ };
        let mut why = None;
        for tid in new {
            let room = self.watched.len() < THREADS_MAX;
            let event = if room {
                Event::open(of.kind, tid, often)
            } else {
                Err(std::io::ErrorKind::QuotaExceeded.into())
            };
            match event.and_then(|event| Ok((event.ring(bytes)?, event))) {
                Ok((ring, event)) => {
                    self.watched.insert(tid, Watched { event, ring, has_ended: false });
                }
                // It ended between the two looks.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                Err(error) => {
                    self.lost += 1;
                    self.refused.insert(tid);
                    why = Some(error.to_string());
                }
            }
        }
        match why {
            Some(why) if self.watched.is_empty() => Err(Refusal::NoEvents(why)),
            _ => Ok(()),
        }
    }

    /// Waits until a ring fills, or for a moment; marks threads that ended.
    fn wait(&mut self) {
        let mut fds = self
            .watched
            .values()
            .map(|one| PollFd::from_borrowed_fd(one.event.as_fd(), PollFlags::IN))
            .collect::<Vec<_>>();
        // Interrupted or not: the rings are read next.
        let _ = poll(&mut fds, Some(&WAIT));
        let ended = fds.iter().map(|fd| fd.revents().contains(PollFlags::HUP)).collect::<Vec<_>>();
        self.watched.values_mut().zip(ended).for_each(|(one, ended)| one.has_ended = ended);
    }

    /// Reads all rings; lets go of threads that ended.
    fn drain(&mut self, of: &mut Sampling) {
        for one in self.watched.values() {
            self.lost += one.ring.drain(one.event.has_page_size, |sample| of.take(sample));
        }
        self.watched.retain(|_, one| !one.has_ended);
    }
}
