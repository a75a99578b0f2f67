//! Table `incidents`.
use alloc::string::String;

use crate::{Entity, Timestamp};

table! {
    /// One trouble, from its first finding to its end.
    incidents => IncidentRow {
        /// Number of the incident.
        id: u64 => None,
        /// Kind of the finding at its root.
        kind: String => None,
        /// open, contained, repaired or subsided.
        state: String => None,
        /// Who caused it.
        culprit: Entity => None,
        /// Name of the culprit: of its service, else its program.
        name: String => None,
        /// Process of the culprit.
        pid: Option<u32> => None,
        /// Who is hurt, joined by blanks.
        victims: String => None,
        /// notice, warning or critical: the worst seen.
        severity: String => None,
        /// How sure the explanation is.
        confidence: f64 => Ratio,
        /// First finding.
        opened_at: Timestamp => UtcNanoseconds,
        /// Latest finding.
        last_seen_at: Timestamp => UtcNanoseconds,
        /// End; NULL while it lasts.
        closed_at: Option<Timestamp> => UtcNanoseconds,
        /// Time until something runs out.
        exhaustion_s: Option<f64> => Seconds,
        /// What is wrong and why.
        sentence: String => None,
        /// What would repair it.
        suggestion: String => None,
        /// Earlier incidents of the same kind and culprit.
        recurrences: u32 => Count,
        /// It is not announced until then.
        muted_until: Option<Timestamp> => UtcNanoseconds,
    }
}
