//! What the tests share: one at a time, the reason of a skip, waiting with an end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bpfload::{Event, Events, Kernel, Object, Options, State, Tick, has_capabilities};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Takes the kernel for one test; `None`, with the reason printed, where programs cannot be loaded.
pub fn kernel_lock() -> Option<MutexGuard<'static, ()>> {
    if !has_capabilities() {
        eprintln!("skipped: needs root, or CAP_BPF and CAP_PERFMON");
        return None;
    }
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        eprintln!("skipped: this kernel has no BTF (/sys/kernel/btf/vmlinux)");
        return None;
    }
    Some(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Loads one object; prints and returns `None` when the kernel lacks the hook of one in `needed`.
///
/// Panics when a program is missing for any other reason: that is a defect of ours.
pub fn load(object: Object, needed: &[&str], change: impl FnOnce(&mut Options)) -> Option<Kernel> {
    let mut options = Options { objects: vec![object], sampled: vec![], ..Options::default() };
    change(&mut options);
    let kernel = Kernel::load(&options);
    for program in kernel.programs().iter().filter(|p| needed.contains(&p.spec.name)) {
        if let State::Missing(lack) = &program.state {
            assert!(lack.reason.contains("has no hook"), "{}: {lack:?}", program.spec.name);
            eprintln!("skipped: {}: {} ({})", program.spec.name, lack.reason, lack.would_bring);
            return None;
        }
    }
    Some(kernel)
}

/// Asks until `answer` is something or ten seconds have passed (ten times that under emulation).
pub fn until<T>(mut answer: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if let Some(found) = answer() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// The first event that `is` accepts.
pub fn wait_event(events: &mut Events, is: impl Fn(&Event) -> bool) -> Option<Event> {
    until(|| std::iter::from_fn(|| events.next_event()).find(|event| is(event)))
}

/// One drain.
pub fn drain(kernel: &mut Kernel) -> Tick {
    let mut tick = Tick::default();
    kernel.drain(&mut tick).unwrap();
    tick
}

/// Field `index` (as proc(5) counts them) of /proc/PID/stat.
pub fn proc_stat(pid: u32, index: usize) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_comm = stat.rsplit_once(") ").unwrap().1;
    after_comm.split_whitespace().nth(index - 3).unwrap().parse().unwrap()
}

/// Whether a start time in ns is the one that /proc shows in clock ticks.
pub fn same_start(start_ns: u64, ticks: u64) -> bool {
    // SAFETY: a plain query.
    let hz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as u64;
    start_ns / (1_000_000_000 / hz) == ticks
}
