//! The film of an incident far into a run: it gives the same incidents, decisions and outcomes again, byte for byte, and
//! does not without what was known at its begin, or without what learn told.
mod made;

use act::Order;
use cycle::film::{Filmed, Reel};
use cycle::recording::{Header, Reader, Record, Thought, Writer};
use cycle::replay::replay;
use cycle::world::{Command, Recheck};
use cycle::{Cycle, Deeds, Start, World, rules};
use made::MB;
use vocab::action::ActionState;
use vocab::capability::Capabilities;
use vocab::decision::Decision;
use vocab::learnt::Told;
use vocab::probe::Probe;
use vocab::rule::{ActuatorKind, Mode};
use vocab::sample::{FilesystemSample, Sample};
use vocab::{ProcessId, Timestamp};

/// Longer than whatever a stage remembers: trends over 320 s, hourly bounds of rules.
const LEAKS_AGAIN: u64 = 4_400;
const TURNS: u64 = LEAKS_AGAIN + 200;

/// A service that leaks twice, each time until it is restarted; what seldom changes it says once.
struct Twice {
    turn: u64,
    main: ProcessId,
    grows_since: Option<u64>,
}

impl Twice {
    const fn new() -> Self {
        Self { turn: 0, main: ProcessId { pid: 100, start_ticks: 500 }, grows_since: Some(30) }
    }
}

impl World for Twice {
    fn look(&mut self, turn: u64, _: &[Probe]) -> Option<Sample> {
        self.turn = turn;
        if turn == LEAKS_AGAIN {
            self.grows_since = Some(turn);
        }
        let seconds = self.grows_since.map_or(0, |since| turn.saturating_sub(since));
        let mut sample = made::sample(turn, self.main, 50 * MB + 4 * MB * seconds);
        if turn.is_multiple_of(5) {
            sample.filesystems = Some(vec![disk(20 * MB * turn.saturating_sub(LEAKS_AGAIN))]);
        }
        if turn % 600 != 1 {
            sample.process_infos.clear();
        }
        (turn <= TURNS).then_some(sample)
    }

    fn commands(&mut self) -> Vec<Command> {
        Vec::new()
    }

    fn capabilities(&self) -> Capabilities {
        made::capabilities(&ActuatorKind::RestartService.to_string(), None)
    }

    fn change(&mut self, now: Timestamp, orders: Vec<Order>, _: &[Decision], _: Recheck<'_>) -> Deeds {
        let mut effects = Vec::new();
        for order in orders {
            let Order::Apply(intent) = order else { continue };
            self.grows_since = None;
            effects.push(made::effect(intent, now, ActionState::Final));
        }
        Deeds { effects, decisions: Vec::new() }
    }
}

/// A disk of 100 GB of which 10 are free, less what was written since.
fn disk(written_bytes: u64) -> FilesystemSample {
    FilesystemSample {
        mount_point: "/data".into(),
        total_bytes: Some(100_000 * MB),
        available_bytes: Some(10_000 * MB - written_bytes),
        ..FilesystemSample::default()
    }
}

struct Film {
    incident: u64,
    header: Header,
    frames: Vec<u8>,
}

impl Film {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, &self.header).expect("memory can be written");
        bytes.extend_from_slice(&self.frames);
        bytes
    }

    fn records(&self) -> Vec<Record> {
        let bytes = self.bytes();
        let (mut reader, _) = Reader::new(bytes.as_slice()).expect("a recording");
        std::iter::from_fn(|| reader.read().expect("whole")).collect()
    }

    /// The same with its turns changed.
    fn with(&self, change: impl Fn(&mut Record)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &self.header).expect("memory can be written");
        for mut record in self.records() {
            change(&mut record);
            writer.write(&record).expect("memory can be written");
        }
        bytes
    }
}

/// What was thought live, by turn, and the films.
fn live() -> (Vec<(u64, Thought)>, Vec<Film>) {
    let start = Start { rules: rules::load(&[]).expect("shipped"), mode: Mode::Heal, ..Start::default() };
    let mut cycle = Cycle::new(Filmed::new(Twice::new(), 1), start.clone()).expect("SQL can be set up");
    let (mut films, mut thoughts) = (Vec::<Film>::new(), Vec::new());
    loop {
        cycle.world.begin(&cycle.mind);
        let Some(turn) = cycle.turn() else { break };
        thoughts.push((turn.snapshot.turn, Thought::of(&turn.change)));
        for reel in cycle.world.keep(&turn) {
            match reel {
                Reel::Begin(begin) => {
                    let (start, capabilities) = (start.clone(), cycle.world.capabilities());
                    let header = Header { start, capabilities, mind: Some(begin.mind) };
                    films.push(Film { incident: begin.incident, header, frames: begin.frames });
                }
                Reel::More(frame) => films.last_mut().expect("begun").frames.extend_from_slice(&frame),
                Reel::Also(_) | Reel::End => {}
            }
        }
    }
    (thoughts, films)
}

fn differences(film: &[u8]) -> usize {
    let replayed = replay(film, None).expect("a recording");
    assert!(replayed.trouble.is_none(), "{:?}", replayed.trouble);
    replayed.differences().count()
}

#[test]
fn a_film_from_the_middle_of_a_run_gives_the_same_byte_for_byte() {
    let (thoughts, films) = live();
    let [_, film] = &films[..] else { panic!("{} films of two leaks", films.len()) };
    let records = film.records();
    let (first, last) = (records[0].sample.turn, records.last().expect("turns").sample.turn);
    let opened = thoughts.iter().find(|(_, one)| one.incidents.iter().any(|one| one.id == film.incident));
    let opened = opened.expect("it opened").0;
    assert!(opened > LEAKS_AGAIN && (20..40).contains(&(opened - first)) && last >= opened + 119);

    let replayed = replay(film.bytes().as_slice(), None).expect("a recording");
    assert_eq!(replayed.turns, last - first + 1);
    let again = replayed.thoughts.into_iter().map(|(turn, _, now)| (turn, now)).collect::<Vec<_>>();
    let told = |(turn, one): &&(u64, Thought)| (first..=last).contains(turn) && *one != Thought::default();
    let then = thoughts.iter().filter(told).cloned().collect::<Vec<_>>();
    let bytes = |thoughts: &Vec<(u64, Thought)>| postcard::to_allocvec(thoughts).expect("memory");
    assert_eq!(bytes(&again), bytes(&then));

    // All of it is there to be the same: an incident with a past, a repair that held, evidence that learn told.
    let incident = then.iter().flat_map(|(_, one)| &one.incidents).find(|one| one.id == film.incident);
    let incident = incident.expect("the film is its own");
    assert_eq!(incident.recurrences, 1);
    assert!(then.iter().any(|(_, one)| !one.decisions.is_empty()));
    assert!(then.iter().any(|(_, one)| !one.outcomes.is_empty()));
    let mut evidence = then.iter().flat_map(|(_, one)| one.incidents.iter().flat_map(|one| &one.evidence));
    assert!(evidence.any(|one| one.table == "forecasts"));
}

#[test]
fn without_what_was_known_or_told_it_gives_something_else() {
    let (_, mut films) = live();
    let mut film = films.remove(1);
    assert_eq!(differences(&film.bytes()), 0);
    let untold = film.with(|record| record.told = Some(Told::default()));
    assert!(differences(&untold) > 0, "nothing told");
    let newborn =
        Cycle::new(Filmed::new(Twice::new(), 1), film.header.start.clone()).expect("SQL").mind.pack();
    for mind in [None, Some(newborn)] {
        film.header.mind = mind;
        assert!(differences(&film.bytes()) > 0, "nothing known");
    }
    film.header.mind = Some(b"a mind of another version".to_vec());
    let error = replay(film.bytes().as_slice(), None).expect_err("no mind").to_string();
    assert!(error.contains("what the loop knew at its begin"), "{error}");
}
