//! Table `profiles`.
use alloc::string::String;
use alloc::sync::Arc;

use crate::Timestamp;

table! {
    /// Stacks of processes under suspicion, the last ones, one row a stack: where memory grows, CPU time goes, threads wait.
    profiles => ProfileRow {
        /// When the profile ended.
        at: Timestamp => UtcNanoseconds,
        /// Process id.
        pid: u32 => None,
        /// Its start after boot, in clock ticks: with the pid its identity.
        start_ticks: u64 => None,
        /// Its name.
        name: Arc<str> => None,
        /// Its service, where it has one.
        service: Option<Arc<str>> => None,
        /// memory_growth, memory_kept, on_cpu or waiting.
        kind: String => None,
        /// The innermost function of the program itself; NULL where there is none.
        function: Option<Arc<str>> => None,
        /// The file with its code.
        file: Option<Arc<str>> => None,
        /// That function and who calls it, without run-times, at most three.
        path: Option<Arc<str>> => None,
        /// All functions from the outermost on, joined by semicolons: what flame graphs are drawn from.
        stack: Arc<str> => None,
        /// How much, in the unit beside it.
        weight: u64 => Count,
        /// What the weight counts: bytes that were touched first there, or allocated there, and kept, us of CPU time, threads.
        unit: String => None,
        /// Share of the whole profile.
        share: f64 => Ratio,
        /// Threads that were seen there, joined by blanks, at most eight.
        threads: String => None,
        /// How long the process was watched.
        watched_s: f64 => Seconds,
    }
}
