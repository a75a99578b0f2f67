//! What it costs a process to have its calls of a library watched, a call, and what it costs the watcher: a library in C that
//! does nothing and is called by the name of the CUDA run-time.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::figure::{About, Failure, Figures};
use crate::measure::median;
use crate::profile::{Worker, cpu_us, work};

/// Length of a watch, and of the time without one beside it.
const SECONDS: f64 = 3.0;
/// Calls of a piece of work, after which it rests.
const CALLS: u32 = 100;
const REST: Duration = Duration::from_millis(10);
/// The function that is called.
const SOURCE: &str = "int cudaEventSynchronize(void *event) { return 0; }";

/// Measures `pairs` watches.
pub(crate) fn run(pairs: usize, figures: &mut Figures) -> Result<(), Failure> {
    if let Some(why) = stacks::gpu::refusal() {
        eprintln!("calls are left out: {why}");
        return Ok(());
    }
    let folder = std::env::temp_dir().join(format!("bench-calls-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = library(&folder).and_then(|path| compare(&path, pairs, figures));
    std::fs::remove_dir_all(&folder)?;
    result
}

fn library(folder: &Path) -> Result<String, Failure> {
    let (source, library) = (folder.join("calls.c"), folder.join("libcudart.so"));
    std::fs::write(&source, SOURCE)?;
    let done =
        Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status()?;
    if !done.success() {
        return Err("cc does not make the library".into());
    }
    Ok(library.to_string_lossy().into_owned())
}

fn compare(library: &str, pairs: usize, figures: &mut Figures) -> Result<(), Failure> {
    let mut worker = Worker::start(&["calls", library])?;
    let about = About { bench: "profile", case: "calls", subject: "gpu_calls" };
    let (mut dearer_us, mut watcher, mut per_s) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..pairs {
        let bare = worker.cost(|| std::thread::sleep(Duration::from_secs_f64(SECONDS)))?;
        let (pid, before) = (worker.pid(), cpu_us());
        let mut calls = Err(String::new());
        let watched = worker.cost(|| {
            calls = stacks::gpu::watch(pid, SECONDS, u64::MAX).map_err(|why| why.to_string());
        })?;
        let calls = calls?;
        dearer_us.push((watched.0 - bare.0) / f64::from(CALLS));
        watcher.push((cpu_us() - before) as f64 / 1e4 / calls.seconds);
        per_s.push(calls.calls.iter().map(|one| one.calls).sum::<u64>() as f64 / calls.seconds);
    }
    figures.add(about, "call_dearer_us", median(&mut dearer_us), "us");
    figures.add(about, "watcher_core_percent", median(&mut watcher), "% of a core");
    figures.add(about, "calls_per_s", median(&mut per_s), "1/s");
    Ok(())
}

/// The child: calls the function of the library at `path` until its input ends.
pub(crate) fn worker(path: &str) -> ExitCode {
    let Ok(path) = std::ffi::CString::new(path) else { return ExitCode::from(2) };
    // SAFETY: both texts end in a zero; the library has no initialiser.
    let function = unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
        if library.is_null() { library } else { libc::dlsym(library, c"cudaEventSynchronize".as_ptr()) }
    };
    if function.is_null() {
        return ExitCode::from(2);
    }
    // SAFETY: the bench has compiled this function with this signature.
    let function = unsafe {
        std::mem::transmute::<*mut libc::c_void, extern "C" fn(*mut libc::c_void) -> libc::c_int>(function)
    };
    work(|| {
        for _ in 0..CALLS {
            function(std::ptr::null_mut());
        }
        std::thread::sleep(REST);
    });
    ExitCode::SUCCESS
}
