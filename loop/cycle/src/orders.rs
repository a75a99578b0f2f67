//! Decisions, verdicts and commands to orders for act.
use act::Order;
use verify::Step;
use vocab::action::{Intent, Level};
use vocab::decision::{Decision, Verdict};
use vocab::ledger::Ledger;
use vocab::outcome::{Outcome, OutcomeKind};
use vocab::rule::Mode;

use crate::world::Command;

/// Time a lease outlives the moment at which its verdict is due, so that verify, not the clock, ends a trial
/// that is going well. Unit: s.
const LEASE_MARGIN_S: f64 = 10.0;

/// Time a hold outlives its `hold_max_s`, so that it can be released step by step. Unit: s.
const RELEASE_MARGIN_S: f64 = 90.0;

/// A lease of something a person did by hand: until a person takes it back. Unit: s.
const BY_HAND_S: f64 = 30.0 * 86_400.0;

/// The orders that follow from what verify said in the last turn.
pub(crate) fn from_outcomes(outcomes: &[Outcome], decisions: &[Decision]) -> Vec<Order> {
    let mut orders = Vec::new();
    for outcome in outcomes {
        let Some(decision) = decisions.iter().find(|one| one.id == outcome.decision_id) else { continue };
        let is_final = decision.rung.action.is_final();
        match outcome.kind {
            _ if is_final => {}
            OutcomeKind::Repaired | OutcomeKind::Contained => {
                orders.push(hold(outcome.action_id, decision.rung.hold_max_s))
            }
            OutcomeKind::Unchanged | OutcomeKind::Relapsed => orders.push(Order::Undo {
                action_id: outcome.action_id,
                because: format!("it did not prove itself: {}", outcome.kind),
            }),
            OutcomeKind::Void => {}
        }
    }
    orders
}

const fn hold(action_id: u64, hold_max_s: f64) -> Order {
    Order::Hold { action_id, hold_max_s: hold_max_s + RELEASE_MARGIN_S }
}

/// The orders that release held effects step by step, or apply them again. A mode that forbids changes also
/// forbids those that were made before: what would be applied again is released for good.
pub(crate) fn from_steps(steps: &[(u64, Step)], mode: Mode) -> Vec<Order> {
    let mut orders = Vec::new();
    for (action_id, step) in steps {
        let action_id = *action_id;
        match step {
            Step::Ease(level, because) => {
                orders.push(Order::Ease { action_id, level: *level, because: because.clone() });
            }
            Step::Again(hold_max_s, because) if mode == Mode::Heal => {
                orders.push(Order::Ease { action_id, level: Level::Whole, because: because.clone() });
                orders.push(hold(action_id, *hold_max_s));
            }
            Step::Again(..) => {
                let because = format!("its symptom returned, but mode {mode} changes nothing");
                orders.push(Order::Release { action_id, because });
            }
            Step::Release(because) => orders.push(Order::Release { action_id, because: because.clone() }),
        }
    }
    orders
}

/// The order that carries out a decision.
pub(crate) fn from_decision(decision: &Decision, action_id: u64) -> Option<Order> {
    if decision.verdict != Verdict::Act {
        return None;
    }
    let rung = &decision.rung;
    Some(Order::Apply(Intent {
        action_id,
        decision_id: decision.id,
        kind: rung.action,
        target: decision.target.clone(),
        process: decision.process,
        amount: rung.amount,
        lease_s: rung.within_s + rung.verify_s + LEASE_MARGIN_S,
        undo_on_death: rung.undo_on_death,
    }))
}

/// The orders that carry out a person's commands.
pub(crate) fn from_command(command: &Command, ledger: &Ledger, next_action_id: &mut u64) -> Vec<Order> {
    let because = || "a person took it back".to_owned();
    match command {
        Command::Undo(action_id) => vec![Order::Undo { action_id: *action_id, because: because() }],
        Command::UndoAll => {
            let standing = ledger.leases.iter();
            standing.map(|row| Order::Undo { action_id: row.action_id, because: because() }).collect()
        }
        Command::Change(intent) => {
            let action_id = *next_action_id;
            *next_action_id += 1;
            vec![Order::Apply(Intent { action_id, decision_id: 0, lease_s: BY_HAND_S, ..intent.clone() })]
        }
        Command::SetMode(_)
        | Command::Mute(..)
        | Command::Judge(..)
        | Command::ExportModels(_)
        | Command::ImportModels { .. } => Vec::new(),
    }
}
