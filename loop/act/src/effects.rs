//! What is told of an action: the one place where stages become states.
use vocab::Timestamp;
use vocab::action::{ActionState, Effect, Intent};

use crate::ring::{End, Stage};
use crate::take_back::Ended;

/// The effect of an order for which nothing was written into the ring.
pub(crate) fn bare_effect(intent: Intent, at: Timestamp, state: ActionState, because: String) -> Effect {
    let action_id = intent.action_id;
    let because = Some(because);
    Effect { action_id, intent, at, state, before: None, after: None, because, lease_until: None }
}

/// The effect that tells where a slot stands.
pub(crate) fn effect_of(one: Ended, at: Timestamp, now_boot_ns: u64) -> Effect {
    let Ended { record, stage, because } = one;
    let until = |boot_ns: u64| at.plus_seconds((boot_ns as f64 - now_boot_ns as f64) / 1e9);
    let (state, lease_until) = match stage {
        Stage::Intended => (ActionState::Intended, None),
        // An undo that the machine refuses leaves the effect standing.
        Stage::Undoing | Stage::Applied => (ActionState::Applied, Some(until(record.lease_until_ns))),
        Stage::Held { until_s } | Stage::Easing { until_s } => {
            (ActionState::Held, Some(until(u64::from(until_s) * 1_000_000_000)))
        }
        Stage::Ended(End::Undone) => (ActionState::Undone, None),
        Stage::Ended(End::Released) => (ActionState::Released, None),
        Stage::Ended(End::Final) => (ActionState::Final, None),
        Stage::Ended(End::Failed) => (ActionState::Failed, None),
        Stage::Ended(End::Refused) => (ActionState::Refused, None),
    };
    let (before, after) = (Some(record.before()), Some(record.after()));
    let because = Some(because).filter(|because| !because.is_empty());
    Effect {
        action_id: record.intent.action_id,
        intent: record.intent,
        at,
        state,
        before,
        after,
        because,
        lease_until,
    }
}
