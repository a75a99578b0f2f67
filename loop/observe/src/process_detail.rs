//! The dearer counters of a process: anonymous memory, descriptors, I/O.
use kernfs::{Io, ProcFs, Status};
use vocab::ProcessId;
use vocab::sample::ProcessDetail;

/// What one closer look at a process gave.
pub(crate) struct Detail {
    /// The counters.
    pub(crate) row: ProcessDetail,
    /// The rest of `status`, which was read anyway.
    pub(crate) status: Status,
    /// Whether the files that only its owner may read were refused.
    pub(crate) is_denied: bool,
}

/// Reads `status`, `io` and the number of descriptors, but for what the caller already has of them; `None` if the
/// process ended.
///
/// `is_denied` says that `io` was refused before: it is not asked for again.
pub(crate) fn read(
    proc: &mut ProcFs,
    id: ProcessId,
    is_denied: bool,
    (status, io): (Option<Status>, Option<Io>),
) -> Option<Detail> {
    let status = status.or_else(|| proc.status(id.pid).ok())?;
    let io = match io {
        Some(io) => Some(Ok(io)),
        None => (!is_denied).then(|| proc.io(id.pid)),
    };
    let is_denied = io.map_or(is_denied, |io| io.is_err_and(kernfs::Error::is_denied));
    let io = io.and_then(Result::ok);
    // Since Linux 6.2 the count is no secret.
    let descriptors = proc.fd_count(id.pid).ok();
    let row = ProcessDetail {
        id,
        anon_bytes: status.rss_anon_bytes,
        shmem_bytes: status.rss_shmem_bytes,
        swap_bytes: status.swap_bytes,
        descriptors,
        read_bytes: io.map(|io| io.read_bytes),
        write_bytes: io.map(|io| io.write_bytes),
        io_chars: io.map(|io| io.rchar_bytes.saturating_add(io.wchar_bytes)),
        io_calls: io.map(|io| io.syscr.saturating_add(io.syscw)),
        voluntary_switches: status.voluntary_ctxt_switches,
    };
    Some(Detail { row, status, is_denied })
}
