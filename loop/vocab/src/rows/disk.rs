//! Table `disks`.
use alloc::sync::Arc;

table! {
    /// One block device.
    disks => Disk {
        /// Name in /dev.
        name: Arc<str> => None,
        /// Completed reads.
        reads_per_s: Option<f64> => PerSecond,
        /// Bytes read.
        read_bytes_per_s: Option<f64> => BytesPerSecond,
        /// Mean time of a read.
        read_ms: Option<f64> => Milliseconds,
        /// Completed writes.
        writes_per_s: Option<f64> => PerSecond,
        /// Bytes written.
        write_bytes_per_s: Option<f64> => BytesPerSecond,
        /// Mean time of a write.
        write_ms: Option<f64> => Milliseconds,
        /// Requests under way.
        in_flight: u64 => Count,
        /// Time in which a request was under way.
        busy_pct: Option<f64> => Percent,
    }
}
