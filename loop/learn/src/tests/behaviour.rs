//! The order of system calls: a program that changes is told, one that does not is not; bounded, forgiven, never learnt in trouble.
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use learning::rng::Rng;
use vocab::event::Event;
use vocab::kernel::CallsSample;
use vocab::probe::{Probe, ProbeAnswer, ProbeResult};
use vocab::rows::{BehaviourRow, Process};
use vocab::{Entity, Timestamp};

use super::process;
use crate::behaviour::{Behaviours, MEMORY_MAX, METRIC};
use crate::{Judgement, Learn, Opinion};

const USUAL: [&[&str]; 4] = [
    &["poll", "accept4", "read", "write", "close"],
    &["poll", "read", "futex", "write"],
    &["poll", "clock_nanosleep"],
    &["poll", "accept4", "read", "openat", "fstat", "read", "close", "write", "close"],
];
/// The same calls, but in another order.
const OTHER: [&[&str]; 2] =
    [&["openat", "read", "openat", "read", "openat", "write"], &["fstat", "close", "futex", "accept4"]];

/// What a program calls in a look: some of these runs, now and then any call in between.
fn calls(rng: &mut Rng, runs: &[&'static [&'static str]]) -> Vec<&'static str> {
    let mut calls = Vec::new();
    for _ in 0..6 + rng.next_u64() % 30 {
        calls.extend_from_slice(runs[(rng.next_u64() % runs.len() as u64) as usize]);
        if rng.next_u64().is_multiple_of(20) {
            calls.push(USUAL[3][(rng.next_u64() % 9) as usize]);
        }
    }
    calls
}

/// One turn in which a look at `process` has ended.
fn turn(
    learn: &mut Learn,
    second: i64,
    process: &Process,
    calls: &[&'static str],
    in_trouble: &[Entity],
) -> Vec<Event> {
    let mut snapshot = super::snapshot(second, Vec::from([process.clone()]));
    let mut names: Vec<&str> = calls.to_vec();
    names.sort_unstable();
    names.dedup();
    let place =
        |call: &&str| u16::try_from(names.iter().position(|name| name == call).unwrap_or(0)).unwrap_or(0);
    let sample = CallsSample {
        id: process.id(),
        watched_s: 1.0,
        sequences: Vec::from([calls.iter().map(place).collect()]),
        names: names.iter().map(|name| Arc::from(*name)).collect(),
        ..CallsSample::default()
    };
    let (at, probe) = (snapshot.at, Probe::calls(process.id()));
    snapshot.answers = Vec::from([ProbeAnswer { probe, at, result: Ok(ProbeResult::Calls(sample)) }]);
    learn.run(&snapshot, &[], in_trouble)
}

struct Play {
    learn: Learn,
    rng: Rng,
    second: i64,
}

impl Play {
    fn new(seed: u64) -> Self {
        Self { learn: Learn::default(), rng: Rng::new(seed), second: 0 }
    }

    /// So many looks a minute apart; the looks after which news came.
    fn looks(
        &mut self,
        count: usize,
        process: &Process,
        runs: &[&'static [&'static str]],
        trouble: &[Entity],
    ) -> Vec<usize> {
        let mut told = Vec::new();
        for look in 1..=count {
            self.second += 60;
            let calls = calls(&mut self.rng, runs);
            if !turn(&mut self.learn, self.second, process, &calls, trouble).is_empty() {
                told.push(look);
            }
        }
        told
    }

    fn row(&self, program: &str) -> BehaviourRow {
        self.learn.learnt().behaviour.iter().find(|row| row.program == program).expect("a row").clone()
    }

    fn anomalies(&self) -> usize {
        self.learn.learnt().anomalies.iter().filter(|row| row.metric == METRIC).count()
    }
}

#[test]
fn a_program_that_calls_in_another_order_is_told_after_four_looks_and_what_is_odd_is_named() {
    let (mut play, web) = (Play::new(1), process(1, "web", 1));
    assert_eq!(play.looks(27, &web, &USUAL, &[]), []);
    assert_eq!(play.row("web").state, "learning");
    play.looks(1, &web, &USUAL, &[]);
    assert_eq!(play.row("web").state, "ready");
    play.looks(90, &web, &USUAL, &[]);
    assert_eq!((&*play.row("web").state, play.anomalies()), ("ready", 0));
    assert_eq!(play.looks(1, &web, &OTHER, &[]), []);
    assert_eq!(play.row("web").state, "suspicious");
    assert_eq!(play.looks(5, &web, &OTHER, &[]), [3], "the fourth strange look tells, and once");
    let (row, anomaly) = (play.row("web"), play.learn.learnt().anomalies[0].clone());
    assert_eq!((&*row.state, row.looks), ("strange", 118), "what is strange is not learnt");
    assert!(row.probability.is_some_and(|chance| (1.0 / 119.0..=0.05).contains(&chance)), "{row:?}");
    assert!(
        row.sentence.starts_with("web calls the kernel otherwise than it used to: `"),
        "{}",
        row.sentence
    );
    assert!(row.strangest.as_deref().is_some_and(|calls| calls.split(", ").count() == 6), "{row:?}");
    assert_eq!((anomaly.name, anomaly.sentence), ("web".into(), row.sentence));
    assert!(anomaly.value > anomaly.high);
    play.looks(6, &web, &USUAL, &[]);
    assert_eq!((&*play.row("web").state, play.anomalies()), ("ready", 0), "as before: it is over");
}

/// Thirty programs, 300 looks each: none is told, and one look in twenty is as unlikely as that.
#[test]
fn programs_that_stay_as_they_are_are_not_told_and_chances_keep_their_promise() {
    let (mut low, mut all) = (0_u32, 0_u32);
    for seed in 0..30 {
        let (mut play, web) = (Play::new(100 + seed), process(1, "web", 1));
        for look in 0..300 {
            assert_eq!(play.looks(1, &web, &USUAL, &[]), [], "program {seed}, look {look}");
            if look >= 100 {
                low += u32::from(play.row("web").probability.is_some_and(|chance| chance <= 0.05));
                all += 1;
            }
        }
    }
    let rate = f64::from(low) / f64::from(all);
    assert!((0.05 / 1.5..0.05 * 1.5).contains(&rate), "{rate}");
}

#[test]
fn nothing_is_learnt_in_trouble_yet_it_is_judged() {
    let (mut play, web) = (Play::new(3), process(1, "web", 1));
    play.looks(60, &web, &USUAL, &[]);
    let trouble = [Entity::Process(web.id())];
    play.looks(10, &web, &USUAL, &trouble);
    assert_eq!(play.row("web").looks, 60);
    assert_eq!(play.looks(4, &web, &OTHER, &trouble), [4]);
}

#[test]
fn a_dismissal_and_a_day_make_the_new_order_the_normal_one() {
    for dismissed in [true, false] {
        let (mut play, web) = (Play::new(4), process(1, "web", 1));
        play.looks(60, &web, &USUAL, &[]);
        play.looks(4, &web, &OTHER, &[]);
        assert_eq!(play.row("web").state, "strange");
        if dismissed {
            let (kind, name, at) = ("stalled".into(), "web".into(), Timestamp::from_secs(play.second));
            play.learn.judge(&Judgement {
                incident_id: 1,
                at,
                opinion: Opinion::Dismiss,
                kind,
                name,
                cell: None,
            });
        } else {
            play.second += 86_400;
            play.looks(1, &web, &OTHER, &[]);
        }
        assert_eq!(play.row("web").state, "learning");
        assert_eq!(play.looks(60, &web, &OTHER, &[]), []);
        assert_eq!(play.row("web").state, "ready");
    }
}

#[test]
fn an_anomaly_ends_with_the_last_process_of_its_program() {
    let (mut play, web) = (Play::new(5), process(1, "web", 1));
    play.looks(60, &web, &USUAL, &[]);
    play.looks(4, &web, &OTHER, &[]);
    assert_eq!(play.anomalies(), 1);
    play.learn.run(&super::snapshot(play.second + 1, Vec::from([process(2, "db", 1)])), &[], &[]);
    assert_eq!(play.anomalies(), 0);
}

#[test]
fn few_calls_say_nothing_and_memory_is_bounded() {
    let mut learn = Learn::default();
    turn(&mut learn, 1, &process(1, "idle", 1), &["poll", "poll", "read"], &[]);
    assert_eq!(learn.learnt().behaviour.len(), 0);
    let (mut play, mut dropped) = (Play::new(6), 0);
    for program in 0..120 {
        let one = process(1, &format!("program-{program}"), 1);
        play.looks(3, &one, &USUAL, &[]);
        let held: usize = play.learn.learnt().behaviour.iter().map(|row| row.size_bytes as usize).sum();
        assert!(held <= MEMORY_MAX && play.learn.models.behaviours.bytes() == held);
        dropped = program + 1 - play.learn.learnt().behaviour.len();
    }
    assert!(dropped > 10, "{dropped}");
    let kept = &play.learn.learnt().behaviour;
    assert!(
        kept.iter().any(|row| row.program == "program-119")
            && !kept.iter().any(|row| row.program == "program-0")
    );
}

#[test]
fn what_was_learnt_comes_back_byte_for_byte() {
    let (mut play, web) = (Play::new(7), process(1, "web", 1));
    play.looks(40, &web, &USUAL, &[]);
    play.looks(2, &web, &OTHER, &[]);
    let bytes = postcard::to_allocvec(&play.learn.models.behaviours).expect("plain data");
    let back: Behaviours = postcard::from_bytes(&bytes).expect("its own bytes");
    assert_eq!(back, play.learn.models.behaviours);
}

#[test]
fn the_order_of_calls_travels_by_name_and_not_to_another_kind_of_processor() {
    let (mut here, web) = (Play::new(6), process(1, "web", 1));
    here.looks(120, &web, &USUAL, &[]);
    let parcel = here.learn.parcel(Some("web"), "x86_64");
    assert_eq!((parcel.programs(), parcel.flaw()), (1, None));
    let mut foreign = parcel.clone();
    assert_eq!((foreign.leave_foreign_calls("aarch64"), foreign.programs()), (1, 0));
    let mut there = Play::new(7);
    // Another program comes first, with other calls: places differ from those of the other machine.
    there.looks(3, &process(2, "db", 1), &OTHER, &[]);
    for (version, source) in [(1, "web1.models"), (2, "web2.models")] {
        there.learn.take_in(&parcel, source, 9);
        let models = there.learn.learnt().models.clone();
        let row = models.iter().find(|row| row.metric.as_deref() == Some(METRIC) && row.source.is_some());
        let row = row.expect("a row");
        assert_eq!((&*row.name, row.version, row.samples), ("web call_surprise", version, 120));
        assert!(row.reason.contains("no look at it here since"), "{row:?}");
    }
    there.looks(1, &web, &USUAL, &[]);
    assert_eq!((&*there.row("web").state, there.row("web").looks), ("ready", 121));
    assert_eq!(there.looks(4, &web, &OTHER, &[]), [4]);
    let kept = there.learn.models.behaviours.models().find(|row| row.source.is_some()).expect("a row");
    assert_eq!(kept.source.as_deref(), Some("web2.models"));
}
