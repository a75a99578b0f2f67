//! The clock of one run: the wall clock read once, carried on by the boot-time clock.
use std::time::SystemTime;

use vocab::Timestamp;

/// The wall clock at boot, read when the run starts: add the time since boot and it is now, whatever anyone
/// does to the wall clock meanwhile. Unit: ns since the epoch.
pub fn start() -> Timestamp {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wall_ns = i64::try_from(wall.as_nanos()).unwrap_or(0);
    Timestamp(wall_ns.saturating_sub(i64::try_from(act::boot_ns()).unwrap_or(0)))
}

/// Now, on the clock that began with `start`.
pub fn now(start: Timestamp) -> Timestamp {
    Timestamp(start.0.saturating_add(i64::try_from(act::boot_ns()).unwrap_or(0)))
}
