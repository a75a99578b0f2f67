//! The history of the real daemon: kills lose no turn, damage is one clear line, and the rest stays readable.
use std::fs;
use std::os::unix::fs::FileExt;
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
        fs::create_dir_all(&folder).expect("temporary folder");
        Self { keeper: start(&folder), folder }
    }

    fn daemon(&self) -> Option<i32> {
        let children = format!("/proc/{0}/task/{0}/children", self.keeper.id());
        let text = fs::read_to_string(children).ok()?;
        let is_ours = |pid: &&str| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.windows(3).any(|word| word == b"run"))
        };
        text.split_whitespace().find(is_ours)?.parse().ok()
    }

    fn end(&mut self) {
        kill(self.keeper.id() as i32, libc::SIGTERM);
        let _ = self.keeper.wait();
    }

    /// What the daemon said on standard error.
    fn said(&self) -> String {
        fs::read_to_string(self.folder.join("said")).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn start(folder: &Path) -> Child {
    let said = fs::File::options().create(true).append(true).open(folder.join("said")).expect("writable");
    let mut command = Command::new(HOMEOSTAT);
    command.args(["run", "--mode", "observe", "--state-dir"]).arg(folder);
    command.stdout(Stdio::null()).stderr(said).spawn().expect("the binary was built for this test")
}

/// Exit code, standard output and standard error of one command.
fn ask(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let output = Command::new(HOMEOSTAT).args(words).arg("--state-dir").arg(folder).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// The numbers in the first row.
fn numbers(folder: &Path, sql: &str) -> Vec<i64> {
    let (_, rows, _) = ask(folder, &["sql", "--plain", sql]);
    let row = rows.lines().last().unwrap_or_default();
    row.split('\t').filter_map(|cell| cell.parse().ok()).collect()
}

fn kill(pid: i32, signal: i32) {
    // SAFETY: kill(2) takes plain integers; every pid here is of a process this test started.
    unsafe { libc::kill(pid, signal) };
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !holds() {
        assert!(Instant::now() < end, "not within 40 s: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Turns that are kept up to an instant, and the last of them.
fn turns(folder: &Path, up_to: i64) -> (i64, i64) {
    let sql = format!("SELECT count(*), coalesce(max(at), 0) FROM machine_history WHERE at <= {up_to}");
    match numbers(folder, &sql)[..] {
        [count, last] => (count, last),
        _ => (0, 0),
    }
}

#[test]
fn a_killed_daemon_loses_no_turn_and_with_its_keeper_killed_the_next_start_has_them_too() {
    let mut running = Running::start("history-kill");
    let folder = running.folder.clone();
    wait("turns are kept", || turns(&folder, i64::MAX).0 >= 4);
    let before = turns(&folder, i64::MAX);
    let daemon = running.daemon().expect("a daemon");
    kill(daemon, libc::SIGKILL);
    wait("another daemon notes turns", || turns(&folder, i64::MAX).1 > before.1 + 3_000_000_000);
    assert_eq!(turns(&folder, before.1), before, "a kill of the daemon lost a turn");

    let before = turns(&folder, i64::MAX);
    let daemon = running.daemon().expect("a daemon");
    kill(running.keeper.id() as i32, libc::SIGKILL);
    kill(daemon, libc::SIGKILL);
    running.keeper.wait().expect("ours");
    wait("the daemon is gone", || !Path::new(&format!("/proc/{daemon}")).exists());
    assert_eq!(turns(&folder, before.1), before, "read from the memory that both left behind");
    running.keeper = start(&folder);
    wait("a new run notes turns", || turns(&folder, i64::MAX).1 > before.1);
    assert_eq!(turns(&folder, before.1), before);

    running.end();
    let last = turns(&folder, i64::MAX);
    assert!(last.0 > before.0, "a run that ends puts everything into files");
    assert_eq!(turns(&folder, before.1), before);
    let (code, check, _) = ask(&folder, &["store", "check"]);
    assert!(code == 0 && check.contains("everything is as it was written"), "{check}");
}

/// A state folder with some turns in files, and no daemon.
fn some_turns(name: &str) -> Running {
    let mut running = Running::start(name);
    let folder = running.folder.clone();
    wait("turns are kept", || turns(&folder, i64::MAX).0 >= 4);
    running.end();
    running
}

fn file_of(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder.join("history")).expect("a history").filter_map(Result::ok);
    let mut files =
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "hst"));
    files.next().expect("a file")
}

#[test]
fn a_flipped_bit_is_named_and_costs_only_its_neighbours() {
    let mut running = some_turns("history-flip");
    let folder = running.folder.clone();
    let all = numbers(&folder, "SELECT count(*) FROM metrics");
    // Compacted, so that the damage is not the unfinished end of a file.
    assert_eq!(ask(&folder, &["store", "compact"]).0, 0);
    assert_eq!(numbers(&folder, "SELECT count(*) FROM metrics"), all);
    let raw = fs::read_dir(folder.join("history")).expect("a history").filter_map(Result::ok);
    let raw =
        raw.map(|file| file.path()).find(|path| path.to_string_lossy().contains("raw-")).expect("compacted");
    let file = fs::File::options().read(true).write(true).open(&raw).expect("ours");
    let at = file.metadata().expect("ours").len() - 3;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("long enough");
    file.write_all_at(&[byte[0] ^ 0x10], at).expect("writable");

    let (code, check, _) = ask(&folder, &["store", "check"]);
    assert!(code == 1 && check.contains("1 place is damaged, everything else can be read"), "{check}");
    assert!(check.contains("the payload of up to 32 series fails its checksum"), "{check}");
    let left = numbers(&folder, "SELECT count(*) FROM metrics");
    assert!(left[0] < all[0] && left[0] > all[0] / 2, "{left:?} of {all:?}");
    running.keeper = start(&folder);
    wait("the daemon goes on", || turns(&folder, i64::MAX).0 > 0 && running.daemon().is_some());
}

#[test]
fn a_file_of_a_later_version_is_one_line_and_is_left_alone() {
    let mut running = some_turns("history-newer");
    let folder = running.folder.clone();
    let path = file_of(&folder);
    let file = fs::File::options().write(true).open(&path).expect("ours");
    file.write_all_at(&9_u32.to_le_bytes(), 8).expect("writable");
    let before = fs::read(&path).expect("ours");
    fs::write(folder.join("said"), "").expect("writable");
    running.keeper = start(&folder);
    wait("the daemon notes turns", || turns(&folder, i64::MAX).0 >= 2);
    let said = running.said();
    let lines = said.lines().filter(|line| line.contains("history")).collect::<Vec<_>>();
    assert!(lines.len() == 1 && lines[0].contains("version 9"), "{said}");
    running.end();
    assert_eq!(fs::read(&path).expect("left alone"), before);
}

#[test]
fn a_history_that_cannot_be_written_is_one_line_and_a_finding() {
    let folder = std::env::temp_dir().join(format!("homeostat-history-refused-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("temporary folder");
    fs::write(folder.join("history"), "in the way").expect("writable");
    let running = Running { keeper: start(&folder), folder };
    let findings = "SELECT kind, sentence FROM findings";
    let found = || ask(&running.folder, &["sql", "--plain", findings]).1;
    wait("a finding", || found().contains("collector history fails: cannot"));
    let said = running.said();
    assert_eq!(said.matches("the history fails").count(), 1, "{said}");
    assert!(ask(&running.folder, &["sql", "SELECT count(*) FROM metrics"]).2.contains("cannot be read here"));
}

#[test]
fn what_is_exported_is_what_is_kept() {
    let running = some_turns("history-export");
    let all = numbers(&running.folder, "SELECT count(*) FROM metrics");
    let (code, csv, _) = ask(&running.folder, &["export", "--csv", "-"]);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("at_ns,entity,series,value,least,greatest,last,samples"));
    assert_eq!((code, lines.clone().count() as i64), (0, all[0]));
    assert!(lines.any(|line| line.contains(",machine,load_1,")));
    // Another reader than ours: the CSV of Python's standard library.
    let script =
        "import csv, sys; print(sum(1 for row in csv.DictReader(sys.stdin) if float(row['value']) * 0 == 0))";
    let python =
        Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        eprintln!("skipped: there is no python3 to read it back");
        return;
    };
    std::io::Write::write_all(&mut python.stdin.take().expect("piped"), csv.as_bytes()).expect("it reads");
    let output = python.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), all[0].to_string());
    let (code, stats, _) = ask(&running.folder, &["store", "stats"]);
    assert!(code == 0 && stats.contains("fresh"), "{stats}");
    assert_eq!(ask(&std::env::temp_dir().join("homeostat-nobody"), &["store", "stats"]).0, 2);
}
