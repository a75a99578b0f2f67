//! One turn of the loop, top to bottom; only act, behind [`World::change`], changes the machine.
use std::collections::BTreeSet;
use std::sync::Arc;

use decide::Decide;
use detect::Detect;
use explain::Explain;
use learn::Learn;
use tables::{Deriver, Engine, View};
use verify::{Verified, Verify};
use vocab::Entity;
use vocab::Timestamp;
use vocab::baseline::Baselines;
use vocab::capability::Capabilities;
use vocab::decision::Decision;
use vocab::event::{Event, EventKind};
use vocab::learnt::Learnt;
use vocab::ledger::Ledger;
use vocab::recent::Recent;
use vocab::rows::EventRow;
use vocab::rule::Mode;
use vocab::snapshot::Snapshot;

use crate::book::{Book, Change};
use crate::mind::Mind;
use crate::shield::shielded;
use crate::start::Start;
use crate::world::{Command, Deeds, World};
use crate::{judge, models, orders, recheck};

/// Turns between two copies of the baselines, for the case that learn fails.
const KEEP_EVERY: u64 = 60;
/// Turns between two savings of the models.
const SAVE_EVERY: u64 = 3_600;

/// What one turn gives to the doors, the store and whoever listens.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The machine.
    pub snapshot: Arc<Snapshot>,
    /// The loop's own tables.
    pub ledger: Arc<Ledger>,
    /// Recent events.
    pub events: Recent<EventRow>,
    /// What is new.
    pub change: Change,
    /// What was learnt, as tables.
    pub learnt: Learnt,
    /// The models as bytes, once an hour: to be kept for the next run.
    pub models: Option<Arc<Vec<u8>>>,
    /// What somebody asked for of late, to be taken to another machine.
    pub parcels: Vec<models::Exported>,
}

/// The loop.
pub struct Cycle<W> {
    /// The machine.
    pub world: W,
    /// What it knows.
    pub mind: Mind,
    engine: Engine,
    capabilities: Capabilities,
    own_services_only: bool,
    kept: Baselines,
    kept_models: Arc<Vec<u8>>,
    /// Whether what was learnt is told by the world, which has no models.
    follows: bool,
    parcels: Vec<models::Exported>,
    troubles: Vec<String>,
}

impl<W: World> Cycle<W> {
    /// A loop over `world` that goes on from `start`.
    ///
    /// # Errors
    /// The SQL engine cannot be set up: the machine has no memory for it.
    pub fn new(world: W, start: Start) -> Result<Self, tables::EngineError> {
        let capabilities = world.capabilities();
        let book = Book::new(start.ledger.clone(), capabilities.0.clone());
        Ok(Self {
            world,
            parcels: Vec::new(),
            engine: Engine::new()?,
            capabilities,
            own_services_only: start.own_services_only,
            kept: start.baselines.clone(),
            kept_models: Arc::new(models::encode(&start.models).0),
            follows: false,
            troubles: Vec::new(),
            mind: Mind::new(start, book),
        })
    }

    /// A loop that goes on from a mind that was written down, under the rules of `start`. What is learnt it does not think
    /// again, but for the baselines: the world tells it.
    ///
    /// # Errors
    /// As [`Cycle::new`].
    pub fn resume(world: W, start: Start, mut mind: Mind) -> Result<Self, tables::EngineError> {
        mind.decide.set_rules(start.rules.clone());
        let kept = mind.learn.baselines().clone();
        Ok(Self { mind, kept, follows: true, ..Self::new(world, start)? })
    }

    /// The mode that bounds every rule.
    pub const fn mode(&self) -> Mode {
        self.mind.decide.mode()
    }

    /// What was learnt so far.
    pub fn baselines(&self) -> &Baselines {
        self.mind.learn.baselines()
    }

    /// The models as bytes: a new version.
    pub fn save_models(&mut self) -> Arc<Vec<u8>> {
        self.mind.learn.begin_version();
        let (bytes, crc) = models::encode(self.mind.learn.models());
        self.mind.learn.note_saved(bytes.len() as u64, crc);
        self.kept_models = Arc::new(bytes);
        self.kept_models.clone()
    }

    /// One turn; `None` when the world has no more.
    pub fn turn(&mut self) -> Option<Turn> {
        self.mind.turn += 1;
        let probes = std::mem::take(&mut self.mind.probes);
        self.world.wish(self.mind.learn.wishes());
        let sample = self.world.look(self.mind.turn, &probes)?;
        let commands = self.world.commands();
        let mut change = Change::default();
        let troubles = &mut self.troubles;
        let verdicts = std::mem::take(&mut self.mind.last);

        let snapshot =
            Arc::new(shielded("tables", &mut self.mind.deriver, Deriver::new, troubles, |deriver| {
                deriver.snapshot(&sample)
            }));
        let (baselines, learnt) = (self.mind.learn.baselines(), self.mind.learn.learnt());
        let detected = shielded("detect", &mut self.mind.detect, Detect::new, troubles, |detect| {
            detect.know(learnt.clone());
            detect.run(&snapshot, baselines, &self.capabilities)
        });
        let pending = self.mind.decide.pending().chain(self.mind.verify.held_for()).collect::<BTreeSet<_>>();
        let next_id = self.mind.book.ledger.incidents.last().map_or(1, |row| row.id + 1);
        change.incidents = shielded(
            "explain",
            &mut self.mind.explain,
            || Explain::new(next_id),
            troubles,
            |explain| explain.run(&snapshot, &detected.findings, &verdicts.outcomes, &pending),
        );
        self.mind.book.note_findings(&detected.findings);
        self.mind.book.note_incidents(&snapshot, &change.incidents, &mut change.rows);
        self.obey(snapshot.at, &commands, &mut change.rows);
        self.show(&snapshot);
        change.decisions = self.decide(&snapshot, &verdicts);
        self.mind.book.note_decisions(&change.decisions, &mut change.rows);
        let Deeds { effects, decisions } = self.act(&snapshot, &verdicts, &change.decisions, &commands);
        change.effects = effects;
        self.mind.book.note_decisions(&decisions, &mut change.rows);
        change.decisions.extend(decisions);
        self.mind.book.note_effects(&change.effects, &mut change.rows);
        self.mind.last = self.verify(&snapshot, &detected.findings, &change);
        change.outcomes.clone_from(&self.mind.last.outcomes);
        self.mind.book.note_outcomes(&change.outcomes, &mut change.rows);
        self.mind.book.note_standing(self.mind.verify.standing());
        self.learn(&snapshot, &mut change);

        self.mind.probes = detected.probes;
        Some(self.close(snapshot, change))
    }

    /// Obeys what a person said about the loop itself.
    fn obey(&mut self, at: Timestamp, commands: &[Command], rows: &mut Ledger) {
        for command in commands {
            match command {
                Command::SetMode(mode) => self.mind.decide.set_mode(*mode),
                Command::Mute(incident_id, until) => self.mind.book.mute(*incident_id, *until, rows),
                Command::Judge(incident_id, opinion) => {
                    let judgement = judge::judgement(&self.mind.book.ledger, *incident_id, *opinion, at);
                    judgement.iter().for_each(|one| self.mind.learn.judge(one));
                }
                Command::ExportModels(name) => {
                    let parcel = self.mind.learn.parcel(name.as_deref(), std::env::consts::ARCH);
                    self.parcels.push(models::Exported::of(&parcel, name.clone(), self.mind.turn));
                }
                Command::ImportModels { source, parcel } => {
                    self.mind.learn.take_in(parcel, source, self.mind.turn);
                }
                Command::Undo(_) | Command::UndoAll | Command::Change(_) => {}
            }
        }
    }

    /// Lets SQL see this turn.
    fn show(&mut self, snapshot: &Arc<Snapshot>) {
        self.mind.note_events(&snapshot.events);
        self.mind.book.note_own(snapshot, &self.troubles);
        let ledger = Arc::new(self.mind.book.ledger.clone());
        let events = self.mind.events.clone();
        let learnt = self.mind.learn.learnt().clone();
        self.engine.set_view(View { snapshot: snapshot.clone(), ledger, events, learnt });
    }

    fn decide(&mut self, snapshot: &Snapshot, verdicts: &Verified) -> Vec<Decision> {
        let (rules, mode) = (self.mind.decide.rules().to_vec(), self.mind.decide.mode());
        let own_services_only = self.own_services_only;
        let next_id = self.mind.book.ledger.decisions.last().map_or(1, |row| row.id + 1);
        let done = &self.mind.book.ledger.actions;
        let anew = || {
            let mut decide = Decide::new(rules, mode, next_id);
            decide.set_own_services_only(own_services_only);
            decide.remember(done);
            decide
        };
        let (capabilities, query) = (&self.capabilities, &mut self.engine);
        let open = self.mind.explain.open();
        let busy = self.mind.verify.busy(snapshot.at).cloned().collect::<BTreeSet<_>>();
        shielded("decide", &mut self.mind.decide, anew, &mut self.troubles, |decide| {
            let mut context = decide::Context { snapshot, capabilities, query, busy: &busy };
            decide.run(open, &verdicts.outcomes, &mut context)
        })
    }

    /// Commands first: a person's word comes before a rule's.
    fn act(
        &mut self,
        snapshot: &Arc<Snapshot>,
        verdicts: &Verified,
        decisions: &[Decision],
        commands: &[Command],
    ) -> Deeds {
        let mut all = Vec::new();
        for command in commands {
            all.extend(orders::from_command(command, &self.mind.book.ledger, &mut self.mind.next_action_id));
        }
        let tried = self.mind.on_trial.values().cloned().collect::<Vec<_>>();
        all.extend(orders::from_outcomes(&verdicts.outcomes, &tried));
        all.extend(orders::from_steps(&verdicts.steps, self.mind.decide.mode()));
        for outcome in &verdicts.outcomes {
            self.mind.on_trial.remove(&outcome.decision_id);
        }
        for decision in decisions {
            if let Some(order) = orders::from_decision(decision, self.mind.next_action_id) {
                self.mind.next_action_id += 1;
                self.mind.on_trial.insert(decision.id, decision.clone());
                all.push(order);
            }
        }
        let (engine, ledger) = (&mut self.engine, &self.mind.book.ledger);
        let mut recheck = |decision: &Decision, fresh: &vocab::sample::Sample| {
            recheck::still_stands(engine, ledger, decision, recheck::freshen(snapshot, decision, fresh))
        };
        let deeds = self.world.change(snapshot.at, all, decisions, &mut recheck);
        // Whoever acts between turns takes numbers from further on.
        let highest = deeds.effects.iter().map(|effect| effect.action_id).max().unwrap_or(0);
        self.mind.next_action_id = self.mind.next_action_id.max(highest + 1);
        let followed = deeds.effects.iter().map(|effect| effect.intent.decision_id);
        let made = deeds.decisions.iter().map(|decision| decision.id);
        followed.chain(made).for_each(|id| self.mind.decide.note_taken(id));
        deeds
    }

    fn verify(
        &mut self,
        snapshot: &Snapshot,
        findings: &[vocab::finding::Finding],
        change: &Change,
    ) -> Verified {
        let tried = self.mind.on_trial.values().cloned().collect::<Vec<_>>();
        let mut incidents = self.mind.explain.open().to_vec();
        incidents.extend(change.incidents.iter().filter(|one| !one.is_open()).cloned());
        let query = &mut self.engine;
        shielded("verify", &mut self.mind.verify, Verify::new, &mut self.troubles, |verify| {
            let mut context = verify::Context { snapshot, findings, incidents: &incidents, query };
            verify.run(&tried, &change.effects, &mut context)
        })
    }

    fn learn(&mut self, snapshot: &Snapshot, change: &mut Change) {
        let open = self.mind.explain.open().iter();
        let culprits = open.flat_map(|one| core::iter::once(&one.culprit).chain(&one.victims)).cloned();
        let culprits = culprits.collect::<Vec<Entity>>();
        if self.mind.turn.is_multiple_of(KEEP_EVERY) {
            self.kept.clone_from(self.mind.learn.baselines());
        }
        let (kept, kept_models) = (&self.kept, &self.kept_models);
        let (told, told_news) = self.world.told().filter(|_| self.follows).unwrap_or_default();
        let follows = self.follows;
        let news = shielded(
            "learn",
            &mut self.mind.learn,
            || Learn::new(kept.clone(), models::decode(kept_models).unwrap_or_default()),
            &mut self.troubles,
            |learn| {
                if follows {
                    learn.follow(snapshot, &change.outcomes, &culprits, told);
                    return told_news;
                }
                learn.run(snapshot, &change.outcomes, &culprits)
            },
        );
        change.events.extend(news);
    }

    /// Ends the turn: troubles of our own become events, and everything is handed out.
    fn close(&mut self, snapshot: Arc<Snapshot>, mut change: Change) -> Turn {
        let troubles = std::mem::take(&mut self.troubles);
        change.events.extend(troubles.into_iter().map(|message| own_event(snapshot.at, message)));
        self.mind.note_events(&change.events);
        let is_due = self.mind.turn.is_multiple_of(SAVE_EVERY) && !self.follows;
        let models = is_due.then(|| self.save_models());
        let ledger = Arc::new(self.mind.book.ledger.clone());
        let events = self.mind.events.clone();
        let turn = self.mind.turn;
        self.parcels.retain(|one| turn - one.turn < models::HANDED_OUT);
        let (learnt, parcels) = (self.mind.learn.learnt().clone(), self.parcels.clone());
        Turn { snapshot, ledger, events, change, learnt, models, parcels }
    }
}

fn own_event(at: Timestamp, message: String) -> Event {
    Event { at, kind: EventKind::Own, entity: Entity::Machine, level: Some(3), message }
}
