//! Table `events`.
use alloc::string::String;

use crate::{Entity, Timestamp};

table! {
    /// Something that happened: a line of a log, a start, an end, an error.
    events => EventRow {
        /// When it happened.
        at: Timestamp => UtcNanoseconds,
        /// kernel_log, service_log, service_start, service_exit, oom_kill, hung_task, io_error, hardware_error, memory_exhausted, crash, anomaly, own, device_failure, thermal, kernel_fault or lockup.
        kind: String => None,
        /// To what.
        entity: Entity => None,
        /// Log level, 0 (emergency) to 7 (debug).
        level: Option<u8> => None,
        /// The line or sentence, secrets masked.
        message: String => None,
    }
}
