//! Orders on real children: every actuator that needs no cgroup, its lease, hold, release and undo.
use vocab::action::{ActionState, Effect, Intent, Level};
use vocab::rule::ActuatorKind;
use vocab::{Entity, ProcessId};

use crate::testing::*;
use crate::{Act, Order, Ring, Scope, limits, undo_all, undo_expired};

fn act() -> Act {
    open(Ring::memfd().unwrap(), &FakeServices::default()).0
}

fn undo(action_id: u64) -> Order {
    Order::Undo { action_id, because: "asked to".to_owned() }
}

fn hold(hold_max_s: f64) -> Order {
    Order::Hold { action_id: 1, hold_max_s }
}

fn release() -> Order {
    Order::Release { action_id: 1, because: "no longer needed".to_owned() }
}

fn ease(act: &mut Act, level: Level) -> Effect {
    one(act, Order::Ease { action_id: 1, level, because: "a test".to_owned() })
}

fn can_renice() -> bool {
    let can = crate::probe_child::can_lower_any_nice();
    if !can {
        println!("skipped: a nice value cannot be lowered again here");
    }
    can
}

#[test]
fn an_effect_is_leased_and_taken_back_at_its_deadline() {
    if !can_renice() {
        return;
    }
    let (victim, mut act) = (Victim::new(), act());
    let before = victim.nice();
    let mut wanted = on(&victim, ActuatorKind::SetNice);
    wanted.lease_s = 0.0;
    let effect = one(&mut act, Order::Apply(wanted));
    assert_eq!((effect.state, victim.nice()), (ActionState::Applied, 10));
    assert_eq!(effect.before.as_deref(), Some(&*format!("nice {before}")));
    assert_eq!(effect.after.as_deref(), Some("nice 10"));
    assert!(effect.lease_until.is_some());
    let effects = act.run(NOW, vec![]);
    assert_eq!((effects[0].state, victim.nice()), (ActionState::Undone, before));
    assert_eq!(act.run(NOW, vec![]), []);
    assert_eq!(act.ring().slots().count(), 0);
}

#[test]
fn a_held_effect_outlives_its_lease_and_ends_with_its_hold_or_its_release() {
    let mut victim = Victim::new();
    let mut act = act();
    let mut wanted = on(&victim, ActuatorKind::Freeze);
    wanted.lease_s = 1.0;
    let effect = one(&mut act, Order::Apply(wanted.clone()));
    assert_eq!((effect.state, victim.is_stopped()), (ActionState::Applied, true));
    assert_eq!(one(&mut act, hold(60.0)).state, ActionState::Held);
    std::thread::sleep(std::time::Duration::from_millis(1050));
    assert_eq!(act.run(NOW, vec![]), []);
    assert!(victim.is_stopped());
    let effect = one(&mut act, release());
    assert_eq!((effect.state, victim.is_stopped()), (ActionState::Released, false));

    one(&mut act, Order::Apply(wanted));
    one(&mut act, hold(0.0));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(act.run(NOW, vec![])[0].state, ActionState::Undone);
    assert!(!victim.is_stopped());
    victim.kill();
}

#[test]
fn a_held_effect_is_released_by_half_applied_again_and_released() {
    if !can_renice() {
        return;
    }
    let (victim, mut act) = (Victim::new(), act());
    let before = victim.nice();
    let half = 10 - (10 - before) / 2;
    one(&mut act, Order::Apply(on(&victim, ActuatorKind::SetNice)));
    // What has not proved itself is not eased, it is undone.
    assert_eq!(
        act.run(NOW, vec![Order::Ease { action_id: 1, level: Level::Half, because: String::new() }]),
        []
    );
    one(&mut act, hold(60.0));
    for (level, nice) in [(Level::Half, half), (Level::Whole, 10), (Level::Off, before), (Level::Whole, 10)] {
        let effect = ease(&mut act, level);
        assert_eq!((effect.state, victim.nice()), (ActionState::Held, nice), "{level}: {effect:?}");
    }
    ease(&mut act, Level::Half);
    assert_eq!(one(&mut act, release()).state, ActionState::Released);
    assert_eq!(victim.nice(), before);
}

#[test]
fn what_was_being_released_when_the_daemon_died_is_released_by_the_next() {
    for level in [Level::Half, Level::Off] {
        let (victim, services) = (Victim::new(), FakeServices::default());
        let mut first = act();
        one(&mut first, Order::Apply(on(&victim, ActuatorKind::Freeze)));
        one(&mut first, hold(600.0));
        ease(&mut first, level);
        // Frozen or not: there is no half of it.
        assert_eq!(victim.is_stopped(), level == Level::Half);
        let (_, effects) = open(same(&first), &services);
        assert_eq!((effects[0].state, victim.is_stopped()), (ActionState::Undone, false), "{level}");
    }
}

#[test]
fn what_somebody_else_set_meanwhile_is_not_overwritten_by_a_return() {
    let (victim, mut act) = (Victim::new(), act());
    let read = || limits::get(victim.id.pid, libc::RLIMIT_NOFILE).unwrap();
    let (_, hard) = read();
    limits::exchange(victim.id.pid, libc::RLIMIT_NOFILE, Some((100, hard))).unwrap();
    one(&mut act, Order::Apply(on(&victim, ActuatorKind::RaiseDescriptorLimit)));
    one(&mut act, hold(600.0));
    ease(&mut act, Level::Off);
    limits::exchange(victim.id.pid, libc::RLIMIT_NOFILE, Some((77, hard))).unwrap();
    let effect = ease(&mut act, Level::Whole);
    assert!(effect.because.unwrap().contains("descriptor limit 77"));
    assert_eq!(read(), (77, hard));
}

#[test]
fn a_descriptor_limit_is_raised_and_put_back() {
    let (victim, mut act) = (Victim::new(), act());
    let read = || limits::get(victim.id.pid, libc::RLIMIT_NOFILE).unwrap();
    let (_, hard) = read();
    limits::exchange(victim.id.pid, libc::RLIMIT_NOFILE, Some((100, hard))).unwrap();
    let mut wanted = on(&victim, ActuatorKind::RaiseDescriptorLimit);
    wanted.amount = Some(3.0);
    let effect = one(&mut act, Order::Apply(wanted.clone()));
    assert_eq!((effect.state, read()), (ActionState::Applied, (300, hard)));
    assert_eq!(one(&mut act, undo(1)).state, ActionState::Undone);
    assert_eq!(read(), (100, hard));

    // Somebody else's later change stays.
    one(&mut act, Order::Apply(wanted));
    limits::exchange(victim.id.pid, libc::RLIMIT_NOFILE, Some((77, hard))).unwrap();
    let effect = one(&mut act, undo(1));
    assert!(effect.because.unwrap().contains("descriptor limit 77"));
    assert_eq!(read(), (77, hard));
}

#[test]
fn a_session_gets_less_cpu_by_its_autogroup() {
    let (victim, mut act) = (Victim::new(), act());
    let file = format!("/proc/{}/autogroup", victim.id.pid);
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    if !read().contains("nice 0") {
        return println!("skipped: no autogroups here");
    }
    let mut wanted = on(&victim, ActuatorKind::SetCpuWeight);
    wanted.amount = Some(5.0);
    let effect = one(&mut act, Order::Apply(wanted));
    if effect.state == ActionState::Refused {
        return println!("skipped: {effect:?}");
    }
    assert_eq!(effect.state, ActionState::Applied, "{effect:?}");
    assert!(read().contains("nice 13"), "{}", read());
    assert_eq!(one(&mut act, undo(1)).state, ActionState::Undone);
    assert!(read().contains("nice 0"));
}

#[test]
fn what_cannot_be_undone_waits_for_the_journal() {
    let (victim, services) = (Victim::new(), FakeServices::default());
    let wanted = Order::Apply(on(&victim, ActuatorKind::Terminate));
    let full = Journal { is_full: true, ..Journal::default() };
    let (mut act, _) = Act::open(Ring::memfd().unwrap(), config(&services, &full), NOW).unwrap();
    assert_eq!(one(&mut act, wanted.clone()).state, ActionState::Refused);
    assert!(!victim.is_stopped());

    let journal = Journal::default();
    let (mut act, _) = Act::open(Ring::memfd().unwrap(), config(&services, &journal), NOW).unwrap();
    let effect = one(&mut act, wanted);
    if effect.because.as_ref().is_some_and(|because| because.contains("belongs to")) {
        return println!("skipped: this test runs in a service, and so does its victim");
    }
    assert_eq!(effect.state, ActionState::Final);
    assert_eq!(*journal.intents.lock().unwrap(), [1]);
    assert_eq!(*journal.ends.lock().unwrap(), [(1, ActionState::Final)]);
    assert_eq!(victim.state(), b'Z');
    // An undo of it changes nothing and says nothing twice.
    assert_eq!(act.run(NOW, vec![undo(1)]), []);
}

#[test]
fn a_restart_first_frees_what_is_held() {
    let victim = Victim::new();
    let services = FakeServices::with("web", Some(victim.id));
    let (mut act, _) = open(Ring::memfd().unwrap(), &services);
    let target = Entity::Service("web".to_owned());
    one(&mut act, Order::Apply(intent(1, ActuatorKind::Freeze, target.clone())));
    assert!(victim.is_stopped());
    let restart = intent(2, ActuatorKind::RestartService, target);
    // The next blow waits for the verdict on the last.
    let refused = one(&mut act, Order::Apply(restart.clone()));
    assert_eq!(refused.state, ActionState::Refused);
    assert!(refused.because.unwrap().contains("action 1 (freeze)"));
    one(&mut act, hold(600.0));
    let effects = act.run(NOW, vec![Order::Apply(restart)]);
    let states: Vec<_> = effects.iter().map(|effect| (effect.action_id, effect.state)).collect();
    assert_eq!(states, [(2, ActionState::Final), (1, ActionState::Undone)]);
    assert_eq!((victim.is_stopped(), services.get("web").starts), (false, 2));
}

#[test]
fn a_service_of_ours_backs_off_and_comes_back() {
    let services = FakeServices::with("web", None);
    let (mut act, _) = open(Ring::memfd().unwrap(), &services);
    let mut wanted = intent(1, ActuatorKind::BackOff, Entity::Service("web".to_owned()));
    wanted.amount = Some(30.0);
    assert_eq!(one(&mut act, Order::Apply(wanted)).state, ActionState::Applied);
    assert_eq!(services.get("web").back_off_min_s, 30.0);
    one(&mut act, undo(1));
    assert_eq!(services.get("web").back_off_min_s, 0.0);
}

#[test]
fn what_is_not_offered_or_makes_no_sense_is_refused_with_a_sentence() {
    let (victim, services) = (Victim::new(), FakeServices::default());
    let mut config = config(&services, &Journal::default());
    config.capabilities.retain(|row| row.name != "freeze");
    config.guard.actions_per_minute = 1;
    let (mut act, _) = Act::open(Ring::memfd().unwrap(), config, NOW).unwrap();
    let mut say = |wanted| {
        let effect = one(&mut act, Order::Apply(wanted));
        assert!(matches!(effect.state, ActionState::Refused | ActionState::Failed), "{effect:?}");
        effect.because.unwrap()
    };
    assert!(say(on(&victim, ActuatorKind::Freeze)).contains("not offered"));
    let mut huge = on(&victim, ActuatorKind::SetNice);
    huge.amount = Some(f64::NAN);
    assert!(say(huge).contains("takes 1 to 19"));
    let stranger = Entity::Process(ProcessId { start_ticks: victim.id.start_ticks + 1, ..victim.id });
    assert!(say(intent(2, ActuatorKind::RaiseDescriptorLimit, stranger)).contains("gone"));
    assert!(say(intent(3, ActuatorKind::RestartService, Entity::Machine)).contains("no service"));
    let nobody = Entity::Service("no-such".to_owned());
    assert!(say(intent(4, ActuatorKind::RestartService, nobody)).contains("no service that we"));
    limits::exchange(victim.id.pid, libc::RLIMIT_NOFILE, Some((64, 128))).unwrap();
    let raise = on(&victim, ActuatorKind::RaiseDescriptorLimit);
    assert_eq!(one(&mut act, Order::Apply(raise.clone())).state, ActionState::Applied);
    one(&mut act, undo(1));
    let effect = one(&mut act, Order::Apply(raise));
    assert!(effect.because.unwrap().contains("within the last minute"));
}

#[test]
fn the_end_of_a_target_ends_its_effects() {
    let (mut victim, mut act) = (Victim::new(), act());
    one(&mut act, Order::Apply(on(&victim, ActuatorKind::Freeze)));
    victim.kill();
    let effects = act.run(NOW, vec![]);
    assert_eq!(effects[0].state, ActionState::Undone);
    assert!(effects[0].because.as_ref().unwrap().contains("ended"));
}

#[test]
fn a_restart_of_the_daemon_finds_what_stands() {
    let (victim, services) = (Victim::new(), FakeServices::default());
    let mut first = act();
    one(&mut first, Order::Apply(on(&victim, ActuatorKind::Freeze)));
    let ring = same(&first);
    drop(first);
    let (mut second, effects) = open(ring, &services);
    assert_eq!(effects[0].state, ActionState::Applied);
    one(&mut second, hold(600.0));
    let (_, effects) = open(same(&second), &services);
    assert_eq!(effects[0].state, ActionState::Held);
    assert!(victim.is_stopped());
}

#[test]
fn the_keeper_takes_back_what_is_over_and_the_daemon_learns_of_it() {
    let (victim, mut services) = (Victim::new(), FakeServices::default());
    let mut act = act();
    one(&mut act, Order::Apply(on(&victim, ActuatorKind::Freeze)));
    let ring = same(&act);
    assert_eq!(undo_expired(&ring, crate::boot_ns(), &mut services).unwrap(), []);
    let ended = undo_expired(&ring, crate::boot_ns() + 61_000_000_000, &mut services).unwrap();
    assert_eq!((ended.len(), victim.is_stopped()), (1, false));
    drop(ring);
    let effects = act.run(NOW, vec![]);
    assert_eq!(effects[0].state, ActionState::Undone);
    assert!(effects[0].because.as_ref().unwrap().contains("did not answer"));
    assert_eq!(act.run(NOW, vec![]), []);
}

#[test]
fn death_for_good_takes_back_the_unproved_and_what_asks_for_it() {
    let mut services = FakeServices::default();
    let (unproved, held, asking) = (Victim::new(), Victim::new(), Victim::new());
    let mut act = act();
    for (id, victim) in [(1, &unproved), (2, &held), (3, &asking)] {
        let mut wanted = intent(id, ActuatorKind::Freeze, Entity::Process(victim.id));
        wanted.undo_on_death = id == 3;
        one(&mut act, Order::Apply(wanted));
        if id != 1 {
            one(&mut act, Order::Hold { action_id: id, hold_max_s: 600.0 });
        }
    }
    let ring = same(&act);
    undo_all(&ring, Scope::OnDeath, &mut services).unwrap();
    assert_eq!([&unproved, &held, &asking].map(Victim::is_stopped), [false, true, false]);
    undo_all(&ring, Scope::Everything, &mut services).unwrap();
    assert!(!held.is_stopped());
}

#[test]
fn what_stands_still_may_be_killed_and_then_holds_nobody() {
    let (victim, services) = (Victim::new(), FakeServices::default());
    let journal = Journal::default();
    let (mut act, _) = Act::open(Ring::memfd().unwrap(), config(&services, &journal), NOW).unwrap();
    one(&mut act, Order::Apply(on(&victim, ActuatorKind::Freeze)));
    assert!(victim.is_stopped());
    let kill = Intent { action_id: 2, ..on(&victim, ActuatorKind::Kill) };
    let effects = act.run(NOW, vec![Order::Apply(kill), undo(1)]);
    let states: Vec<_> = effects.iter().map(|effect| (effect.action_id, effect.state)).collect();
    assert_eq!(states, [(2, ActionState::Final), (1, ActionState::Undone)]);
    assert_eq!(*journal.intents.lock().unwrap(), [2], "only the kill waits for the disk");
    assert_eq!(victim.state(), b'Z');
}
