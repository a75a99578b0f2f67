//! Table `machine`.
table! {
    /// The machine as a whole, one row.
    machine => Machine {
        /// Logical CPUs on line.
        cpus: u32 => Count,
        /// Time since boot.
        uptime_s: f64 => Seconds,
        /// CPU time in user mode, of all CPUs, 100 when all are busy so.
        cpu_user_pct: Option<f64> => Percent,
        /// CPU time in user mode of processes with a positive nice value.
        cpu_nice_pct: Option<f64> => Percent,
        /// CPU time in the kernel.
        cpu_system_pct: Option<f64> => Percent,
        /// CPU time idle while I/O was under way.
        cpu_iowait_pct: Option<f64> => Percent,
        /// CPU time taken by the hypervisor.
        cpu_steal_pct: Option<f64> => Percent,
        /// CPU time idle.
        cpu_idle_pct: Option<f64> => Percent,
        /// Context switches.
        context_switches_per_s: Option<f64> => PerSecond,
        /// Processes and threads made.
        forks_per_s: Option<f64> => PerSecond,
        /// Threads that run or wait for a CPU.
        runnable: u32 => Count,
        /// Threads in uninterruptible sleep.
        blocked: u32 => Count,
        /// Load average over one minute.
        load_1: f64 => Count,
        /// Load average over five minutes.
        load_5: f64 => Count,
        /// Load average over fifteen minutes.
        load_15: f64 => Count,
        /// Threads that exist, those of the kernel and zombies included.
        threads: u32 => Count,
        /// How many may exist: the lesser of kernel.threads-max and kernel.pid_max.
        threads_max: Option<u32> => Count,
        /// Local TCP ports that connections can take, held now; those in TIME_WAIT are not counted.
        ports: Option<u32> => Count,
        /// Local TCP ports that connections can take: net.ipv4.ip_local_port_range.
        ports_max: Option<u32> => Count,
        /// Memory in all.
        memory_total_bytes: u64 => Bytes,
        /// Memory that could be had without swapping.
        memory_available_bytes: u64 => Bytes,
        /// Memory that nothing uses.
        memory_free_bytes: u64 => Bytes,
        /// Page cache and buffers.
        cache_bytes: u64 => Bytes,
        /// Anonymous memory.
        anon_bytes: u64 => Bytes,
        /// Memory of the kernel's slab caches.
        slab_bytes: u64 => Bytes,
        /// Memory that waits to be written to storage.
        dirty_bytes: u64 => Bytes,
        /// Swap in all.
        swap_total_bytes: u64 => Bytes,
        /// Swap that is free.
        swap_free_bytes: u64 => Bytes,
        /// Pages read from swap.
        swap_in_per_s: Option<f64> => PerSecond,
        /// Pages written to swap.
        swap_out_per_s: Option<f64> => PerSecond,
        /// Page faults that needed I/O.
        major_faults_per_s: Option<f64> => PerSecond,
        /// Pages read back that had been evicted.
        refaults_per_s: Option<f64> => PerSecond,
        /// Pages scanned by processes that waited for memory.
        direct_scans_per_s: Option<f64> => PerSecond,
        /// Processes the kernel killed for memory since boot.
        oom_kills: u64 => Count,
    }
}

impl Default for Machine {
    /// A machine of which nothing is known yet.
    fn default() -> Self {
        Self {
            cpus: 0,
            uptime_s: 0.0,
            cpu_user_pct: None,
            cpu_nice_pct: None,
            cpu_system_pct: None,
            cpu_iowait_pct: None,
            cpu_steal_pct: None,
            cpu_idle_pct: None,
            context_switches_per_s: None,
            forks_per_s: None,
            runnable: 0,
            blocked: 0,
            load_1: 0.0,
            load_5: 0.0,
            load_15: 0.0,
            threads: 0,
            threads_max: None,
            ports: None,
            ports_max: None,
            memory_total_bytes: 0,
            memory_available_bytes: 0,
            memory_free_bytes: 0,
            cache_bytes: 0,
            anon_bytes: 0,
            slab_bytes: 0,
            dirty_bytes: 0,
            swap_total_bytes: 0,
            swap_free_bytes: 0,
            swap_in_per_s: None,
            swap_out_per_s: None,
            major_faults_per_s: None,
            refaults_per_s: None,
            direct_scans_per_s: None,
            oom_kills: 0,
        }
    }
}
