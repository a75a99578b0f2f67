//! Models from outside: asked with the last values of their series, heard by the same tail, first to go.
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use learning::rng::Rng;
use vocab::onnx::{OnnxFile, OnnxSample, OnnxScore};
use vocab::rows::ModelRow;
use vocab::snapshot::Snapshot;

use crate::Learn;

fn file(name: &str, forecasts: bool, window: Option<u32>) -> OnnxFile {
    let series = Arc::from("machine.cpu_busy_pct");
    OnnxFile { name: Arc::from(name), series, forecasts, size_bytes: 90, window, refusal: None }
}

/// A machine whose CPU use is noise around 40 %, and a run-time that computes what these models would.
struct Play {
    learn: Learn,
    rng: Rng,
    turn: i64,
    /// What is there; the first one scores, the second one forecasts.
    files: Vec<OnnxFile>,
    trouble: Option<String>,
    odd: f64,
    level: u8,
}

impl Play {
    fn new(files: Vec<OnnxFile>) -> Self {
        Self { learn: Learn::default(), rng: Rng::new(3), turn: 0, files, trouble: None, odd: 0.0, level: 0 }
    }

    fn turn(&mut self) {
        self.turn += 1;
        let wishes = self.learn.wishes().clone();
        for file in &mut self.files {
            let is_wished = wishes.load.contains(&file.name);
            file.window = (is_wished && self.trouble.is_none()).then_some(4);
        }
        let odd = self.odd;
        let said = |ask: &vocab::onnx::OnnxAsk| {
            let last = *ask.values.last()?;
            let value = if &*ask.name == "a" { odd as f32 + (last - ask.values[0]).abs() } else { last };
            Some(OnnxScore { name: ask.name.clone(), turn: ask.turn, value })
        };
        let scores = wishes.ask.iter().filter_map(said).collect();
        let files = Some(self.files.clone());
        let onnx = Some(OnnxSample { files, trouble: self.trouble.clone(), scores });
        let mut snapshot = Snapshot { onnx, ..super::snapshot(self.turn, Vec::new()) };
        snapshot.machine.cpu_idle_pct = Some(60.0 + 3.0 * self.rng.normal());
        snapshot.own.shed_level = self.level;
        self.learn.run(&snapshot, &[], &[]);
    }

    fn row(&self, name: &str) -> ModelRow {
        let rows = &self.learn.learnt().models;
        rows.iter().find(|row| row.name == name).cloned().unwrap_or_else(|| panic!("{name}: {rows:?}"))
    }
}

#[test]
fn who_finds_the_window_strange_is_heard_and_who_does_not_is_not() {
    for (odd, is_told) in [(60.0, true), (0.0, false)] {
        let mut play = Play::new(Vec::from([file("a", false, None), file("b", true, None)]));
        (0..4_500).for_each(|_| play.turn());
        assert_eq!(play.learn.learnt().anomalies.len(), 0);
        assert_eq!((&*play.row("onnx a").state, play.row("onnx b").tier), ("loaded", 3));
        play.odd = odd;
        (0..12).for_each(|_| play.turn());
        assert_eq!(play.learn.learnt().anomalies.len(), usize::from(is_told), "{odd}");
    }
}

#[test]
fn it_is_asked_with_the_last_values_and_both_kinds_are_scored() {
    let mut play = Play::new(Vec::from([file("a", false, None), file("b", true, None)]));
    (0..12).for_each(|_| play.turn());
    let asks = play.learn.wishes().ask.clone();
    assert_eq!(
        asks.iter().map(|ask| (&*ask.name, ask.turn, ask.values.len())).collect::<Vec<_>>(),
        [("a", 12, 4), ("b", 12, 4)]
    );
    play.turn();
    let next = play.learn.wishes().ask.clone();
    assert_eq!(next[0].values[..3], asks[0].values[1..], "a window moves by one");
    let rows = ["onnx a", "onnx b"].map(|name| play.row(name));
    assert_eq!(
        rows.map(|row| row.metric),
        [Some("cpu_busy_pct".to_string()), Some("cpu_busy_pct".to_string())]
    );
    (0..60).for_each(|_| play.turn());
    assert!(["onnx a", "onnx b"].iter().all(|name| play.row(name).samples > 40));
}

#[test]
fn nothing_is_wished_while_something_is_short_and_every_reason_is_said() {
    let mut play = Play::new(Vec::from([file("a", false, None)]));
    (0..10).for_each(|_| play.turn());
    play.level = 1;
    (0..2).for_each(|_| play.turn());
    assert_eq!(play.learn.wishes(), &Default::default());
    assert!(
        play.row("onnx a").reason.starts_with("unloaded: Homeostat sheds work"),
        "{:?}",
        play.row("onnx a")
    );
    play.level = 0;
    (0..50).for_each(|_| play.turn());
    assert_eq!(play.learn.wishes(), &Default::default(), "it rests for a minute");
    (0..10).for_each(|_| play.turn());
    play.trouble = Some("there is none".to_string());
    (0..2).for_each(|_| play.turn());
    assert_eq!(play.row("onnx a").reason, "no run-time library: there is none");
    play.files[0].refusal = Some("too slow".to_string());
    play.turn();
    assert_eq!((&*play.row("onnx a").state, play.learn.wishes().load.len()), ("refused", 0));
    play.files = (0..6).map(|at| file(&at.to_string(), false, None)).collect();
    play.files[0].series = Arc::from("disk:vda.nothing");
    play.trouble = None;
    (0..3).for_each(|_| play.turn());
    assert!(play.row("onnx 0").reason.starts_with("there is no series `disk:vda.nothing`"));
    assert_eq!(
        (&*play.row("onnx 4").state, &*play.row("onnx 5").reason),
        ("loaded", "all 4 of its tier are given to others")
    );
    let mut without = Learn::default();
    (1..3).for_each(|turn| drop(without.run(&super::snapshot(turn, Vec::new()), &[], &[])));
    let row = without.learnt().models.iter().find(|row| row.name == "onnx").cloned().expect("a row");
    assert!(row.reason.contains("this build has no run-time"), "{row:?}");
}
