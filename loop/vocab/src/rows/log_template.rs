//! Table `log_templates`.
use alloc::string::String;

use crate::{Entity, Timestamp};

table! {
    /// One kind of log line: what lines of the kernel or of a service have in common.
    log_templates => LogTemplateRow {
        /// Who writes it: the machine for the kernel.
        entity: Entity => None,
        /// Number within its writer, from 1.
        template: u32 => None,
        /// The words in common, `<*>` where they differ; secrets masked.
        text: String => None,
        /// Lines so far.
        lines: u64 => Count,
        /// First line.
        first_at: Timestamp => UtcNanoseconds,
        /// Latest line.
        last_at: Timestamp => UtcNanoseconds,
        /// Lines a minute, as learnt.
        lines_per_min: f64 => Count,
        /// known, new (its writer was known for an hour before), burst or vanished.
        state: String => None,
        /// When the state began.
        since: Timestamp => UtcNanoseconds,
    }
}
