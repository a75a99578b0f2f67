//! Profiles of a program of known truth, in C, compiled without frame pointers; and of it stripped.
//!
//! Needs a C compiler, as the build of this workspace does. Where the kernel refuses perf events, what needs them says so
//! and is skipped.
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use stacks::{Kind, Profile, Refusal, Request, Sleeping};

/// The program, built once: as it is, and without its symbols.
fn programs() -> &'static [PathBuf; 2] {
    static BUILT: OnceLock<[PathBuf; 2]> = OnceLock::new();
    BUILT.get_or_init(|| {
        // Carried along: this test is played on other machines too.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let source = folder.join(format!("truth-{}.c", std::process::id()));
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(&source, include_str!("programs/truth.c")).expect("writable");
        let build = |name: &str, flags: &[&str]| {
            let program = folder.join(format!("{name}-{}", std::process::id()));
            let done = Command::new("cc")
                .args(["-O2", "-fomit-frame-pointer", "-pthread", "-o"])
                .arg(&program)
                .arg(&source)
                .args(flags)
                .status();
            assert!(done.expect("a C compiler").success());
            program
        };
        [build("truth", &[]), build("stripped", &["-s"])]
    })
}

/// A run of it, which ends with the test.
struct Run(Child);

impl Run {
    fn of(program: &Path, what: &str) -> Self {
        let mut child = Command::new(program).arg(what).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("it speaks");
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn profile(&self, kind: Kind, seconds: f64) -> Result<Profile, Refusal> {
        stacks::profile(&Request { pid: self.pid(), kind, seconds, budget_us: 5_000_000 })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether perf events are to be had; says so where they are not.
fn has_events() -> bool {
    let refusal = stacks::refusal();
    if let Some(why) = &refusal {
        eprintln!("skipped: {why}");
    }
    refusal.is_none()
}

fn names(profile: &Profile) -> Vec<String> {
    let stack = |one: &stacks::Stack| format!("{} {}", one.weight, one.folded());
    profile.stacks.iter().map(stack).collect()
}

#[test]
fn a_leak_is_named_and_what_is_given_back_is_not() {
    if !has_events() {
        return;
    }
    let run = Run::of(&programs()[0], "leak");
    let profile = run.profile(Kind::MemoryGrowth, 1.5).expect("a profile");
    let functions = profile.functions();
    let first = functions.first().unwrap_or_else(|| panic!("{profile:#?}"));
    assert_eq!(first.frame.name, "keeps_what_it_takes", "{:#?}", names(&profile));
    // Of 1,220 KiB that it touches for each request it keeps 20.
    assert!(profile.share(first.weight) > 0.6, "{:#?}", names(&profile));
    let stack = profile.stacks.iter().find(|one| one.function() == Some(&first.frame)).expect("its stack");
    assert!(stack.folded().contains("main;handles_a_request;keeps_what_it_takes"), "{}", stack.folded());
}

#[test]
fn a_leak_beside_large_buffers_of_the_same_heap_is_named_by_its_allocations() {
    if let Some(why) = stacks::gpu::refusal() {
        eprintln!("skipped: {why}");
        return;
    }
    let run = Run::of(&programs()[0], "heap");
    let touched = run.profile(Kind::MemoryGrowth, 2.0);
    let profile = run.profile(Kind::MemoryKept, 4.0).expect("a profile");
    let functions = profile.functions();
    let first = functions.first().unwrap_or_else(|| panic!("{profile:#?}"));
    assert_eq!(first.frame.name, "keeps_what_it_takes", "{:#?}", names(&profile));
    assert!(profile.share(first.weight) > 0.9, "{:#?}", names(&profile));
    let stack = profile.stacks.iter().find(|one| one.function() == Some(&first.frame)).expect("its stack");
    assert!(stack.folded().contains("main;handles_a_request;keeps_what_it_takes"), "{}", stack.folded());
    // What it is better than: the pages of the leak were touched first by what came and went.
    if let Ok(touched) = touched {
        let first = touched.functions().into_iter().next().map(|one| one.frame.name);
        assert_eq!(first.as_deref(), Some("gives_back_what_it_takes"), "{:#?}", names(&touched));
    }
}

#[test]
fn what_traps_cost_is_within_the_budget() {
    if let Some(why) = stacks::gpu::refusal() {
        eprintln!("skipped: {why}");
        return;
    }
    let run = Run::of(&programs()[0], "leak");
    let request = Request { pid: run.pid(), kind: Kind::MemoryKept, seconds: 60.0, budget_us: 100_000 };
    let profile = stacks::profile(&request).expect("a profile");
    assert!(profile.cut_short.is_some_and(|why| why.contains("budget")) && profile.seconds < 50.0);
}

#[test]
fn a_hog_is_named() {
    if !has_events() {
        return;
    }
    let run = Run::of(&programs()[0], "spin");
    let profile = run.profile(Kind::OnCpu, 1.0).expect("a profile");
    let functions = profile.functions();
    assert_eq!(functions.first().map(|one| one.frame.name.as_str()), Some("spins"), "{:#?}", names(&profile));
    assert!(profile.share(functions[0].weight) > 0.8, "{:#?}", names(&profile));
}

#[test]
fn a_deadlock_shows_both_waits_without_stopping_anybody() {
    let run = Run::of(&programs()[0], "deadlock");
    let profile = Sleeping::capture(run.pid()).expect("a look").named();
    let stacks = names(&profile);
    for [outer, inner] in
        [["first_then_second", "takes_the_second"], ["second_then_first", "takes_the_first"]]
    {
        let both = |one: &&String| one.contains(&format!("{outer};{inner};"));
        assert_eq!(stacks.iter().filter(both).count(), 1, "{outer}: {stacks:#?}");
        assert!(stacks.iter().find(both).is_some_and(|one| one.ends_with(";[kernel futex]")), "{stacks:#?}");
    }
    let functions = profile.functions();
    assert!(functions.iter().any(|one| one.frame.name == "takes_the_first"), "{functions:#?}");
    let state = std::fs::read_to_string(format!("/proc/{}/status", run.pid())).expect("it lives");
    assert!(state.contains("TracerPid:\t0") && !state.contains("State:\tt"), "{state}");
}

/// The stack of the thread that holds what the three others of a convoy wait for.
fn holder_in(what: &str) -> String {
    let run = Run::of(&programs()[0], what);
    let stacks = names(&Sleeping::capture(run.pid()).expect("a look").named());
    let mut holders = stacks.iter().filter(|one| one.contains("[holds a lock that 3 wait for]"));
    let holder = holders.next().unwrap_or_else(|| panic!("nobody holds anything: {stacks:#?}")).clone();
    assert_eq!(holders.next(), None);
    let waits = |one: &&String| one.contains(";takes_the_first;") && !one.contains("[holds");
    assert_eq!(stacks.iter().filter(waits).count(), 1, "{stacks:#?}");
    holder
}

#[test]
fn the_holder_of_a_convoy_is_shown_where_it_rests() {
    assert!(holder_in("convoy").contains(";rests_under_the_lock;"));
}

#[test]
fn the_holder_of_a_convoy_is_shown_where_it_works() {
    if has_events() {
        let holder = holder_in("busy-convoy");
        assert!(holder.contains(";works_under_the_lock;spins"), "{holder}");
    }
}

/// Waits in this program, which another linker has laid out: its code begins in the middle of a page.
#[unsafe(no_mangle)]
#[inline(never)]
fn rests_in_the_test(wake: &std::sync::mpsc::Receiver<()>) -> bool {
    wake.recv().is_ok()
}

#[test]
fn a_program_in_rust_shows_where_its_thread_rests() {
    let (wake, sleep) = std::sync::mpsc::channel();
    let sleeper = std::thread::spawn(move || std::hint::black_box(rests_in_the_test(&sleep)));
    let mut stacks = Vec::new();
    for _ in 0..200 {
        stacks = names(&Sleeping::capture(std::process::id()).expect("a look").named());
        if stacks.iter().any(|one| one.contains(";rests_in_the_test;")) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    wake.send(()).expect("it waits");
    assert!(sleeper.join().expect("no panic"));
    let stack = stacks.iter().find(|one| one.contains(";rests_in_the_test;"));
    assert!(stack.is_some_and(|one| one.contains("thread")), "{stacks:#?}");
}

#[test]
fn waits_are_weighed_over_a_time() {
    let run = Run::of(&programs()[0], "deadlock");
    // A slow machine looks seldom, and knows nothing of the time before its first look.
    let shares = [0.6, 3.0, 10.0].into_iter().map(|seconds| {
        let profile = run.profile(Kind::OffCpu, seconds).expect("a profile");
        let functions = profile.functions();
        let waited = functions.iter().find(|one| one.frame.name == "takes_the_second").map(|one| one.weight);
        waited.expect("it waits") as f64 / 1e6 / profile.seconds
    });
    let share = shares.inspect(|share| assert!(*share <= 1.01, "{share}")).find(|share| *share > 0.3);
    assert!(share.is_some(), "it waits all the time");
}

#[test]
fn a_stripped_program_gives_addresses_in_its_file() {
    let run = Run::of(&programs()[1], "deadlock");
    let profile = Sleeping::capture(run.pid()).expect("a look").named();
    let function = profile.functions().into_iter().next().expect("one of its own").frame;
    assert!(function.name.starts_with("stripped-") && function.name.contains("+0x"), "{function:?}");
    assert!(!function.is_named);
    assert!(
        names(&profile).iter().any(|one| one.contains("pthread") || one.contains("clone")),
        "{:#?}",
        names(&profile)
    );
}

#[test]
fn a_process_that_ends_midway_gives_what_was_seen() {
    if !has_events() {
        return;
    }
    let mut run = Run::of(&programs()[0], "spin");
    let pid = run.pid();
    let start = Instant::now();
    let profiler = std::thread::spawn(move || {
        stacks::profile(&Request { pid, kind: Kind::OnCpu, seconds: 60.0, budget_us: 5_000_000 })
    });
    std::thread::sleep(Duration::from_millis(600));
    run.0.kill().expect("it is ours");
    run.0.wait().expect("it ends");
    let profile = profiler.join().expect("no panic").expect("a profile");
    assert!(start.elapsed() < Duration::from_secs(40) && profile.cut_short.is_some());
    assert_eq!(
        profile.functions().first().map(|one| one.frame.name.as_str()),
        Some("spins"),
        "{:#?}",
        names(&profile)
    );
}

#[test]
fn copied_stacks_outlive_their_process() {
    let run = Run::of(&programs()[0], "deadlock");
    let sleeping = Sleeping::capture(run.pid()).expect("a look");
    drop(run);
    let profile = sleeping.named();
    assert!(
        profile.functions().iter().any(|one| one.frame.name == "takes_the_second"),
        "{:#?}",
        names(&profile)
    );
}

#[test]
fn a_budget_of_nothing_ends_it_at_once() {
    if !has_events() {
        return;
    }
    let run = Run::of(&programs()[0], "spin");
    let request = Request { pid: run.pid(), kind: Kind::OnCpu, seconds: 60.0, budget_us: 0 };
    let profile = stacks::profile(&request).expect("a profile");
    assert!(profile.cut_short.is_some_and(|why| why.contains("budget")) && profile.seconds < 30.0);
}

#[test]
fn what_is_gone_is_refused_in_words() {
    let mut run = Run::of(&programs()[0], "");
    let pid = run.pid();
    run.0.kill().expect("it is ours");
    run.0.wait().expect("it ends");
    for kind in Kind::ALL {
        let request = Request { pid, kind, seconds: 1.0, budget_us: 1_000_000 };
        assert_eq!(stacks::profile(&request), Err(Refusal::Gone(pid)), "{kind}");
    }
}
