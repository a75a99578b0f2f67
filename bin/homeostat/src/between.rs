//! What watches and acts between two turns: the thread of events with its reflexes, the thread of memory.
use std::sync::{Arc, Mutex};

use act::{Act, Order};
use cycle::{Deeds, Start};
use decide::LoadedRule;
use observe::EventReader;
use vocab::Timestamp;
use vocab::decision::Decision;
use vocab::rule::{Mode, Stimulus};
use vocab::sample::Sample;
use vocab::snapshot::Snapshot;

use crate::error::{UserError, cannot};
use crate::numbers::Numbers;
use crate::reflex::Reflexes;
use crate::rescue::Rescue;

/// The threads' ends in the loop; cloned for whoever speaks with them.
#[derive(Clone)]
pub struct Between {
    rescue: Option<Arc<Rescue>>,
    reflexes: Option<Arc<Reflexes>>,
    numbers: Arc<Numbers>,
}

impl Between {
    /// Nothing acts between turns: for those who only record.
    pub fn nothing() -> Self {
        Self { rescue: None, reflexes: None, numbers: Arc::new(Numbers::after(0, 0)) }
    }

    /// Starts the threads that `start`'s rules ask for; `events` are the kernel's.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn open(
        act: &Arc<Mutex<Act>>,
        start: &Start,
        events: Option<EventReader>,
        start_of_clock: Timestamp,
    ) -> Result<Self, UserError> {
        let cannot = |error: std::io::Error| cannot("watch between two turns", &error);
        let numbers = Arc::new(Numbers::after(start.next_ids[2], start.next_ids[1]));
        let reflexes = Reflexes::new(&start.rules, act, &numbers, start_of_clock);
        if let Some(events) = events {
            listen(events, reflexes.clone()).map_err(cannot)?;
        }
        let rescue = open_rescue((act, &numbers), start, start_of_clock).map_err(cannot)?;
        let between = Self { rescue, reflexes, numbers };
        between.rescue.iter().for_each(|rescue| rescue.set_may_act(start.mode == Mode::Heal));
        Ok(between)
    }

    /// Adds what was seen since the last tick.
    pub fn tell(&self, sample: &mut Sample) {
        let Some(rescue) = &self.rescue else { return };
        let (victims, events) = rescue.take();
        sample.memory_victims = victims;
        sample.events.extend(events);
        if let Some(cgroups) = &sample.cgroups {
            rescue.set_limited(observe::limited(cgroups));
        }
    }

    /// What was done since the last turn; `orders` and `decisions` are those of this one.
    pub fn deeds(&self, orders: &[Order], decisions: &[Decision]) -> Deeds {
        orders.iter().for_each(|order| self.numbers.note_action(order.action_id()));
        decisions.iter().for_each(|decision| self.numbers.note_decision(decision.id));
        let mut deeds = self.rescue.as_ref().map_or_else(Deeds::default, |rescue| rescue.take_deeds());
        self.reflexes.iter().for_each(|reflexes| deeds.extend(reflexes.take_deeds()));
        deeds
    }

    /// Prepares for what may happen until the next turn.
    pub fn prepare(&self, snapshot: &Snapshot, mode: Mode) {
        let may_act = mode == Mode::Heal;
        self.rescue.iter().for_each(|rescue| rescue.set_may_act(may_act));
        self.reflexes.iter().for_each(|reflexes| reflexes.prepare(snapshot, may_act));
    }
}

/// Reads events of the kernel on a thread of their own.
fn listen(events: EventReader, reflexes: Option<Arc<Reflexes>>) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name("events".to_owned()).stack_size(256 << 10);
    let run = move || {
        crate::urgency::take();
        events.run(reflexes.map(|reflexes| move |raw: &_| reflexes.answer(raw)));
    };
    thread.spawn(run).map(drop)
}

/// Watches memory, if a rule says what to do then. A demo keeps to its own services and leaves the memory of the machine
/// to others.
fn open_rescue(
    (act, numbers): (&Arc<Mutex<Act>>, &Arc<Numbers>),
    start: &Start,
    start_of_clock: Timestamp,
) -> std::io::Result<Option<Arc<Rescue>>> {
    let is_it = |one: &&LoadedRule| {
        let on = one.rule.reflex.as_ref().map(|reflex| reflex.on);
        on == Some(Stimulus::MemoryExhausted)
    };
    let rule = start.rules.iter().find(is_it).filter(|_| !start.own_services_only);
    let Some((rule, reflex)) = rule.and_then(|one| Some((one.clone(), one.rule.reflex.clone()?))) else {
        return Ok(None);
    };
    Rescue::start((act.clone(), rule, reflex), start_of_clock, numbers.clone()).map(Some)
}
