//! A proven effect that stands until it is no longer needed, and its release: half, then none of it, then its end.
//!
//! Each step waits whether the symptom returns. If it does, all of the effect is applied again and the next release
//! waits twice as long; after as many returns as its rung allows in an hour it is released only when its time is up.
use alloc::string::String;

use serde::{Deserialize, Serialize};
use vocab::action::Level;
use vocab::decision::Decision;
use vocab::finding::Finding;
use vocab::incident::Incident;
use vocab::query;
use vocab::rule::Proves;
use vocab::{Entity, Timestamp};

use crate::{Context, Step};

/// Time for which half of an effect stands. Unit: s.
const HALF_S: f64 = 15.0;

/// Time for which none of it stands and the symptom must stay away: longer than the slowest detector takes, which
/// sees a leak after 32 s. Unit: s.
const OFF_S: f64 = 45.0;

/// Time for which the symptom must have been away before the first release is tried, where the rule names no
/// condition. Unit: s.
const WAIT_S: f64 = 60.0;

/// One held effect.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Held {
    decision: Decision,
    incident: Incident,
    level: Level,
    /// Since when at that level, or without its symptom there.
    since: Timestamp,
    /// End of its hold.
    until: Timestamp,
    /// As of [`WAIT_S`], doubled with each return.
    wait_s: f64,
    /// Times it was applied again.
    returns: u32,
    /// Until when what was applied again is on trial.
    on_trial_until: Option<Timestamp>,
}

impl Held {
    pub(crate) fn new(decision: Decision, incident: Incident, now: Timestamp) -> Self {
        let until = now.plus_seconds(decision.rung.hold_max_s);
        let (level, since, wait_s, returns) = (Level::Whole, now, WAIT_S, 0);
        Self { decision, incident, level, since, until, wait_s, returns, on_trial_until: None }
    }

    /// The incident it was done for.
    pub(crate) const fn incident_id(&self) -> u64 {
        self.incident.id
    }

    /// The condition that releases it.
    pub(crate) fn release_when(&self) -> Option<&str> {
        self.decision.rung.release_when.as_deref()
    }

    /// Whom nobody else should treat now: it is being released, or applied again and not proved anew.
    pub(crate) fn busy(&self, now: Timestamp) -> Option<&Entity> {
        let is_on_trial = self.on_trial_until.is_some_and(|until| now < until);
        (self.level != Level::Whole || is_on_trial).then_some(&self.incident.culprit)
    }

    /// One turn.
    pub(crate) fn step(&mut self, context: &mut Context<'_>) -> Option<Step> {
        let now = context.snapshot.at;
        let symptom = context.findings.iter().find(|finding| self.is_symptom(finding));
        match (self.level, symptom) {
            (Level::Whole, Some(finding)) => {
                self.whole_with(now, &finding.sentence).or_else(|| self.begin(context))
            }
            (Level::Whole, None) => {
                self.on_trial_until = None;
                self.begin(context)
            }
            (_, Some(finding)) => Some(self.back(now, &finding.sentence)),
            (Level::Half, None) if now.seconds_since(self.since) < HALF_S => None,
            (Level::Off, None) if now.seconds_since(self.since) < OFF_S => None,
            (Level::Half, None) => {
                Some(self.go(Level::Off, now, "half of it was released without harm".into()))
            }
            (Level::Off, None) => Some(Step::Release("no longer needed".into())),
        }
    }

    fn is_symptom(&self, finding: &Finding) -> bool {
        finding.kind == self.incident.kind && finding.culprit == self.incident.culprit
    }

    fn go(&mut self, level: Level, now: Timestamp, because: String) -> Step {
        (self.level, self.since) = (level, now);
        Step::Ease(level, because)
    }

    /// The symptom is there although all of the effect stands. What was to repair it has failed then; what only
    /// contains goes on.
    fn whole_with(&mut self, now: Timestamp, sentence: &str) -> Option<Step> {
        self.since = now;
        let is_on_trial = self.on_trial_until.is_some_and(|until| now < until);
        (self.decision.rung.proves == Proves::Repaired && !is_on_trial)
            .then(|| Step::Release(alloc::format!("it no longer helps: {sentence}")))
    }

    /// The first step of a release, when it is due.
    fn begin(&mut self, context: &mut Context<'_>) -> Option<Step> {
        let because = self.due(context)?;
        Some(self.go(Level::Half, context.snapshot.at, because))
    }

    fn due(&self, context: &mut Context<'_>) -> Option<String> {
        let now = context.snapshot.at;
        if now >= self.until {
            return Some("held as long as its rule allows".into());
        }
        if self.returns >= self.decision.rung.hourly_max {
            return None;
        }
        if let Some(condition) = self.release_when() {
            let parameters = query::parameters(&self.incident, context.snapshot);
            let holds = context.query.holds(condition, &parameters).unwrap_or(false);
            return holds.then(|| "its rule's `release_when` holds".into());
        }
        if !context.incidents.iter().any(|one| one.id == self.incident.id && one.is_open()) {
            return Some("its incident is closed".into());
        }
        let away_s = now.seconds_since(self.since);
        (away_s >= self.wait_s).then(|| alloc::format!("its symptom has been away for {away_s:.0} s"))
    }

    /// The symptom came back while it was being released.
    fn back(&mut self, now: Timestamp, sentence: &str) -> Step {
        let rung = &self.decision.rung;
        if self.returns >= rung.hourly_max {
            return Step::Release(alloc::format!(
                "its time is up and it was applied again {} times",
                self.returns
            ));
        }
        self.on_trial_until = Some(now.plus_seconds(rung.within_s + rung.verify_s));
        self.until = now.plus_seconds(rung.hold_max_s);
        self.returns += 1;
        self.wait_s *= 2.0;
        (self.level, self.since) = (Level::Whole, now);
        Step::Again(rung.hold_max_s, alloc::format!("applied again, for the symptom returned: {sentence}"))
    }
}
