//! Real models in the real run-time, where `ORT_DYLIB_PATH` or a usual folder has one; else it says why it does not run.
use std::process::{Command, ExitCode};

use onnx::{Failure, Worker, kit};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "serve") {
        return match onnx::serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    no_library_is_a_reason();
    if let Err(why) = onnx::find() {
        println!("models are not run here: {why}");
        return ExitCode::SUCCESS;
    }
    models_answer();
    what_is_no_model_is_refused_and_the_rest_goes_on();
    what_is_too_slow_or_too_large_is_refused();
    println!("models answer, and bad ones are refused");
    ExitCode::SUCCESS
}

fn command() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("serve");
    command
}

fn worker() -> Worker {
    Worker::start(&mut command()).expect("the library loads")
}

/// Needs no library.
fn no_library_is_a_reason() {
    let why = Worker::start(command().env("ORT_DYLIB_PATH", "/nonexistent/libonnxruntime.so")).err();
    assert!(why.as_ref().is_some_and(|why| why.contains("where no file is")), "{why:?}");
    let own = std::env::current_exe().expect("this program");
    let why = Worker::start(command().env("ORT_DYLIB_PATH", own)).err();
    assert!(why.as_ref().is_some_and(|why| why.contains("cannot be used")), "{why:?}");
    let why = Worker::start(&mut Command::new("true")).err();
    assert!(why.as_ref().is_some_and(|why| why.contains("the process that ran it ended")), "{why:?}");
}

fn models_answer() {
    let mut worker = worker();
    assert_eq!(worker.load(1, kit::distance(4)), Ok(4));
    assert_eq!(worker.load(2, kit::last(3)), Ok(3));
    assert_eq!(worker.score(1, vec![1.0, 2.0, 3.0, 7.0]), Ok(5.0));
    assert_eq!(worker.score(2, vec![1.0, 2.0, 3.5]), Ok(3.5));
    for thread in std::fs::read_dir(format!("/proc/{}/task", worker.pid())).expect("it lives") {
        let status =
            std::fs::read_to_string(thread.expect("a thread").path().join("status")).expect("it lives");
        assert!(
            status.contains("NoNewPrivs:\t1") && status.contains("CapEff:\t0000000000000000"),
            "{status}"
        );
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Failure>, words: &str) {
    match answer {
        Err(Failure::Refused(why)) => assert!(why.contains(words), "{words}: {why}"),
        other => panic!("{words}: {other:?}"),
    }
}

fn what_is_no_model_is_refused_and_the_rest_goes_on() {
    let mut worker = worker();
    assert_eq!(worker.load(1, kit::distance(4)), Ok(4));
    refused(worker.load(2, b"no model".to_vec()), "");
    refused(worker.load(2, Vec::new()), "");
    refused(worker.load(2, kit::last(5_000)), "1 to 4096 are asked for");
    refused(worker.score(2, vec![1.0]), "not loaded");
    refused(worker.score(1, vec![1.0]), "it takes 4");
    assert_eq!(worker.load(3, kit::no_number(4)), Ok(4));
    refused(worker.score(3, vec![1.0; 4]), "no number");
    assert_eq!(worker.load(4, kit::many(4)), Ok(4));
    refused(worker.score(4, vec![1.0; 4]), "answers with 4 numbers");
    assert_eq!(worker.score(1, vec![0.0, 0.0, 0.0, 2.0]), Ok(2.0));
}

fn what_is_too_slow_or_too_large_is_refused() {
    let mut worker = worker();
    assert_eq!(worker.load(1, kit::slow(1_500)), Ok(1_500));
    refused(worker.score(1, vec![1.0; 1_500]), "ms of a CPU");
    assert_eq!(worker.load(2, kit::large(4_096)), Ok(4_096));
    // The run-time says that there is no memory, or falls over it: either way that is all that happens.
    match worker.score(2, vec![1.0; 4_096]) {
        Err(Failure::Refused(_) | Failure::Ended(_)) => {}
        Ok(said) => panic!("1.6 GB were had: {said}"),
    }
}
