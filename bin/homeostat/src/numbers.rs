//! Numbers of actions and of their decisions for those that act between two turns.
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers left free for what the loop orders in the same turn.
const APART: u64 = 1_000;

/// The highest numbers known to be given.
#[derive(Debug)]
pub struct Numbers {
    actions: AtomicU64,
    decisions: AtomicU64,
}

impl Numbers {
    /// Numbers beyond these, of actions and of decisions.
    pub const fn after(action_id: u64, decision_id: u64) -> Self {
        Self { actions: AtomicU64::new(action_id), decisions: AtomicU64::new(decision_id) }
    }

    /// Notes the number of an action that the loop has given.
    pub fn note_action(&self, number: u64) {
        self.actions.fetch_max(number, Ordering::Relaxed);
    }

    /// Notes the number of a decision that the loop has given.
    pub fn note_decision(&self, number: u64) {
        self.decisions.fetch_max(number, Ordering::Relaxed);
    }

    /// Numbers that nobody else gives, of an action and of the decision it follows.
    pub fn next(&self) -> (u64, u64) {
        let next = |of: &AtomicU64| of.fetch_add(APART, Ordering::Relaxed) + APART;
        (next(&self.actions), next(&self.decisions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_loop_gives_in_a_turn_never_meets_what_is_given_between() {
        let numbers = Numbers::after(7, 3);
        assert_eq!(numbers.next(), (1_007, 1_003));
        numbers.note_action(5);
        numbers.note_decision(2_000);
        assert_eq!(numbers.next(), (2_007, 3_000));
    }
}
