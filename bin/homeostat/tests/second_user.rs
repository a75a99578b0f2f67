//! A second user at the socket of root's daemon: sees what /proc would show that user, and changes nothing.
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;

/// Root's daemon in a folder that everyone may enter, with a copy of the program that everyone may run.
struct Place {
    folder: PathBuf,
    keeper: Child,
}

impl Place {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("homeostat-second-user-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary folder");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("ours");
        let program = folder.join("homeostat");
        std::fs::copy(env!("CARGO_BIN_EXE_homeostat"), &program).expect("built for this test");
        let keeper = Command::new(&program)
            .args(["run", "--state-dir"])
            .arg(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let place = Self { folder, keeper };
        wait("the daemon answers; `sql` would do without it", || place.ask(0, &["mode"]).1 == "advise\n");
        place
    }

    /// Exit code and standard output of one command of that user.
    fn ask(&self, user: u32, words: &[&str]) -> (i32, String) {
        let mut command = Command::new(self.folder.join("homeostat"));
        command.env_clear().env("HOME", "/nonexistent").args(words).arg("--state-dir").arg(&self.folder);
        let output = command.uid(user).gid(user).output().expect("runs");
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The cells of one row, as that user is told them.
    fn row(&self, user: u32, sql: &str) -> Vec<String> {
        let (_, out) = self.ask(user, &["sql", "--plain", sql]);
        out.trim_end_matches('\n').split('\t').map(str::to_owned).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: kill(2) takes plain integers; the child is ours.
        unsafe { libc::kill(self.keeper.id() as i32, libc::SIGTERM) };
        let _ = self.keeper.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A process of that user which holds a file open.
fn sleeper(user: u32) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "exec 7</etc/passwd; exec sleep 600"]).uid(user).gid(user).stdout(Stdio::null());
    let child = command.spawn().expect("sh is there");
    wait("it sleeps", || {
        std::fs::read_to_string(format!("/proc/{}/comm", child.id())).is_ok_and(|name| name == "sleep\n")
    });
    child
}

/// Whether that user may read a file of /proc.
fn may_read(user: u32, path: &str) -> bool {
    let mut command = Command::new("cat");
    command.arg(path).stdout(Stdio::null()).stderr(Stdio::null()).uid(user).gid(user);
    command.status().is_ok_and(|status| status.success())
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn a_stranger_sees_what_proc_would_show_and_changes_nothing() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be two users");
        return;
    }
    let place = Place::start();
    let (roots, own) = (sleeper(0), sleeper(NOBODY));
    assert!(
        !may_read(NOBODY, &format!("/proc/{}/io", roots.id())),
        "this test needs a /proc that keeps secrets"
    );
    assert!(may_read(NOBODY, &format!("/proc/{}/io", own.id())));
    let columns = "descriptors, read_bytes_per_s, write_bytes_per_s, io_chars_per_s, io_calls_per_s, listen_port, \
                   accept_backlog, established, unread_connections, close_wait";
    let owner_only = |user, child: &Child| {
        place.row(user, &format!("SELECT {columns} FROM processes WHERE pid = {}", child.id()))
    };
    let public = |user, child: &Child| {
        place.row(
            user,
            &format!("SELECT name, command, user_id, threads FROM processes WHERE pid = {}", child.id()),
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
        let sql = format!("SELECT count(*) FROM {table} WHERE pid = {}", roots.id());
        assert_ne!(place.row(0, &sql), ["0"], "{table}");
        // Read on demand with root's rights, so not for others at all.
        assert_eq!(place.row(NOBODY, &sql), [""], "{table}");
    }

    // Which program a process is whose name and words say otherwise, only the link of its executable tells.
    let script = "exec -a words bash -c 'printf name > /proc/self/comm; read line'";
    let mut veiled = Command::new("bash");
    // It waits by itself: what it started would outlive it.
    veiled.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::null());
    let veiled = veiled.spawn().expect("bash is there");
    let program =
        |user| place.row(user, &format!("SELECT program FROM processes WHERE pid = {}", veiled.id()));
    wait("root is told the program", || program(0)[0].starts_with("bash"));
    assert_eq!(program(NOBODY), ["name"]);

    reads_no_log_and_changes_nothing(&place);
    end(veiled);
    end(roots);
    end(own);
}

/// Log lines and changes are the owner's.
fn reads_no_log_and_changes_nothing(place: &Place) {
    let file = place.folder.join("talker.toml");
    let text = "name = \"talker\"\ncommand = [\"sh\", \"-c\", \"echo for root only; sleep 600\"]\n";
    std::fs::write(&file, text).expect("writable");
    assert_eq!(place.ask(0, &["service", "start", &file.to_string_lossy()]).0, 0);
    let lines = "SELECT count(*) FROM events WHERE kind = 'service_log'";
    wait("root reads the line", || place.row(0, lines) != ["0"]);
    assert_eq!(place.row(NOBODY, lines), ["0"]);
    for words in [
        &["mode", "heal"][..],
        &["undo", "--all"],
        &["service", "stop", "talker"],
        &["service", "logs", "talker"],
        &["sql", "UPDATE processes SET nice = 19 WHERE pid = 1"],
    ] {
        let (exit, out) = place.ask(NOBODY, words);
        assert!(exit == 4 && !out.contains("for root only"), "{words:?}: {exit}: {out}");
    }
    assert_eq!(place.ask(0, &["mode"]).1, "advise\n");
    assert!(!readable_files(&place.folder).iter().any(|name| name != "homeostat" && name != "talker.toml"));
}

/// Names of the files in the state folder that a stranger may read.
fn readable_files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("ours").filter_map(Result::ok);
    let files = entries.filter(|entry| entry.path().is_file());
    let readable = files.filter(|entry| may_read(NOBODY, &entry.path().to_string_lossy()));
    readable.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
