//! Table `services`.
use alloc::string::String;
use alloc::sync::Arc;

table! {
    /// One service: of our own supervisor, or a systemd unit that has processes.
    services => Service {
        /// Name: as in our configuration, or that of the unit.
        name: Arc<str> => None,
        /// homeostat or systemd.
        manager: String => None,
        /// running, backing_off or stopped.
        state: String => None,
        /// Main process: as its manager says, else the oldest one.
        main_pid: Option<u32> => None,
        /// Start time of the main process in clock ticks after boot.
        main_start_ticks: Option<u64> => Count,
        /// Time since the start of the main process.
        up_s: Option<f64> => Seconds,
        /// Processes.
        processes: u32 => Count,
        /// Its cgroup.
        cgroup: Option<Arc<str>> => None,
        /// CPU use of its processes, 100 a core.
        cpu_pct: Option<f64> => Percent,
        /// Wait for a CPU of all threads of its processes, 100 for one that waits all the time.
        run_delay_pct: Option<f64> => Percent,
        /// Anonymous memory of its processes.
        anon_bytes: Option<u64> => Bytes,
        /// Open descriptors of its processes.
        descriptors: Option<u64> => Count,
        /// TCP connections that wait to be accepted.
        accept_backlog: Option<u32> => Count,
        /// Established TCP connections with unread bytes.
        unread_connections: Option<u32> => Count,
        /// Times it was started.
        starts: Option<u64> => Count,
        /// Times it ended by itself with a failure.
        failures: Option<u64> => Count,
        /// Exit code of its last end; NULL if a signal ended it.
        exit_code: Option<i32> => None,
        /// Signal of its last end.
        exit_signal: Option<i32> => None,
        /// Time since its last end.
        exit_age_s: Option<f64> => Seconds,
        /// How long it ran before its last end.
        exit_ran_s: Option<f64> => Seconds,
        /// Wait before its next start after a failure.
        back_off_s: Option<f64> => Seconds,
        /// Outcome of its own health check; NULL if it has none.
        is_healthy: Option<bool> => Boolean,
    }
}
