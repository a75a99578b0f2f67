//! The programs there are: one row each, with its hook, the kernel it needs and what it brings.
//!
//! Read [`PROGRAMS`] first. Adding a program means a row here and its C in `bpf/`.

/// A compiled object: one concern, loaded and lost by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// Run-queue latency, time blocked in the kernel.
    Sched,
    /// Block requests.
    Block,
    /// File systems.
    Fs,
    /// TCP.
    Net,
    /// Reclaim and compaction.
    Reclaim,
    /// Software interrupts.
    Softirq,
    /// System calls of one process.
    Syscalls,
    /// Things that happen once.
    Events,
    /// The process table.
    Tasks,
    /// Functions of libraries, as one process calls them.
    Api,
    /// The allocator of one process.
    Alloc,
}

impl Object {
    /// All objects.
    pub const ALL: [Self; 11] = [
        Self::Sched,
        Self::Block,
        Self::Fs,
        Self::Net,
        Self::Reclaim,
        Self::Softirq,
        Self::Syscalls,
        Self::Events,
        Self::Tasks,
        Self::Api,
        Self::Alloc,
    ];

    /// Name of its folder in `bpf/`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sched => "sched",
            Self::Block => "block",
            Self::Fs => "fs",
            Self::Net => "net",
            Self::Reclaim => "reclaim",
            Self::Softirq => "softirq",
            Self::Syscalls => "syscalls",
            Self::Events => "events",
            Self::Tasks => "tasks",
            Self::Api => "api",
            Self::Alloc => "alloc",
        }
    }

    /// The committed object code.
    pub fn code(self) -> &'static [u8] {
        match self {
            Self::Sched => aya::include_bytes_aligned!("../../../bpf/sched/sched.bpf.o"),
            Self::Block => aya::include_bytes_aligned!("../../../bpf/block/block.bpf.o"),
            Self::Fs => aya::include_bytes_aligned!("../../../bpf/fs/fs.bpf.o"),
            Self::Net => aya::include_bytes_aligned!("../../../bpf/net/net.bpf.o"),
            Self::Reclaim => aya::include_bytes_aligned!("../../../bpf/reclaim/reclaim.bpf.o"),
            Self::Softirq => aya::include_bytes_aligned!("../../../bpf/softirq/softirq.bpf.o"),
            Self::Syscalls => aya::include_bytes_aligned!("../../../bpf/syscalls/syscalls.bpf.o"),
            Self::Events => aya::include_bytes_aligned!("../../../bpf/events/events.bpf.o"),
            Self::Tasks => aya::include_bytes_aligned!("../../../bpf/tasks/tasks.bpf.o"),
            Self::Api => aya::include_bytes_aligned!("../../../bpf/api/api.bpf.o"),
            Self::Alloc => aya::include_bytes_aligned!("../../../bpf/alloc/alloc.bpf.o"),
        }
    }
}

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A tracepoint with typed arguments: needs the types of the kernel (BTF).
    Typed(&'static str),
    /// A tracepoint by name: also those of modules.
    Raw(&'static str),
    /// An iterator over the tasks.
    TaskIterator,
    /// An iterator over the open files of all tasks.
    FileIterator,
    /// The entry or the return of functions that are named when it is attached; x86-64 only.
    Function(&'static str),
}

impl Hook {
    /// The name of the tracepoint or iterator.
    pub fn name(self) -> &'static str {
        match self {
            Self::Typed(name) | Self::Raw(name) => name,
            Self::TaskIterator => "task iterator",
            Self::FileIterator => "file iterator",
            Self::Function(end) => end,
        }
    }
}

impl Hook {
    /// What it iterates over, as the kernel names it; `None` for what runs when something happens.
    pub(crate) const fn iterates(self) -> Option<&'static str> {
        match self {
            Self::TaskIterator => Some("task"),
            Self::FileIterator => Some("task_file"),
            Self::Typed(_) | Self::Raw(_) | Self::Function(_) => None,
        }
    }
}

/// One program.
#[derive(Debug, PartialEq, Eq)]
pub struct Spec {
    /// Name of its function in C.
    pub name: &'static str,
    /// Where it lives.
    pub object: Object,
    /// Where it attaches.
    pub hook: Hook,
    /// First kernel, major and minor, that has the hook in this shape and all that the program calls
    /// in a form that is safe there. Older ones are not tried.
    pub min_kernel: (u32, u32),
    /// What is lost without it.
    pub brings: &'static str,
}

const fn typed(
    object: Object,
    name: &'static str,
    hook: &'static str,
    min_kernel: (u32, u32),
    brings: &'static str,
) -> Spec {
    Spec { name, object, hook: Hook::Typed(hook), min_kernel, brings }
}

use Object::{Alloc, Api, Block, Events, Fs, Net, Reclaim, Sched, Softirq, Syscalls, Tasks};

/// Every program, in the order in which they are attached.
pub const PROGRAMS: &[Spec] = &[
    typed(Sched, "sched_switch", "sched_switch", (6, 4), "run-queue latency and blocked time per process"),
    typed(Block, "block_rq_complete", "block_rq_complete", (5, 18), "block latency and size per disk"),
    raw(Fs, "ext4_sync_file_enter", "ext4_sync_file_enter", (5, 11), "fsync latency per process on ext4"),
    raw(Fs, "ext4_sync_file_exit", "ext4_sync_file_exit", (5, 11), "fsync latency per process on ext4"),
    typed(Net, "tcp_retransmit_skb", "tcp_retransmit_skb", (5, 5), "TCP retransmits per cgroup"),
    typed(Net, "tcp_send_reset", "tcp_send_reset", (5, 5), "TCP resets sent per cgroup"),
    typed(Net, "tcp_receive_reset", "tcp_receive_reset", (5, 5), "TCP resets received per cgroup"),
    typed(Net, "tcp_destroy_sock", "tcp_destroy_sock", (5, 5), "round-trip time of ended connections"),
    typed(Reclaim, "direct_begin", "mm_vmscan_direct_reclaim_begin", (5, 11), "direct reclaim per process"),
    typed(Reclaim, "direct_end", "mm_vmscan_direct_reclaim_end", (5, 11), "direct reclaim per process"),
    typed(Reclaim, "memcg_begin", "mm_vmscan_memcg_reclaim_begin", (5, 11), "reclaim at a cgroup's limit"),
    typed(Reclaim, "memcg_end", "mm_vmscan_memcg_reclaim_end", (5, 11), "reclaim at a cgroup's limit"),
    typed(Reclaim, "compaction_begin", "mm_compaction_begin", (5, 11), "compaction stalls per process"),
    typed(Reclaim, "compaction_end", "mm_compaction_end", (5, 11), "compaction stalls per process"),
    typed(Softirq, "softirq_entry", "softirq_entry", (5, 5), "time in software interrupts"),
    typed(Softirq, "softirq_exit", "softirq_exit", (5, 5), "time in software interrupts"),
    raw(Syscalls, "calls_enter", "sys_enter", (5, 12), "system calls of one process, in order"),
    raw(Syscalls, "calls_exit", "sys_exit", (5, 12), "system calls of one process, latency and errors"),
    typed(Events, "process_exec", "sched_process_exec", (5, 8), "programs started, at once"),
    typed(
        Events,
        "process_exit",
        "sched_process_exit",
        (5, 8),
        "processes ended, at once, with code and signal",
    ),
    typed(Events, "oom_victim", "mark_victim", (6, 9), "OOM kills, at once"),
    typed(Events, "signal_generate", "signal_generate", (5, 8), "signals sent and segmentation faults"),
    typed(Events, "block_error", "block_rq_error", (5, 18), "failed block requests, at once"),
    typed(Events, "hung_task", "sched_process_hang", (5, 8), "hung tasks, at once"),
    typed(Events, "machine_check", "mce_record", (5, 8), "corrected and fatal machine checks"),
    typed(Events, "memory_failure", "memory_failure_event", (5, 8), "memory pages taken out of use"),
    Spec {
        name: "task_rows",
        object: Tasks,
        hook: Hook::TaskIterator,
        min_kernel: (6, 2),
        brings: "the process table in one read",
    },
    Spec {
        name: "socket_rows",
        object: Tasks,
        hook: Hook::FileIterator,
        min_kernel: (6, 2),
        brings: "who holds which TCP socket in one read",
    },
    function(Api, "api_enter", "function entry", "calls of GPU libraries: arguments"),
    function(
        Api,
        "api_return",
        "function return",
        "calls of GPU libraries: latency, errors, bytes not freed",
    ),
    function(Alloc, "alloc_enter", "function entry", "whose allocations are kept: sizes, what is freed"),
    function(Alloc, "alloc_return", "function return", "whose allocations are kept: addresses, stacks"),
];

/// 5.15 is the first kernel in which a probe has a cookie.
const fn function(object: Object, name: &'static str, end: &'static str, brings: &'static str) -> Spec {
    Spec { name, object, hook: Hook::Function(end), min_kernel: (5, 15), brings }
}

const fn raw(
    object: Object,
    name: &'static str,
    hook: &'static str,
    min_kernel: (u32, u32),
    brings: &'static str,
) -> Spec {
    Spec { name, object, hook: Hook::Raw(hook), min_kernel, brings }
}
