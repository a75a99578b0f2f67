//! Table `anomalies`.
use alloc::string::String;

use crate::{Entity, Timestamp};

table! {
    /// Who differs now from what was learnt as normal of it; no trouble by itself.
    anomalies => AnomalyRow {
        /// Who differs.
        entity: Entity => None,
        /// Name under which it is learnt: service, program, path or device.
        name: String => None,
        /// The quantity that differs most.
        metric: String => None,
        /// Its value now.
        value: f64 => None,
        /// Lower end of the learnt band: a half per cent of the samples lay below.
        low: f64 => None,
        /// Upper end of the learnt band: a half per cent of the samples lay above.
        high: f64 => None,
        /// Chance of a sample this strange, all quantities of the entity together; never below 1 in samples.
        probability: f64 => Ratio,
        /// Samples that was learnt from.
        samples: u64 => Count,
        /// When it began to differ.
        since: Timestamp => UtcNanoseconds,
        /// The same in words.
        sentence: String => None,
    }
}
