//! What is taken to another machine arrives, is made smaller with a known loss, and no file brings what cannot be.
use alloc::string::String;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::watch::{Machine, run};
use crate::model::Model;
use crate::parcel::{Entry, Parcel};
use crate::quantity::Kind;
use crate::{Learn, Models};

/// A machine of five services, known for a while; its CPU and memory have heavy models.
fn known() -> (Learn, Machine) {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(5));
    run(&mut learn, &mut machine, 2_500, |_| {});
    (learn, machine)
}

fn model<'a>(learn: &'a Learn, name: &str) -> &'a Model {
    let mut known = learn.models.watch.known.iter();
    &known.find(|(key, _)| &*key.1 == name).expect("it is known").1.model
}

#[test]
fn what_is_known_of_one_service_arrives_and_nothing_else_changes() {
    let (here, _) = known();
    let parcel = here.parcel(Some("s002"), "");
    assert_eq!((parcel.len(), parcel.flaw()), (1, None));
    let (mut there, mut machine) = (Learn::default(), Machine::new(5));
    run(&mut there, &mut machine, 400, |snapshot| {
        snapshot.services.iter_mut().for_each(|one| one.cpu_pct = Some(70.0))
    });
    let untouched = model(&there, "s001").clone();
    there.take_in(&parcel, "web1.models", 400);
    assert_eq!(*model(&there, "s001"), untouched);
    let (now, before) = (model(&there, "s002"), model(&here, "s002"));
    assert_eq!((now.samples, now.seen(), now.version), (before.samples, before.seen(), before.version + 1));
    assert!(
        now.series
            .iter()
            .zip(&before.series)
            .all(|(now, then)| now.band == then.band && now.light == then.light)
    );
    let row = there.learnt().models.iter().find(|row| row.source.is_some()).cloned().expect("a row");
    assert_eq!((row.name.as_str(), row.source.as_deref(), row.version), ("s002", Some("web1.models"), 1));
    assert!(row.reason.starts_with("taken in from web1.models"), "{row:?}");
    // It outlives a restart.
    let bytes = postcard::to_allocvec(there.models()).expect("plain data");
    let models: Models = postcard::from_bytes(&bytes).expect("our own bytes");
    assert_eq!(model(&Learn::new(Default::default(), models), "s002").source.as_deref(), Some("web1.models"));
}

#[test]
fn heavy_models_come_as_what_they_remember_and_only_as_many_as_there_is_room_for() {
    let (here, _) = known();
    let parcel = here.parcel(None, "");
    assert_eq!((parcel.len(), parcel.flaw()), (6, None));
    let mut there = Learn::default();
    there.take_in(&parcel, "all.models", 5);
    let of = |learn: &Learn| {
        let heavy = model(learn, "machine").series[0].heavy.as_ref().expect("a heavy model");
        (heavy.always, heavy.samples, (1..50).map(|lag| heavy.model.history().past(lag)).collect::<Vec<_>>())
    };
    let (before, after) = (of(&here), of(&there));
    assert_eq!((after.0, after.1), (true, 2_498.min(before.1)));
    let offset = before.2[0].unwrap_or_default() - after.2[0].unwrap_or_default();
    let same = before
        .2
        .iter()
        .zip(&after.2)
        .all(|(a, b)| (a.unwrap_or(9e9) - b.unwrap_or_default() - offset).abs() < 1e-3);
    assert!(same, "the same shape");
}

#[test]
fn in_a_byte_a_value_it_takes_a_quarter_and_loses_little() {
    let (here, _) = known();
    let mut parcel = here.parcel(None, "");
    let losses = parcel.quantize();
    let cpu = losses.iter().find(|one| one.name == "machine cpu_busy_pct").expect("CPU has a heavy model");
    assert!(cpu.samples > 1_900 && cpu.bytes.0 > 9_000 && 4 * cpu.bytes.1 < cpu.bytes.0 + 40, "{cpu:?}");
    assert!(
        cpu.strange > 0
            && cpu.mean_difference.is_some_and(|one| one < 0.05)
            && 4 * cpu.kept >= 3 * cpu.strange,
        "{cpu:?}"
    );
    assert_eq!(parcel.flaw(), None);
    let again = parcel.quantize();
    assert!(again.iter().all(|one| one.mean_difference == Some(0.0) && one.kept == one.strange), "{again:?}");
}

#[test]
fn without_heavy_models_the_light_ones_say_what_they_miss() {
    let (here, _) = known();
    let mut parcel = here.parcel(None, "");
    let losses = parcel.distill();
    assert_eq!(losses.len(), 2);
    assert!(losses.iter().all(|one| one.bytes.1 < one.bytes.0 / 10 && one.samples > 1_900), "{losses:?}");
    assert!(parcel.entries.iter().all(|one| one.histories.is_empty()) && parcel.distill().is_empty());
    let mut there = Learn::default();
    there.take_in(&parcel, "light.models", 5);
    assert!(model(&there, "machine").series.iter().all(|one| one.heavy.is_none()));
}

/// What a file could say after this was done to a sound one.
fn flaw_after(change: impl Fn(&mut Parcel)) -> Option<&'static str> {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(2));
    run(&mut learn, &mut machine, 50, |_| {});
    let mut parcel = learn.parcel(None, "");
    assert_eq!(parcel.flaw(), None);
    change(&mut parcel);
    parcel.flaw()
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let one_more = |entry: &Entry, name: &str| Entry { key: (entry.key.0, Arc::from(name)), ..entry.clone() };
    type Change<'a> = &'a dyn Fn(&mut Parcel);
    let changes: [(Change<'_>, &str); 6] = [
        (&|parcel| parcel.entries.push(parcel.entries[1].clone()), "one twice"),
        (&|parcel| parcel.entries.push(one_more(&parcel.entries[0], "other")), "second machine"),
        (&|parcel| parcel.entries.push(one_more(&parcel.entries[1], &"x".repeat(600))), "too long a"),
        (&|parcel| drop(parcel.entries[1].model.series.pop()), "does not fit"),
        (&|parcel| parcel.entries[1].model.series[0].suspicion = f64::NAN, "no number"),
        (&|parcel| parcel.entries[1].key.0 = Kind::Disk, "does not fit"),
    ];
    for (change, words) in changes {
        let flaw = flaw_after(change).map(ToString::to_string).unwrap_or_else(String::new);
        assert!(flaw.contains(words), "{words}: {flaw}");
    }
    let twice = |parcel: &mut Parcel| {
        let history = parcel.entries[0].histories[0].clone();
        parcel.entries[0].histories.push(history);
    };
    assert!(flaw_after(twice).is_some_and(|flaw| flaw.contains("a history")));
    let crowd = |parcel: &mut Parcel| {
        let entry = parcel.entries[1].clone();
        parcel.entries.extend((0..700).map(|at| one_more(&entry, &alloc::format!("x{at}"))));
    };
    assert!(flaw_after(crowd).is_some_and(|flaw| flaw.contains("too many")));
}
