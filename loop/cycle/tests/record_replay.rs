//! A made-up machine with a leaking service, thought through live, recorded, and thought through again: the same
//! incidents and decisions, byte for byte; other rules, other decisions.
mod made;

use act::Order;
use cycle::recording::Thought;
use cycle::replay::{Recorder, replay};
use cycle::world::{Command, Recheck};
use cycle::{Cycle, Deeds, Opinion, Start, World, rules};
use decide::reflex::Ground;
use made::MB;
use vocab::action::{ActionState, Intent};
use vocab::capability::Capabilities;
use vocab::decision::{Decision, Verdict};
use vocab::outcome::OutcomeKind;
use vocab::probe::{Probe, ProbeAnswer, ProbeKind, ProbeResult, ProfileKind, ProfileProbe, StackProbe};
use vocab::rule::{ActuatorKind, Mode};
use vocab::sample::Sample;
use vocab::{Entity, ProcessId, Timestamp};

const TURNS: u64 = 150;

/// One service whose memory grows by 4 MB a second from second 30 on, until it is restarted.
struct Leaky {
    turn: u64,
    main: ProcessId,
    grows_since: Option<u64>,
    /// When a person calls the incident a false alarm.
    dismissed_at: Option<u64>,
}

impl Leaky {
    const fn new() -> Self {
        Self {
            turn: 0,
            main: ProcessId { pid: 100, start_ticks: 500 },
            grows_since: Some(30),
            dismissed_at: None,
        }
    }

    fn sample(&self) -> Sample {
        let seconds = self.grows_since.map_or(0, |since| self.turn.saturating_sub(since));
        made::sample(self.turn, self.main, 50 * MB + 4 * MB * seconds)
    }
}

/// The answer to a question where memory grows: all of it in one function.
fn grows(probe: &Probe, at: Timestamp) -> ProbeAnswer {
    let stack = StackProbe {
        stack: "main;keeps_all;malloc".into(),
        path: Some("keeps_all <- main".into()),
        function: Some("keeps_all".into()),
        file: Some("ledger".into()),
        weight: 20_000_000,
        threads: vec![100],
        waiters: None,
    };
    let profile = ProfileProbe {
        name: "ledger".into(),
        service: None,
        seconds: 5.0,
        weight: 20_000_000,
        samples: 300,
        lost: 0,
        cut_short: None,
        stacks: vec![stack],
    };
    ProbeAnswer { probe: probe.clone(), at, result: Ok(ProbeResult::Profile(profile)) }
}

impl World for Leaky {
    fn look(&mut self, turn: u64, probes: &[Probe]) -> Option<Sample> {
        self.turn = turn;
        let mut sample = self.sample();
        let asked = probes.iter().filter(|one| one.kind == ProbeKind::Profile(ProfileKind::MemoryGrowth));
        sample.answers = asked.map(|probe| grows(probe, sample.at)).collect();
        (turn <= TURNS).then_some(sample)
    }

    fn commands(&mut self) -> Vec<Command> {
        let is_now = self.dismissed_at == Some(self.turn);
        is_now.then_some(Command::Judge(1, Opinion::Dismiss)).into_iter().collect()
    }

    fn capabilities(&self) -> Capabilities {
        made::capabilities(&ActuatorKind::RestartService.to_string(), None)
    }

    fn change(
        &mut self,
        now: Timestamp,
        orders: Vec<Order>,
        decisions: &[Decision],
        recheck: Recheck<'_>,
    ) -> Deeds {
        let mut effects = Vec::new();
        for order in orders {
            let Order::Apply(intent) = order else { continue };
            let decision =
                decisions.iter().find(|one| one.id == intent.decision_id).expect("every intent has one");
            recheck(decision, &self.sample()).expect("nothing changed since");
            self.main = ProcessId { pid: 101, start_ticks: 100_000 + self.turn * 100 };
            self.grows_since = None;
            effects.push(made::effect(intent, now, ActionState::Final));
        }
        Deeds { effects, decisions: Vec::new() }
    }
}

/// What the stages said live, and the recording.
fn live() -> (Vec<(u64, Thought)>, Vec<u8>) {
    run(Leaky::new(), Mode::Heal)
}

fn run(world: Leaky, mode: Mode) -> (Vec<(u64, Thought)>, Vec<u8>) {
    let rules = rules::load(&[]).expect("the shipped rules load");
    let start = Start { rules, mode, ..Start::default() };
    let mut recording = Vec::new();
    let mut thoughts = Vec::new();
    let recorder = Recorder::new(world, &mut recording, &start).expect("memory can be written");
    let mut cycle = Cycle::new(recorder, start).expect("SQL can be set up");
    while let Some(turn) = cycle.turn() {
        cycle.world.keep(&turn).expect("memory can be written");
        let thought = Thought::of(&turn.change);
        if thought != Thought::default() {
            thoughts.push((turn.snapshot.turn, thought));
        }
    }
    drop(cycle);
    (thoughts, recording)
}

#[test]
fn the_loop_finds_explains_repairs_and_proves() {
    let (thoughts, _) = live();
    let decisions = thoughts.iter().flat_map(|(_, one)| &one.decisions).collect::<Vec<_>>();
    assert_eq!(decisions.len(), 1, "{decisions:?}");
    assert_eq!(decisions[0].rung.action, ActuatorKind::RestartService);
    assert!(
        decisions[0].evidence.iter().any(|key| key.contains("anon_bytes")),
        "{:?}",
        decisions[0].evidence
    );
    let outcomes = thoughts.iter().flat_map(|(_, one)| &one.outcomes).collect::<Vec<_>>();
    assert_eq!(outcomes.iter().map(|one| one.kind).collect::<Vec<_>>(), [OutcomeKind::Repaired]);
    let last = thoughts.iter().flat_map(|(_, one)| &one.incidents).next_back().expect("an incident");
    assert!(last.closed_at.is_some(), "{last:?}");
}

#[test]
fn the_incident_names_the_function_that_its_escalation_found() {
    let (thoughts, _) = live();
    let mut incidents = thoughts.iter().flat_map(|(_, one)| &one.incidents);
    let opened = incidents.next().expect("an incident");
    assert!(opened.sentence.ends_with("it grows in `keeps_all`"), "{}", opened.sentence);
    assert!(opened.evidence.iter().any(|one| one.table == "profiles"), "{:?}", opened.evidence);
}

#[test]
fn a_replay_thinks_the_same_byte_for_byte() {
    let (thoughts, recording) = live();
    let replayed = replay(recording.as_slice(), None).expect("whole");
    assert_eq!(replayed.turns, TURNS);
    assert_eq!(replayed.differences().count(), 0);
    let again = replayed.thoughts.iter().map(|(turn, _, now)| (*turn, now.clone())).collect::<Vec<_>>();
    let bytes = |thoughts: &Vec<(u64, Thought)>| postcard::to_allocvec(thoughts).expect("memory");
    assert_eq!(bytes(&again), bytes(&thoughts));
}

#[test]
fn a_dismissed_incident_ends_and_is_told_again_once_it_is_larger() {
    let world = Leaky { dismissed_at: Some(80), ..Leaky::new() };
    let (thoughts, recording) = run(world, Mode::Advise);
    let incidents = thoughts.iter().flat_map(|(turn, one)| one.incidents.iter().map(move |it| (*turn, it)));
    let closed = incidents.clone().find(|(_, one)| one.id == 1 && one.closed_at.is_some());
    let again = incidents.clone().find(|(_, one)| one.id == 2);
    let (closed, again) = (closed.expect("it ends").0, again.expect("it grew beyond what was tolerated").0);
    assert!((80..110).contains(&closed) && (closed..TURNS).contains(&again), "{closed} {again}");
    assert_eq!(replay(recording.as_slice(), None).expect("whole").differences().count(), 0);
}

#[test]
fn other_rules_decide_otherwise_and_the_difference_is_seen() {
    let (_, recording) = live();
    let mut rules = rules::load(&[]).expect("the shipped rules load");
    for one in &mut rules {
        one.rule.mode = Some(Mode::Advise);
    }
    let replayed = replay(recording.as_slice(), Some(rules)).expect("whole");
    assert!(replayed.differences().count() > 0);
    let mut decisions = replayed.thoughts.iter().flat_map(|(_, _, now)| &now.decisions);
    assert!(decisions.all(|one| !matches!(one.verdict, Verdict::Act)));
}

/// A world in which somebody acts between two turns, long before the leak is found.
struct Reflexive(Leaky);

/// The numbers of what is done there.
const BETWEEN: u64 = 1_003;

impl World for Reflexive {
    fn look(&mut self, turn: u64, probes: &[Probe]) -> Option<Sample> {
        self.0.look(turn, probes)
    }

    fn commands(&mut self) -> Vec<Command> {
        self.0.commands()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn change(
        &mut self,
        now: Timestamp,
        orders: Vec<Order>,
        decisions: &[Decision],
        recheck: Recheck<'_>,
    ) -> Deeds {
        let mut deeds = self.0.change(now, orders, decisions, recheck);
        if self.0.turn == 3 {
            let rules = rules::load(&[]).expect("the shipped rules load");
            let rule = rules.iter().find(|one| one.rule.reflex.is_some()).expect("one ships");
            let intent = Intent {
                action_id: BETWEEN,
                decision_id: BETWEEN,
                kind: ActuatorKind::Freeze,
                target: Entity::Process(self.0.main),
                process: Some(self.0.main),
                amount: None,
                lease_s: 20.0,
                undo_on_death: true,
            };
            let (process, others) = (self.0.main, Vec::new());
            let ground = Ground { step: 0, process, others, verdict: Verdict::Act };
            deeds.decisions.push(decide::reflex::decision(rule, now, &intent, ground));
            deeds.effects.push(made::effect(intent, now, ActionState::Applied));
        }
        deeds
    }
}

#[test]
fn what_was_done_between_two_turns_is_accounted_for_and_replayed() {
    let start = Start { rules: rules::load(&[]).expect("shipped"), mode: Mode::Heal, ..Start::default() };
    let mut recording = Vec::new();
    let recorder = Recorder::new(Reflexive(Leaky::new()), &mut recording, &start).expect("memory");
    let mut cycle = Cycle::new(recorder, start).expect("SQL can be set up");
    let mut ledger = None;
    while let Some(turn) = cycle.turn() {
        cycle.world.keep(&turn).expect("memory can be written");
        ledger = Some(turn.ledger.clone());
    }
    drop(cycle);
    let ledger = ledger.expect("turns");
    let row = ledger.decisions.first().expect("the reflex was decided");
    assert_eq!((row.id, &*row.rule, row.incident_id), (BETWEEN, "memory_exhausted", None));
    assert!(row.evidence.contains("memory_victims:"), "{}", row.evidence);
    let action = ledger.actions.iter().find(|one| one.id == BETWEEN).expect("its row");
    assert_eq!((action.decision_id, action.incident_id), (Some(BETWEEN), None));
    // What the loop decides later takes no number twice.
    assert_eq!(ledger.decisions.iter().map(|row| row.id).collect::<Vec<_>>(), [BETWEEN, BETWEEN + 1]);
    let replayed = replay(recording.as_slice(), None).expect("whole");
    assert_eq!(replayed.differences().count(), 0);
    let decided = replayed.thoughts.iter().flat_map(|(_, _, now)| &now.decisions);
    assert_eq!(decided.filter(|one| one.id == BETWEEN).count(), 1);
}
