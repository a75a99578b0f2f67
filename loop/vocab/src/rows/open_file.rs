//! Table `open_files`.
use alloc::string::String;
use alloc::sync::Arc;

table! {
    /// One open descriptor of a process; read when asked for, by pid.
    open_files => OpenFile {
        /// Process id.
        pid: u32 => None,
        /// Number of the descriptor.
        descriptor: u32 => None,
        /// file, socket, pipe, or the kernel's word for an anonymous inode.
        kind: String => None,
        /// Path, or the link text for what has no path.
        target: Arc<str> => None,
        /// Inode, of sockets and pipes.
        inode: Option<u64> => None,
        /// TCP state of a TCP socket: established, close_wait, listen, …
        tcp_state: Option<String> => None,
        /// Of a TCP socket that does not listen: whether it was opened from here, by a local port on which nobody
        /// listens.
        is_outgoing: Option<bool> => Boolean,
    }
}
