//! Table `history`.
use alloc::string::String;
use alloc::sync::Arc;

use crate::Timestamp;

table! {
    /// One quantity of the machine or a service, its mean over one minute; from the store.
    history => HistoryRow {
        /// Begin of the minute.
        at: Timestamp => UtcNanoseconds,
        /// machine, or the name of the service.
        key: Arc<str> => None,
        /// Quantity, named like the column it is the mean of; cpu_busy_pct is 100 less cpu_idle_pct.
        metric: String => None,
        /// Its mean, in the unit of that column.
        value: f64 => None,
    }
}
