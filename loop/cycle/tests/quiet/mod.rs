//! A world in which nobody acts or says anything.
use act::Order;
use cycle::world::{Command, Recheck};
use cycle::{Deeds, World};
use vocab::Timestamp;
use vocab::capability::Capabilities;
use vocab::decision::Decision;
use vocab::onnx::OnnxWishes;
use vocab::probe::Probe;
use vocab::sample::Sample;

/// Its samples come from a function of the turn and of what learn wishes.
pub struct Quiet<F> {
    next: F,
    wishes: OnnxWishes,
}

impl<F: FnMut(u64, &OnnxWishes) -> Option<Sample>> Quiet<F> {
    pub fn new(next: F) -> Self {
        Self { next, wishes: OnnxWishes::default() }
    }
}

impl<F: FnMut(u64, &OnnxWishes) -> Option<Sample>> World for Quiet<F> {
    fn look(&mut self, turn: u64, _: &[Probe]) -> Option<Sample> {
        (self.next)(turn, &self.wishes)
    }

    fn wish(&mut self, wishes: &OnnxWishes) {
        self.wishes.clone_from(wishes);
    }

    fn commands(&mut self) -> Vec<Command> {
        Vec::new()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn change(&mut self, _: Timestamp, _: Vec<Order>, _: &[Decision], _: Recheck<'_>) -> Deeds {
        Deeds::default()
    }
}
