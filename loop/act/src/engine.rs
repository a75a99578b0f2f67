//! [`Act`]: orders in, effects out. What happens to one order is in `turn.rs`.
use std::collections::BTreeSet;

use vocab::ProcessId;
use vocab::Timestamp;
use vocab::action::{ActionState, Effect};
use vocab::capability::Capability;

use crate::boot_ns;
use crate::effects::{bare_effect, effect_of};
use crate::guard::{Guard, GuardConfig};
use crate::machine::Machine;
use crate::order::Order;
use crate::recover::recover;
use crate::ring::{Lock, Ring, RingError, Slot, Stage};
use crate::services::{Durable, Services};
use crate::turn::Turn;

/// What act needs to know.
pub struct ActConfig {
    /// Who may not be touched, and how much may be done.
    pub guard: GuardConfig,
    /// What works here: see [`crate::capabilities`]. An actuator that is not offered is refused.
    pub capabilities: Vec<Capability>,
    /// Our own supervisor.
    pub services: Box<dyn Services + Send>,
    /// The journal that final actions wait for.
    pub durable: Box<dyn Durable + Send>,
}

/// The stage that changes the machine.
pub struct Act {
    pub(crate) ring: Ring,
    pub(crate) guard: Guard,
    capabilities: Vec<Capability>,
    services: Box<dyn Services + Send>,
    durable: Box<dyn Durable + Send>,
    /// Slots that ended in an earlier call: reported, freed in the next one.
    reported: Vec<Slot>,
    /// Actions whose undo the machine refuses, so that each is told once.
    stuck: BTreeSet<u64>,
}

impl Act {
    /// Opens act over a ring and settles what an earlier run left: an effect for each slot of this boot.
    ///
    /// # Errors
    /// Another process changes the machine, or proc cannot be read.
    pub fn open(ring: Ring, config: ActConfig, now: Timestamp) -> Result<(Self, Vec<Effect>), RingError> {
        let ActConfig { guard, capabilities, mut services, mut durable } = config;
        let now_boot_ns = boot_ns();
        let found = {
            let _lock = ring.lock()?;
            let mut machine = Machine::open(&mut *services)?;
            recover(&ring, &mut machine, now_boot_ns)
        };
        let effects = found.slots.into_iter().map(|one| effect_of(one, now, now_boot_ns)).collect::<Vec<_>>();
        tell_ends(&mut *durable, &effects);
        let guard = Guard::new(guard);
        let (reported, stuck) = (Vec::new(), BTreeSet::new());
        let act = Self { ring, guard, capabilities, services, durable, reported, stuck };
        Ok((act, effects))
    }

    /// The ring, for the keeper and for `capabilities`.
    pub const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Replaces what works here, when it was tried again.
    pub fn set_capabilities(&mut self, capabilities: Vec<Capability>) {
        self.capabilities = capabilities;
    }

    /// Protects what carries the session of a caller from now on.
    pub fn protect_caller(&mut self, caller: ProcessId) {
        self.guard.protect_caller(caller);
    }

    #[cfg(test)]
    pub(crate) const fn set_mutant(&mut self, mutant: Option<bool>) {
        self.guard.mutant = mutant;
    }

    /// The right to change the machine, and what is needed for one call.
    pub(crate) fn turn(&mut self, now: Timestamp) -> Result<(Turn<'_>, Lock), String> {
        let Self { ring, guard, capabilities, services, durable, .. } = self;
        let lock = ring.lock().map_err(|error| error.to_string())?;
        let machine = Machine::open(&mut **services).map_err(|error| error.to_string())?;
        let durable = &mut **durable;
        Ok((Turn { ring, guard, capabilities, durable, machine, now, now_boot_ns: boot_ns() }, lock))
    }

    /// Carries out the orders, ends what is over, and answers every change of state. To be called every turn.
    pub fn run(&mut self, now: Timestamp, orders: Vec<Order>) -> Vec<Effect> {
        let Self { ring, guard, capabilities, services, durable, reported, stuck } = self;
        let lock = ring.lock();
        let machine = Machine::open(&mut **services);
        let (_lock, machine) = match (lock, machine) {
            (Ok(lock), Ok(machine)) => (lock, machine),
            (Err(error), _) => return refuse_all(orders, now, &error.to_string()),
            (_, Err(error)) => return refuse_all(orders, now, &error.to_string()),
        };
        reported.drain(..).for_each(|slot| ring.free(slot));
        let mut turn =
            Turn { ring, guard, capabilities, durable: &mut **durable, machine, now, now_boot_ns: boot_ns() };
        let mut ended = turn.end_what_is_over();
        let mut effects = Vec::new();
        for order in orders {
            effects.extend(turn.carry_out(order, &mut ended));
        }
        for (slot, one) in ended {
            let is_over = matches!(one.stage, Stage::Ended(_));
            if is_over {
                reported.push(slot);
                stuck.remove(&one.record.intent.action_id);
            }
            if is_over || stuck.insert(one.record.intent.action_id) {
                effects.push(effect_of(one, now, turn.now_boot_ns));
            }
        }
        tell_ends(turn.durable, &effects);
        reported.extend(turn.ended_slots().filter(|slot| !reported.contains(slot)).collect::<Vec<_>>());
        effects
    }
}

/// Tells the journal how final actions ended.
fn tell_ends(durable: &mut dyn Durable, effects: &[Effect]) {
    let is_end = |state| matches!(state, ActionState::Final | ActionState::Failed | ActionState::Refused);
    effects
        .iter()
        .filter(|one| one.intent.kind.is_final() && is_end(one.state))
        .for_each(|one| durable.ended(one));
}

fn refuse_all(orders: Vec<Order>, now: Timestamp, because: &str) -> Vec<Effect> {
    let refuse = |order| match order {
        Order::Apply(intent) => Some(bare_effect(intent, now, ActionState::Refused, because.to_owned())),
        // The caller repeats them: what they are about still stands.
        Order::Hold { .. } | Order::Undo { .. } | Order::Ease { .. } | Order::Release { .. } => None,
    };
    orders.into_iter().filter_map(refuse).collect()
}

#[cfg(test)]
#[path = "engine/systemd_tests.rs"]
mod systemd_tests;
#[cfg(test)]
#[path = "engine/tests.rs"]
mod tests;
