//! Scenes of threads and processes that only they themselves could wake.
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use vocab::finding::FindingKind::Stalled;
use vocab::probe::{FULL_PIPE, FutexWait, SEMAPHORE, ThreadProbe};
use vocab::rows::Process;

use super::locks::{
    FLOCK, FUTEX, ONSET, RECEIVE, SLEEP, Threads, bare, family, idles, scene, thread, web, works,
};
use crate::testkit::*;

pub fn scenes() -> Vec<Scene> {
    sealed().into_iter().chain(families()).collect()
}

/// All threads of a process at locks that only they could open, and those that only seem to be.
fn sealed() -> [Scene; 6] {
    let of = |name: &str, expect, row, threads: Threads| scene(Stalled, name, expect, row, threads);
    let worked: fn(Process, u32) -> Process =
        |p, turn| Process { cpu_pct: Some(if turn < ONSET { 0.4 } else { 0.0 }), listen_port: None, ..p };
    [
        of(
            "all wait for a word of each other",
            web(ONSET + 15..=ONSET + 32),
            worked,
            move |turn| match turn {
                ..ONSET => (100..103).map(|tid| works(tid, turn)).collect(),
                _ => Vec::from([joins(100, 101), bare(101, 0x10, 9), bare(102, 0x10, 7)]),
            },
        ),
        of(
            "a pool that waits at one condition, and a thread that waits for a signal",
            Expect::Silent,
            worked,
            {
                |turn| match turn {
                    ..ONSET => (100..103).map(|tid| works(tid, turn)).collect(),
                    _ => Vec::from([thread(100, SLEEP, 4, None), bare(101, 0x10, 9), bare(102, 0x10, 7)]),
                }
            },
        ),
        of("a futex that other processes know", Expect::Silent, worked, |turn| match turn {
            ..ONSET => (100..103).map(|tid| works(tid, turn)).collect(),
            _ => Vec::from([joins(100, 7777), bare(101, 0x10, 9), bare(102, 0x10, 7)]),
        }),
        of("all wait, and none for the end of another", Expect::Silent, worked, |turn| match turn {
            ..ONSET => (100..103).map(|tid| works(tid, turn)).collect(),
            _ => Vec::from([bare(100, 0x10, 4), bare(101, 0x10, 9), bare(102, 0x10, 7)]),
        }),
        of("all wait, and never did anything else", Expect::Silent, idles, |_| {
            Vec::from([joins(100, 101), bare(101, 0x10, 9), bare(102, 0x10, 7)])
        }),
        of("all wait for a while", Expect::Silent, worked, move |turn| match turn {
            ONSET..=40 => Vec::from([joins(100, 101), bare(101, 0x10, 9), bare(102, 0x10, 7)]),
            _ => (100..103).map(|tid| works(tid, turn)).collect(),
        }),
    ]
}

/// Waits for a thread to end.
fn joins(tid: u32, other: u32) -> ThreadProbe {
    let words = Some([other, 0, 0, 0, 0]);
    let wait = FutexWait { address: 0x99, operation: 9, expected: other, has_timeout: false, words };
    thread(tid, FUTEX, 3, Some(wait))
}

/// Processes that wait for each other at places that name no owner, and pools that wait for work.
fn families() -> Vec<Scene> {
    let stops: fn(u32, u32) -> f64 = |_, turn| if turn < ONSET { 0.3 } else { 0.0 };
    let fires = || Expect::Fires(of_process(300), ONSET + 15..=ONSET + 40);
    let on = |tid, call, class: &str| ThreadProbe {
        waits_on: Some(class.to_string()),
        ..thread(tid, call, 9, None)
    };
    let at_semaphore = move |tid, number: u32| on(tid, FLOCK + 1_000, &format!("{SEMAPHORE}4:{number}"));
    let shared = |tid, address| {
        let wait = FutexWait { address, operation: 9, expected: 0, has_timeout: false, words: None };
        thread(tid, FUTEX, 9, Some(wait))
    };
    Vec::from([
        family(fires(), "two semaphores, each in its own order", stops, move |tid, _| at_semaphore(tid, tid)),
        family(fires(), "two locks that processes share", stops, move |tid, _| shared(tid, u64::from(tid))),
        family(fires(), "two pipes that are full", stops, move |tid, _| on(tid, RECEIVE, FULL_PIPE)),
        family(Expect::Silent, "workers at one semaphore", stops, move |tid, _| at_semaphore(tid, 0)),
        family(Expect::Silent, "a worker at a semaphore of a parent that sleeps", stops, move |tid, _| {
            match tid {
                300 => thread(300, SLEEP, 9, None),
                _ => at_semaphore(tid, 0),
            }
        }),
        family(Expect::Silent, "one lock, and a parent that reads", stops, move |tid, _| match tid {
            300 => on(300, RECEIVE, "pipe"),
            _ => shared(tid, 0x10),
        }),
        family(
            Expect::Silent,
            "semaphores at which nobody was ever seen to work",
            |_, _| 0.0,
            move |tid, _| at_semaphore(tid, tid),
        ),
        family(
            Expect::Silent,
            "semaphores that pass a word on each ten seconds",
            |_, turn| if turn.is_multiple_of(10) { 0.3 } else { 0.0 },
            move |tid, _| at_semaphore(tid, tid),
        ),
    ])
}
