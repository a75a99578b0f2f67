//! What the machine said in one tick, raw: counters as the kernel gives them, nothing derived.
//!
//! The same type is collected live, written to a recording and read back from it. Sections that are read
//! less often than every tick are `None` or empty in the ticks between; [`crate::snapshot`] keeps the last.
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::kernel::{KernelEvent, KernelSample};
use crate::onnx::OnnxSample;
use crate::probe::ProbeAnswer;
use crate::rows::MemoryVictim;
use crate::{Entity, ProcessId, Timestamp};

/// One tick of observation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When the tick began.
    pub at: Timestamp,
    /// Number of the turn, from 1, without gaps within one run.
    pub turn: u64,
    /// Ticks that were skipped before this one because an earlier turn took too long.
    pub missed_ticks: u32,
    /// CPU time, memory and counters of the whole machine.
    pub machine: MachineSample,
    /// Stall information, of the machine and of cgroups.
    pub pressures: Vec<PressureSample>,
    /// Every process alive, in order of pid: the cheap counters.
    pub processes: Vec<ProcessStat>,
    /// What seldom changes, of processes that are new or changed since the last tick.
    pub process_infos: Vec<ProcessInfo>,
    /// The dearer counters, of the processes whose turn it is.
    pub process_details: Vec<ProcessDetail>,
    /// Every cgroup, when read.
    pub cgroups: Option<Vec<CgroupSample>>,
    /// Every block device, when read.
    pub disks: Option<Vec<DiskSample>>,
    /// Every mounted file system with storage, when read.
    pub filesystems: Option<Vec<FilesystemSample>>,
    /// Every network interface, when read.
    pub interfaces: Option<Vec<InterfaceSample>>,
    /// Sockets summed by owning process, when read.
    pub sockets: Option<Vec<SocketSample>>,
    /// Services of our own supervisor, every tick.
    pub services: Vec<ServiceSample>,
    /// What happened since the last tick.
    pub events: Vec<Event>,
    /// Answers to the probes that a thinking stage asked for.
    pub answers: Vec<ProbeAnswer>,
    /// What each collector cost and whether it answered in time.
    pub collectors: Vec<CollectorSample>,
    /// What Homeostat itself used so far.
    pub own: OwnSample,
    /// What programs in the kernel counted since the last tick; `None` where there are none.
    pub kernel: Option<KernelSample>,
    /// What they saw happen to processes since the last tick, oldest first.
    pub kernel_events: Vec<KernelEvent>,
    /// Who was weighed because memory ran out since the last tick.
    pub memory_victims: Vec<MemoryVictim>,
    /// What models in the ONNX format said; `None` where nobody runs any.
    pub onnx: Option<OnnxSample>,
}

/// Counters of the whole machine. Source: proc_stat(5), proc_meminfo(5), proc_vmstat(5), proc_loadavg(5).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MachineSample {
    /// Logical CPUs on line.
    pub cpus: u32,
    /// Clock ticks in a second, the unit of CPU times.
    pub ticks_per_second: u32,
    /// Time since boot. Unit: s.
    pub uptime_s: f64,
    /// CPU time of all CPUs in clock ticks: user, nice, system, idle, iowait, irq, softirq, steal.
    pub cpu_ticks: [u64; 8],
    /// Context switches since boot.
    pub context_switches: u64,
    /// Processes and threads made since boot.
    pub forks: u64,
    /// Threads that run or wait for a CPU.
    pub runnable: u32,
    /// Threads in uninterruptible sleep.
    pub blocked: u32,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Threads that exist, those of the kernel and zombies included.
    pub threads: u32,
    /// How many may exist: the lesser of kernel.threads-max and kernel.pid_max; `None` where they are not told.
    pub threads_max: Option<u32>,
    /// TCP ports of net.ipv4.ip_local_port_range that sockets of our network namespace hold, those in TIME_WAIT not
    /// counted; at the last reading of sockets.
    pub ports: Option<u32>,
    /// Ports in that range.
    pub ports_max: Option<u32>,
    /// Memory. Unit: bytes.
    pub memory: MemorySample,
    /// Pages the kernel scanned for reclaim on behalf of an allocating process, since boot.
    pub direct_scan_pages: u64,
    /// Pages read back that had been evicted, since boot (workingset_refault_anon and _file).
    pub refault_pages: u64,
    /// Pages read from swap since boot.
    pub swap_in_pages: u64,
    /// Pages written to swap since boot.
    pub swap_out_pages: u64,
    /// Faults that needed I/O since boot.
    pub major_faults: u64,
    /// Processes the kernel killed for memory since boot.
    pub oom_kills: u64,
    /// Software interrupts since boot, by kind in the order of [`crate::kernel::SOFTIRQS`].
    pub softirqs: [u64; 10],
    /// TCP since boot, of the whole machine; `None` where programs in the kernel count it by cgroup.
    pub tcp: Option<TcpSample>,
}

/// TCP of the machine since boot. Source: /proc/net/snmp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSample {
    /// Segments sent again.
    pub retransmits: u64,
    /// Resets sent.
    pub resets_sent: u64,
}

/// Memory of the machine. Unit: bytes. Source: proc_meminfo(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemorySample {
    /// MemTotal.
    pub total_bytes: u64,
    /// MemFree.
    pub free_bytes: u64,
    /// MemAvailable.
    pub available_bytes: u64,
    /// Buffers + Cached.
    pub cache_bytes: u64,
    /// AnonPages.
    pub anon_bytes: u64,
    /// Shmem.
    pub shmem_bytes: u64,
    /// Slab.
    pub slab_bytes: u64,
    /// Dirty + Writeback.
    pub dirty_bytes: u64,
    /// SwapTotal.
    pub swap_total_bytes: u64,
    /// SwapFree.
    pub swap_free_bytes: u64,
    /// Committed_AS.
    pub committed_bytes: u64,
}

/// A resource that tasks can stall on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Resource {
    /// Waiting for a CPU.
    Cpu,
    /// Waiting for memory: reclaim, refault, swap.
    Memory,
    /// Waiting for I/O.
    Io,
}

impl Resource {
    /// The word of the kernel: `cpu`, `memory`, `io`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
        }
    }
}

/// Stall time of one entity on one resource. Source: Documentation/accounting/psi.rst.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PressureSample {
    /// The machine or a cgroup.
    pub entity: Entity,
    /// On what it stalled.
    pub resource: Resource,
    /// Time in which some task stalled, since boot. Unit: us.
    pub some_us: u64,
    /// Time in which every task stalled, since boot. Unit: us. `None` where the kernel gives no such line.
    pub full_us: Option<u64>,
}

/// The cheap counters of one process. Source: proc_pid_stat(5), /proc/PID/schedstat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStat {
    /// Process id.
    pub pid: u32,
    /// Start time after boot. Unit: clock ticks.
    pub start_ticks: u64,
    /// Parent.
    pub ppid: u32,
    /// State letter: R, S, D, T, t, Z, I, X.
    pub state: u8,
    /// CPU time in user mode. Unit: clock ticks.
    pub user_ticks: u64,
    /// CPU time in the kernel. Unit: clock ticks.
    pub system_ticks: u64,
    /// Nice value, -20 to 19.
    pub nice: i8,
    /// Scheduling policy: 0 other, 1 FIFO, 2 RR, 3 batch, 5 idle, 6 deadline, 7 ext.
    pub policy: u8,
    /// Threads.
    pub threads: u32,
    /// Resident memory. Unit: bytes.
    pub rss_bytes: u64,
    /// Mapped memory, whether touched or not. Unit: bytes.
    pub virtual_bytes: u64,
    /// Faults without I/O.
    pub minor_faults: u64,
    /// Faults with I/O.
    pub major_faults: u64,
    /// Time its threads were runnable and waited for a CPU, summed; a sum that never falls. Of services and of
    /// what uses notable CPU at most 32 threads count, of others the main one. Unit: ns. `None` without
    /// CONFIG_SCHED_INFO.
    pub run_delay_ns: Option<u64>,
}

impl ProcessStat {
    /// The identity of this process within its boot.
    pub const fn id(&self) -> ProcessId {
        ProcessId { pid: self.pid, start_ticks: self.start_ticks }
    }
}

/// What seldom changes about a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Whose.
    pub id: ProcessId,
    /// Name the kernel shows (comm).
    pub name: Arc<str>,
    /// Path of the executable, where we may read it.
    pub exe: Option<Arc<str>>,
    /// Arguments joined by blanks, secrets masked, at most 512 bytes.
    pub command: Option<Arc<str>>,
    /// Effective user id.
    pub uid: u32,
    /// Path below the root of its hierarchy: v2 where it is not the root, else the deepest of the v1 ones.
    pub cgroup: Option<Arc<str>>,
    /// Unit of that cgroup, as systemd names it.
    pub unit: Option<Arc<str>>,
    /// Name in our own supervisor, for the service's processes and their descendants.
    pub service: Option<Arc<str>>,
    /// Whether it is a thread of the kernel.
    pub is_kernel: bool,
    /// Soft and hard limit of open descriptors.
    pub descriptor_limits: Option<(u64, u64)>,
}

/// The dearer counters of one process. Source: proc_pid_status(5), proc_pid_io(5), proc_pid_fd(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDetail {
    /// Whose.
    pub id: ProcessId,
    /// Anonymous resident memory. Unit: bytes.
    pub anon_bytes: Option<u64>,
    /// Resident shared memory: segments, shared mappings without a file, files of tmpfs. Unit: bytes.
    pub shmem_bytes: Option<u64>,
    /// Swapped-out memory. Unit: bytes.
    pub swap_bytes: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// Bytes fetched from storage.
    pub read_bytes: Option<u64>,
    /// Bytes sent to storage.
    pub write_bytes: Option<u64>,
    /// Bytes passed by read and write system calls, of whatever kind of file.
    pub io_chars: Option<u64>,
    /// Read and write system calls.
    pub io_calls: Option<u64>,
    /// Times the main thread gave up its CPU.
    pub voluntary_switches: Option<u64>,
}

/// Counters of one cgroup; `None` where its controller is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CgroupSample {
    /// Path below the root of its hierarchy.
    pub path: Arc<str>,
    /// Inode of its directory: the identity of this incarnation.
    pub inode: u64,
    /// Version of the hierarchy: 1 or 2.
    pub version: u8,
    /// Unit as systemd names it.
    pub unit: Option<Arc<str>>,
    /// Processes directly in it.
    pub processes: Option<u32>,
    /// CPU time. Unit: us.
    pub cpu_us: Option<u64>,
    /// Times it was throttled by its quota.
    pub throttled_periods: Option<u64>,
    /// Weight, 1 to 10,000, 100 by default (v1 shares are converted).
    pub cpu_weight: Option<u64>,
    /// Memory charged. Unit: bytes.
    pub memory_bytes: Option<u64>,
    /// Anonymous memory charged. Unit: bytes.
    pub anon_bytes: Option<u64>,
    /// Throttling limit; `None` if none is set. Unit: bytes.
    pub memory_high_bytes: Option<u64>,
    /// Hard limit; `None` if none is set. Unit: bytes.
    pub memory_max_bytes: Option<u64>,
    /// Processes killed for memory in it.
    pub oom_kills: Option<u64>,
    /// Threads in it and all below it, where their number is limited.
    pub threads: Option<u32>,
    /// Limit of them; `None` if none is set.
    pub threads_max: Option<u32>,
    /// Bytes read from and written to block devices.
    pub io_bytes: Option<(u64, u64)>,
    /// Whether it is frozen.
    pub is_frozen: Option<bool>,
}

/// Counters of one block device. Source: Documentation/admin-guide/iostats.rst.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSample {
    /// Name in /dev.
    pub name: Arc<str>,
    /// Completed reads.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Time spent in reads, summed over requests. Unit: ms.
    pub read_ms: u64,
    /// Completed writes.
    pub writes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Time spent in writes, summed over requests. Unit: ms.
    pub write_ms: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Time in which a request was under way. Unit: ms.
    pub busy_ms: u64,
}

/// Room in one file system. Source: statfs(2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesystemSample {
    /// Where it is mounted.
    pub mount_point: Arc<str>,
    /// What is mounted.
    pub device: Arc<str>,
    /// Its type.
    pub kind: Arc<str>,
    /// Whether it is mounted read-only.
    pub is_read_only: bool,
    /// Size. Unit: bytes. `None` when it did not answer in time.
    pub total_bytes: Option<u64>,
    /// Room for an ordinary user. Unit: bytes.
    pub available_bytes: Option<u64>,
    /// Inodes in all; `None` where they are not counted.
    pub inodes: Option<u64>,
    /// Free inodes.
    pub free_inodes: Option<u64>,
}

/// Counters of one network interface. Source: /proc/net/dev, /sys/class/net.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSample {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it has a carrier.
    pub is_up: Option<bool>,
    /// Bytes received.
    pub receive_bytes: u64,
    /// Packets received.
    pub receive_packets: u64,
    /// Errors and drops on receipt.
    pub receive_errors: u64,
    /// Bytes sent.
    pub send_bytes: u64,
    /// Packets sent.
    pub send_packets: u64,
    /// Errors and drops on sending.
    pub send_errors: u64,
}

/// TCP sockets of one process, summed. Source: /proc/net/tcp, /proc/net/tcp6, /proc/PID/fd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketSample {
    /// The owner; a socket shared by several processes counts for the one with the lowest pid.
    pub id: ProcessId,
    /// Ports it listens on.
    pub listen_ports: Vec<u16>,
    /// Connections that wait to be accepted.
    pub accept_backlog: u32,
    /// Established connections.
    pub established: u32,
    /// Established connections with bytes that the owner has not read.
    pub unread_connections: u32,
    /// Bytes that the owner has not read.
    pub unread_bytes: u64,
    /// Connections that the peer closed and the owner did not (CLOSE_WAIT).
    pub close_wait: u32,
    /// Longest smoothed round trip of its established connections. Unit: us. `None` without one that was measured.
    pub rtt_us: Option<u32>,
}

/// State of one service of our own supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceSample {
    /// Its name.
    pub name: Arc<str>,
    /// What it is doing.
    pub state: ServiceState,
    /// Its main process, while it runs.
    pub main: Option<ProcessId>,
    /// Cgroup of its own, where we could make one.
    pub cgroup: Option<Arc<str>>,
    /// Times it was started.
    pub starts: u64,
    /// Times it ended by itself with a failure (exit code other than 0, or a signal not sent by us).
    pub failures: u64,
    /// How it ended last.
    pub last_exit: Option<ServiceExit>,
    /// Wait before the next start after a failure. Unit: s.
    pub back_off_s: f64,
    /// Outcome of its own health check; `None` if it has none or it has not run yet.
    pub is_healthy: Option<bool>,
}

/// What a service of our own supervisor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceState {
    /// Its main process is alive.
    Running,
    /// It ended and waits for its next start.
    BackingOff,
    /// It ended and is not started again, by its own policy or because someone stopped it.
    Stopped,
}

impl ServiceState {
    /// The word in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::BackingOff => "backing_off",
            Self::Stopped => "stopped",
        }
    }
}

/// How a service ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceExit {
    /// When.
    pub at: Timestamp,
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Signal; `None` if it exited.
    pub signal: Option<i32>,
    /// How long it had run. Unit: s.
    pub ran_s: f64,
}

/// One run of one collector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectorSample {
    /// Which.
    pub name: Arc<str>,
    /// CPU time it took. Unit: us. Not part of a comparison between replays.
    pub cpu_us: u64,
    /// Rows it delivered.
    pub rows: u32,
    /// For how long it has not answered; `None` when it answered in time. Unit: s.
    pub stalled_s: Option<f64>,
    /// Rows it had to drop because a bound was reached.
    pub dropped: u64,
    /// Why it failed, in words.
    pub error: Option<String>,
}

/// What Homeostat's own processes used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnSample {
    /// CPU time of daemon and keeper since the daemon started. Unit: us.
    pub cpu_us: u64,
    /// Resident memory of daemon and keeper. Unit: bytes.
    pub rss_bytes: u64,
    /// Level of shedding: 0 nothing is shed; each level sheds one thing more, in the declared order.
    pub shed_level: u8,
    /// Process id of the daemon.
    pub daemon_pid: Option<u32>,
    /// Process id of the keeper.
    pub keeper_pid: Option<u32>,
}
