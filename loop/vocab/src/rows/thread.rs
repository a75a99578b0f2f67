//! Table `threads`.
use alloc::string::String;
use alloc::sync::Arc;

table! {
    /// One thread of a process; read when asked for, by pid.
    threads => Thread {
        /// Process id.
        pid: u32 => None,
        /// Thread id.
        tid: u32 => None,
        /// Name the kernel shows.
        name: Arc<str> => None,
        /// State letter.
        state: String => None,
        /// CPU time since its start.
        cpu_time_s: f64 => Seconds,
        /// Times it gave up the CPU since its start.
        voluntary_switches: Option<u64> => Count,
        /// Kernel function it sleeps in, where its system call is not known or it cannot be interrupted.
        wait_channel: Option<Arc<str>> => None,
        /// Number of the system call it is in.
        system_call: Option<i64> => None,
        /// Address of the futex it waits on.
        futex: Option<String> => None,
        /// Thread that owns that futex, where its memory says so (glibc mutex).
        futex_owner: Option<u32> => None,
    }
}
