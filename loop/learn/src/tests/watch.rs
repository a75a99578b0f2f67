//! Who is told to differ: quiet machines are not, a change is, creep is taken back, trouble is not learnt.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use learning::rng::Rng;
use vocab::Entity;
use vocab::event::Event;
use vocab::kit;
use vocab::rows::Service;
use vocab::snapshot::Snapshot;

use crate::{Learn, Models};

fn service(name: &str, cpu_pct: f64, anon_mib: f64) -> Service {
    Service {
        main_pid: None,
        main_start_ticks: None,
        processes: 3,
        cpu_pct: Some(cpu_pct),
        run_delay_pct: Some(0.5),
        anon_bytes: Some((anon_mib * 1_048_576.0) as u64),
        descriptors: Some(40),
        accept_backlog: Some(0),
        ..kit::service(name, "running")
    }
}

/// A machine of `count` services that hum along.
pub struct Machine {
    pub rng: Rng,
    pub turn: i64,
    count: usize,
}

impl Machine {
    pub fn new(count: usize) -> Self {
        Self { rng: Rng::new(11), turn: 0, count }
    }

    pub fn snapshot(&mut self) -> Snapshot {
        self.turn += 1;
        let mut snapshot = super::snapshot(self.turn, Vec::new());
        for index in 0..self.count {
            let cpu = (10.0 + 4.0 * self.rng.normal()).max(0.0);
            snapshot.services.push(service(&format!("s{index:03}"), cpu, 100.0 + 2.0 * self.rng.normal()));
        }
        snapshot.machine.cpu_idle_pct = Some(80.0 + 5.0 * self.rng.normal());
        snapshot
    }
}

pub fn run(
    learn: &mut Learn,
    machine: &mut Machine,
    turns: u32,
    change: impl Fn(&mut Snapshot),
) -> Vec<Event> {
    let mut news = Vec::new();
    for _ in 0..turns {
        let mut snapshot = machine.snapshot();
        change(&mut snapshot);
        news.extend(learn.run(&snapshot, &[], &[]));
    }
    news
}

#[test]
fn a_quiet_machine_of_forty_services_is_left_alone() {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(40));
    let news = run(&mut learn, &mut machine, 10_000, |_| {});
    assert!(news.is_empty(), "{news:?}");
}

#[test]
fn one_that_changes_is_told_alone_with_the_quantity_and_its_band() {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(20));
    assert!(run(&mut learn, &mut machine, 5_000, |_| {}).is_empty());
    let news = run(&mut learn, &mut machine, 12, |snapshot| snapshot.services[7].cpu_pct = Some(90.0));
    assert_eq!(news.len(), 1, "{news:?}");
    let rows = learn.learnt().anomalies.clone();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert_eq!((&row.entity, &*row.metric), (&Entity::Service("s007".to_string()), "cpu_pct"));
    assert!(row.low < 5.0 && row.high > 15.0 && row.high < 40.0, "{row:?}");
    assert!(row.probability >= 1.0 / (row.samples as f64 + 1.0), "{row:?}");
    assert!(row.sentence.contains("cpu_pct: 90 % where"), "{}", row.sentence);
    run(&mut learn, &mut machine, 600, |_| {});
    assert!(learn.learnt().anomalies.is_empty(), "it ended");
}

/// Memory that rises so slowly that no sample is strange.
fn poisoned(turn: i64) -> f64 {
    100.0 + 0.02 * (turn - 22_000).clamp(0, 30_000) as f64
}

#[test]
fn slow_poisoning_is_noticed_and_taken_back() {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(1));
    let mut told: Option<(i64, Event)> = None;
    let mut highest = 0.0_f64;
    for _ in 0..45_000 {
        let mut snapshot = machine.snapshot();
        let level = poisoned(machine.turn) + 2.0 * machine.rng.normal();
        snapshot.services[0].anon_bytes = Some((level * 1_048_576.0) as u64);
        let news = learn.run(&snapshot, &[], &[]);
        let creep = news.into_iter().find(|one| one.message.contains("crept"));
        told = told.or(creep.map(|one| (machine.turn, one)));
        if told.is_some() {
            let rows = &learn.learnt().anomalies;
            highest = rows
                .iter()
                .filter(|row| row.metric == "anon_bytes")
                .map(|row| row.high)
                .fold(highest, f64::max);
        }
    }
    let (turn, event) = told.expect("the creep is told");
    assert!(turn < 40_000, "{turn}");
    assert!(event.message.contains("service s000 in anon_bytes"), "{}", event.message);
    // After the roll-back the poisoned level is strange, and the band is the one from before.
    assert!(highest > 0.0 && highest < 125.0 * 1_048_576.0, "{highest}");
}

#[test]
fn without_the_good_version_the_poison_would_be_normal() {
    let (mut band, mut rng) = (learning::univariate::band::Band::default(), Rng::new(3));
    (0..45_000).for_each(|turn| band.push(poisoned(turn) + 2.0 * rng.normal(), 4.0));
    assert!(band.high() > 500.0, "{band:?}");
}

#[test]
fn a_change_in_the_open_becomes_normal() {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(1));
    run(&mut learn, &mut machine, 20_500, |_| {});
    let deploy = |snapshot: &mut Snapshot| snapshot.services[0].anon_bytes = Some(900 << 20);
    let news = run(&mut learn, &mut machine, 9_000, deploy);
    assert!(news.iter().any(|one| one.message.contains("differs")), "{news:?}");
    assert!(!news.iter().any(|one| one.message.contains("crept")), "{news:?}");
    assert!(learn.learnt().anomalies.is_empty());
}

#[test]
fn trouble_is_scored_but_not_learnt() {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(5));
    run(&mut learn, &mut machine, 5_000, |_| {});
    let in_trouble = [Entity::Service("s002".to_string())];
    for _ in 0..3_000 {
        let mut snapshot = machine.snapshot();
        snapshot.services[2].cpu_pct = Some(95.0);
        learn.run(&snapshot, &[], &in_trouble);
    }
    let rows = &learn.learnt().anomalies;
    let row = rows.iter().find(|row| row.name == "s002").expect("still strange after fifty minutes");
    assert!(row.high < 40.0, "{row:?}");
}

#[test]
fn what_is_saved_goes_on_bit_for_bit() {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(3));
    run(&mut learn, &mut machine, 500, |_| {});
    let bytes = postcard::to_allocvec(learn.models()).expect("plain data");
    let models: Models = postcard::from_bytes(&bytes).expect("our own bytes");
    let mut again = Learn::new(Default::default(), models);
    // The heavy models are not saved: both sides go on without them.
    let mut before = Learn::new(Default::default(), postcard::from_bytes(&bytes).expect("our own bytes"));
    for _ in 0..200 {
        let snapshot = machine.snapshot();
        assert_eq!(before.run(&snapshot, &[], &[]), again.run(&snapshot, &[], &[]));
    }
    assert_eq!(before.models(), again.models());
    assert!(bytes.len() < 20_000, "{}", bytes.len());
}

#[test]
fn entities_are_bounded() {
    let mut learn = Learn::default();
    for turn in 1..200_i64 {
        let mut snapshot = super::snapshot(turn, Vec::new());
        let names = (0..10).map(|one| format!("job-{}", 10 * turn + one));
        snapshot.services = names.map(|name: String| service(&name, 1.0, 10.0)).collect();
        learn.run(&snapshot, &[], &[]);
    }
    let all = &learn.models().watch.known;
    assert_eq!(all.len(), crate::known::ENTITIES_MAX);
    let heavy = all.values().flat_map(|one| &one.model.series).filter(|one| one.heavy.is_some()).count();
    assert!(heavy <= crate::model::HEAVY_MAX, "{heavy}");
}

#[test]
fn what_recurs_becomes_a_habit_but_for_what_is_new_in_it() {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(2));
    // News in each of ten spans of two hours, at whose end a service is busy for twenty minutes.
    let mut told = [0; 10];
    for turn in 0..72_000_usize {
        let mut snapshot = machine.snapshot();
        if turn % 7_200 >= 6_000 {
            snapshot.services[1].cpu_pct = Some(30.0 + 5.0 * machine.rng.normal());
            if turn / 7_200 == 8 {
                snapshot.services[1].anon_bytes = Some(900 << 20);
            }
        }
        told[turn.saturating_sub(600) / 7_200] += learn.run(&snapshot, &[], &[]).len();
    }
    assert!(told[0] > 0 && told[6] + told[7] == 0, "{told:?}");
    assert!(told[8] > 0, "{told:?}");
}
