//! Table `scores`.
use alloc::string::String;

use crate::{Entity, Timestamp};

table! {
    /// How strange somebody was at every second of the past, thought again from the history; `anomalies_history` keeps the strange ones.
    scores => ScoreRow {
        /// When.
        at: Timestamp => UtcNanoseconds,
        /// Whose, asked for with WHERE entity = …: machine, service:NAME, program:NAME, cgroup:PATH, disk:NAME or interface:NAME.
        entity: Entity => None,
        /// The quantity that differs most.
        metric: String => None,
        /// Its value then.
        value: Option<f64> => None,
        /// Lower end of the band learnt until then: a half per cent of the samples lay below.
        low: f64 => None,
        /// Upper end of the band learnt until then: a half per cent of the samples lay above.
        high: f64 => None,
        /// Chance of a sample this strange, all quantities of the entity together; never below 1 in samples.
        probability: f64 => Ratio,
        /// Samples that was learnt from: at most those of the day before.
        samples: u64 => Count,
    }
}
