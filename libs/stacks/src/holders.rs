//! Who holds the locks that others wait for, where the memory of a lock names its owner: mutexes of the GNU C library.
use std::collections::BTreeMap;

use kernfs::{ProcFs, Syscall};

use crate::profile::{Frame, Kind, Stack};
use crate::request::Request;
use crate::sampler;

/// How long the holders that run are sampled, and the CPU time that may be spent on it. Unit: s, us.
const RUNNING_S: f64 = 0.5;
const RUNNING_BUDGET_US: u64 = 50_000;
/// Stacks that are kept of them all.
const RUNNING_MAX: usize = 4;
/// The operations of `futex(2)`, less the flags.
const FUTEX_WAIT: u64 = 0;
const FUTEX_FLAGS: u64 = 128 | 256;
/// `__lock` of a mutex that is locked and has waiters, and the kinds whose lock word is a thread.
const LOCKED_WITH_WAITERS: u32 = 2;
const KIND_BITS: u32 = 3 | 64 | 128 | 256 | 512;

/// The thread that owns the plain mutex which a system call waits for. Source: glibc `struct __pthread_mutex_s`.
pub(crate) fn owner(proc: &mut ProcFs, pid: u32, call: &Syscall) -> Option<u32> {
    let Syscall::In { number, args: [address, operation, expected, ..], .. } = *call else { return None };
    let is_wait = operation & 0xffff_ffff & !FUTEX_FLAGS == FUTEX_WAIT;
    if i64::from(number) != libc::SYS_futex || !is_wait || expected as u32 != LOCKED_WITH_WAITERS {
        return None;
    }
    let mut bytes = [0; 20];
    if proc.mem_read(pid, address, &mut bytes).ok()? < bytes.len() {
        return None;
    }
    let word = |at: usize| bytes.as_chunks::<4>().0.get(at).map(|four| u32::from_ne_bytes(*four));
    let (lock, owner, users, kind) = (word(0)?, word(2)?, word(3)?, word(4)?);
    let is_mutex = lock == LOCKED_WITH_WAITERS && users >= 1 && kind & !KIND_BITS == 0;
    (is_mutex && owner != 0).then_some(owner)
}

/// Where those of these holders are that run: each by the place at which it was met most, as one thread.
pub(crate) fn running(pid: u32, holders: &BTreeMap<u32, u64>) -> Vec<Stack> {
    if holders.is_empty() {
        return Vec::new();
    }
    let request = Request { pid, kind: Kind::OnCpu, seconds: RUNNING_S, budget_us: RUNNING_BUDGET_US };
    // Without perf events only those that sleep are shown.
    let Ok(profile) = sampler::sample(&request) else { return Vec::new() };
    let mut found: Vec<Stack> = Vec::new();
    for stack in &profile.stacks {
        let is_known = |tid: &u32| found.iter().any(|one| one.threads.contains(tid));
        let holder = stack.threads.iter().find_map(|tid| Some((*tid, *holders.get(tid)?)));
        let Some((tid, waiters)) = holder.filter(|(tid, _)| !is_known(tid)) else { continue };
        let mut frames = stack.frames.clone();
        frames.push(Frame::holder(waiters));
        found.push(Stack { frames, weight: 1, threads: vec![tid] });
    }
    found.truncate(RUNNING_MAX);
    found
}
