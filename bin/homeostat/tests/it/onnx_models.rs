//! Models in the ONNX format in the whole daemon: loaded and asked where the library is, told why not where it is not.
use std::fs;

use crate::kit::{Homeostat, wait};

/// Puts a model with its description where the daemon looks.
fn put(running: &Homeostat, name: &str, model: &[u8], description: &str) {
    running.write(&format!("models/onnx/{name}.toml"), description);
    fs::write(running.folder.join(format!("models/onnx/{name}.onnx")), model).expect("writable");
}

fn state(running: &Homeostat, name: &str) -> Vec<String> {
    running.row(&format!("SELECT state, metric, samples, reason FROM models WHERE name = 'onnx {name}'"))
}

#[test]
fn models_are_loaded_asked_and_refused_with_a_reason() {
    let running = Homeostat::prepare("onnx", "advise");
    let series = "series = \"machine.cpu_busy_pct\"\n";
    put(&running, "busy", &onnx::kit::distance(8), series);
    put(&running, "next", &onnx::kit::last(4), &format!("{series}gives = \"forecast\"\n"));
    put(&running, "nan", &onnx::kit::no_number(4), series);
    put(&running, "other", &onnx::kit::last(4), "series = \"machine.nothing\"\n");
    put(&running, "silent", &onnx::kit::last(4), "");
    let mut running = running;
    running.launch();
    running.wait_until_it_answers();
    let has = |name: &str, state_is: &str, words: &str| {
        let row = state(&running, name);
        row.first().is_some_and(|one| one == state_is) && row.last().is_some_and(|one| one.contains(words))
    };
    wait("a description that says nothing", || has("silent", "refused", "must say `series"));
    wait("a series that is none", || has("other", "refused", "there is no series `machine.nothing`"));
    if let Err(why) = onnx::find() {
        wait("no library", || {
            has("busy", "unloaded", &format!("no run-time library: {why}")) || is_short(&running)
        });
        return eprintln!("models are not run here: {why}");
    }
    let counts = |name: &str| state(&running, name).get(2).and_then(|count| count.parse::<u64>().ok());
    let is_asked = |name: &str| counts(name).is_some_and(|count| count > 3);
    wait("they are loaded and asked, unless the machine is short of something", || {
        is_asked("busy") && is_asked("next") && has("nan", "refused", "no number") || is_short(&running)
    });
    if is_short(&running) {
        eprintln!("models were not loaded: {}", state(&running, "busy").join(" "));
    }
}

/// Whether the machine lacks what the heaviest models need: builds beside a test do that.
fn is_short(running: &Homeostat) -> bool {
    let row = state(running, "busy");
    row.last().is_some_and(|reason| reason.starts_with("unloaded:"))
}
