//! Table `filesystems`.
use alloc::sync::Arc;

table! {
    /// One mounted file system with storage behind it.
    filesystems => Filesystem {
        /// Where it is mounted.
        mount_point: Arc<str> => None,
        /// What is mounted.
        device: Arc<str> => None,
        /// Its type.
        kind: Arc<str> => None,
        /// Whether it is mounted read-only.
        is_read_only: bool => Boolean,
        /// Size; NULL when it did not answer in time.
        total_bytes: Option<u64> => Bytes,
        /// Room for an ordinary user.
        available_bytes: Option<u64> => Bytes,
        /// Inodes in all.
        inodes: Option<u64> => Count,
        /// Free inodes.
        free_inodes: Option<u64> => Count,
    }
}
