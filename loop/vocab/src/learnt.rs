//! What learn knows beyond baselines, as tables: read by detect, the doors and the rules.
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::rows::{AnomalyRow, BehaviourRow, FeedbackRow, ForecastRow, LogTemplateRow, ModelRow};

/// The tables of what was learnt, as of one turn. Cheap to clone: a list is made anew only when it changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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

/// The lists that one turn made anew: with it, what was learnt can be followed without the models behind it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    anomalies: Option<Arc<Vec<AnomalyRow>>>,
    forecasts: Option<Arc<Vec<ForecastRow>>>,
    models: Option<Arc<Vec<ModelRow>>>,
    log_templates: Option<Arc<Vec<LogTemplateRow>>>,
    behaviour: Option<Arc<Vec<BehaviourRow>>>,
    feedback: Option<Arc<Vec<FeedbackRow>>>,
}

impl Told {
    /// What of `now` is not that of `before`.
    pub fn between(before: &Learnt, now: &Learnt) -> Self {
        fn changed<T>(before: &Arc<T>, now: &Arc<T>) -> Option<Arc<T>> {
            (!Arc::ptr_eq(before, now)).then(|| now.clone())
        }
        Self {
            anomalies: changed(&before.anomalies, &now.anomalies),
            forecasts: changed(&before.forecasts, &now.forecasts),
            models: changed(&before.models, &now.models),
            log_templates: changed(&before.log_templates, &now.log_templates),
            behaviour: changed(&before.behaviour, &now.behaviour),
            feedback: changed(&before.feedback, &now.feedback),
        }
    }

    /// Puts the new lists in place of the old.
    pub fn apply(self, to: &mut Learnt) {
        fn put<T>(place: &mut Arc<T>, new: Option<Arc<T>>) {
            if let Some(new) = new {
                *place = new;
            }
        }
        put(&mut to.anomalies, self.anomalies);
        put(&mut to.forecasts, self.forecasts);
        put(&mut to.models, self.models);
        put(&mut to.log_templates, self.log_templates);
        put(&mut to.behaviour, self.behaviour);
        put(&mut to.feedback, self.feedback);
    }
}
