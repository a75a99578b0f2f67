//! A second user at the socket of root's daemon: sees what /proc would show that user, and changes nothing.
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kit::{HOMEOSTAT, Homeostat, Said, Started, wait};

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;

/// Root's daemon in a folder that everyone may enter, run from a copy that everyone may run.
fn start() -> Homeostat {
    let mut place = Homeostat::prepare("second-user", "advise");
    fs::set_permissions(&place.folder, Permissions::from_mode(0o755)).expect("ours");
    let program = place.folder.join("homeostat");
    fs::copy(HOMEOSTAT, &program).expect("built for this test");
    place.run_as(program);
    place.launch();
    place.wait_until_it_answers();
    place
}

/// What one command of that user is answered.
fn ask(place: &Homeostat, user: u32, words: &[&str]) -> Said {
    let mut command = Command::new(place.program());
    place.ask_by(command.env_clear().env("HOME", "/nonexistent").args(words).uid(user).gid(user))
}

/// The cells of one row, as that user is told them.
fn row(place: &Homeostat, user: u32, sql: &str) -> Vec<String> {
    ask(place, user, &["sql", "--plain", sql]).out.split('\t').map(str::to_owned).collect()
}

/// A process of that user which holds a file open.
fn sleeper(user: u32) -> Started {
    let mut command = Command::new("sh");
    let child = Started::by(command.args(["-c", "exec 7</etc/passwd; exec sleep 600"]).uid(user).gid(user));
    let name = || fs::read_to_string(format!("/proc/{}/comm", child.pid())).unwrap_or_default();
    wait("it sleeps", || name() == "sleep\n");
    child
}

/// Whether that user may read a file of /proc.
fn may_read(user: u32, path: &str) -> bool {
    let mut command = Command::new("cat");
    command.arg(path).stdout(Stdio::null()).stderr(Stdio::null()).uid(user).gid(user);
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn a_stranger_sees_what_proc_would_show_and_changes_nothing() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be two users");
        return;
    }
    let place = start();
    let (roots, own) = (sleeper(0), sleeper(NOBODY));
    assert!(
        !may_read(NOBODY, &format!("/proc/{}/io", roots.pid())),
        "this test needs a /proc that keeps secrets"
    );
    assert!(may_read(NOBODY, &format!("/proc/{}/io", own.pid())));
    let columns = "descriptors, read_bytes_per_s, write_bytes_per_s, io_chars_per_s, io_calls_per_s, listen_port, \
                   accept_backlog, established, unread_connections, close_wait";
    let owner_only = |user, child: &Started| {
        row(&place, user, &format!("SELECT {columns} FROM processes WHERE pid = {}", child.pid()))
    };
    let public = |user, child: &Started| {
        row(
            &place,
            user,
            &format!("SELECT name, command, user_id, threads FROM processes WHERE pid = {}", child.pid()),
        )
    };
    wait("both are rows", || public(0, &roots).len() == 4 && public(0, &own).len() == 4);
    wait("root is told of descriptors", || owner_only(0, &roots)[0].parse::<u32>().is_ok());
    wait("and so is everyone about their own", || owner_only(NOBODY, &own)[0].parse::<u32>().is_ok());

    // What everyone may read in /proc is the same for both; the rest is empty.
    assert_eq!(public(NOBODY, &roots), public(0, &roots));
    let told = owner_only(NOBODY, &roots);
    assert!(told.iter().all(|cell| cell.parse::<f64>().is_err()), "{told:?}");
    for table in ["open_files", "maps", "threads"] {
        let sql = format!("SELECT count(*) FROM {table} WHERE pid = {}", roots.pid());
        assert_ne!(row(&place, 0, &sql), ["0"], "{table}");
        // Read on demand with root's rights, so not for others at all.
        assert_eq!(row(&place, NOBODY, &sql), [""], "{table}");
    }

    // Which program a process is whose name and words say otherwise, only the link of its executable tells.
    let script = "exec -a words bash -c 'printf name > /proc/self/comm; read line'";
    // It waits by itself: what it started would outlive it.
    let veiled = Started::by(Command::new("bash").args(["-c", script]).stdin(Stdio::piped()));
    let program =
        |user| row(&place, user, &format!("SELECT program FROM processes WHERE pid = {}", veiled.pid()));
    wait("root is told the program", || program(0)[0].starts_with("bash"));
    assert_eq!(program(NOBODY), ["name"]);

    reads_no_log_and_changes_nothing(&place);
}

/// Log lines and changes are the owner's.
fn reads_no_log_and_changes_nothing(place: &Homeostat) {
    place.serve("talker", r#"["sh", "-c", "echo for root only; sleep 600"]"#);
    let lines = "SELECT count(*) FROM events WHERE kind = 'service_log'";
    wait("root reads the line", || row(place, 0, lines) != ["0"]);
    assert_eq!(row(place, NOBODY, lines), ["0"]);
    let models = place.folder.join("known.models").display().to_string();
    assert_eq!(ask(place, 0, &["model", "export", &models]).code, 0);
    fs::set_permissions(&models, Permissions::from_mode(0o644)).expect("ours");
    for words in [
        &["model", "export", "/dev/null"],
        &["model", "import", &models],
        &["mode", "heal"][..],
        &["undo", "--all"],
        &["service", "stop", "talker"],
        &["service", "logs", "talker"],
        &["sql", "UPDATE processes SET nice = 19 WHERE pid = 1"],
    ] {
        let said = ask(place, NOBODY, words);
        let is_kept = said.code == 4 && !said.out.contains("for root only");
        assert!(is_kept, "{words:?}: {}: {}", said.code, said.out);
    }
    fs::remove_file(&models).expect("ours");
    assert_eq!(ask(place, 0, &["mode"]).out, "advise");
    assert!(!readable_files(&place.folder).iter().any(|name| name != "homeostat" && name != "talker.toml"));
}

/// Names of the files in the state folder that a stranger may read.
fn readable_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("ours").filter_map(Result::ok);
    let files = entries.filter(|entry| entry.path().is_file());
    let readable = files.filter(|entry| may_read(NOBODY, &entry.path().to_string_lossy()));
    readable.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
