//! The heaviest models come and go by what the sample says alone: a recording thought through again has the same rows of
//! `models` and the same anomalies in every turn, also while memory is short.
#[allow(dead_code, reason = "here nobody acts")]
mod made;
mod quiet;

use std::sync::Arc;

use cycle::recording::{Reader, Recorded};
use cycle::replay::Recorder;
use cycle::{Cycle, Start};
use made::MB;
use quiet::Quiet;
use vocab::learnt::Learnt;
use vocab::onnx::{OnnxAsk, OnnxFile, OnnxSample, OnnxScore, OnnxWishes};
use vocab::sample::{PressureSample, Resource, Sample};
use vocab::{Entity, ProcessId};

const TURNS: u64 = 900;
/// While memory is short.
const SHORT: core::ops::Range<u64> = 700..730;

/// A service on a machine whose CPU is now more, now less busy; a run-time that says of each window how high it is.
fn hums(turn: u64, wishes: &OnnxWishes) -> Option<Sample> {
    let mut sample = made::sample(turn, ProcessId { pid: 100, start_ticks: 500 }, 50 * MB);
    let busy: u64 = (0..=turn).map(|one| 40 + one * one % 31).sum();
    sample.machine.cpu_ticks = [busy, 0, 0, 200 * turn - busy.min(200 * turn), 0, 0, 0, 0];
    let stalled: u64 = (0..=turn).map(|one| if SHORT.contains(&one) { 50_000 } else { 0 }).sum();
    sample.pressures.push(PressureSample {
        entity: Entity::Machine,
        resource: Resource::Memory,
        some_us: stalled,
        full_us: None,
    });
    let name: Arc<str> = Arc::from("peak");
    let file = OnnxFile {
        name: name.clone(),
        series: Arc::from("machine.cpu_busy_pct"),
        forecasts: false,
        size_bytes: 100,
        window: wishes.load.contains(&name).then_some(8),
        refusal: None,
    };
    let highest = |ask: &OnnxAsk| ask.values.iter().copied().fold(0.0, f32::max);
    let score = |ask: &OnnxAsk| OnnxScore { name: name.clone(), turn: ask.turn, value: highest(ask) };
    let scores = wishes.ask.iter().map(score).collect();
    sample.onnx = Some(OnnxSample { files: Some(vec![file]), trouble: None, scores });
    (turn <= TURNS).then_some(sample)
}

fn loaded(learnt: &Learnt, tier: u8) -> usize {
    learnt
        .models
        .iter()
        .filter(|row| row.tier == tier && row.state == "loaded" && row.metric.is_some())
        .count()
}

#[test]
fn what_is_loaded_is_the_same_in_a_replay_byte_for_byte() {
    let (mut recording, mut live) = (Vec::new(), Vec::new());
    let start = Start::default();
    let recorder = Recorder::new(Quiet::new(hums), &mut recording, &start).expect("memory can be written");
    let mut cycle = Cycle::new(recorder, start).expect("SQL can be set up");
    while let Some(turn) = cycle.turn() {
        cycle.world.keep(&turn).expect("memory can be written");
        live.push(turn.learnt);
    }
    drop(cycle);
    let deep = |turn: u64| loaded(&live[turn as usize - 1], 2);
    assert_eq!((deep(500), deep(699), deep(715), deep(899)), (0, 2, 0, 2));
    assert_eq!(loaded(&live[714], 1), 2, "the lighter ones stay");
    let foreign = |turn: usize| loaded(&live[turn - 1], 3);
    assert_eq!((foreign(500), foreign(715), foreign(899)), (1, 0, 1));
    let asked = live[898].models.iter().find(|row| &*row.name == "onnx peak").map(|row| row.samples);
    assert!(asked.is_some_and(|scores| scores > 700), "{asked:?}");

    let (reader, header) = Reader::new(recording.as_slice()).expect("whole");
    let world = Recorded::new(reader, header.capabilities);
    let mut again = Cycle::new(world, header.start).expect("SQL can be set up");
    for then in &live {
        let now = again.turn().expect("as many turns").learnt;
        assert_eq!((&now.models, &now.anomalies), (&then.models, &then.anomalies));
    }
    assert!(again.turn().is_none());
}
