//! What can go wrong in the store: one variant a cause, one clear line each.

use std::io;
use std::sync::Arc;

/// An error of the store. Its text names the file, what was wrong and, where the file is at fault, the place.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {doing} `{name}`: {source}")]
    Io {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// The file, by its name in the store's folder.
        name: String,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The disk has no room left. Nothing was lost; the call succeeds once there is room.
    #[error("cannot write `{name}`: no room left on the disk")]
    Full {
        /// The file, by its name in the store's folder.
        name: String,
    },
    /// The folder may be read only.
    #[error("cannot write `{name}`: the disk is read-only")]
    ReadOnly {
        /// The file, by its name in the store's folder.
        name: String,
    },
    /// Bytes that were promised are not what was written.
    #[error("`{name}` is damaged at byte {at}: {what}")]
    Damaged {
        /// The file, by its name in the store's folder.
        name: String,
        /// Where in the file, in bytes.
        at: u64,
        /// What did not fit.
        what: &'static str,
    },
    /// A later version of this store wrote the file; it is left as it is.
    #[error("`{name}` has format version {found}, this program knows up to {known}")]
    Newer {
        /// The file, by its name in the store's folder.
        name: String,
        /// Version in the file.
        found: u32,
        /// Highest version this code reads.
        known: u32,
    },
    /// The argument is larger than the store takes.
    #[error("{what} of {bytes} bytes is over the limit of {limit_bytes} bytes")]
    TooLarge {
        /// The thing that is too large.
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// An earlier durable write failed, so what the disk holds is unknown until the log is opened again.
    #[error("the log stopped after a failed write ({first}); open it again")]
    Stopped {
        /// The first failure, as text.
        first: String,
    },
}

/// The store's result.
pub type Result<T> = std::result::Result<T, StoreError>;

impl StoreError {
    /// Sorts an operating system's error by what it means to a caller.
    pub fn from_io(doing: &'static str, name: &str, source: io::Error) -> Self {
        let name = name.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full { name }
            }
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { name },
            _ => Self::Io { doing, name, source: Arc::new(source) },
        }
    }
}
