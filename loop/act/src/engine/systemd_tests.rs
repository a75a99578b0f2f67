//! Orders on a systemd unit that is made for the test. Skipped, and said so, where systemd does not run or we may not
//! manage it.
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use vocab::Entity;
use vocab::action::ActionState;
use vocab::rule::ActuatorKind;

use crate::testing::*;
use crate::{Order, Ring, systemd};

/// A running unit that sleeps; gone when dropped.
struct TestUnit(String);

impl TestUnit {
    fn start(name: &str) -> Option<Self> {
        if !systemd::is_running() || systemd::may_manage().is_err() {
            println!("skipped: no systemd here that we may manage");
            return None;
        }
        let unit = Self(format!("homeostat-act-{name}-{}.service", std::process::id()));
        fs::write(unit.file(), "[Service]\nExecStart=/bin/sleep 600\nRestartSec=2\n").unwrap();
        systemctl(&["daemon-reload"]);
        systemctl(&["start", &unit.0]);
        Some(unit)
    }

    fn file(&self) -> String {
        format!("/run/systemd/system/{}", self.0)
    }

    fn intent(&self, action_id: u64, kind: ActuatorKind) -> vocab::action::Intent {
        let main = systemd::show(&self.0).unwrap().main_pid.unwrap();
        let mut wanted = intent(action_id, kind, Entity::Service(self.0.clone()));
        wanted.process = on_machine(|machine| machine.identify(main));
        wanted
    }
}

impl Drop for TestUnit {
    fn drop(&mut self) {
        systemctl(&["stop", &self.0]);
        let _ = fs::remove_file(self.file());
        systemctl(&["daemon-reload"]);
    }
}

fn systemctl(arguments: &[&str]) {
    assert!(Command::new("systemctl").args(arguments).status().unwrap().success(), "{arguments:?}");
}

fn wait(until: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if until() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn a_unit_is_restarted_by_systemd() {
    let Some(unit) = TestUnit::start("restart") else { return };
    let before = systemd::show(&unit.0).unwrap();
    let (mut act, _) = open(Ring::memfd().unwrap(), &FakeServices::default());
    let effect = one(&mut act, Order::Apply(unit.intent(1, ActuatorKind::RestartService)));
    assert_eq!(effect.state, ActionState::Final, "{effect:?}");
    assert!(wait(|| {
        let now = systemd::show(&unit.0).unwrap();
        now.main_pid.is_some() && now.main_pid != before.main_pid && now.invocation != before.invocation
    }));
}

#[test]
fn a_unit_waits_longer_by_a_drop_in_that_undo_removes() {
    let Some(unit) = TestUnit::start("back-off") else { return };
    let delay_s = || systemd::show(&unit.0).unwrap().restart_delay_s;
    assert_eq!(delay_s(), 2.0);
    let (mut act, _) = open(Ring::memfd().unwrap(), &FakeServices::default());
    let mut wanted = unit.intent(1, ActuatorKind::BackOff);
    wanted.amount = Some(90.0);
    let effect = one(&mut act, Order::Apply(wanted));
    assert_eq!((effect.state, delay_s()), (ActionState::Applied, 90.0), "{effect:?}");
    let effect = one(&mut act, Order::Undo { action_id: 1, because: "asked to".to_owned() });
    assert_eq!((effect.state, delay_s()), (ActionState::Undone, 2.0), "{effect:?}");
    assert!(!fs::exists(format!("{}.d", unit.file())).unwrap());
}

#[test]
fn a_unit_is_frozen_weighed_and_throttled_by_its_cgroup() {
    let Some(unit) = TestUnit::start("cgroup") else { return };
    let path = systemd::show(&unit.0).unwrap().cgroup.unwrap();
    let v2 = on_machine(|machine| machine.layout().v2.as_ref()?.dir_of(path.as_bytes())).unwrap();
    let (mut act, _) = open(Ring::memfd().unwrap(), &FakeServices::default());
    let changes = [
        (ActuatorKind::Freeze, "cgroup.freeze"),
        (ActuatorKind::SetCpuWeight, "cpu.weight"),
        (ActuatorKind::ThrottleMemory, "memory.high"),
    ];
    for (id, (kind, file)) in (1..).zip(changes) {
        let Ok(before) = fs::read_to_string(v2.join(file)) else {
            // The weight of a unit without a CPU controller is that of its session, or is refused.
            let effect = one(&mut act, Order::Apply(unit.intent(id, kind)));
            println!("{file} is not there: {:?}, {:?}", effect.after, effect.because);
            let undo = Order::Undo { action_id: id, because: "asked to".to_owned() };
            assert!(matches!(effect.state, ActionState::Applied | ActionState::Refused), "{effect:?}");
            act.run(NOW, vec![undo]);
            continue;
        };
        let effect = one(&mut act, Order::Apply(unit.intent(id, kind)));
        assert_eq!(effect.state, ActionState::Applied, "{effect:?}");
        assert_ne!(fs::read_to_string(v2.join(file)).unwrap(), before, "{effect:?}");
        one(&mut act, Order::Undo { action_id: id, because: "asked to".to_owned() });
        assert_eq!(fs::read_to_string(v2.join(file)).unwrap(), before);
    }
}

#[test]
fn the_protected_units_are_refused() {
    if !systemd::is_running() {
        return println!("skipped: no systemd here");
    }
    let (mut act, _) = open(Ring::memfd().unwrap(), &FakeServices::default());
    for unit in ["systemd-journald.service", "dbus.service", "ssh.service"] {
        let target = Entity::Service(unit.to_owned());
        let effect = one(&mut act, Order::Apply(intent(1, ActuatorKind::RestartService, target)));
        assert_eq!(effect.state, ActionState::Refused, "{effect:?}");
    }
}
