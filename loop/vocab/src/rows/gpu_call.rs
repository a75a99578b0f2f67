//! Table `gpu_calls`.
use alloc::string::String;
use alloc::sync::Arc;

use crate::Timestamp;
use crate::kernel::Hist;

table! {
    /// Calls of the CUDA run-time and of NCCL by processes under suspicion, the last ones, one row a function that was called.
    gpu_calls => GpuCallRow {
        /// When the watch ended.
        at: Timestamp => UtcNanoseconds,
        /// Process id.
        pid: u32 => None,
        /// Its start after boot, in clock ticks: with the pid its identity.
        start_ticks: u64 => None,
        /// Its name.
        name: Arc<str> => None,
        /// Its service, where it has one.
        service: Option<Arc<str>> => None,
        /// The file with the function.
        library: Arc<str> => None,
        /// The function.
        call: Arc<str> => None,
        /// Calls that returned.
        calls: u64 => Count,
        /// Those that returned an error.
        errors: u64 => Count,
        /// Calls that began during the watch, a second before its end or more, and had not returned at its end.
        open: u64 => Count,
        /// Moved, allocated or freed by calls without an error; NULL where the arguments do not say. Of what is freed only what was allocated during the watch has a size.
        moved_bytes: Option<u64> => Bytes,
        /// Allocated by it during the watch and not freed at its end; NULL for functions that allocate nothing.
        live_bytes: Option<u64> => Bytes,
        /// Time in it, of all threads together.
        spent_us: u64 => Microseconds,
        /// Half of the calls were shorter than this.
        p50_us: Option<f64> => Microseconds,
        /// All but one in a hundred were shorter than this.
        p99_us: Option<f64> => Microseconds,
        /// How long they took in ns by power of two, for hist_percentile().
        histogram: Hist => None,
        /// How long the process was watched.
        watched_s: f64 => Seconds,
        /// Where it was seen: `API level`. Of a launch that returns at once the time is that of the call, not of the work.
        source: String => None,
    }
}
