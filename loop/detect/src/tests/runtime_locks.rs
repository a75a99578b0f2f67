//! Scenes of threads whose stacks tell what their waits are for: to enter a lock of a run-time, or for work.
use alloc::sync::Arc;
use alloc::vec::Vec;

use vocab::finding::FindingKind::Stalled;
use vocab::probe::{FutexWait, ProbeAnswer, ProbeKind, ProbeResult, ProfileProbe, StackProbe, ThreadProbe};
use vocab::rows::Process;

use super::locks::{FUTEX, ONSET, SLEEP, thread, web, works};
use crate::testkit::*;

const PYTHON_ENTERS: &str =
    "_PyEval_EvalFrameDefault;_PyObject_MakeTpCall;cfunction_call;PyThread_acquire_lock_timed;[kernel futex]";
const PYTHON_WAITS: &str = "_PyEval_EvalFrameDefault;PyObject_Vectorcall;method_vectorcall;PyThread_acquire_lock_timed;[kernel futex]";
const JAVA_ENTERS: &str =
    "[unknown];ObjectMonitor::enter;ObjectMonitor::EnterI;os::PlatformEvent::park;[kernel futex]";
const JAVA_SLEEPS: &str = "[unknown];JavaThread::sleep;os::PlatformEvent::park;[kernel futex]";
const JAVA_PARKS: &str = "[unknown];Unsafe_Park;Parker::park;[kernel futex]";

type Stacks = &'static [(u32, &'static str)];

/// A process that worked until the onset, then its threads wait so, with these stacks.
fn scene(name: &'static str, expect: Expect, waits: fn(u32) -> Vec<ThreadProbe>, stacks: Stacks) -> Scene {
    Scene::new(Stalled, name, 120, expect, move |turn, asked| {
        let cpu_pct = Some(if turn < ONSET { 0.4 } else { 0.0 });
        let row = Process { threads: 4, cpu_pct, listen_port: None, ..server(100, "web", turn) };
        let mut snapshot = with(turn, Vec::from([row]));
        let threads = || match turn {
            ..ONSET => (100..103).map(|tid| works(tid, turn)).collect(),
            _ => waits(turn),
        };
        for probe in asked {
            let result = match probe.kind {
                ProbeKind::Threads => ProbeResult::Threads(threads()),
                ProbeKind::Profile(_) => ProbeResult::Profile(profile(stacks)),
                _ => continue,
            };
            snapshot.answers.push(ProbeAnswer { probe: probe.clone(), at: snapshot.at, result: Ok(result) });
        }
        snapshot
    })
}

fn profile(stacks: Stacks) -> ProfileProbe {
    let stack = |(tid, stack): &(u32, &str)| StackProbe {
        stack: Arc::from(*stack),
        path: None,
        function: None,
        file: None,
        weight: 1,
        threads: Vec::from([*tid]),
        waiters: None,
    };
    ProfileProbe {
        name: Arc::from("web"),
        service: None,
        seconds: 0.0,
        weight: stacks.len() as u64,
        samples: stacks.len() as u64,
        lost: 0,
        cut_short: None,
        stacks: stacks.iter().map(stack).collect(),
    }
}

/// A wait at a futex of its own, as at any lock, condition or queue of a run-time.
fn waits(tid: u32, has_timeout: bool, switches: u64) -> ThreadProbe {
    let address = 0x1000 + 0x10 * u64::from(tid);
    let wait = FutexWait { address, operation: 128 | 9, expected: 0, has_timeout, words: Some([0; 5]) };
    thread(tid, FUTEX, switches, Some(wait))
}

fn all_wait(_: u32) -> Vec<ThreadProbe> {
    (100..103).map(|tid| waits(tid, false, 7)).collect()
}

pub fn scenes() -> Vec<Scene> {
    entered().into_iter().chain(quiet()).collect()
}

const IN_CIRCLE: Stacks = &[(100, PYTHON_WAITS), (101, PYTHON_ENTERS), (102, PYTHON_ENTERS)];

fn entered() -> [Scene; 3] {
    let fires = |from: u32| web(ONSET + from..=ONSET + from + 30);
    let beats = |turn: u32| {
        [thread(100, SLEEP, u64::from(turn), None)]
            .into_iter()
            .chain(all_wait(turn).into_iter().skip(1))
            .collect()
    };
    [
        scene("two threads enter locks of Python, main waits for them", fires(15), all_wait, IN_CIRCLE),
        scene("the same, and main sleeps now and then", fires(30), beats, IN_CIRCLE),
        scene(
            "two threads enter monitors of Java",
            fires(15),
            |turn| {
                let beats = waits(103, true, u64::from(turn));
                all_wait(turn).into_iter().chain([beats]).collect()
            },
            &[(100, JAVA_PARKS), (101, JAVA_ENTERS), (102, JAVA_ENTERS)],
        ),
    ]
}

fn quiet() -> [Scene; 6] {
    [
        scene(
            "workers of Python at queues of their own",
            Expect::Silent,
            all_wait,
            &[(100, PYTHON_WAITS), (101, PYTHON_WAITS), (102, PYTHON_WAITS)],
        ),
        scene(
            "workers of Java without work",
            Expect::Silent,
            all_wait,
            &[(100, JAVA_PARKS), (101, JAVA_PARKS), (102, JAVA_PARKS)],
        ),
        scene(
            "monitors of which one that sleeps may be the holder",
            Expect::Silent,
            |_| (100..103).map(|tid| waits(tid, tid == 100, 7)).collect(),
            &[(100, JAVA_SLEEPS), (101, JAVA_ENTERS), (102, JAVA_ENTERS)],
        ),
        scene(
            "locks of Python held by one that sleeps through",
            Expect::Silent,
            |turn| {
                [thread(100, SLEEP, 7, None)].into_iter().chain(all_wait(turn).into_iter().skip(1)).collect()
            },
            IN_CIRCLE,
        ),
        scene(
            "locks that are given back after twenty seconds",
            Expect::Silent,
            |turn| match turn {
                ..50 => [thread(100, SLEEP, u64::from(turn), None)]
                    .into_iter()
                    .chain((101..103).map(|tid| waits(tid, false, 7)))
                    .collect(),
                _ => (100..103).map(|tid| works(tid, turn)).collect(),
            },
            IN_CIRCLE,
        ),
        scene(
            "one lock, two that enter it after each other",
            Expect::Silent,
            all_wait,
            &[(101, PYTHON_ENTERS)],
        ),
    ]
}

#[test]
fn stacks_are_asked_for_once_while_nobody_moves() {
    let scene = scene("an idle pool", Expect::Silent, all_wait, &[(100, JAVA_PARKS)]);
    let mut detect = crate::Detect::new();
    let (mut asked, mut count) = (Vec::new(), 0);
    for turn in 1..=scene.turns {
        let snapshot = (scene.make)(turn, &asked);
        asked = detect.run(&snapshot, &Default::default(), &Default::default()).probes;
        count += asked.iter().filter(|one| matches!(one.kind, ProbeKind::Profile(_))).count();
    }
    assert_eq!(count, 1);
}
