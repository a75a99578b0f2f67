//! Tables `runq_latency`, `block_latency`, `fs_latency`, `tcp_sockets`, `softirq_time`, `syscalls`, `execs`, `exits`, `oom_kills`,
//! `signals`, `bpf_programs`, `memory_victims`.
use alloc::string::String;
use alloc::sync::Arc;

use crate::kernel::Hist;
use crate::{Entity, Timestamp};

table! {
    /// How long the threads of a process waited in the last tick, one row a process that ran. In ticks in which nobody counted (no program in the kernel, or it rests, see bpf_programs) only the sum is known.
    runq_latency => RunqLatency {
        /// Process id.
        pid: u32 => None,
        /// Its name.
        name: Arc<str> => None,
        /// Its service, where it has one.
        service: Option<Arc<str>> => None,
        /// Times a thread got a CPU.
        waits: Option<u64> => Count,
        /// Time its threads were runnable without running, summed.
        waited_us: u64 => Microseconds,
        /// Half of the waits were shorter than this.
        p50_us: Option<f64> => Microseconds,
        /// All but one wait in a hundred were shorter than this.
        p99_us: Option<f64> => Microseconds,
        /// The waits in ns by power of two, for hist_percentile(); NULL without programs in the kernel.
        histogram: Option<Hist> => None,
        /// Time in uninterruptible sleep: disk, locks inside the kernel.
        blocked_us: Option<u64> => Microseconds,
        /// Time in uninterruptible sleep for memory: refault, swap-in, reclaim.
        memory_stall_us: Option<u64> => Microseconds,
        /// Time it spent looking for free memory itself.
        reclaim_us: Option<u64> => Microseconds,
    }
}

table! {
    /// Requests of a disk in the last tick (without programs in the kernel: since the disks were read last), one row an operation.
    block_latency => BlockLatency {
        /// Name in /dev.
        disk: Arc<str> => None,
        /// read, write, flush, discard or other.
        operation: Arc<str> => None,
        /// Requests that completed.
        requests: u64 => Count,
        /// Time from queueing to completion, summed.
        waited_us: u64 => Microseconds,
        /// Half of the requests were faster than this.
        p50_us: Option<f64> => Microseconds,
        /// All but one request in a hundred were faster than this.
        p99_us: Option<f64> => Microseconds,
        /// The latencies in ns by power of two, for hist_percentile(); NULL without programs in the kernel.
        histogram: Option<Hist> => None,
        /// Bytes moved.
        moved_bytes: u64 => Bytes,
        /// Requests that failed.
        errors: Option<u64> => Count,
    }
}

table! {
    /// fsync and fdatasync of a process on ext4 in the last tick; no row without programs in the kernel.
    fs_latency => FsLatency {
        /// Process id.
        pid: u32 => None,
        /// Its name.
        name: Arc<str> => None,
        /// Its service, where it has one.
        service: Option<Arc<str>> => None,
        /// Calls that returned.
        calls: u64 => Count,
        /// Time in them, summed.
        waited_us: u64 => Microseconds,
        /// Half of the calls were faster than this.
        p50_us: Option<f64> => Microseconds,
        /// All but one call in a hundred were faster than this.
        p99_us: Option<f64> => Microseconds,
        /// The latencies in ns by power of two, for hist_percentile().
        histogram: Hist => None,
        /// Calls that failed.
        errors: u64 => Count,
    }
}

table! {
    /// TCP of a service or cgroup, one row each that has connections or had trouble in the last tick.
    tcp_sockets => TcpSockets {
        /// The service, else the cgroup; the machine for what belongs to neither and, without programs in the kernel, for all.
        owner: Entity => None,
        /// Established connections.
        established: u32 => Count,
        /// Longest smoothed round trip of a connection that is open.
        rtt_us: Option<u32> => Microseconds,
        /// Segments sent again.
        retransmits: Option<u64> => Count,
        /// Resets sent.
        resets_sent: Option<u64> => Count,
        /// Resets received; NULL without programs in the kernel.
        resets_received: Option<u64> => Count,
        /// Connections that ended; NULL without programs in the kernel.
        closed: Option<u64> => Count,
        /// Half of the connections that ended had a shorter round trip than this.
        closed_p50_us: Option<f64> => Microseconds,
        /// All but one in a hundred had a shorter one than this.
        closed_p99_us: Option<f64> => Microseconds,
        /// The round trips of connections that ended, in ns by power of two, for hist_percentile().
        histogram: Option<Hist> => None,
    }
}

table! {
    /// Software interrupts, one row a kind that is raised, and one, `all`, for the time of all.
    softirq_time => SoftirqTime {
        /// hi, timer, net_tx, net_rx, block, irq_poll, tasklet, sched, hrtimer, rcu, or all.
        kind: Arc<str> => None,
        /// How often it was raised, on all CPUs.
        raised_per_s: Option<f64> => PerSecond,
        /// CPU time it takes, 100 a core: raised, times the mean when it was timed last; of `all` as the kernel accounts it.
        cpu_pct: Option<f64> => Percent,
        /// Half of them took less than this when they were timed last; NULL without programs in the kernel.
        p50_us: Option<f64> => Microseconds,
        /// All but one in a hundred took less than this.
        p99_us: Option<f64> => Microseconds,
        /// How long they took in ns by power of two, for hist_percentile(): one in eight, in one tick of ten.
        histogram: Option<Hist> => None,
    }
}

table! {
    /// System calls of a program in the second in which a process of it was watched last, one row a call; no row without programs in the kernel.
    syscalls => SyscallRow {
        /// The program, by the key of processes.program.
        program: Arc<str> => None,
        /// Service of the process.
        service: Option<Arc<str>> => None,
        /// The process.
        pid: u32 => None,
        /// When the watch ended.
        at: Timestamp => UtcNanoseconds,
        /// How long it was watched.
        watched_s: f64 => Seconds,
        /// Name of the call.
        call: Arc<str> => None,
        /// Calls that returned.
        calls: u64 => Count,
        /// Calls that returned an error.
        errors: u64 => Count,
        /// Time in them, summed.
        spent_us: u64 => Microseconds,
        /// Half of them were shorter than this.
        p50_us: Option<f64> => Microseconds,
        /// All but one in a hundred were shorter than this.
        p99_us: Option<f64> => Microseconds,
        /// How long they took in ns by power of two, for hist_percentile().
        histogram: Hist => None,
        /// Whether a call of this kind had begun and not returned at the end of the watch.
        is_open: bool => Boolean,
    }
}

table! {
    /// The last programs started; without programs in the kernel the processes that are new since the tick before.
    execs => ExecRow {
        /// When.
        at: Timestamp => UtcNanoseconds,
        /// Process id.
        pid: u32 => None,
        /// Its parent.
        ppid: u32 => None,
        /// User id.
        user_id: Option<u32> => None,
        /// Name of the process.
        name: Arc<str> => None,
        /// Path as given to exec, cut at 39 bytes.
        program: Option<Arc<str>> => None,
        /// Its service, where it is known.
        service: Option<Arc<str>> => None,
    }
}

table! {
    /// The last processes that ended; without programs in the kernel those gone since the tick before, how is known of the young on Linux 6.15.
    exits => ExitRow {
        /// When.
        at: Timestamp => UtcNanoseconds,
        /// Process id.
        pid: u32 => None,
        /// Its parent.
        ppid: u32 => None,
        /// User id.
        user_id: Option<u32> => None,
        /// Name of the process.
        name: Arc<str> => None,
        /// Path as given to exec, cut at 39 bytes.
        program: Option<Arc<str>> => None,
        /// Its service, where it is known.
        service: Option<Arc<str>> => None,
        /// Exit code; NULL if a signal ended it, or unknown.
        code: Option<i32> => None,
        /// Signal that ended it.
        signal: Option<i32> => None,
        /// How long it ran.
        ran_s: f64 => Seconds,
        /// CPU time it used.
        cpu_us: Option<u64> => Microseconds,
    }
}

table! {
    /// The last processes that the kernel killed for memory; without programs in the kernel, from its log.
    oom_kills => OomKillRow {
        /// When.
        at: Timestamp => UtcNanoseconds,
        /// Process id.
        pid: u32 => None,
        /// Name of the process.
        name: Arc<str> => None,
        /// Its service, where it is known.
        service: Option<Arc<str>> => None,
        /// Memory it held.
        rss_bytes: Option<u64> => Bytes,
    }
}

table! {
    /// The last signals sent that end, stop or continue a process, and faults; no row without programs in the kernel.
    signals => SignalRow {
        /// When.
        at: Timestamp => UtcNanoseconds,
        /// Process it was sent to.
        pid: u32 => None,
        /// Its name.
        name: Arc<str> => None,
        /// Its service, where it is known.
        service: Option<Arc<str>> => None,
        /// Number of the signal.
        signal: i32 => None,
        /// Where it came from: 0 from kill(2), 128 from the kernel, other positive numbers are faults.
        code: i32 => None,
        /// Process that sent it; itself for a fault.
        sender_pid: u32 => None,
    }
}

table! {
    /// Homeostat's programs inside the kernel, one row each; what a missing one costs is in capabilities.
    bpf_programs => BpfProgram {
        /// Name of the program.
        name: Arc<str> => None,
        /// Where it is attached.
        hook: Arc<str> => None,
        /// Whether it runs, if only in some ticks.
        is_attached: bool => Boolean,
        /// Calls while the kernel measured (sysctl kernel.bpf_stats_enabled=1), since loaded.
        calls: u64 => Count,
        /// CPU time while the kernel measured, since loaded.
        run_us: u64 => Microseconds,
        /// Calls that the kernel skipped, since loaded.
        skipped: u64 => Count,
        /// Memory of its code and, in the row of an object's first program, of its maps.
        memory_bytes: u64 => Bytes,
        /// What could not be counted or delivered since loaded, in the row of an object's first program.
        lost: u64 => Count,
        /// Why it does not run, or only in some ticks.
        reason: Option<String> => None,
    }
}

table! {
    /// Who was weighed when memory ran out, one row a candidate and verdict, with every term of its score.
    memory_victims => MemoryVictim {
        /// When it ran out.
        at: Timestamp => UtcNanoseconds,
        /// Where: the machine, or the cgroup with the limit.
        domain: Entity => None,
        /// Process id.
        pid: u32 => None,
        /// Its name.
        name: Arc<str> => None,
        /// Anonymous memory it held.
        held_bytes: u64 => Bytes,
        /// What it grew by while memory was tight.
        grown_bytes: u64 => Bytes,
        /// The kernel's own adjustment, -1,000 (never) to 1,000.
        oom_score_adj: i64 => None,
        /// Share of what all candidates held, 0 to 100; NULL if it may never be killed.
        held_points: Option<f64> => None,
        /// Twice the share of what all candidates grew by, 0 to 200.
        growth_points: Option<f64> => None,
        /// A tenth of the adjustment, -100 to 100.
        adjustment_points: Option<f64> => None,
        /// All points together; who has most and may be touched is chosen.
        score: Option<f64> => None,
        /// Whether it was chosen.
        is_chosen: bool => Boolean,
    }
}
