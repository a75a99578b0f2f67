//! Table `findings`.
use alloc::string::String;

use crate::{Entity, Timestamp};

table! {
    /// What a detector says now about one entity.
    findings => FindingRow {
        /// The snapshot it was seen in.
        at: Timestamp => UtcNanoseconds,
        /// Kind of trouble; also the name of its detector.
        kind: String => None,
        /// Who is in trouble or makes it.
        culprit: Entity => None,
        /// Process the evidence is about.
        pid: Option<u32> => None,
        /// notice, warning or critical.
        severity: String => None,
        /// How sure.
        confidence: f64 => Ratio,
        /// Time until something runs out.
        exhaustion_s: Option<f64> => Seconds,
        /// One sentence for a person.
        sentence: String => None,
    }
}
