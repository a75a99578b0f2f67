//! What programs inside the kernel counted and saw in one tick, raw.
//!
//! Where there are none, [`crate::sample::Sample::kernel`] is `None` and tables derives what it can from /proc.
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::{ProcessId, Timestamp, Value};

/// Kinds of software interrupts, in the order in which the kernel numbers them. Source: linux/interrupt.h.
pub const SOFTIRQS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "irq_poll", "tasklet", "sched", "hrtimer", "rcu"];

/// Slots of a histogram.
pub const SLOTS: usize = 28;
/// Slot 0 ends at `2^(SHIFT + 1)`.
const SHIFT: u32 = 9;

/// Counts by power of two: slot 0 holds values below 1,024, slot k those in `[2^(9+k), 2^(10+k))`, the last one all
/// above 2^36. Unit: that of the values, nanoseconds or bytes.
///
/// In SQL it is a text, `slot:count` joined by blanks, and `hist_percentile(histogram, p)` reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hist {
    /// Sum of all values.
    pub sum: u64,
    /// Values by slot.
    pub slots: [u32; SLOTS],
}

impl Hist {
    /// Values counted.
    pub fn count(&self) -> u64 {
        self.slots.iter().map(|one| u64::from(*one)).sum()
    }

    /// The value below which `percent` (0 to 100) of all values lie, interpolated inside its slot: off by less than a
    /// factor of two, whatever the shape. `None` when empty.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let rank = percent.clamp(0.0, 100.0) / 100.0 * self.count() as f64;
        let mut below = 0.0;
        let mut last = None;
        for (slot, count) in self.slots.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (low, high) = bounds(slot);
            let share = ((rank - below) / f64::from(*count)).clamp(0.0, 1.0);
            last = Some(low + (high - low) * share);
            below += f64::from(*count);
            if below >= rank {
                break;
            }
        }
        last
    }

    /// Adds the values of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        for (mine, theirs) in self.slots.iter_mut().zip(other.slots) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// Adds the counts of a histogram as SQL has it; `None` if the text is no histogram. The sum is not in it.
    pub fn merge_text(&mut self, text: &str) -> Option<()> {
        for word in text.split_ascii_whitespace() {
            let (slot, count) = word.split_once(':')?;
            let place = self.slots.get_mut(slot.parse::<usize>().ok()?)?;
            *place = place.saturating_add(count.parse().ok()?);
        }
        Some(())
    }
}

/// First value of a slot, and the first one after it.
fn bounds(slot: usize) -> (f64, f64) {
    let power = |exponent: usize| (1u64 << (SHIFT as usize + exponent)) as f64;
    (if slot == 0 { 0.0 } else { power(slot) }, power(slot + 1))
}

impl crate::table::SqlType for Hist {
    const TYPE: crate::table::ColumnType = crate::table::ColumnType::Text;
}

impl From<Hist> for Value {
    fn from(hist: Hist) -> Self {
        let filled = hist.slots.iter().enumerate().filter(|(_, count)| **count > 0);
        let words = filled.map(|(slot, count)| alloc::format!("{slot}:{count}"));
        Self::from(words.collect::<Vec<_>>().join(" "))
    }
}

/// All that was counted in one tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KernelSample {
    /// Waits of every process that ran, in order of pid.
    pub waits: Vec<WaitSample>,
    /// Whether the run queues were watched in this tick; if not, of `waits` only `reclaim_ns` is known.
    pub are_waits_counted: bool,
    /// Requests by disk and operation, in order of disk.
    pub block: Vec<BlockSample>,
    /// Calls to file systems by process, in order of pid.
    pub fs: Vec<FsSample>,
    /// TCP by cgroup, in order of cgroup.
    pub net: Vec<NetSample>,
    /// How long software interrupts lasted by kind, in the order of [`SOFTIRQS`], of the ticks in which they were timed:
    /// one in eight. Unit: ns.
    pub softirqs: Option<Vec<Hist>>,
    /// The programs themselves, when read.
    pub programs: Option<Vec<ProgramSample>>,
}

/// How long the threads of one process waited in this tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WaitSample {
    /// Whose.
    pub id: ProcessId,
    /// From runnable to running. Unit: ns.
    pub run_queue: Hist,
    /// In uninterruptible sleep: disk, locks in the kernel. Unit: ns.
    pub blocked_ns: u64,
    /// The same inside a memory stall as PSI counts it: refault, swap-in, reclaim. Unit: ns.
    pub memory_ns: u64,
    /// Finding memory itself: direct reclaim, reclaim at a cgroup's limit, compaction. Unit: ns.
    pub reclaim_ns: u64,
}

/// Requests of one disk and operation in this tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockSample {
    /// Name in /dev.
    pub disk: Arc<str>,
    /// read, write, flush, discard or other.
    pub operation: Arc<str>,
    /// From queueing to completion. Unit: ns.
    pub latency: Hist,
    /// Bytes a request.
    pub bytes: Hist,
    /// Requests that failed.
    pub errors: u64,
}

/// fsync and fdatasync of one process in this tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FsSample {
    /// Whose.
    pub id: ProcessId,
    /// Unit: ns.
    pub fsync: Hist,
    /// Calls that failed.
    pub errors: u64,
}

/// TCP of one cgroup in this tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NetSample {
    /// Number of the owner's cgroup in the unified hierarchy: the inode of its directory; 0 for packets without a socket.
    pub cgroup: u64,
    /// Segments sent again.
    pub retransmits: u64,
    /// Resets sent.
    pub resets_sent: u64,
    /// Resets received.
    pub resets_received: u64,
    /// Smoothed round trips with which connections ended. Unit: ns.
    pub round_trip: Hist,
    /// Connections that ended, those without a round trip too.
    pub closed: u64,
}

/// One program in the kernel. Counters since it was loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProgramSample {
    /// Its name.
    pub name: Arc<str>,
    /// Where it is attached.
    pub hook: Arc<str>,
    /// Whether it runs.
    pub is_attached: bool,
    /// Calls, while the kernel measured them.
    pub calls: u64,
    /// Time in it, while the kernel measured it. Unit: ns.
    pub run_ns: u64,
    /// Calls that the kernel skipped.
    pub skipped: u64,
    /// Memory of its code and, for the first program of an object, of the object's maps.
    pub memory_bytes: u64,
    /// What its object could not count or deliver; in the row of the object's first program.
    pub lost: u64,
    /// Why it does not run.
    pub reason: Option<Arc<str>>,
}

/// The system calls of one process while it was watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallsSample {
    /// Whose.
    pub id: ProcessId,
    /// How long it was watched. Unit: s.
    pub watched_s: f64,
    /// Calls that returned, by call, in order of name.
    pub calls: Vec<CallSample>,
    /// Calls that began meanwhile and had not returned at the end, in order of name.
    pub open: Vec<Arc<str>>,
    /// The calls, at most sixteen, that its busiest thread makes in this order again and again; empty without such an order.
    pub repeats: Vec<Arc<str>>,
    /// Names of the calls in `sequences`, each once, in order of appearance.
    pub names: Vec<Arc<str>>,
    /// The first calls of each thread in their order, as places in `names`; the busiest thread first. At most 512 of a
    /// thread, 2,048 in all.
    pub sequences: Vec<Vec<u16>>,
}

/// One system call of a watched process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallSample {
    /// Its name; its number where this version has no name for it.
    pub call: Arc<str>,
    /// Calls that returned an error.
    pub errors: u64,
    /// From entry to return, of all that returned. Unit: ns.
    pub latency: Hist,
}

/// Something that happened once, to one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelEvent {
    /// When.
    pub at: Timestamp,
    /// To which process.
    pub id: ProcessId,
    /// Its parent.
    pub ppid: u32,
    /// Its real user.
    pub uid: Option<u32>,
    /// Its name (comm).
    pub name: Arc<str>,
    /// Executable, where it was seen: the path as given to exec, cut at 39 bytes.
    pub program: Option<Arc<str>>,
    /// Its service, where it is known.
    pub service: Option<Arc<str>>,
    /// What happened.
    pub what: Happened,
}

/// What happened to a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Happened {
    /// It executed a program.
    Exec,
    /// It ended.
    Exit {
        /// Exit code; `None` if a signal ended it, or unknown.
        code: Option<i32>,
        /// Signal that ended it.
        signal: Option<i32>,
        /// CPU time it used. Unit: us.
        cpu_us: Option<u64>,
        /// How long it ran. Unit: s.
        ran_s: f64,
    },
    /// The kernel chose it to be killed for memory.
    OomKill {
        /// Memory it held. Unit: bytes.
        rss_bytes: Option<u64>,
    },
    /// A signal was sent to it.
    Signal {
        /// Number.
        signal: i32,
        /// si_code: 0 by kill(2), 128 by the kernel, 1 and more a fault.
        code: i32,
        /// Process that sent it; itself for a fault.
        sender_pid: u32,
    },
}

impl Happened {
    /// Whether it ended by a signal that a program brings on itself: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV,
    /// SIGXCPU, SIGXFSZ, SIGSYS.
    pub const fn is_crash(&self) -> bool {
        matches!(self, Self::Exit { signal: Some(4 | 5 | 6 | 7 | 8 | 11 | 24 | 25 | 31), .. })
    }

    /// Whether it ended otherwise than by exit code 0.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Exit { signal: Some(_), .. })
            || matches!(self, Self::Exit { code: Some(code), .. } if *code != 0)
    }
}

/// The name of a signal, as kill(1) lists it; its number for others.
pub fn signal_name(signal: i32) -> alloc::string::String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let index = usize::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    match index.and_then(|index| NAMES.get(index)) {
        Some(name) => alloc::format!("SIG{name}"),
        None => alloc::format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hist(values: &[u64]) -> Hist {
        let mut hist = Hist::default();
        for value in values {
            let slot = (0..SLOTS).find(|slot| (*value as f64) < bounds(*slot).1).unwrap_or(SLOTS - 1);
            hist.slots[slot] += 1;
            hist.sum += value;
        }
        hist
    }

    #[test]
    fn a_percentile_is_within_a_factor_of_two() {
        let mut values: Vec<u64> = (0..5_000u64).map(|i| 1_500 + i * i * 7).collect();
        values.sort_unstable();
        let hist = hist(&values);
        for percent in [1.0, 50.0, 90.0, 99.0, 100.0] {
            let exact = values[((values.len() - 1) as f64 * percent / 100.0) as usize] as f64;
            let got = hist.percentile(percent).unwrap();
            assert!(got >= exact / 2.0 && got <= exact * 2.0, "{percent}: {got} for {exact}");
        }
        assert_eq!(Hist::default().percentile(50.0), None);
    }

    #[test]
    fn a_histogram_survives_its_text() {
        let one = hist(&[10, 5_000, 70_000, 1 << 40]);
        let text = Value::from(one);
        let mut again = Hist::default();
        again.merge_text(text.as_str().unwrap()).unwrap();
        assert_eq!(again.slots, one.slots);
        assert_eq!(again.merge_text("99:1"), None);
        assert_eq!(again.merge_text("x"), None);
    }

    #[test]
    fn signals_have_their_names() {
        assert_eq!(
            (signal_name(9), signal_name(31), signal_name(64)),
            ("SIGKILL".into(), "SIGSYS".into(), "signal 64".into())
        );
    }
}
