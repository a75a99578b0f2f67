//! Deaths: of the daemon, of the keeper, of both; what stands on the machine is known and can be taken back.
use std::process::Command;
use std::time::Duration;

use crate::kit::{Homeostat, Started, is_alive, kill, wait};

fn nice_of(pid: i32) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the child lives");
    let fields = text.rsplit_once(')').expect("a name").1.split_whitespace().collect::<Vec<_>>();
    fields[16].parse().expect("a nice value")
}

/// A child that does nothing, at nice 0 or wherever this test runs.
fn sleeper() -> Started {
    Started::by(Command::new("sleep").arg("600"))
}

fn can_lower_nice() -> bool {
    let can = rustix::process::geteuid().is_root();
    if !can {
        eprintln!("skipped: only root may lower a nice value again, so it is not offered");
    }
    can
}

/// Raises the nice value of `child` through SQL and waits until it stands.
fn raise_nice(running: &Homeostat, child: &Started) -> i32 {
    let before = nice_of(child.pid());
    let sql = format!("UPDATE processes SET nice = {} WHERE pid = {}", before + 5, child.pid());
    // A process that was just started is known from the next sample on.
    wait("the change is accepted", || running.ask(&["sql", &sql]).code == 0);
    wait("the nice value is raised", || nice_of(child.pid()) == before + 5);
    before
}

#[test]
fn a_daemon_that_is_killed_comes_back_and_knows_what_stands() {
    if !can_lower_nice() {
        return;
    }
    let running = Homeostat::start("daemon-dies", "heal");
    let child = sleeper();
    let before = raise_nice(&running, &child);
    let daemon = running.kill_daemon();
    wait("another daemon", || running.ask(&["status"]).code != 3 && running.daemon() != Some(daemon));
    // The doors open with the first turn; what stands is told by it.
    wait("what stands", || running.ask(&["actions", "--json"]).out.contains("\"applied\""));
    assert_eq!(running.ask(&["undo", "1"]).code, 0);
    wait("the nice value is back", || nice_of(child.pid()) == before);
}

#[test]
fn with_keeper_and_daemon_killed_the_next_start_or_a_person_settles_it() {
    if !can_lower_nice() {
        return;
    }
    let mut running = Homeostat::start("both-die", "heal");
    let child = sleeper();
    let before = raise_nice(&running, &child);
    running.kill_both();
    assert_eq!(nice_of(child.pid()), before + 5, "the effect outlives them");
    // A daemon that is being killed may still take the call, and answer nothing.
    let past = || running.ask(&["sql", "--json", "SELECT id, action FROM actions"]).out;
    wait("the past is read without a daemon", || past().contains("set_nice"));
    assert_eq!(running.ask(&["undo", "--all"]).code, 0);
    assert_eq!(nice_of(child.pid()), before);
    running.launch();
    running.wait_until_it_answers();
}

#[test]
fn a_final_action_that_a_power_cut_left_half_known_is_settled_and_shown() {
    let mut running = Homeostat::prepare("half-known", "heal");
    let intent = r#"{"intent":{"at":7,"boot":"another","intent":{"action_id":41,"decision_id":12,
        "kind":"restart_service","target":{"Service":"web"},"process":null,"amount":null,"lease_s":30.0,
        "undo_on_death":false}}}"#
        .replace("\n        ", "");
    let crc = crc32fast::hash(intent.as_bytes());
    // The second line is torn: its action never began.
    let journal =
        running.write("intents.log", &format!("homeostat intents 1\n{crc:08x} {intent}\n0badc0de {{\"int"));
    running.launch();
    running.wait_until_it_answers();
    let is_told =
        |actions: &str| actions.contains("\"id\":41") && actions.contains("whether it happened is not known");
    wait("the first turn tells it", || is_told(&running.ask(&["actions", "--json"]).out));
    running.end();
    // The row stands, so that the next start forgets the intent, and its number is not used again.
    running.launch();
    running.wait_until_it_answers();
    assert_eq!(std::fs::read_to_string(&journal).expect("there"), "homeostat intents 1\n");
    let next = || running.row("SELECT count(*), max(id) FROM actions");
    wait("the first turn tells it, once", || next() == ["1", "41"]);
}

#[test]
fn services_outlive_the_daemon_and_end_with_the_keeper() {
    let mut running = Homeostat::start("services", "heal");
    running.serve("sleeper", r#"["sleep", "601"]"#);
    wait("the service runs", || running.main_pid("sleeper").is_some());
    let service = running.main_pid("sleeper");
    running.kill_daemon();
    wait("the daemon is back and sees the same process", || running.main_pid("sleeper") == service);
    running.end();
    wait("the service has ended", || !service.is_some_and(is_alive));
}

/// A service that writes all the time, so that nobody reading its log would end it.
fn start_talker(running: &Homeostat) -> i32 {
    running.serve("talker", r#"["sh", "-c", "while :; do echo on; sleep 0.2; done"]"#);
    wait("the service runs", || running.main_pid("talker").is_some());
    running.main_pid("talker").expect("seen above")
}

#[test]
fn the_next_start_takes_up_the_services_of_a_keeper_that_was_killed_with_its_daemon() {
    let mut running = Homeostat::start("adopts", "heal");
    let service = start_talker(&running);
    running.kill_both();
    std::thread::sleep(Duration::from_secs(1));
    assert!(is_alive(service), "a service that writes outlives its keeper");
    running.launch();
    running.wait_until_it_answers();
    wait("the same process is supervised", || running.main_pid("talker") == Some(service));
    let log = running.ask(&["service", "logs", "talker"]).out;
    assert!(log.contains("on"), "its log is read again: {log}");
    kill(service, libc::SIGKILL);
    let is_another = |pid| pid != service;
    wait("its end is seen, and it is started anew", || running.main_pid("talker").is_some_and(is_another));
    let again = running.main_pid("talker").expect("seen above");
    running.end();
    assert!(!is_alive(again), "a clean end takes it along");
    assert!(!running.folder.join("services.json").exists());
}

#[test]
fn a_daemon_whose_keeper_is_killed_becomes_the_keeper() {
    let running = Homeostat::start("succeeds", "heal");
    let service = start_talker(&running);
    let daemon = running.daemon().expect("a daemon");
    kill(running.keeper(), libc::SIGKILL);
    let children =
        || std::fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).unwrap_or_default();
    wait("it has a daemon of its own", || !children().is_empty());
    wait("which answers, and supervises the same process", || running.main_pid("talker") == Some(service));
    kill(daemon, libc::SIGTERM);
    wait("all end together", || !is_alive(daemon) && !is_alive(service));
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_in_words() {
    let running = Homeostat::start("second", "heal");
    let second = running.ask(&["run"]);
    assert_eq!(second.code, 2, "{}", second.err);
    assert!(second.err.contains("another Homeostat runs"), "{}", second.err);
}
