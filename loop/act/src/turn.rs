//! One call of act: what happens to each order, from the refusals to the guard's second look.
use vocab::action::{ActionState, Effect, Intent, Level};
use vocab::capability::Capability;
use vocab::rule::ActuatorKind;
use vocab::{Entity, Timestamp};

use crate::actuators::{self, Change};
use crate::boot_ns;
use crate::effects::{bare_effect, effect_of};
use crate::guard::Guard;
use crate::machine::Machine;
use crate::order::Order;
use crate::record::Record;
use crate::ring::{Content, End, Ring, Slot, Stage};
use crate::services::Durable;
use crate::step::{Standing, Step};
use crate::take_back::{Ended, end_slot, hold_until_s, is_expired};
use crate::trouble::Trouble;

/// One call of [`Act::run`].
pub(crate) struct Turn<'a> {
    pub(crate) ring: &'a Ring,
    pub(crate) guard: &'a mut Guard,
    pub(crate) capabilities: &'a [Capability],
    pub(crate) durable: &'a mut dyn Durable,
    pub(crate) machine: Machine<'a>,
    pub(crate) now: Timestamp,
    pub(crate) now_boot_ns: u64,
}

/// Slots that came to an end, or whose end the machine refuses.
pub(crate) type EndedSlots = Vec<(Slot, Ended)>;

impl Turn<'_> {
    /// Leases and holds that ran out, undos that were begun, and effects whose target is gone.
    pub(crate) fn end_what_is_over(&mut self) -> EndedSlots {
        let mut ended = Vec::new();
        for (slot, content) in self.ring.slots() {
            let Content::Whole(stage, record) = content else { continue };
            let because = match stage {
                // Not by us: what we end is freed at the start of the next call.
                Stage::Ended(_) => {
                    let because = "it was ended while the daemon did not answer".to_owned();
                    ended.push((slot, Ended { record: *record, stage, because }));
                    continue;
                }
                Stage::Held { .. } | Stage::Easing { .. } if is_expired(stage, &record, self.now_boot_ns) => {
                    "its hold is over"
                }
                _ if is_expired(stage, &record, self.now_boot_ns) => {
                    "its lease is over and it was not proved"
                }
                _ => match record.change.step().standing(&mut self.machine) {
                    Ok(Standing::Gone(_)) => "its target is gone",
                    _ => continue,
                },
            };
            ended.push((slot, end_slot(self.ring, slot, stage, *record, &mut self.machine, because)));
        }
        ended
    }

    pub(crate) fn ended_slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.ring.slots().filter_map(|(slot, content)| match content {
            Content::Whole(Stage::Ended(_), _) => Some(slot),
            _ => None,
        })
    }

    fn find(&self, action_id: u64) -> Option<(Slot, Stage, Record)> {
        self.ring.slots().find_map(|(slot, content)| match content {
            Content::Whole(stage, record) if record.intent.action_id == action_id => {
                Some((slot, stage, *record))
            }
            _ => None,
        })
    }

    pub(crate) fn carry_out(&mut self, order: Order, ended: &mut EndedSlots) -> Option<Effect> {
        let action_id = order.action_id();
        if let Order::Apply(intent) = order {
            return Some(self.apply(intent, ended));
        }
        // An order about what is over already was answered when it ended.
        let (slot, stage, record) = self.find(action_id)?;
        if matches!(stage, Stage::Ended(_)) {
            return None;
        }
        match order {
            Order::Hold { hold_max_s, .. } => return self.hold(slot, stage, record, hold_max_s),
            Order::Ease { level, because, .. } => return self.ease(slot, stage, record, level, because),
            Order::Undo { because, .. } => {
                ended.push((slot, end_slot(self.ring, slot, stage, record, &mut self.machine, &because)));
            }
            Order::Release { because, .. } => {
                let mut one = end_slot(self.ring, slot, stage, record, &mut self.machine, &because);
                if one.stage == Stage::Ended(End::Undone) {
                    one.stage = Stage::Ended(End::Released);
                    self.ring.set_stage(slot, one.stage);
                }
                ended.push((slot, one));
            }
            Order::Apply(_) => {}
        }
        None
    }

    fn hold(&self, slot: Slot, stage: Stage, record: Record, hold_max_s: f64) -> Option<Effect> {
        if !matches!(stage, Stage::Applied | Stage::Held { .. }) {
            return None;
        }
        let stage = Stage::Held { until_s: hold_until_s(hold_max_s) };
        self.ring.set_stage(slot, stage);
        let one = Ended { record, stage, because: "it proved itself".to_owned() };
        Some(effect_of(one, self.now, self.now_boot_ns))
    }

    /// Lets only so much of a held effect stand, or all of it again. It ends at its time as any held one.
    fn ease(
        &mut self,
        slot: Slot,
        stage: Stage,
        record: Record,
        level: Level,
        because: String,
    ) -> Option<Effect> {
        let (Stage::Held { until_s } | Stage::Easing { until_s }) = stage else { return None };
        // Before the first part of it goes, and until all of it stands again: a start that finds this ends it.
        self.ring.set_stage(slot, Stage::Easing { until_s });
        let stage = match level {
            Level::Whole => Stage::Held { until_s },
            Level::Half | Level::Off => Stage::Easing { until_s },
        };
        let (stage, because) = match self.set_level(record.change.step(), level) {
            Ok(()) => (stage, because),
            Err(said) => (Stage::Easing { until_s }, format!("{because}; refused: {said}")),
        };
        self.ring.set_stage(slot, stage);
        Some(effect_of(Ended { record, stage, because }, self.now, self.now_boot_ns))
    }

    /// What somebody else set meanwhile stays; what is made anew passes the guard anew.
    fn set_level(&mut self, step: &dyn Step, level: Level) -> Result<(), String> {
        if let Standing::Other(what) = step.standing(&mut self.machine)? {
            return Err(format!("somebody else had set {what}"));
        }
        match level {
            Level::Whole => {
                self.guard.check(&step.touches(), &mut self.machine)?;
                step.apply(&mut self.machine)
            }
            Level::Half => step.halve(&mut self.machine),
            Level::Off => step.undo(&mut self.machine),
        }
    }

    /// The whole way of one change: refused, failed, applied or final.
    fn apply(&mut self, intent: Intent, ended: &mut EndedSlots) -> Effect {
        match self.prepare(&intent, ended) {
            Ok((slot, record)) => self.perform(slot, record),
            Err(trouble) => {
                let (state, because) = match trouble {
                    Trouble::Refused(because) => (ActionState::Refused, because),
                    Trouble::Failed(because) => (ActionState::Failed, because),
                };
                bare_effect(intent, self.now, state, because)
            }
        }
    }

    /// All that comes before the change: refusals, the plan, the guard, the journal, the intent in the ring.
    fn prepare(&mut self, intent: &Intent, ended: &mut EndedSlots) -> Result<(Slot, Record), Trouble> {
        self.is_offered(intent)?;
        if self.find(intent.action_id).is_some() {
            return Err(Trouble::Refused(format!("action {} is in the ring already", intent.action_id)));
        }
        let is_final = actuators::is_final(intent.kind);
        is_free(self.ring, intent, is_final)?;
        let change = actuators::plan(intent, &mut self.machine)?;
        self.guard.check(&change.step().touches(), &mut self.machine).map_err(Trouble::Refused)?;
        self.guard.pace(self.now).map_err(Trouble::Refused)?;
        if is_final {
            let said =
                |error| Trouble::Refused(format!("it cannot be undone, and the journal refuses it: {error}"));
            self.durable.intent(intent).map_err(said)?;
            // A restart ends what holds the target; a frozen one could not even die.
            self.make_way(intent, ended);
        }
        let lease_ns = (intent.lease_s.max(0.0) * 1e9) as u64;
        let lease_until_ns = boot_ns().saturating_add(lease_ns);
        let record = Record { intent: intent.clone(), change, lease_until_ns };
        let slot = self.ring.intend(&record).map_err(|error| Trouble::Refused(error.to_string()))?;
        Ok((slot, record))
    }

    pub(crate) fn is_offered(&self, intent: &Intent) -> Result<(), Trouble> {
        let name = intent.kind.as_str();
        let row = self.capabilities.iter().find(|row| row.kind == "actuator" && row.name == name);
        match row {
            Some(row) if row.is_available => Ok(()),
            Some(row) => {
                let because = row.reason.as_deref().unwrap_or("it does not work here");
                Err(Trouble::Refused(format!("{name} is not offered: {because}")))
            }
            None => Err(Trouble::Refused(format!("{name} is not offered: it was never tried"))),
        }
    }

    /// Takes back what is held on the target of a final action.
    fn make_way(&mut self, intent: &Intent, ended: &mut EndedSlots) {
        for (slot, content) in self.ring.slots() {
            let Content::Whole(stage @ (Stage::Held { .. } | Stage::Easing { .. }), record) = content else {
                continue;
            };
            if is_same_target(intent, &record.intent) {
                let because = format!("action {} takes its place", intent.action_id);
                ended.push((slot, end_slot(self.ring, slot, stage, *record, &mut self.machine, &because)));
            }
        }
    }

    /// Makes the change and looks at the target once more.
    fn perform(&mut self, slot: Slot, record: Record) -> Effect {
        let applied = record.change.step().apply(&mut self.machine);
        let one = match applied {
            Err(said) => self.give_up(slot, record, End::Failed, said),
            Ok(()) => match self.is_still_allowed(&record.change) {
                Err(said) => self.give_up(slot, record, End::Refused, format!("{said}; taken back")),
                Ok(()) => {
                    let is_final = record.change.step().is_final();
                    let stage = if is_final { Stage::Ended(End::Final) } else { Stage::Applied };
                    self.ring.set_stage(slot, stage);
                    Ended { record, stage, because: String::new() }
                }
            },
        };
        effect_of(one, self.now, self.now_boot_ns)
    }

    /// The guard's second look. The end of a target is not a mismatch, and what is final has none.
    pub(crate) fn is_still_allowed(&mut self, change: &Change) -> Result<(), String> {
        let step = change.step();
        if step.is_final() || matches!(step.standing(&mut self.machine), Ok(Standing::Gone(_))) {
            return Ok(());
        }
        self.guard.check(&step.touches(), &mut self.machine)
    }

    /// Takes back what may have been done, and ends the slot as failed or refused.
    pub(crate) fn give_up(&mut self, slot: Slot, record: Record, end: End, said: String) -> Ended {
        let mut one = end_slot(self.ring, slot, Stage::Intended, record, &mut self.machine, &said);
        if matches!(one.stage, Stage::Ended(End::Undone | End::Failed)) {
            (one.stage, one.because) = (Stage::Ended(end), said);
            self.ring.set_stage(slot, one.stage);
        }
        one
    }
}

/// One action in flight per target, and one held effect of a kind.
pub(crate) fn is_free(ring: &Ring, intent: &Intent, is_final: bool) -> Result<(), Trouble> {
    for (_, content) in ring.slots() {
        let Content::Whole(stage, record) = content else { continue };
        let other = &record.intent;
        if !is_same_target(intent, other) {
            continue;
        }
        let is_in_the_way = match stage {
            Stage::Ended(_) => false,
            Stage::Held { .. } | Stage::Easing { .. } => !is_final && other.kind == intent.kind,
            // What stands still may be killed.
            Stage::Applied => intent.kind != ActuatorKind::Kill || other.kind != ActuatorKind::Freeze,
            Stage::Intended | Stage::Undoing => true,
        };
        if is_in_the_way {
            let (id, kind) = (other.action_id, other.kind);
            return Err(Trouble::Refused(format!("action {id} ({kind}) on {} is not over", other.target)));
        }
    }
    Ok(())
}

/// Whether two intents are about the same service, process or cgroup.
fn is_same_target(one: &Intent, other: &Intent) -> bool {
    let process = |intent: &Intent| match intent.target {
        Entity::Process(id) => Some(id),
        _ => intent.process,
    };
    one.target == other.target || (process(one).is_some() && process(one) == process(other))
}
