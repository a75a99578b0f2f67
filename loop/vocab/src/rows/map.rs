//! Table `maps`.
use alloc::sync::Arc;

table! {
    /// Memory of a process summed by mapped file; read when asked for, by pid.
    maps => Map {
        /// Process id.
        pid: u32 => None,
        /// File, [heap], [stack] or [anon].
        name: Arc<str> => None,
        /// How many mappings.
        mappings: u32 => Count,
        /// Resident memory.
        rss_bytes: u64 => Bytes,
        /// Anonymous memory.
        anon_bytes: u64 => Bytes,
    }
}
