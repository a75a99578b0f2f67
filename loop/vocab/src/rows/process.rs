//! Table `processes`.
use alloc::string::String;
use alloc::sync::Arc;

table! {
    /// One process that is alive.
    processes => Process {
        /// Process id.
        pid: u32 => None,
        /// Start time after boot in clock ticks; with the pid, the identity of the process.
        start_ticks: u64 => Count,
        /// Process id of the parent.
        ppid: u32 => None,
        /// Name the kernel shows.
        name: Arc<str> => None,
        /// Stable key across restarts: base name of the executable, with the script for interpreters.
        program: Arc<str> => None,
        /// Arguments, secrets masked.
        command: Option<Arc<str>> => None,
        /// Effective user id.
        user_id: Option<u32> => None,
        /// Service it belongs to: of our supervisor, else the systemd unit.
        service: Option<Arc<str>> => None,
        /// Path of its cgroup below the root of the hierarchy.
        cgroup: Option<Arc<str>> => None,
        /// State letter: R runs, S sleeps, D waits for a device, T stopped, Z ended, I idle kernel thread.
        state: String => None,
        /// Whether it is a thread of the kernel.
        is_kernel: bool => Boolean,
        /// Time since its start.
        age_s: f64 => Seconds,
        /// CPU use since the sample before, 100 a core.
        cpu_pct: Option<f64> => Percent,
        /// CPU time since its start.
        cpu_time_s: f64 => Seconds,
        /// Nice value, -20 (first) to 19 (last).
        nice: i8 => None,
        /// Scheduling policy: other, fifo, rr, batch, idle, deadline, ext.
        policy: String => None,
        /// Threads.
        threads: u32 => Count,
        /// Time its threads were ready to run and waited for a CPU, 100 for one that waits all the time.
        run_delay_pct: Option<f64> => Percent,
        /// Times its main thread gave up the CPU.
        voluntary_switches_per_s: Option<f64> => PerSecond,
        /// Resident memory.
        rss_bytes: u64 => Bytes,
        /// Mapped memory, whether touched or not; without a history.
        virtual_bytes: u64 => Bytes,
        /// Anonymous resident memory.
        anon_bytes: Option<u64> => Bytes,
        /// Resident shared memory: segments, shared mappings without a file, mapped files of tmpfs.
        shmem_bytes: Option<u64> => Bytes,
        /// Memory in swap.
        swap_bytes: Option<u64> => Bytes,
        /// Page faults without I/O.
        minor_faults_per_s: Option<f64> => PerSecond,
        /// Page faults with I/O.
        major_faults_per_s: Option<f64> => PerSecond,
        /// Open descriptors.
        descriptors: Option<u64> => Count,
        /// Soft limit of open descriptors.
        descriptor_limit: Option<u64> => Count,
        /// Bytes fetched from storage.
        read_bytes_per_s: Option<f64> => BytesPerSecond,
        /// Bytes sent to storage.
        write_bytes_per_s: Option<f64> => BytesPerSecond,
        /// Bytes through read and write system calls on any kind of file.
        io_chars_per_s: Option<f64> => BytesPerSecond,
        /// Read and write system calls.
        io_calls_per_s: Option<f64> => PerSecond,
        /// Lowest TCP port it listens on.
        listen_port: Option<u16> => None,
        /// TCP connections that wait to be accepted by it.
        accept_backlog: Option<u32> => Count,
        /// Established TCP connections.
        established: Option<u32> => Count,
        /// Established TCP connections with bytes it has not read.
        unread_connections: Option<u32> => Count,
        /// TCP connections that the peer has closed and it has not.
        close_wait: Option<u32> => Count,
    }
}
