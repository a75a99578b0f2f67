//! Table `cgroups`.
use alloc::sync::Arc;

table! {
    /// One control group; what its missing controllers would say is NULL.
    cgroups => Cgroup {
        /// Path below the root of its hierarchy.
        path: Arc<str> => None,
        /// Inode of its directory: the identity of this incarnation.
        inode: u64 => None,
        /// Version of its hierarchy: 1 or 2.
        version: u8 => None,
        /// Unit as systemd names it.
        unit: Option<Arc<str>> => None,
        /// Processes directly in it.
        processes: Option<u32> => Count,
        /// CPU use since the sample before, 100 a core.
        cpu_pct: Option<f64> => Percent,
        /// Weight against its siblings, 1 to 10,000, 100 by default.
        cpu_weight: Option<u64> => None,
        /// Memory charged to it.
        memory_bytes: Option<u64> => Bytes,
        /// Anonymous memory charged to it.
        anon_bytes: Option<u64> => Bytes,
        /// Limit above which its processes are throttled.
        memory_high: Option<u64> => Bytes,
        /// Limit above which its processes are killed.
        memory_max: Option<u64> => Bytes,
        /// Processes killed for memory in it.
        oom_kills: Option<u64> => Count,
        /// Threads in it and all below it, where their number is limited.
        threads: Option<u32> => Count,
        /// Limit of them (pids.max).
        threads_max: Option<u32> => Count,
        /// Bytes read from block devices.
        read_bytes_per_s: Option<f64> => BytesPerSecond,
        /// Bytes written to block devices.
        write_bytes_per_s: Option<f64> => BytesPerSecond,
        /// Whether it is frozen.
        is_frozen: Option<bool> => Boolean,
    }
}
