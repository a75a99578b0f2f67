//! Lets SQL score the past again (`scores`): tables reads it, learn judges it, neither knows the other.
use learn::again::Again;
use tables::engine::Scoring;
use vocab::rows::ScoreRow;
use vocab::{Entity, Timestamp};

struct Judge(Again);

/// Begins with nothing known of that entity; `None` for one without scores.
pub fn scorer(entity: &Entity) -> Option<Box<dyn Scoring>> {
    Again::new(entity).map(|again| Box::new(Judge(again)) as Box<dyn Scoring>)
}

impl Scoring for Judge {
    fn quantities(&self) -> Vec<&'static str> {
        self.0.quantities().collect()
    }

    fn push(
        &mut self,
        at: Timestamp,
        entity: &Entity,
        values: &[Option<f64>],
        learns: bool,
    ) -> Option<ScoreRow> {
        let score = self.0.push(values, learns)?;
        Some(ScoreRow {
            at,
            entity: entity.clone(),
            metric: score.metric.to_owned(),
            value: score.value,
            low: score.band.0,
            high: score.band.1,
            probability: score.probability,
            samples: score.samples,
        })
    }
}
