//! Resource limits of another process, by prlimit(2): rustix has no call that reads them without setting them.

/// Soft and hard limit of a process.
pub(crate) fn get(pid: u32, resource: libc::__rlimit_resource_t) -> Option<(u64, u64)> {
    exchange(pid, resource, None).ok()
}

/// Sets soft and hard limit of a process, or only reads them; answers what stood there before.
pub(crate) fn exchange(
    pid: u32,
    resource: libc::__rlimit_resource_t,
    new: Option<(u64, u64)>,
) -> std::io::Result<(u64, u64)> {
    let pid = i32::try_from(pid).map_err(std::io::Error::other)?;
    let new = new.map(|(soft, hard)| libc::rlimit { rlim_cur: soft, rlim_max: hard });
    let new_limit = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both point to valid structs or, for the new one, to nothing, which means only to read.
    if unsafe { libc::prlimit(pid, resource, new_limit, &raw mut old) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok((old.rlim_cur, old.rlim_max))
}
