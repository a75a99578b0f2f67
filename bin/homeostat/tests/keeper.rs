//! Deaths: of the daemon, of the keeper, of both; what stands on the machine is known and can be taken back.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HOMEOSTAT: &str = env!("CARGO_BIN_EXE_homeostat");

/// One Homeostat with a state folder of its own, ended and removed when dropped.
struct Running {
    folder: PathBuf,
    keeper: Child,
}

impl Running {
    fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("homeostat-{name}-{}", std::process::id()));
        let keeper = start(&folder);
        let running = Self { folder, keeper };
        running.wait_for_daemon();
        running
    }

    fn wait_for_daemon(&self) {
        wait("the daemon answers", || self.ask(&["status"]).0 != 3);
    }

    /// Exit code and standard output of one command.
    fn ask(&self, words: &[&str]) -> (i32, String) {
        ask(&self.folder, words)
    }

    fn daemon(&self) -> i32 {
        let children = format!("/proc/{0}/task/{0}/children", self.keeper.id());
        let text = std::fs::read_to_string(children).expect("the keeper lives");
        let is_ours = |pid: &&str| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.windows(3).any(|word| word == b"run"))
        };
        text.split_whitespace().find(is_ours).expect("a daemon").parse().expect("a pid")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill(self.keeper.id() as i32, libc::SIGTERM);
        let _ = self.keeper.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn start(folder: &Path) -> Child {
    Command::new(HOMEOSTAT)
        .args(["run", "--mode", "heal", "--state-dir"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary was built for this test")
}

fn ask(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = Command::new(HOMEOSTAT).args(words).arg("--state-dir").arg(folder).output().expect("runs");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn kill(pid: i32, signal: i32) {
    // SAFETY: kill(2) takes plain integers; every pid here is of a process this test started.
    unsafe { libc::kill(pid, signal) };
}

fn nice_of(pid: u32) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the child lives");
    let fields = text.rsplit_once(')').expect("a name").1.split_whitespace().collect::<Vec<_>>();
    fields[16].parse().expect("a nice value")
}

/// A child that does nothing, at nice 0 or wherever this test runs.
fn sleeper() -> Child {
    Command::new("sleep").arg("600").spawn().expect("sleep exists")
}

fn can_lower_nice() -> bool {
    let can = rustix::process::geteuid().is_root();
    if !can {
        eprintln!("skipped: only root may lower a nice value again, so it is not offered");
    }
    can
}

/// Raises the nice value of `child` through SQL and waits until it stands.
fn raise_nice(running: &Running, child: &Child) -> i32 {
    let before = nice_of(child.id());
    let sql = format!("UPDATE processes SET nice = {} WHERE pid = {}", before + 5, child.id());
    // A process that was just started is known from the next sample on.
    wait("the change is accepted", || running.ask(&["sql", &sql]).0 == 0);
    wait("the nice value is raised", || nice_of(child.id()) == before + 5);
    before
}

#[test]
fn a_daemon_that_is_killed_comes_back_and_knows_what_stands() {
    if !can_lower_nice() {
        return;
    }
    let running = Running::start("daemon-dies");
    let mut child = sleeper();
    let before = raise_nice(&running, &child);
    let daemon = running.daemon();
    kill(daemon, libc::SIGKILL);
    wait("another daemon", || running.ask(&["status"]).0 != 3 && running.daemon() != daemon);
    // The doors open with the first turn; what stands is told by it.
    wait("what stands", || running.ask(&["actions", "--json"]).1.contains("\"applied\""));
    assert_eq!(running.ask(&["undo", "1"]).0, 0);
    wait("the nice value is back", || nice_of(child.id()) == before);
    child.kill().expect("ours");
    child.wait().expect("ours");
}

#[test]
fn with_keeper_and_daemon_killed_the_next_start_or_a_person_settles_it() {
    if !can_lower_nice() {
        return;
    }
    let mut running = Running::start("both-die");
    let mut child = sleeper();
    let before = raise_nice(&running, &child);
    let daemon = running.daemon();
    kill(running.keeper.id() as i32, libc::SIGKILL);
    kill(daemon, libc::SIGKILL);
    running.keeper.wait().expect("ours");
    assert_eq!(nice_of(child.id()), before + 5, "the effect outlives them");
    // A daemon that is being killed may still take the call, and answer nothing.
    let past = || running.ask(&["sql", "--json", "SELECT id, action FROM actions"]).1;
    wait("the past is read without a daemon", || past().contains("set_nice"));
    assert_eq!(running.ask(&["undo", "--all"]).0, 0);
    assert_eq!(nice_of(child.id()), before);
    running.keeper = start(&running.folder);
    running.wait_for_daemon();
    child.kill().expect("ours");
    child.wait().expect("ours");
}

#[test]
fn a_final_action_that_a_power_cut_left_half_known_is_settled_and_shown() {
    let folder = std::env::temp_dir().join(format!("homeostat-half-known-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("temporary folder");
    let intent = r#"{"intent":{"at":7,"boot":"another","intent":{"action_id":41,"decision_id":12,
        "kind":"restart_service","target":{"Service":"web"},"process":null,"amount":null,"lease_s":30.0,
        "undo_on_death":false}}}"#
        .replace("\n        ", "");
    let crc = crc32fast::hash(intent.as_bytes());
    let journal = folder.join("intents.log");
    // The second line is torn: its action never began.
    std::fs::write(&journal, format!("homeostat intents 1\n{crc:08x} {intent}\n0badc0de {{\"int"))
        .expect("writable");
    let mut running = Running { keeper: start(&folder), folder };
    running.wait_for_daemon();
    let is_told =
        |actions: &str| actions.contains("\"id\":41") && actions.contains("whether it happened is not known");
    wait("the first turn tells it", || is_told(&running.ask(&["actions", "--json"]).1));
    kill(running.keeper.id() as i32, libc::SIGTERM);
    running.keeper.wait().expect("ours");
    // The row stands, so that the next start forgets the intent, and its number is not used again.
    running.keeper = start(&running.folder);
    running.wait_for_daemon();
    assert_eq!(std::fs::read_to_string(&journal).expect("there"), "homeostat intents 1\n");
    let next = || running.ask(&["sql", "--json", "SELECT count(*) AS n, max(id) AS id FROM actions"]).1;
    wait("the first turn tells it, once", || next().trim() == r#"[{"n":1,"id":41}]"#);
}

#[test]
fn services_outlive_the_daemon_and_end_with_the_keeper() {
    let mut running = Running::start("services");
    let file = running.folder.join("sleeper.toml");
    std::fs::write(&file, "name = \"sleeper\"\ncommand = [\"sleep\", \"601\"]\n").expect("writable");
    assert_eq!(running.ask(&["service", "start", &file.to_string_lossy()]).0, 0);
    let pid = || {
        let (_, out) =
            running.ask(&["sql", "--json", "SELECT main_pid FROM services WHERE name = 'sleeper'"]);
        out.chars().filter(char::is_ascii_digit).collect::<String>().parse::<i32>().ok()
    };
    wait("the service runs", || pid().is_some());
    let service = pid().expect("seen above");
    kill(running.daemon(), libc::SIGKILL);
    wait("the daemon is back and sees the same process", || pid() == Some(service));
    kill(running.keeper.id() as i32, libc::SIGTERM);
    running.keeper.wait().expect("ours");
    wait("the service has ended", || !Path::new(&format!("/proc/{service}")).exists());
}

/// A service that writes all the time, so that nobody reading its log would end it.
fn start_talker(running: &Running) -> i32 {
    let file = running.folder.join("talker.toml");
    let script = "while :; do echo on; sleep 0.2; done";
    std::fs::write(&file, format!("name = \"talker\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\n"))
        .expect("writable");
    assert_eq!(running.ask(&["service", "start", &file.to_string_lossy()]).0, 0);
    wait("the service runs", || talker(running).is_some());
    talker(running).expect("seen above")
}

fn talker(running: &Running) -> Option<i32> {
    let (_, out) = running.ask(&["sql", "--json", "SELECT main_pid FROM services WHERE name = 'talker'"]);
    out.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok()
}

fn is_alive(pid: i32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !text.is_empty() && !text.contains("State:\tZ")
}

#[test]
fn the_next_start_takes_up_the_services_of_a_keeper_that_was_killed_with_its_daemon() {
    let mut running = Running::start("adopts");
    let service = start_talker(&running);
    let daemon = running.daemon();
    kill(running.keeper.id() as i32, libc::SIGKILL);
    kill(daemon, libc::SIGKILL);
    running.keeper.wait().expect("ours");
    std::thread::sleep(Duration::from_secs(1));
    assert!(is_alive(service), "a service that writes outlives its keeper");
    running.keeper = start(&running.folder);
    running.wait_for_daemon();
    wait("the same process is supervised", || talker(&running) == Some(service));
    let (_, log) = running.ask(&["service", "logs", "talker"]);
    assert!(log.contains("on"), "its log is read again: {log}");
    kill(service, libc::SIGKILL);
    wait("its end is seen, and it is started anew", || talker(&running).is_some_and(|pid| pid != service));
    let again = talker(&running).expect("seen above");
    kill(running.keeper.id() as i32, libc::SIGTERM);
    running.keeper.wait().expect("ours");
    assert!(!is_alive(again), "a clean end takes it along");
    assert!(!running.folder.join("services.json").exists());
}

#[test]
fn a_daemon_whose_keeper_is_killed_becomes_the_keeper() {
    let running = Running::start("succeeds");
    let service = start_talker(&running);
    let daemon = running.daemon();
    kill(running.keeper.id() as i32, libc::SIGKILL);
    let children =
        || std::fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).unwrap_or_default();
    wait("it has a daemon of its own", || !children().is_empty());
    wait("which answers, and supervises the same process", || talker(&running) == Some(service));
    kill(daemon, libc::SIGTERM);
    wait("all end together", || !is_alive(daemon) && !is_alive(service));
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_in_words() {
    let running = Running::start("second");
    let output =
        Command::new(HOMEOSTAT).args(["run", "--state-dir"]).arg(&running.folder).output().expect("runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("another Homeostat runs"), "{error}");
}
