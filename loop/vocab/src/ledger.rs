//! The loop's own tables: what it found, decided, did and achieved. Filled by cycle, read through tables.
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::rows::{
    ActionRow, DecisionRow, EvidenceRow, FindingRow, IncidentRow, LeaseRow, OutcomeRow, SelfRow,
};

/// Rows of the loop's own tables as of one turn, oldest first; each list bounded by [`Ledger::ROWS_MAX`].
///
/// The long lists are shared by all turns until they change; of those that change in nearly every turn, so are the rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// `findings`: those that hold now.
    pub findings: Vec<FindingRow>,
    /// `incidents`.
    pub incidents: Arc<Vec<Arc<IncidentRow>>>,
    /// `evidence`, including the nodes of the fault trees.
    pub evidence: Arc<Vec<Arc<EvidenceRow>>>,
    /// `decisions`.
    pub decisions: Arc<Vec<DecisionRow>>,
    /// `actions`.
    pub actions: Arc<Vec<ActionRow>>,
    /// `outcomes`.
    pub outcomes: Arc<Vec<OutcomeRow>>,
    /// `leases`: those that run now.
    pub leases: Vec<LeaseRow>,
    /// `capabilities`.
    pub capabilities: Arc<Vec<Capability>>,
    /// `self`.
    pub own: Arc<Vec<SelfRow>>,
}

impl Ledger {
    /// Rows kept in memory of each table; older ones are in the store.
    pub const ROWS_MAX: usize = 1_000;
}
