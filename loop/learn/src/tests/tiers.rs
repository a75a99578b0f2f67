//! Heavier models come to the few who need them, go first when memory or CPU time is short, and say why.
use alloc::string::ToString;
use alloc::vec::Vec;

use vocab::Entity;
use vocab::budget::RSS_BYTES_MAX;
use vocab::rows::{ModelRow, Pressure};
use vocab::snapshot::Snapshot;

use super::watch::{Machine, run};
use crate::Learn;
use crate::model::HEAVY_MAX;
use crate::model::Heavy;
use crate::quantity::Kind;
use crate::tiers::DEEP_MAX;

fn stalled(snapshot: &mut Snapshot, resource: &str, some_pct: f64) {
    snapshot.pressures.push(Pressure {
        entity: Entity::Machine,
        resource: resource.to_string(),
        some_pct: Some(some_pct),
        full_pct: None,
        some_us: 0,
        full_us: None,
    });
}

fn of_tier(learn: &Learn, tier: u8, state: &str) -> Vec<ModelRow> {
    let rows = learn.learnt().models.iter();
    rows.filter(|row| row.tier == tier && row.state == state && row.metric.is_some()).cloned().collect()
}

/// A machine long enough known that its CPU and memory have the heaviest model.
fn known() -> (Learn, Machine) {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(5));
    run(&mut learn, &mut machine, 700, |_| {});
    (learn, machine)
}

#[test]
fn the_machine_has_the_heaviest_and_its_row_says_why() {
    let (learn, _) = known();
    let deep = of_tier(&learn, 2, "loaded");
    assert_eq!(deep.len(), 2, "{deep:?}");
    let row = deep.iter().find(|row| row.metric.as_deref() == Some("cpu_busy_pct")).expect("CPU");
    assert_eq!(
        (&row.entity, row.reason.as_str()),
        (&Entity::Machine, "always: it says how the machine is: is it strange still?")
    );
    assert!((8_000..30_000).contains(&row.size_bytes), "{row:?}");
}

#[test]
fn any_pressure_unloads_the_heaviest_at_once_and_it_comes_back_when_that_is_over() {
    type Press = fn(&mut Snapshot);
    let short: [(Press, &str); 4] = [
        (|snapshot| stalled(snapshot, "memory", 3.0), "unloaded: 3 % of the time somebody waits for memory"),
        (|snapshot| stalled(snapshot, "cpu", 70.0), "unloaded: 70 % of the time somebody waits for cpu"),
        (|snapshot| snapshot.own.shed_level = 1, "unloaded: Homeostat sheds work to keep its own budget"),
        (
            |snapshot| snapshot.own.rss_bytes = RSS_BYTES_MAX,
            "unloaded: Homeostat holds 67 MB, 50 MB is the limit",
        ),
    ];
    for (press, reason) in short {
        let (mut learn, mut machine) = known();
        run(&mut learn, &mut machine, 1, press);
        let (gone, light) = (of_tier(&learn, 2, "unloaded"), of_tier(&learn, 1, "loaded"));
        assert_eq!((gone.len(), light.len()), (2, 2), "the light one stays: {:?}", learn.learnt().models);
        assert!(gone.iter().all(|row| row.reason.starts_with(reason) && row.size_bytes == 0), "{gone:?}");
        run(&mut learn, &mut machine, 200, press);
        let kept_out = of_tier(&learn, 2, "unloaded");
        assert!(of_tier(&learn, 2, "loaded").is_empty());
        assert!(kept_out.iter().all(|row| row.reason.contains(", but ")), "{kept_out:?}");
        run(&mut learn, &mut machine, 60, |_| {});
        assert_eq!((of_tier(&learn, 2, "loaded").len(), of_tier(&learn, 2, "unloaded").len()), (2, 0));
    }
}

/// What is wrong with how models come and go.
fn faults(mutant: Option<bool>) -> Vec<&'static str> {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(60));
    learn.models.watch.tiers.mutant = mutant;
    run(&mut learn, &mut machine, 310, |_| {});
    learn.models.watch.known.values_mut().for_each(|one| one.model.series[0].suspicion = 5.0);
    run(&mut learn, &mut machine, 650, |_| {});
    let loaded = |learn: &Learn| [1, 2].map(|tier| of_tier(learn, tier, "loaded").len());
    let mut faults = Vec::new();
    if loaded(&learn) != [HEAVY_MAX, DEEP_MAX] {
        faults.push("who needs one has none while nothing is short");
    }
    run(&mut learn, &mut machine, 1, |snapshot| stalled(snapshot, "memory", 3.0));
    if loaded(&learn)[1] > 0 {
        faults.push("the heaviest stay while memory is short");
    }
    run(&mut learn, &mut machine, 1, |snapshot| stalled(snapshot, "memory", 15.0));
    if loaded(&learn)[0] > 2 {
        faults.push("others than the machine's stay while memory is very short");
    }
    faults
}

#[test]
fn mutants_that_never_and_always_load_are_noticed() {
    assert_eq!(faults(None), [] as [&str; 0]);
    assert_eq!(faults(Some(true)), ["who needs one has none while nothing is short"]);
    assert_eq!(faults(Some(false)).len(), 2, "{:?}", faults(Some(false)));
}

/// A machine of sixty services, all of which surprised a lot a while ago.
fn restless(turns: u32) -> (Learn, Machine) {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(60));
    run(&mut learn, &mut machine, 310, |_| {});
    let services = learn.models.watch.known.iter_mut().filter(|(key, _)| key.0 == Kind::Service);
    services.for_each(|(_, one)| one.model.series[0].suspicion = 5.0);
    run(&mut learn, &mut machine, turns, |_| {});
    (learn, machine)
}

#[test]
fn however_many_are_suspicious_few_get_one_and_memory_is_bounded() {
    let (learn, _) = restless(650);
    let (deep, heavy) = (of_tier(&learn, 2, "loaded"), of_tier(&learn, 1, "loaded"));
    assert_eq!((deep.len(), heavy.len()), (DEEP_MAX, HEAVY_MAX));
    assert!(deep.iter().any(|row| row.reason.starts_with("suspicious")), "{deep:?}");
    let turned_away = of_tier(&learn, 2, "unloaded");
    assert!(turned_away[0].reason.ends_with("but all 4 of its tier are given to others"), "{turned_away:?}");
    assert!(turned_away.len() <= HEAVY_MAX);
    let bytes: u64 = deep.iter().chain(&heavy).map(|row| row.size_bytes).sum();
    assert!(bytes < 640 << 10 && bytes > (HEAVY_MAX * Heavy::BYTES) as u64, "{bytes}");
}

#[test]
fn whoever_is_gone_keeps_its_place_for_a_while_and_nobody_has_one_beyond_the_bound() {
    let (mut learn, mut machine) = restless(130);
    let is_full = |learn: &Learn| of_tier(learn, 1, "loaded").len() == HEAVY_MAX;
    assert!(is_full(&learn));
    let had: Vec<_> = of_tier(&learn, 1, "loaded").into_iter().map(|row| row.entity).collect();
    // Those who had one are gone; others would like it.
    let mut without = |learn: &mut Learn, turns| {
        let is_gone = |name: &str| had.contains(&Entity::Service(name.to_string()));
        run(learn, &mut machine, turns, |snapshot| snapshot.services.retain(|one| !is_gone(&one.name)));
    };
    let suspect = |learn: &mut Learn| {
        learn.models.watch.known.values_mut().for_each(|one| one.model.series[0].suspicion = 5.0);
    };
    suspect(&mut learn);
    without(&mut learn, 61);
    assert!(is_full(&learn), "{}", of_tier(&learn, 1, "loaded").len());
    without(&mut learn, 300);
    suspect(&mut learn);
    without(&mut learn, 61);
    let has: Vec<_> = of_tier(&learn, 1, "loaded").into_iter().map(|row| row.entity).collect();
    assert!(is_full(&learn) && has.iter().any(|one| !had.contains(one)), "{has:?}");
}

#[test]
fn when_memory_is_very_short_only_the_machine_keeps_a_model_beyond_the_light_one() {
    let (mut learn, mut machine) = restless(60);
    assert!(of_tier(&learn, 1, "loaded").len() > 2);
    run(&mut learn, &mut machine, 1, |snapshot| stalled(snapshot, "memory", 15.0));
    let left = of_tier(&learn, 1, "loaded");
    assert!(left.len() == 2 && left.iter().all(|row| row.entity == Entity::Machine), "{left:?}");
    assert!(of_tier(&learn, 2, "loaded").is_empty());
}

/// Turns in which the machine's CPU is told to differ, and how often that is news, while it is busy for ten minutes.
fn told(press: fn(&mut Snapshot)) -> (usize, usize) {
    let (mut learn, mut machine) = (Learn::default(), Machine::new(5));
    run(&mut learn, &mut machine, 6_000, press);
    let (mut turns, mut news) = (0, 0);
    for turn in 0..1_200 {
        news += run(&mut learn, &mut machine, 1, |snapshot| {
            press(snapshot);
            if turn < 600 {
                snapshot.machine.cpu_idle_pct = snapshot.machine.cpu_idle_pct.map(|idle| idle - 70.0);
            }
        })
        .len();
        turns += usize::from(learn.learnt().anomalies.iter().any(|row| row.entity == Entity::Machine));
    }
    (turns, news)
}

#[test]
fn with_the_heaviest_model_a_stretch_is_told_for_as_long_as_it_lasts() {
    let (with, news) = told(|_| {});
    let (without, more_news) = told(|snapshot| stalled(snapshot, "cpu", 90.0));
    assert!(with > without + 100 && news <= more_news, "{with} {news} {without} {more_news}");
}
