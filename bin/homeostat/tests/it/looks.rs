//! What the daemon finds out about a process under suspicion: who keeps its memory, and what it asks of a GPU.
//!
//! Runs where the kernel takes probes of functions, and with a C compiler; elsewhere it prints why it skips.
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kit::{Homeostat, Started, wait};

/// The trainer and the library it calls, which is no CUDA, in the state folder.
fn build(running: &Homeostat) -> Option<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs");
    let cuda = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../libs/stacks/tests/programs/gpu.c");
    let cc = |name: &str, source: &Path, flags: &[&str]| {
        let mut command = Command::new("cc");
        command.current_dir(&running.folder).args(["-O1", "-g", "-w", "-fno-omit-frame-pointer", "-o", name]);
        command.arg(source).args(flags).status().is_ok_and(|status| status.success())
    };
    let is_built = cc("libcudart.so.12", &cuda, &["-shared", "-fPIC", "-DCUDART"])
        && cc("trainer", &tests.join("trainer.c"), &["-Wl,-rpath,$ORIGIN", "libcudart.so.12"]);
    is_built.then(|| running.folder.join("trainer"))
}

#[test]
fn a_leak_is_told_with_the_function_that_keeps_it_and_its_calls_of_a_gpu() {
    let running = Homeostat::start("looks", "advise");
    let Some(program) = build(&running) else { return eprintln!("skipped: no C compiler") };
    if running
        .ask(&["profile", &std::process::id().to_string(), "--kind", "memory_kept", "--seconds", "1"])
        .code
        != 0
    {
        return eprintln!("skipped: no right to probe functions here");
    }
    let trainer = Started::by(&mut Command::new(program));
    let pid = trainer.pid();
    let share = format!(
        "SELECT share FROM profiles WHERE pid = {pid} AND kind = 'memory_kept' AND path LIKE '%keeps_it%'
         ORDER BY share DESC"
    );
    wait("who keeps the memory", || running.cell(&share).is_some());
    let share: f64 = running.cell(&share).and_then(|cell| cell.parse().ok()).expect("seen above");
    assert!(share > 0.9, "what is given back is not kept: {share}");
    let told = || running.row("SELECT id, sentence FROM incidents WHERE kind = 'memory_leak'");
    let place = "it grows in `takes`, called by `keeps_it`";
    wait("the incident says it", || told().get(1).is_some_and(|sentence| sentence.contains(place)));
    let explained = running.ask(&["explain", &told()[0]]).out;
    assert!(explained.contains("keeps_it") && !explained.contains("gives_it_back"), "{explained}");

    let calls = format!("SELECT call, calls > 0, errors FROM gpu_calls WHERE pid = {pid}");
    wait("what it asks of its GPU", || running.row(&calls) == ["cudaLaunchKernel", "1", "0"]);
}
