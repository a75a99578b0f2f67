//! What a run begins with.
use decide::LoadedRule;
use learn::Models;
use serde::{Deserialize, Serialize};
use vocab::baseline::Baselines;
use vocab::ledger::Ledger;
use vocab::rule::Mode;

/// All that a run depends on besides the machine: a recording begins with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The rules in force.
    pub rules: Vec<LoadedRule>,
    /// The mode that bounds them.
    pub mode: Mode,
    /// Whether only services of our own supervisor are acted on.
    pub own_services_only: bool,
    /// What was learnt before.
    pub baselines: Baselines,
    /// The same beyond baselines.
    pub models: Models,
    /// Numbers of the next incident, decision and action.
    pub next_ids: [u64; 3],
    /// The newest rows of the store.
    pub ledger: Ledger,
}
