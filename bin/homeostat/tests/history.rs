//! The history of the real daemon: kills lose no turn; damage, a full and a read-only disk are one clear line, and the
//! rest stays readable.
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
        fs::read_to_string(said_in(&self.folder)).unwrap_or_default()
    }

    fn kill_daemon(&self) {
        kill(self.daemon().expect("a daemon"), libc::SIGKILL);
    }
}

/// Beside the state folder, which may be full.
fn said_in(folder: &Path) -> PathBuf {
    folder.with_extension("said")
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(said_in(&self.folder));
    }
}

fn start(folder: &Path) -> Child {
    let said = fs::File::options().create(true).append(true).open(said_in(folder)).expect("writable");
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
    assert!(check.contains("the payload of a group of series fails its checksum"), "{check}");
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
    fs::write(said_in(&folder), "").expect("writable");
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
    fs::remove_file(running.folder.join("history")).expect("ours");
    wait("turns are kept without another start", || turns(&running.folder, i64::MAX).0 >= 3);
    let said = running.said();
    assert_eq!(said.matches("the history is written again").count(), 1, "{said}");
    wait("no finding any more", || !found().contains("collector history"));
}

#[test]
fn a_start_on_a_read_only_disk_keeps_turns_as_soon_as_it_can_be_written() {
    match powercut::alone("a_start_on_a_read_only_disk_keeps_turns_as_soon_as_it_can_be_written") {
        None => {}
        Some(Ok(())) => return,
        Some(Err(why)) => return eprintln!("skipped: {why}"),
    }
    let folder = std::env::temp_dir().join(format!("homeostat-history-late-{}", std::process::id()));
    // The history alone: below a folder that was named there is the socket, too, and without it there is no start.
    let mounted = folder.join("history").display().to_string();
    fs::create_dir_all(&mounted).expect("temporary folder");
    run("mount", &["-t", "tmpfs", "-o", "size=64m", "none", &mounted]);
    let mut running = Running { keeper: start(&folder), folder: folder.clone() };
    wait("turns are kept", || turns(&folder, i64::MAX).0 >= 4);
    running.end();
    let before = turns(&folder, i64::MAX);

    run("mount", &["-o", "remount,ro", &mounted]);
    running.keeper = start(&folder);
    wait("one line", || running.said().contains("the history fails"));
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(running.said().matches("the history fails").count(), 1, "{}", running.said());
    run("mount", &["-o", "remount,rw", &mounted]);
    wait("turns are kept without another start", || turns(&folder, i64::MAX).1 > before.1);
    running.end();
    assert_eq!(turns(&folder, before.1), before, "turns of the run before are lost");
    let (code, check, _) = ask(&folder, &["store", "check"]);
    assert!(code == 0 && check.contains("everything is as it was written"), "{check}");
    run("umount", &[&mounted]);
}

/// What a Python program prints; `None` where it or one of its modules is missing.
fn python(script: &str, input: &[u8]) -> Option<String> {
    let mut command = Command::new("python3");
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut to = child.stdin.take()?;
    // It may end before it has read anything.
    let _ = std::io::Write::write_all(&mut to, input);
    drop(to);
    let output = child.wait_with_output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("ModuleNotFoundError") {
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect(program);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_full_disk_is_one_line_and_nothing_is_lost_when_there_is_room_again() {
    match powercut::alone("a_full_disk_is_one_line_and_nothing_is_lost_when_there_is_room_again") {
        None => {}
        Some(Ok(())) => return,
        Some(Err(why)) => return eprintln!("skipped: {why}"),
    }
    let folder = std::env::temp_dir().join(format!("homeostat-history-full-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("temporary folder");
    run("mount", &["-t", "tmpfs", "-o", "size=6m", "none", &folder.display().to_string()]);
    let mut running = Running { keeper: start(&folder), folder: folder.clone() };
    wait("turns are kept", || turns(&folder, i64::MAX).0 >= 4);
    // What does not fit is refused.
    let _ = fs::write(folder.join("filler"), vec![0; 8 << 20]);
    let before = turns(&folder, i64::MAX);
    running.kill_daemon();
    wait("it goes on without room", || turns(&folder, i64::MAX).1 > before.1 + 3_000_000_000);
    running.end();
    let said = running.said();
    let lines = |word: &str| said.lines().filter(|line| line.contains(word)).count();
    assert!(
        said.contains("the history is not all in files (cannot write `fresh.tmp`: no room left on the disk)"),
        "{said}"
    );
    // The other line comes only where five minutes begin meanwhile.
    assert!(lines("the history is not all in files") == 1 && lines("the history fails") <= 1, "{said}");
    let before = turns(&folder, i64::MAX);

    fs::remove_file(folder.join("filler")).expect("ours");
    running.keeper = start(&folder);
    wait("a new run notes turns", || turns(&folder, i64::MAX).1 > before.1);
    running.end();
    assert_eq!(turns(&folder, before.1), before, "turns that waited for room are lost");
    let (code, check, _) = ask(&folder, &["store", "check"]);
    assert!(code == 0 && check.contains("everything is as it was written"), "{check}");
    run("umount", &[&folder.display().to_string()]);
}

#[test]
fn a_disk_that_becomes_read_only_is_one_line_and_nothing_is_lost_after_its_repair() {
    match powercut::alone("a_disk_that_becomes_read_only_is_one_line_and_nothing_is_lost_after_its_repair") {
        None => {}
        Some(Ok(())) => return,
        Some(Err(why)) => return eprintln!("skipped: {why}"),
    }
    let folder = std::env::temp_dir().join(format!("homeostat-history-ro-{}", std::process::id()));
    let image = folder.with_extension("image");
    let (mounted, image) = (folder.display().to_string(), image.display().to_string());
    fs::create_dir_all(&folder).expect("temporary folder");
    fs::File::create(&image).and_then(|file| file.set_len(64 << 20)).expect("writable");
    run("mkfs.ext4", &["-q", "-F", &image]);
    let device = run("losetup", &["--find", "--show", &image]);
    run("mount", &["-o", "errors=remount-ro", &device, &mounted]);
    let mut running = Running { keeper: start(&folder), folder: folder.clone() };
    wait("turns are kept", || turns(&folder, i64::MAX).0 >= 4);
    // What the kernel does when the disk under a file system fails.
    let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", device.trim_start_matches("/dev/"));
    fs::write(trigger, "1").expect("ext4 has it");
    wait("one line", || running.said().contains("the history fails: cannot write"));
    let found = || ask(&folder, &["sql", "--plain", "SELECT sentence FROM findings"]).1;
    wait("a finding", || found().contains("collector history fails: cannot write"));
    let before = turns(&folder, i64::MAX);
    wait("turns go on", || turns(&folder, i64::MAX).0 > before.0 + 7);
    let said = running.said();
    assert!(
        said.matches("the history fails").count() == 1 && said.contains("the disk is read-only"),
        "{said}"
    );
    running.end();
    let before = turns(&folder, i64::MAX);

    run("umount", &[&mounted]);
    run("fsck.ext4", &["-f", "-y", &device]);
    run("mount", &[&device, &mounted]);
    running.keeper = start(&folder);
    wait("a new run notes turns", || turns(&folder, i64::MAX).1 > before.1);
    running.end();
    assert_eq!(turns(&folder, before.1), before, "turns that waited for the disk are lost");
    let (code, check, _) = ask(&folder, &["store", "check"]);
    assert!(code == 0 && check.contains("everything is as it was written"), "{check}");
    run("umount", &[&mounted]);
    run("losetup", &["--detach", &device]);
    fs::remove_file(image).expect("ours");
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
    match python(script, csv.as_bytes()) {
        Some(found) => assert_eq!(found, all[0].to_string()),
        None => eprintln!("skipped: there is no python3 to read it back"),
    }
    let (code, stats, _) = ask(&running.folder, &["store", "stats"]);
    assert!(code == 0 && stats.contains("fresh"), "{stats}");
    assert_eq!(ask(&std::env::temp_dir().join("homeostat-nobody"), &["store", "stats"]).0, 2);
    let file = running.folder.join("past.parquet");
    let (code, _, said) = ask(&running.folder, &["export", "--parquet", &file.display().to_string()]);
    if cfg!(not(feature = "parquet")) {
        assert!(code == 2 && said.contains("this build of Homeostat writes no Parquet"), "{said}");
        return;
    }
    assert_eq!(code, 0, "{said}");
    // Row by row what the CSV says, so every page, name and run is read.
    let script = format!(
        "import csv, io, sys, pyarrow.parquet as pq
f = pq.read_table('{}')
t = {{name: f.column(name).cast('int64').to_pylist() if name == 'at_ns' else f.column(name).to_pylist() for name in f.column_names}}
rows = list(csv.DictReader(io.StringIO(sys.stdin.read())))
same = all(int(r['at_ns']) == a and r['entity'] == e and r['series'] == s and float(r['value']) == v
    and int(r['samples']) == n and float(r['least']) == l and float(r['last']) == x
    for r, a, e, s, v, n, l, x in zip(rows, t['at_ns'], t['entity'], t['series'],
        t['value'], t['samples'], t['least'], t['last']))
print(len(t['value']) == len(rows) and same)",
        file.display()
    );
    match python(&script, csv.as_bytes()) {
        Some(found) => assert_eq!(found, "True"),
        None => eprintln!("skipped: there is no python3 with pyarrow to read it back"),
    }
}
