//! Every protected class is refused, ordinary processes are not; and this suite fails with a guard that always or
//! never allows.
use std::collections::BTreeSet;

use super::*;
use crate::testing::*;
use vocab::Entity;
use vocab::action::ActionState;
use vocab::rule::ActuatorKind;

const LISTED: &str = "precious";

fn guard(mutant: Option<bool>) -> Guard {
    let protected = vec![LISTED.to_owned(), "db.service".to_owned()];
    let mut guard = Guard::new(GuardConfig { protected, ..GuardConfig::default() });
    guard.mutant = mutant;
    guard
}

fn named(name: &str) -> Facts {
    Facts { pid: 4_000_000, start_ticks: 1, name: name.to_owned(), ..Facts::default() }
}

fn in_unit(unit: &str) -> Facts {
    Facts { unit: Some(unit.to_owned()), ..named("anything") }
}

/// One of each class of the invariant.
fn protected() -> Vec<Facts> {
    let programs = [
        "systemd",
        "sshd",
        "sshd-session",
        "login",
        "agetty",
        "gdm3",
        "sddm",
        "systemd-logind",
        "dbus-daemon",
        "dbus-broker",
        "systemd-journal",
        "systemd-udevd",
        "NetworkManager",
        "systemd-network",
        "containerd",
        "containerd-shim",
        "dockerd",
        "conmon",
        "runc",
        "tmux: server",
        LISTED,
    ];
    let units =
        ["ssh.service", "dbus.service", "getty@tty1.service", "docker.service", "db.service", "init.scope"];
    let special = [Facts { pid: 1, ..named("x") }, Facts { is_kernel: true, ..named("kworker/0:1") }];
    programs.map(named).into_iter().chain(units.map(in_unit)).chain(special).collect()
}

fn ordinary() -> Vec<Facts> {
    let programs = ["python3.13", "java", "cargo", "stress-ng", "sshd-exporter", "mylogin", "nginx"];
    let units = ["web.service", "session-3.scope", "user@1000.service", "homeostat.service", "dbase.service"];
    programs.map(named).into_iter().chain(units.map(in_unit)).collect()
}

/// What is wrong with a guard, over pure facts and over this machine.
fn faults(mutant: Option<bool>) -> Vec<String> {
    let guard = guard(mutant);
    let mut faults = Vec::new();
    let verdict = |facts: &Facts| match mutant {
        Some(true) => Ok(()),
        Some(false) => Err(String::new()),
        None => guard.verdict(facts, &BTreeSet::from([4_000_001])),
    };
    faults
        .extend(protected().iter().filter(|facts| verdict(facts).is_ok()).map(|facts| format!("{facts:?}")));
    faults
        .extend(ordinary().iter().filter(|facts| verdict(facts).is_err()).map(|facts| format!("{facts:?}")));
    if verdict(&Facts { pid: 4_000_001, ..named("x") }).is_ok() {
        faults.push("one of ours".to_owned());
    }
    on_machine(|machine| {
        let victim = Victim::new();
        let touch = |id| Touches { processes: vec![id], ..Touches::default() };
        if let Err(said) = guard.check(&touch(victim.id), machine) {
            faults.push(said);
        }
        for pid in carriers_here(machine) {
            let id = machine.identify(pid).unwrap();
            if guard.check(&touch(id), machine).is_ok() {
                faults.push(format!("process {pid} carries us"));
            }
        }
        let another = ProcessId { start_ticks: victim.id.start_ticks + 1, ..victim.id };
        if guard.check(&touch(another), machine).is_ok() {
            faults.push("another incarnation".to_owned());
        }
    });
    faults
}

/// Ourselves, our parent and every ancestor, pid 1, our session's leader.
fn carriers_here(machine: &mut Machine<'_>) -> BTreeSet<u32> {
    let mut pids = BTreeSet::from([1]);
    let mut pid = std::process::id();
    while pid != 0 {
        pids.insert(pid);
        let stat = machine.proc.stat(pid).unwrap();
        pids.extend(u32::try_from(stat.session).ok().filter(|leader| machine.proc.stat(*leader).is_ok()));
        pid = stat.ppid;
    }
    pids.remove(&0);
    pids
}

#[test]
fn the_protected_are_refused_and_the_others_are_not() {
    assert_eq!(faults(None), Vec::<String>::new());
}

#[test]
fn the_suite_fails_with_a_guard_that_always_allows_or_always_refuses() {
    assert!(!faults(Some(true)).is_empty());
    assert!(!faults(Some(false)).is_empty());
}

#[test]
fn a_callers_session_is_protected_once_it_called() {
    let victim = Victim::new();
    let mut guard = guard(None);
    let touches = Touches { processes: vec![victim.id], ..Touches::default() };
    on_machine(|machine| assert_eq!(guard.check(&touches, machine), Ok(())));
    guard.protect_caller(victim.id);
    on_machine(|machine| assert!(guard.check(&touches, machine).is_err()));
}

#[test]
fn a_session_or_service_that_holds_a_protected_process_is_refused() {
    // Zero where the session was begun outside of this pid namespace: then it has no members to look at.
    let session = on_machine(|machine| machine.proc.stat(std::process::id()).unwrap().session);
    let session = u32::try_from(session).ok().filter(|session| *session != 0);
    let processes = on_machine(|machine| machine.identify(std::process::id())).into_iter();
    let processes = processes.filter(|_| session.is_none()).collect();
    let ours = Touches { session, processes, ..Touches::default() };
    let unit = Touches { service: Some("ssh.service".to_owned()), ..Touches::default() };
    for touches in [ours, unit] {
        on_machine(|machine| assert!(guard(None).check(&touches, machine).is_err(), "{touches:?}"));
    }
}

#[test]
fn act_asks_the_guard_and_obeys_it() {
    let services = FakeServices::default();
    let ask = |mutant, id| {
        let (mut act, _) = open(crate::Ring::memfd().unwrap(), &services);
        act.set_mutant(mutant);
        one(&mut act, crate::Order::Apply(intent(1, ActuatorKind::RaiseDescriptorLimit, Entity::Process(id))))
    };
    let victim = Victim::new();
    crate::limits::exchange(victim.id.pid, libc::RLIMIT_NOFILE, Some((64, 128))).unwrap();
    // Room to raise our own limit, were it allowed.
    let own = on_machine(|machine| machine.identify(std::process::id())).unwrap();
    let (_, hard) = crate::limits::get(own.pid, libc::RLIMIT_NOFILE).unwrap();
    crate::limits::exchange(own.pid, libc::RLIMIT_NOFILE, Some((hard / 2, hard))).unwrap();
    let effect = ask(None, own);
    assert_eq!(effect.state, ActionState::Refused, "{effect:?}");
    assert!(effect.because.unwrap().contains("protected"));
    assert_eq!(ask(Some(false), victim.id).state, ActionState::Refused);
    assert_eq!(ask(None, victim.id).state, ActionState::Applied);
}
