//! A close look at one process: its threads, descriptors and maps. Used by probes and by SQL.
//!
//! Nothing here stops, attaches to or changes the process.
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kernfs::{Fd, ProcFs, Syscall, Target, TaskId, TcpState};
use vocab::probe::{FutexWait, MapProbe, ThreadProbe};
use vocab::rows::{OpenFile, Thread};

use crate::ledger::thread_cpu_us;
use crate::smaps;
use crate::sockets::{Tcp, state_word};

/// Descriptors that are listed at most.
const DESCRIPTORS_MAX: usize = 4_096;
/// Mappings that are listed at most, the largest first.
const MAPS_MAX: usize = 64;
/// Room for what stands at a futex. Unit: bytes.
const FUTEX_BYTES: usize = 20;

/// CPU time that a look may take.
pub(crate) struct Budget {
    until_us: u64,
    left_out: Cell<u64>,
}

impl Budget {
    /// `budget_us` from now on.
    pub(crate) fn new(budget_us: u32) -> Self {
        Self { until_us: thread_cpu_us().saturating_add(u64::from(budget_us)), left_out: Cell::new(0) }
    }

    /// What was left out because the budget was used up.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.get()
    }

    /// True once the budget is used up; the item at hand is then counted as left out.
    fn is_over(&self) -> bool {
        let is_over = thread_cpu_us() > self.until_us;
        self.left_out.set(self.left_out.get() + u64::from(is_over));
        is_over
    }
}

/// The threads of a process, in order of tid, with what they wait for; `waits_on` knows the class of the
/// descriptor that a system call names. `told` is what is known of them in this tick, but for where they stand.
pub(crate) fn threads(
    proc: &mut ProcFs,
    pid: u32,
    told: &[kernfs::Thread],
    budget: &Budget,
    mut waits_on: impl FnMut(&Syscall) -> Option<String>,
) -> kernfs::Result<Vec<ThreadProbe>> {
    let mut tids = Vec::new();
    if told.is_empty() {
        proc.tids(pid, &mut tids)?;
        tids.sort_unstable();
    } else {
        tids.extend(told.iter().map(|one| one.tid));
    }
    let ticks_per_s = proc.ticks_per_s().max(1) as f64;
    let mut rows = Vec::with_capacity(tids.len());
    for (index, tid) in tids.into_iter().enumerate() {
        if budget.is_over() {
            continue;
        }
        let thread = match told.get(index) {
            Some(told) => proc.stands(pid, *told),
            None => proc.thread(TaskId { pid, tid }),
        };
        match thread {
            Ok(thread) => {
                let waits_on = thread.syscall.as_ref().and_then(&mut waits_on);
                rows.push(ThreadProbe { waits_on, ..thread_probe(proc, pid, &thread, ticks_per_s) });
            }
            Err(error) if error.is_gone() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

fn thread_probe(proc: &mut ProcFs, pid: u32, thread: &kernfs::Thread, ticks_per_s: f64) -> ThreadProbe {
    let wait = thread.syscall.and_then(|call| futex_wait(proc, pid, &call));
    let ticks = thread.utime_ticks.saturating_add(thread.stime_ticks);
    let row = Thread {
        pid,
        tid: thread.tid,
        name: Arc::from(thread.comm.to_string()),
        state: char::from(thread.state).to_string(),
        cpu_time_s: ticks as f64 / ticks_per_s,
        voluntary_switches: thread.voluntary_switches,
        wait_channel: thread.wchan.map(|name| Arc::from(name.to_string())),
        system_call: match thread.syscall {
            Some(Syscall::In { number, .. }) => Some(i64::from(number)),
            _ => None,
        },
        futex: wait.map(|wait| format!("{:#x}", wait.address)),
        futex_owner: wait.and_then(|wait| owner(&wait)),
    };
    ThreadProbe { thread: row, wait, waits_on: None }
}

/// The wait on a futex that a system call is, with the words that stand there.
fn futex_wait(proc: &mut ProcFs, pid: u32, call: &Syscall) -> Option<FutexWait> {
    let Syscall::In { number, args: [address, operation, expected, timeout, ..], .. } = *call else {
        return None;
    };
    if libc::c_long::from(number) != libc::SYS_futex {
        return None;
    }
    // The kernel takes the low 32 bits of these registers.
    let (operation, expected) = (operation as u32, expected as u32);
    let is_wait = matches!(
        (operation & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME).cast_unsigned()).cast_signed(),
        libc::FUTEX_WAIT
            | libc::FUTEX_WAIT_BITSET
            | libc::FUTEX_LOCK_PI
            | FUTEX_LOCK_PI2
            | libc::FUTEX_WAIT_REQUEUE_PI
    );
    is_wait.then(|| FutexWait {
        address,
        operation,
        expected,
        has_timeout: timeout != 0,
        words: words(proc, pid, address),
    })
}

/// futex(2), since Linux 5.14.
const FUTEX_LOCK_PI2: i32 = 13;

fn words(proc: &mut ProcFs, pid: u32, address: u64) -> Option<[u32; 5]> {
    let mut bytes = [0u8; FUTEX_BYTES];
    if proc.mem_read(pid, address, &mut bytes).ok()? < FUTEX_BYTES {
        return None;
    }
    let mut words = [0; 5];
    for (word, four) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_ne_bytes(four.try_into().ok()?);
    }
    Some(words)
}

/// The owner that the memory of a glibc mutex names. Whether the number is a thread of the process, and the wait
/// one on a mutex at all, is for the detector to judge.
fn owner(wait: &FutexWait) -> Option<u32> {
    let [lock, _, owner, users, _] = wait.words?;
    // A mutex that is waited for is locked with waiters (2), has users, and an owner.
    (lock == 2 && users > 0 && owner > 0).then_some(owner)
}

/// The open descriptors of a process, in order of number, at most 4,096.
pub(crate) fn open_files(
    proc: &mut ProcFs,
    pid: u32,
    tcp: impl Fn(u64) -> Option<Tcp>,
) -> kernfs::Result<Vec<OpenFile>> {
    let mut fds = Vec::new();
    proc.fds(pid, &mut fds)?;
    fds.sort_unstable_by_key(|fd| fd.fd);
    fds.truncate(DESCRIPTORS_MAX);
    Ok(fds.iter().map(|fd| open_file(pid, fd, &tcp)).collect())
}

fn open_file(pid: u32, fd: &Fd, tcp: impl Fn(u64) -> Option<Tcp>) -> OpenFile {
    let (kind, target, inode) = match &fd.target {
        Target::File(path) => ("file".to_owned(), path.to_string_lossy().into_owned(), None),
        Target::Socket(inode) => ("socket".to_owned(), format!("socket:[{inode}]"), Some(*inode)),
        Target::Pipe(inode) => ("pipe".to_owned(), format!("pipe:[{inode}]"), Some(*inode)),
        Target::Anon(kind) => (kind.clone(), format!("anon_inode:[{kind}]"), None),
        Target::Other(text) => (text.split(':').next().unwrap_or("other").to_owned(), text.clone(), None),
    };
    let socket = inode.filter(|_| kind == "socket");
    let tcp = socket.and_then(tcp);
    let tcp_state = tcp.map(|tcp| state_word(tcp.state).to_owned());
    let is_outgoing = tcp.filter(|tcp| tcp.state != TcpState::Listen).map(|tcp| tcp.is_outgoing);
    OpenFile { pid, descriptor: fd.fd, kind, target: Arc::from(target), inode, tcp_state, is_outgoing }
}

/// The memory of a process summed by mapped name, largest first, at most 64.
pub(crate) fn maps(root: &Path, pid: u32) -> std::io::Result<Vec<MapProbe>> {
    let mut sums: BTreeMap<String, (u32, u64, u64)> = BTreeMap::new();
    smaps::each(root, pid, |map| {
        let sum = sums.entry(map.name).or_default();
        sum.0 += 1;
        sum.1 = sum.1.saturating_add(map.rss_bytes);
        sum.2 = sum.2.saturating_add(map.anon_bytes);
    })?;
    let row = |(name, (mappings, rss_bytes, anon_bytes)): (String, (u32, u64, u64))| MapProbe {
        name: Arc::from(name),
        rss_bytes,
        anon_bytes,
        mappings,
    };
    let mut rows: Vec<_> = sums.into_iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.rss_bytes));
    rows.truncate(MAPS_MAX);
    Ok(rows)
}
