//! Findings with a common cause, from the first to the last.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

use crate::finding::{Evidence, FindingKind, Severity, words};
use crate::{Entity, ProcessId, Timestamp};

words! {
    /// Where an incident stands.
    IncidentState {
        /// Seen; nothing has been done that holds.
        Open = "open",
        /// Its spread is stopped (throttled, frozen, killed), the service does not serve yet.
        Contained = "contained",
        /// An action proved itself: victim and culprit met their health conditions for `verify_s`.
        Repaired = "repaired",
        /// It went away by itself.
        Subsided = "subsided",
    }
}

/// One node of the fault tree: the root is the cause, children are what it leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseNode {
    /// Index of the parent in [`Incident::tree`]; `None` for the root.
    pub parent: Option<u32>,
    /// What it is about.
    pub entity: Entity,
    /// What is said of it.
    pub sentence: String,
    /// How sure, 0 to 1.
    pub weight: f64,
}

/// Another explanation, and how likely it is beside the chosen one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// Who it would be.
    pub culprit: Entity,
    /// What it would be.
    pub sentence: String,
    /// Probability; those of all alternatives and of the chosen one add up to 1.
    pub weight: f64,
}

/// One trouble, from its first finding to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Number, from 1, never used twice in one store.
    pub id: u64,
    /// Kind of the finding at its root.
    pub kind: FindingKind,
    /// Where it stands.
    pub state: IncidentState,
    /// Who caused it.
    pub culprit: Entity,
    /// The process of the culprit, while it lives.
    pub process: Option<ProcessId>,
    /// Who is hurt.
    pub victims: Vec<Entity>,
    /// The worst seen.
    pub severity: Severity,
    /// How sure the explanation is, 0 to 1.
    pub confidence: f64,
    /// First finding.
    pub opened_at: Timestamp,
    /// Latest finding.
    pub last_seen_at: Timestamp,
    /// End; `None` while it lasts.
    pub closed_at: Option<Timestamp>,
    /// Time until something runs out, as last estimated. Unit: s.
    pub exhaustion_s: Option<f64>,
    /// What is wrong and why, in one sentence.
    pub sentence: String,
    /// What would repair it, in one sentence.
    pub suggestion: String,
    /// The fault tree, root first.
    pub tree: Vec<CauseNode>,
    /// What else it could be, likeliest first.
    pub alternatives: Vec<Alternative>,
    /// What supports it, strongest first.
    pub evidence: Vec<Evidence>,
    /// Earlier incidents of the same kind and culprit.
    pub recurrences: u32,
}

impl Incident {
    /// Whether it still needs attention.
    pub const fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }
}
