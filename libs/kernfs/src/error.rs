//! Why a file of the kernel gave no answer. Start at [`Error`].

use rustix::io::Errno;

/// A read that gave nothing usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The kernel refused the open or the read.
    #[error("{file}: {errno}")]
    Os {
        /// Name of the file below its process, cgroup or root folder.
        file: &'static str,
        /// What the kernel answered.
        errno: Errno,
    },
    /// The file was read, but its text is not in the documented format.
    #[error("{file}: not in the format the kernel documents")]
    Malformed {
        /// Name of the file below its process, cgroup or root folder.
        file: &'static str,
    },
    /// The file is larger than [`crate::MAX_FILE_BYTES`].
    #[error("{file}: larger than {} bytes", crate::MAX_FILE_BYTES)]
    TooLarge {
        /// Name of the file below its process, cgroup or root folder.
        file: &'static str,
    },
}

impl Error {
    /// True when the process, thread or cgroup ended before the read, or the kernel has no such file.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Os { errno: Errno::NOENT | Errno::SRCH | Errno::NODEV, .. })
    }

    /// True when the caller lacks the privilege to read the file.
    pub fn is_denied(self) -> bool {
        matches!(self, Self::Os { errno: Errno::ACCESS | Errno::PERM, .. })
    }
}

/// What every reader returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Binds the name of a file to what the kernel answered about it.
pub(crate) fn os(file: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Os { file, errno }
}

/// A parser's `None` as an error that names the file.
pub(crate) fn parsed<T>(file: &'static str, value: Option<T>) -> Result<T> {
    value.ok_or(Error::Malformed { file })
}
