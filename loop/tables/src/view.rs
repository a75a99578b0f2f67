//! What one statement sees: a snapshot, the loop's own rows and the latest events.
use std::sync::Arc;

use vocab::event::Event;
use vocab::learnt::Learnt;
use vocab::ledger::Ledger;
use vocab::recent::Recent;
use vocab::rows::EventRow;
use vocab::snapshot::Snapshot;

/// All tables as of one turn. Cheap to clone; a statement holds one from its start to its end.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The machine. A snapshot of turn 0 was never taken: the machine is then read through [`super::Live`]
    /// when asked for, which is what a command line without a daemon does.
    pub snapshot: Arc<Snapshot>,
    /// The loop's own tables.
    pub ledger: Arc<Ledger>,
    /// `events`, oldest first.
    pub events: Recent<EventRow>,
    /// What was learnt, as tables.
    pub learnt: Learnt,
}

impl View {
    /// The tables of one turn of a running loop.
    pub fn new(snapshot: Arc<Snapshot>, ledger: Arc<Ledger>, events: Recent<EventRow>) -> Self {
        Self { snapshot, ledger, events, learnt: Learnt::default() }
    }

    /// The same with what was learnt.
    #[must_use]
    pub fn with_learnt(self, learnt: Learnt) -> Self {
        Self { learnt, ..self }
    }

    /// Whether the machine was read for this view.
    pub fn is_read(&self) -> bool {
        self.snapshot.turn > 0
    }
}

/// The row of `events` for one event.
pub fn event_row(event: &Event) -> EventRow {
    EventRow {
        at: event.at,
        kind: event.kind.as_str().to_owned(),
        entity: event.entity.clone(),
        level: event.level,
        message: event.message.clone(),
    }
}
