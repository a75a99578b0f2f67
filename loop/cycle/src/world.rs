//! The machine as the loop sees it: live, recorded or simulated.
use serde::{Deserialize, Serialize};
use vocab::action::{Effect, Intent};
use vocab::capability::Capabilities;
use vocab::decision::Decision;
use vocab::event::Event;
use vocab::learnt::Told;
use vocab::onnx::OnnxWishes;
use vocab::probe::Probe;
use vocab::rule::Mode;
use vocab::sample::Sample;
use vocab::{Entity, Timestamp};

use act::Order;
use learn::{Opinion, Parcel};

/// Tells whether a decision still stands on a fresh look at its entities, or why not.
pub type Recheck<'a> = &'a mut dyn FnMut(&Decision, &Sample) -> Result<(), String>;

/// What a person told the loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Take one action back.
    Undo(u64),
    /// Take everything back that can be.
    UndoAll,
    /// Bound what may happen.
    SetMode(Mode),
    /// Do not announce the incident until then.
    Mute(u64, Timestamp),
    /// Change something by hand (SQL `UPDATE`); `action_id` and `decision_id` are not set yet.
    Change(Intent),
    /// Whether an incident was a true one or a false alarm.
    Judge(u64, Opinion),
    /// Hand out what is known of the entities of this name, or of all.
    ExportModels(Option<String>),
    /// Take in what a file of this name knows.
    ImportModels {
        /// Name of the file.
        source: String,
        /// What it knows.
        parcel: Parcel,
    },
}

/// What came of the orders, and what was done between two turns without one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deeds {
    /// Effects and their ends.
    pub effects: Vec<Effect>,
    /// The decisions behind those that nobody ordered.
    pub decisions: Vec<Decision>,
}

impl Deeds {
    /// Adds what was done elsewhere.
    pub fn extend(&mut self, more: Self) {
        self.effects.extend(more.effects);
        self.decisions.extend(more.decisions);
    }
}

/// What the loop needs of the machine.
pub trait World {
    /// The next tick, with the answers to `probes`; `None` when there is no more.
    fn look(&mut self, turn: u64, probes: &[Probe]) -> Option<Sample>;

    /// What learn wishes of models in the ONNX format; what comes of it is part of a later sample. Called before each look.
    fn wish(&mut self, _: &OnnxWishes) {}

    /// What people told the loop since the last turn.
    fn commands(&mut self) -> Vec<Command>;

    /// What can be seen and done here.
    fn capabilities(&self) -> Capabilities;

    /// Carries out `orders`. Those that follow one of `decisions` are checked again on a fresh look first; one
    /// that no longer stands is refused.
    fn change(
        &mut self,
        now: Timestamp,
        orders: Vec<Order>,
        decisions: &[Decision],
        recheck: Recheck<'_>,
    ) -> Deeds;

    /// What learn told in this turn, and its news: of a world that was recorded without the models behind it.
    fn told(&mut self) -> Option<(Told, Vec<Event>)> {
        None
    }
}

/// The entities a decision names: those to look at again before it is carried out.
pub fn named_entities(decision: &Decision) -> Vec<Entity> {
    let process = decision.process.map(Entity::Process);
    core::iter::once(decision.target.clone()).chain(process).collect()
}
