//! Table `feedback`.
use alloc::string::String;

use crate::Timestamp;

table! {
    /// What a person said of an incident, and what Homeostat made of it.
    feedback => FeedbackRow {
        /// Number of the incident.
        incident_id: u64 => None,
        /// When it was said.
        at: Timestamp => UtcNanoseconds,
        /// confirm: it was a true one; dismiss: a false alarm.
        verdict: String => None,
        /// Kind of the incident.
        kind: String => None,
        /// Name of its culprit.
        name: String => None,
        /// Column of its strongest evidence.
        source_column: Option<String> => None,
        /// Values up to here are taken as normal of this culprit and kind; NULL: nothing was learnt away.
        tolerated: Option<f64> => None,
        /// Times it was dismissed.
        dismissals: u32 => Count,
        /// What follows from it, in words.
        sentence: String => None,
    }
}
