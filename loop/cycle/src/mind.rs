//! What the loop knows between two turns: the state of every stage, to be written down and gone on from.
use std::collections::BTreeMap;

use decide::Decide;
use detect::Detect;
use explain::Explain;
use learn::Learn;
use serde::{Deserialize, Serialize};
use tables::Deriver;
use tables::event_row;
use verify::{Verified, Verify};
use vocab::decision::Decision;
use vocab::event::Event;
use vocab::ledger::Ledger;
use vocab::probe::Probe;
use vocab::recent::Recent;
use vocab::rows::EventRow;

use crate::book::Book;
use crate::packing;
use crate::start::Start;

/// The stages with what they remember.
///
/// Written down it lacks the models of learn and the rules: a replay takes the rules of its recording, or others.
#[derive(Serialize, Deserialize)]
pub struct Mind {
    /// Turns thought.
    pub(crate) turn: u64,
    /// Makes rates of counters: it remembers the sample before.
    pub deriver: Deriver,
    pub(crate) detect: Detect,
    pub(crate) explain: Explain,
    pub(crate) decide: Decide,
    pub(crate) verify: Verify,
    pub(crate) learn: Learn,
    pub(crate) book: Book,
    pub(crate) next_action_id: u64,
    pub(crate) probes: Vec<Probe>,
    pub(crate) last: Verified,
    pub(crate) on_trial: BTreeMap<u64, Decision>,
    pub(crate) events: Recent<EventRow>,
}

impl Mind {
    /// What is known before the first turn.
    pub(crate) fn new(start: Start, book: Book) -> Self {
        let [incident_id, decision_id, action_id] = start.next_ids;
        let mut decide = Decide::new(start.rules, start.mode, decision_id);
        decide.set_own_services_only(start.own_services_only);
        decide.remember(&start.ledger.actions);
        Self {
            turn: 0,
            deriver: Deriver::new(),
            detect: Detect::new(),
            explain: Explain::new(incident_id),
            decide,
            verify: Verify::new(),
            learn: Learn::new(start.baselines, start.models),
            book,
            next_action_id: action_id.max(1),
            probes: Vec::new(),
            last: Verified::default(),
            on_trial: BTreeMap::new(),
            events: Recent::default(),
        }
    }

    /// Adds events to the last ones.
    pub(crate) fn note_events(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.events.push(event_row(event)));
        self.events.keep(Ledger::ROWS_MAX);
    }

    /// As bytes, packed.
    pub fn pack(&self) -> Vec<u8> {
        packing::pack(self)
    }

    /// What [`Mind::pack`] wrote; `None` of anything else.
    pub fn unpack(packed: &[u8]) -> Option<Self> {
        postcard::from_bytes(&packing::unpack(packed)?).ok()
    }
}
