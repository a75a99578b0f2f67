//! Scores thought again from the history agree with those that were kept when they were told.
#[expect(dead_code, reason = "shared with tests of repairs")]
mod made;
mod quiet;

use std::path::PathBuf;

use cycle::{Cycle, Start, World};
use made::MB;
use quiet::Quiet;
use tables::history::Keeper;
use tables::{Engine, View};
use vocab::ProcessId;

/// Seconds until the service does what it never did; nobody is told of within the first hour.
const CHANGES: u64 = 5_000;
const TURNS: u64 = CHANGES + 60;

/// A service that takes about a tenth of a CPU, and then nearly all of it.
fn busy() -> impl World {
    let (mut ticks, mut noise) = (0, 7_u64);
    Quiet::new(move |turn, _: &_| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let hum = 6 + (noise >> 61);
        ticks += if turn > CHANGES { 90 } else { hum };
        let mut sample = made::sample(turn, ProcessId { pid: 100, start_ticks: 500 }, 50 * MB + hum * MB);
        sample.processes[0].user_ticks = ticks;
        (turn <= TURNS).then_some(sample)
    })
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What was told and is thought again of the service at the same seconds, chance and quantity; and of the quiet seconds
/// before, the share that is thought strange.
struct Answers {
    told: Vec<(f64, String)>,
    again: Vec<(f64, String)>,
    strange_before: f64,
}

/// Asks a history that was kept from that turn on.
fn ask(noted_from: u64) -> Answers {
    let name = format!("homeostat-scores-{}-{noted_from}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    let (mut keeper, _) = Keeper::open(&folder.0).expect("a folder of our own");
    let mut cycle = Cycle::new(busy(), Start::default()).expect("SQL");
    let mut last = View::default();
    while let Some(turn) = cycle.turn() {
        let view = View::new(turn.snapshot.clone(), turn.ledger.clone(), turn.events.clone());
        let view = view.with_learnt(turn.learnt.clone());
        if turn.snapshot.turn >= noted_from {
            keeper.note(&view);
        }
        if turn.snapshot.turn % 60 == 0 {
            keeper.upkeep().maintain(turn.snapshot.at.0 / 1_000_000);
        }
        last = view;
    }
    let mut engine = Engine::new().expect("SQL can be set up");
    engine.set_history(keeper.reader());
    engine.set_scorer(cycle::scores::scorer);
    engine.set_view(last);
    let mut select = |sql: &str| engine.select(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).rows;
    let mut scores = |table: &str| {
        let kept = "SELECT at FROM anomalies_history WHERE entity = 'service:ledger'";
        let of = format!("FROM {table} WHERE entity = 'service:ledger' AND at IN ({kept}) ORDER BY at");
        let rows = select(&format!("SELECT probability, metric {of}"));
        rows.iter().map(|row| (row[0].as_f64().expect("a chance"), row[1].to_string())).collect::<Vec<_>>()
    };
    let (told, again) = (scores("anomalies_history"), scores("scores"));
    let before = (made::sample(CHANGES, ProcessId { pid: 1, start_ticks: 1 }, 0).at.0, CHANGES / 4);
    let before = format!("at <= {} AND at > {}", before.0, before.0 - before.1 as i64 * 1_000_000_000);
    let share =
        format!("SELECT avg(probability < 0.01) FROM scores WHERE entity = 'service:ledger' AND {before}");
    let strange_before = select(&share)[0][0].as_f64().expect("a share");
    keeper.close(TURNS as i64 * 1_000);
    Answers { told, again, strange_before }
}

#[test]
fn a_score_from_the_whole_past_is_the_one_that_was_kept() {
    let Answers { told, again, strange_before } = ask(1);
    assert!(told.len() > 20 && told.len() == again.len(), "{told:?} {again:?}");
    for (told, again) in told.iter().zip(&again) {
        // Two digits are kept.
        let apart = (told.0 / again.0).log10().abs();
        assert!(apart < 0.022 && told.1 == again.1, "{told:?} {again:?}");
    }
    assert!(strange_before < 0.03, "{strange_before}");
}

#[test]
fn a_score_from_a_part_of_the_past_calls_the_same_strange() {
    let Answers { told, again, strange_before } = ask(1_000);
    assert!(told.len() > 20 && told.len() == again.len(), "{told:?} {again:?}");
    assert!(again.iter().all(|(chance, _)| *chance < 0.01), "{again:?}");
    assert!(strange_before < 0.03, "{strange_before}");
}
