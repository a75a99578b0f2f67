//! What learn knows beyond baselines, as tables: read by detect, the doors and the rules.
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::rows::{AnomalyRow, BehaviourRow, FeedbackRow, ForecastRow, LogTemplateRow, ModelRow};

/// The tables of what was learnt, as of one turn. Cheap to clone: a list is made anew only when it changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learnt {
    /// `anomalies`: who differs from normal now.
    pub anomalies: Arc<Vec<AnomalyRow>>,
    /// `forecasts`: what will be used up.
    pub forecasts: Arc<Vec<ForecastRow>>,
    /// `models`.
    pub models: Arc<Vec<ModelRow>>,
    /// `log_templates`.
    pub log_templates: Arc<Vec<LogTemplateRow>>,
    /// `behaviour`, one row a program.
    pub behaviour: Arc<Vec<BehaviourRow>>,
    /// `feedback`, one row an incident.
    pub feedback: Arc<Vec<FeedbackRow>>,
}
