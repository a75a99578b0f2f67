//! Scenes of an event loop that answers nobody, and of those that only seem to.
use alloc::string::ToString;
use alloc::vec::Vec;

use vocab::finding::FindingKind::Stalled;
use vocab::probe::{ProbeAnswer, ProbeKind, ProbeResult};
use vocab::rows::{OpenFile, Process};

use super::locks::{EPOLL, ONSET, thread, web};
use crate::testkit::*;

fn connection(descriptor: u32, state: &str, is_outgoing: bool) -> OpenFile {
    OpenFile {
        pid: 100,
        descriptor,
        kind: "socket".to_string(),
        target: "socket:[1]".into(),
        inode: None,
        tcp_state: Some(state.to_string()),
        is_outgoing: Some(is_outgoing),
    }
}

/// A service of one thread whose clients leave one after the other from the onset on, while it works so.
fn scene(name: &'static str, expect: Expect, cpu_pct: f64, has_backend: bool) -> Scene {
    Scene::new(Stalled, name, 90, expect, move |turn, asked| {
        let row = server(100, "web", turn);
        let row = match turn {
            ..ONSET => row,
            _ => Process { cpu_pct: Some(cpu_pct), close_wait: Some((turn - ONSET) / 2), ..row },
        };
        let mut snapshot = with(turn, Vec::from([row]));
        for probe in asked {
            let result = match probe.kind {
                ProbeKind::Threads => {
                    ProbeResult::Threads(Vec::from([thread(100, EPOLL, 9 * u64::from(turn), None)]))
                }
                ProbeKind::Descriptors => {
                    let backend = has_backend.then(|| connection(9, "established", true));
                    let left = (10..14).map(|fd| connection(fd, "close_wait", false));
                    ProbeResult::Descriptors(left.chain(backend).collect())
                }
                _ => continue,
            };
            snapshot.answers.push(ProbeAnswer { probe: probe.clone(), at: snapshot.at, result: Ok(result) });
        }
        snapshot
    })
}

pub fn scenes() -> Vec<Scene> {
    Vec::from([
        scene("an event loop that answers nobody", web(ONSET + 8..=ONSET + 30), 0.2, false),
        scene("one that answers and forgets to close", Expect::Silent, 4.0, false),
        scene("one that waits for another service", Expect::Silent, 0.2, true),
    ])
}
