//! Stacks of threads that sleep, read as they lie: nothing is stopped, nothing attached.
//!
//! The kernel says where a sleeping thread's stack begins; its frame pointer it does not say. That of a function which keeps
//! one is worked out from how the function begins; a stack ends early where that does not tell. A thread that moved
//! while it was read is left out.
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use kernfs::{ProcFs, Syscall, TaskId};

use crate::Refusal;
use crate::arch::{self, Registers};
use crate::counts::Counts;
use crate::holders;
use crate::profile::{Kind, Profile};
use crate::python::Python;
use crate::request::{Request, thread_cpu_us};
use crate::space::{Space, refused};
use crate::symbols;
use crate::unwind::{StackCopy, Walker};

/// Threads that are looked at.
const THREADS_MAX: usize = 128;
/// What is read of a stack. Unit: bytes.
const STACK_BYTES: usize = 16 << 10;
/// Least pause between two looks over a time, and the pause beside what a look costs: at most a twentieth of a core.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_RATIO: u64 = 20;

/// What is searched of the stack of an interpreter whose caller is not known. Unit: bytes.
const INTERPRETER_BYTES_MAX: u64 = 1_024;

/// A thread's stack, copied.
#[derive(Debug)]
struct Copied {
    tid: u32,
    /// The system call that it sleeps in.
    call: Option<u32>,
    /// The thread that holds the lock which it waits for.
    waits_for: Option<u32>,
    registers: Registers,
    stack: Vec<u8>,
}

/// The sleeping threads of a process, copied in one go: they can be named later, even when the process is gone.
#[derive(Debug)]
pub struct Sleeping {
    proc: ProcFs,
    pid: u32,
    space: Space,
    copied: Vec<Copied>,
    lost: u64,
    cpu_us: u64,
    taken: f64,
}

impl Sleeping {
    /// Copies the stacks of the threads that sleep now.
    ///
    /// # Errors
    /// There is no such process, or this user may not look into it.
    pub fn capture(pid: u32) -> Result<Self, Refusal> {
        if !arch::IS_SUPPORTED {
            return Err(Refusal::Architecture);
        }
        let (start, cpu_us) = (Instant::now(), thread_cpu_us());
        let mut proc = ProcFs::open(Path::new("/proc")).map_err(|error| refused(pid, &error))?;
        let space = Space::read(&mut proc, pid)?;
        let mut tids = Vec::new();
        proc.tids(pid, &mut tids).map_err(|error| refused(pid, &error))?;
        tids.sort_unstable();
        let lost = tids.len().saturating_sub(THREADS_MAX) as u64;
        let copied = tids.iter().take(THREADS_MAX).filter_map(|tid| copy(&mut proc, pid, *tid)).collect();
        let cpu_us = thread_cpu_us().saturating_sub(cpu_us);
        Ok(Self { proc, pid, space, copied, lost, cpu_us, taken: start.elapsed().as_secs_f64() })
    }

    /// Threads that hold a lock which others wait for, and how many do.
    fn holders(&self) -> BTreeMap<u32, u64> {
        let mut holders = BTreeMap::new();
        for holder in self.copied.iter().filter_map(|one| one.waits_for) {
            *holders.entry(holder).or_insert(0) += 1;
        }
        holders
    }

    /// Unwinds and names them. Holders of locks that run, and so were not copied, are sampled meanwhile.
    pub fn named(mut self) -> Profile {
        let cpu_us = thread_cpu_us();
        let (mut counts, mut walker) = (Counts::default(), Walker::new());
        let (mut holders, python) = (self.holders(), Python::of(&self.space));
        for one in &self.copied {
            let mut frames = frames_of(one, holders.remove(&one.tid), &self.space, &mut walker);
            if let Some(python) = &python {
                add_interpreted(
                    python,
                    (&mut self.proc, self.pid),
                    one,
                    (&walker, &mut self.space),
                    &mut frames,
                );
            }
            counts.meet(&frames, one.tid).into_iter().for_each(|index| counts.add(index, 1));
        }
        let running = holders::running(self.pid, &holders);
        let (samples, lost) = (counts.samples, counts.lost + self.lost);
        let (mut weight, mut stacks) = counts.named(&mut self.proc, self.pid, &self.space);
        weight += running.len() as u64;
        stacks.extend(running);
        let cpu_us = self.cpu_us + thread_cpu_us().saturating_sub(cpu_us);
        let (kind, seconds) = (Kind::Waiting, self.taken);
        Profile { kind, seconds, stacks, weight, samples, lost, cpu_us, cut_short: None }
    }
}

fn frames_of(one: &Copied, holds: Option<u64>, space: &Space, walker: &mut Walker) -> Vec<u64> {
    let mut frames = Vec::new();
    let mut stack = StackCopy { start: one.registers.sp, bytes: &one.stack, rest: None };
    walker.walk(space, one.registers, &mut stack, &mut frames);
    if let Some(call) = one.call {
        frames.insert(0, symbols::address_of_call(call));
    }
    frames.extend(holds.map(symbols::address_of_holder));
    frames
}

/// Adds the functions that an interpreter runs behind its innermost frame.
fn add_interpreted(
    python: &Python,
    (proc, pid): (&mut ProcFs, u32),
    one: &Copied,
    (walker, space): (&Walker, &mut Space),
    frames: &mut Vec<u64>,
) {
    let calls = usize::from(one.call.is_some());
    let Some(at) = frames.iter().position(|address| python.runs(*address)) else { return };
    let mut parts = walker.parts.iter().skip(at.saturating_sub(calls));
    let Some(from) = parts.next() else { return };
    let until = parts.next().copied().unwrap_or(from.saturating_add(INTERPRETER_BYTES_MAX));
    let index =
        |address: u64| usize::try_from(address.saturating_sub(one.registers.sp)).unwrap_or(usize::MAX);
    let part = one.stack.get(index(*from)..index(until).min(one.stack.len())).unwrap_or_default();
    let words: Vec<u64> = part.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
    let functions = python.functions(proc, pid, &words);
    let addresses: Vec<u64> = functions.into_iter().map(|frame| space.interpreted(frame)).collect();
    frames.splice(at + 1..at + 1, addresses);
}

/// The stack of one thread; `None` for one that runs, or moved meanwhile.
fn copy(proc: &mut ProcFs, pid: u32, tid: u32) -> Option<Copied> {
    let before = proc.syscall(TaskId { pid, tid }).ok()??;
    let (call, sp, ip) = match before {
        Syscall::Running => return None,
        Syscall::Outside { sp, pc } => (None, sp, pc),
        Syscall::In { number, sp, pc, .. } => (Some(number), sp, pc),
    };
    let waits_for = holders::owner(proc, pid, &before);
    let mut stack = vec![0; STACK_BYTES];
    let read = proc.mem_read(pid, sp, &mut stack).ok()?;
    stack.truncate(read);
    stack.shrink_to_fit();
    let has_stayed = proc.syscall(TaskId { pid, tid }).ok()? == Some(before);
    has_stayed.then_some(Copied { tid, call, waits_for, registers: Registers { ip, sp, fp: 0 }, stack })
}

/// Looks at the sleeping threads again and again: where a process waits, and for how long.
pub(crate) fn over(request: &Request) -> Result<Profile, Refusal> {
    let pid = request.pid;
    let (start, cpu_us) = (Instant::now(), thread_cpu_us());
    let spent = || thread_cpu_us().saturating_sub(cpu_us);
    let mut proc = ProcFs::open(Path::new("/proc")).map_err(|error| refused(pid, &error))?;
    let space = Space::read(&mut proc, pid)?;
    let (mut counts, mut walker) = (Counts::default(), Walker::new());
    let length = Duration::from_secs_f64(request.seconds.clamp(0.0, 600.0));
    let (mut tids, mut lost, mut last, mut cut_short) = (Vec::new(), 0, start, None);
    while start.elapsed() < length && cut_short.is_none() {
        let before_us = spent();
        if proc.tids(pid, &mut tids).is_err() {
            cut_short = Some("the process ended".to_owned());
        }
        lost = lost.max(tids.len().saturating_sub(THREADS_MAX) as u64);
        // A look stands for the time since the one before.
        let weight_us = u64::try_from(last.elapsed().as_micros()).unwrap_or(u64::MAX);
        last = Instant::now();
        for tid in tids.iter().take(THREADS_MAX) {
            if let Some(one) = copy(&mut proc, pid, *tid) {
                let frames = frames_of(&one, None, &space, &mut walker);
                counts.meet(&frames, one.tid).into_iter().for_each(|index| counts.add(index, weight_us));
            }
        }
        if spent() > request.budget_us {
            cut_short = Some("its budget of CPU time was used up".to_owned());
        }
        let pause = Duration::from_micros(PAUSE_RATIO * spent().saturating_sub(before_us)).max(PAUSE);
        std::thread::sleep(pause.min(length.saturating_sub(start.elapsed())));
    }
    let seconds = start.elapsed().as_secs_f64();
    let (samples, lost) = (counts.samples, counts.lost + lost);
    let (weight, stacks) = counts.named(&mut proc, pid, &space);
    Ok(Profile { kind: Kind::OffCpu, seconds, stacks, weight, samples, lost, cpu_us: spent(), cut_short })
}
