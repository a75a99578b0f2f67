//! Scenes of descriptors that leak, and of descriptors that only look so.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vocab::Entity;
use vocab::finding::FindingKind::DescriptorLeak;
use vocab::probe::{Probe, ProbeAnswer, ProbeKind, ProbeResult};
use vocab::rows::{OpenFile, Process};
use vocab::snapshot::Snapshot;

use crate::testkit::*;

/// What a process holds in one turn.
#[derive(Clone, Copy, Default)]
struct Open {
    files: u32,
    established: u32,
    close_wait: u32,
    /// Whether it opened its connections itself.
    is_client: bool,
}

fn scene(name: &str, turns: u32, expect: Expect, limit: u64, open: impl Fn(f64) -> Open + 'static) -> Scene {
    Scene::new(DescriptorLeak, name, turns, expect, move |turn, asked| {
        let now = open(f64::from(turn));
        let mut one = server(100, "web", turn);
        one.descriptors = Some(u64::from(12 + now.files + now.established + now.close_wait).min(limit));
        one.descriptor_limit = Some(limit);
        one.established = Some(now.established);
        one.close_wait = Some(now.close_wait);
        // The table of sockets is read every second turn.
        if turn % 2 == 1 {
            one.established = Some(open(f64::from(turn - 1)).established);
        }
        let mut snapshot = with(turn, Vec::from([one]));
        answer(&mut snapshot, asked, now);
        snapshot
    })
}

fn answer(snapshot: &mut Snapshot, asked: &[Probe], now: Open) {
    for probe in asked.iter().filter(|one| one.kind == ProbeKind::Descriptors) {
        assert_eq!(probe.entity, of_process(100));
        let file = |kind: &str, state: Option<&str>| OpenFile {
            pid: 100,
            descriptor: 0,
            kind: kind.to_string(),
            target: "/var/log/x".into(),
            inode: None,
            tcp_state: state.map(ToString::to_string),
            is_outgoing: state.map(|_| now.is_client),
        };
        let mut files = Vec::new();
        files.extend((0..now.files).map(|_| file("file", None)));
        files.extend((0..now.established).map(|_| file("socket", Some("established"))));
        files.extend((0..now.close_wait).map(|_| file("socket", Some("close_wait"))));
        let result = Ok(ProbeResult::Descriptors(files));
        snapshot.answers.push(ProbeAnswer { probe: probe.clone(), at: snapshot.at, result });
    }
}

/// A process that holds files of /proc on a machine on which so many processes are started a second. `file` is the file
/// with that index, if it is held when so many were started.
fn observer(name: &str, rate: f64, expect: Expect, file: fn(u32, u32) -> Option<(String, u32)>) -> Scene {
    Scene::new(DescriptorLeak, name, 140, expect, move |turn, asked| {
        let started = 20 + ramp(rate, f64::from(turn), 35.0);
        let files: Vec<_> = (0..started).filter_map(|index| file(index, started)).collect();
        let mut one = server(100, "web", turn);
        one.descriptors = Some(12 + files.len() as u64);
        one.descriptor_limit = Some(1_024);
        let mut processes = Vec::from([one]);
        processes.extend((0..started).map(|index| server(1_000 + index, "job", turn)));
        let mut snapshot = with(turn, processes);
        for probe in asked.iter().filter(|one| one.kind == ProbeKind::Descriptors) {
            let open = |(target, index): &(String, u32)| OpenFile {
                pid: 100,
                descriptor: 12 + *index,
                kind: "file".to_string(),
                target: target.as_str().into(),
                inode: None,
                tcp_state: None,
                is_outgoing: None,
            };
            let result = Ok(ProbeResult::Descriptors(files.iter().map(open).collect()));
            snapshot.answers.push(ProbeAnswer { probe: probe.clone(), at: snapshot.at, result });
        }
        snapshot
    })
}

fn fires(span: core::ops::RangeInclusive<u32>) -> Expect {
    Expect::Fires(Entity::Service("web".to_string()), span)
}

fn ramp(rate: f64, t: f64, from: f64) -> u32 {
    (rate * (t - from).max(0.0)) as u32
}

/// A process of another user, at whose descriptors nobody may look.
fn hidden(name: &str, rate: f64, expect: Expect) -> Scene {
    Scene::new(DescriptorLeak, name, 260, expect, move |turn, asked| {
        let descriptors = Some(12 + u64::from(ramp(rate, f64::from(turn), 35.0)));
        let one = Process { descriptors, descriptor_limit: Some(4_096), ..process(100, "exe", turn) };
        let mut snapshot = with(turn, Vec::from([one]));
        let refused = asked.iter().filter(|one| one.kind == ProbeKind::Descriptors).map(|probe| {
            let result = Err("permission denied".to_string());
            ProbeAnswer { probe: probe.clone(), at: snapshot.at, result }
        });
        snapshot.answers = refused.collect();
        snapshot
    })
}

pub fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    let fires_hidden = Expect::Fires(of_process(100), 60..=150);
    scenes.push(hidden("one that may not be looked at, and will run out within the hour", 4.0, fires_hidden));
    scenes.push(hidden("one that may not be looked at, and has hours", 0.6, Expect::Silent));
    for (rate, latest) in [(1.0, 62), (3.0, 55), (10.0, 55), (30.0, 52), (100.0, 46)] {
        let files = move |t: f64| Open { files: ramp(rate, t, 35.0), established: 3, ..Open::default() };
        scenes.push(scene(&format!("{rate} files a second"), 80, fires(38..=latest), 1024, files));
        let left = move |t: f64| Open { close_wait: ramp(rate, t, 35.0), established: 3, ..Open::default() };
        scenes.push(scene(
            &format!("{rate} forgotten connections a second"),
            80,
            fires(38..=latest),
            1024,
            left,
        ));
        let born_so = move |t: f64| Open { files: ramp(rate, t, 0.0), ..Open::default() };
        scenes.push(scene(&format!("{rate} files a second from birth"), 120, fires(6..=104), 1024, born_so));
    }
    scenes.push(scene("leak of 2 a second under a limit of 65,536", 140, fires(45..=105), 65_536, |t| {
        Open { files: ramp(2.0, t, 35.0), ..Open::default() }
    }));
    scenes.push(scene("leak under a swell of connections", 140, fires(50..=120), 4096, |t| Open {
        files: ramp(3.0, t, 35.0),
        established: 20 + (30.0 * noise(5, (t / 6.0) as u32)) as u32,
        ..Open::default()
    }));
    scenes.push(scene("nine tenths of the limit by connections", 90, fires(40..=60), 200, |t| Open {
        established: ramp(10.0, t, 20.0).min(190),
        ..Open::default()
    }));
    scenes.push(scene("3 connections a second that it opens and keeps", 130, fires(85..=105), 1024, |t| {
        Open { established: ramp(3.0, t, 30.0), is_client: true, ..Open::default() }
    }));
    scenes.push(scene(
        "20 files a second from birth under a limit of 20,000",
        80,
        fires(40..=55),
        20_000,
        |t| Open { files: ramp(20.0, t, 0.0), ..Open::default() },
    ));
    scenes.push(observer(
        "an observer that opens one file again and again",
        3.0,
        fires(40..=70),
        |index, _| Some(("/proc/100/stat".to_string(), index)),
    ));
    scenes.push(observer("an observer that keeps files of the dead", 3.0, fires(40..=70), |index, alive| {
        Some((format!("/proc/{}/stat", 5_000 + index), index)).filter(|_| index < alive)
    }));
    scenes.extend(twins());
    // A slow growth is long enough in the turn in which it is first worth a look.
    for (name, rate) in [("an observer that holds a file of each process", 3.0), ("the same, slowly", 0.2)] {
        scenes.push(observer(name, rate, Expect::Silent, |index, alive| {
            Some((format!("/proc/{}/stat", 1_000 + index), index)).filter(|_| index < alive)
        }));
    }
    scenes
}

fn twins() -> Vec<Scene> {
    let quiet = |name: &str, open: fn(f64) -> Open| scene(name, 150, Expect::Silent, 1024, open);
    let burst = |rate: f64, t: f64| {
        let up = ramp(rate, t, 35.0).min((rate * 20.0) as u32);
        up.saturating_sub(ramp(rate, t, 80.0))
    };
    let mut scenes = Vec::from([
        quiet("pool that fills in 12 s", |t| Open {
            files: ramp(20.0, t.min(47.0), 35.0),
            ..Open::default()
        }),
        quiet("files opened at the start", |t| Open {
            files: ramp(40.0, t.min(8.0), 0.0),
            ..Open::default()
        }),
        quiet("pool of connections that fills for 40 s", |t| Open {
            established: ramp(3.0, t.min(75.0), 35.0),
            is_client: true,
            ..Open::default()
        }),
        quiet("files that come and go", |t| Open { files: (t % 12.0) as u32 * 8, ..Open::default() }),
        quiet("noise", |t| Open { files: (200.0 * noise(2, t as u32)) as u32, ..Open::default() }),
    ]);
    for rate in [2.0, 10.0, 40.0] {
        let open = move |t: f64| Open { established: 3 + burst(rate, t), ..Open::default() };
        scenes.push(scene(&format!("burst of {rate} connections a second"), 150, Expect::Silent, 1024, open));
    }
    scenes.push(scene("what it needs, opened over 40 s", 150, Expect::Silent, 20_000, |t| Open {
        files: ramp(8.0, t.min(75.0), 35.0),
        ..Open::default()
    }));
    for (name, unit) in [("our own daemon", None), ("our own daemon in a unit", Some("homeostat.service"))] {
        scenes.push(Scene::new(DescriptorLeak, name, 140, Expect::Silent, move |turn, _| {
            let descriptors = Some(u64::from(20 + ramp(4.0, f64::from(turn), 35.0)));
            let own =
                Process { descriptors, service: unit.map(Into::into), ..process(100, "homeostat", turn) };
            let mut snapshot = with(turn, Vec::from([own]));
            snapshot.own.daemon_pid = Some(100);
            snapshot
        }));
    }
    scenes.push(scene("always near a small limit", 100, Expect::Silent, 128, |t| Open {
        files: 108 + (4.0 * noise(4, t as u32)) as u32,
        ..Open::default()
    }));
    scenes
}
