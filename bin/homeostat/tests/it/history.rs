//! The history of the real daemon: kills lose no turn; damage, a full and a read-only disk are one clear line, and the
//! rest stays readable.
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::kit::{Homeostat, wait};

/// The numbers in the first row.
fn numbers(running: &Homeostat, sql: &str) -> Vec<i64> {
    running.row(sql).iter().filter_map(|cell| cell.parse().ok()).collect()
}

fn start(name: &str) -> Homeostat {
    let mut running = Homeostat::prepare(name, "observe");
    running.launch();
    wait("turns are kept", || turns(&running, i64::MAX).0 >= 4);
    running
}

fn everything_is_readable(running: &Homeostat) {
    let check = running.ask(&["store", "check"]);
    assert!(check.code == 0 && check.out.contains("everything is as it was written"), "{}", check.out);
}

/// Turns that are kept up to an instant, and the last of them.
fn turns(running: &Homeostat, up_to: i64) -> (i64, i64) {
    let sql = format!("SELECT count(*), coalesce(max(at), 0) FROM machine_history WHERE at <= {up_to}");
    match numbers(running, &sql)[..] {
        [count, last] => (count, last),
        _ => (0, 0),
    }
}

/// Whether this is the process in which that test runs, alone; if not, it ran there, or says why it cannot.
fn alone(test: &str) -> bool {
    match powercut::alone(&format!("history::{test}")) {
        None => return true,
        Some(Ok(())) => {}
        Some(Err(why)) => eprintln!("skipped: {why}"),
    }
    false
}

/// Runs a program of the machine, which must do what it is told.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect(program);
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_killed_daemon_loses_no_turn_and_with_its_keeper_killed_the_next_start_has_them_too() {
    let mut running = start("history-kill");
    let before = turns(&running, i64::MAX);
    running.kill_daemon();
    wait("another daemon notes turns", || turns(&running, i64::MAX).1 > before.1 + 3_000_000_000);
    assert_eq!(turns(&running, before.1), before, "a kill of the daemon lost a turn");

    let before = turns(&running, i64::MAX);
    running.kill_both();
    assert_eq!(turns(&running, before.1), before, "read from the memory that both left behind");
    running.launch();
    wait("a new run notes turns", || turns(&running, i64::MAX).1 > before.1);
    assert_eq!(turns(&running, before.1), before);

    running.end();
    let last = turns(&running, i64::MAX);
    assert!(last.0 > before.0, "a run that ends puts everything into files");
    assert_eq!(turns(&running, before.1), before);
    everything_is_readable(&running);
}

/// A state folder with some turns in files, and no daemon.
fn some_turns(name: &str) -> Homeostat {
    let mut running = start(name);
    running.end();
    running
}

/// The first file of the history whose name has that in it.
fn file_with(running: &Homeostat, part: &str) -> PathBuf {
    let files = fs::read_dir(running.folder.join("history")).expect("a history").filter_map(Result::ok);
    let mut files = files.map(|file| file.path()).filter(|path| path.to_string_lossy().contains(part));
    files.next().expect("a file")
}

#[test]
fn a_flipped_bit_is_named_and_costs_only_its_neighbours() {
    let mut running = some_turns("history-flip");
    let all = numbers(&running, "SELECT count(*) FROM metrics");
    // Compacted, so that the damage is not the unfinished end of a file.
    assert_eq!(running.ask(&["store", "compact"]).code, 0);
    assert_eq!(numbers(&running, "SELECT count(*) FROM metrics"), all);
    let raw = file_with(&running, "raw-");
    let file = fs::File::options().read(true).write(true).open(&raw).expect("ours");
    let at = file.metadata().expect("ours").len() - 3;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("long enough");
    file.write_all_at(&[byte[0] ^ 0x10], at).expect("writable");

    let check = running.ask(&["store", "check"]);
    let named = check.out.contains("1 place is damaged, everything else can be read")
        && check.out.contains("the payload of a group of series fails its checksum");
    assert!(check.code == 1 && named, "{}", check.out);
    let left = numbers(&running, "SELECT count(*) FROM metrics");
    assert!(left[0] < all[0] && left[0] > all[0] / 2, "{left:?} of {all:?}");
    running.launch();
    wait("the daemon goes on", || turns(&running, i64::MAX).0 > 0 && running.daemon().is_some());
}

#[test]
fn a_file_of_a_later_version_is_one_line_and_is_left_alone() {
    let mut running = some_turns("history-newer");
    let path = file_with(&running, ".hst");
    let file = fs::File::options().write(true).open(&path).expect("ours");
    file.write_all_at(&9_u32.to_le_bytes(), 8).expect("writable");
    let before = fs::read(&path).expect("ours");
    running.forget_what_was_said();
    running.launch();
    wait("the daemon notes turns", || turns(&running, i64::MAX).0 >= 2);
    let said = running.said();
    let lines = said.lines().filter(|line| line.contains("history")).collect::<Vec<_>>();
    assert!(lines.len() == 1 && lines[0].contains("version 9"), "{said}");
    running.end();
    assert_eq!(fs::read(&path).expect("left alone"), before);
}

#[test]
fn a_history_that_cannot_be_written_is_one_line_and_a_finding() {
    let mut running = Homeostat::prepare("history-refused", "observe");
    let in_the_way = running.write("history", "in the way");
    running.launch();
    let found = || running.ask(&["sql", "--plain", "SELECT kind, sentence FROM findings"]).out;
    wait("a finding", || found().contains("collector history fails: cannot"));
    let said = running.said();
    assert_eq!(said.matches("the history fails").count(), 1, "{said}");
    let unreadable = running.ask(&["sql", "SELECT count(*) FROM metrics"]).err;
    assert!(unreadable.contains("cannot be read here"), "{unreadable}");
    fs::remove_file(in_the_way).expect("ours");
    wait("turns are kept without another start", || turns(&running, i64::MAX).0 >= 3);
    let said = running.said();
    assert_eq!(said.matches("the history is written again").count(), 1, "{said}");
    wait("no finding any more", || !found().contains("collector history"));
}

#[test]
fn a_start_on_a_read_only_disk_keeps_turns_as_soon_as_it_can_be_written() {
    if !alone("a_start_on_a_read_only_disk_keeps_turns_as_soon_as_it_can_be_written") {
        return;
    }
    let mut running = Homeostat::prepare("history-late", "observe");
    // The history alone: below a folder that was named there is the socket, too, and without it there is no start.
    let mounted = running.folder.join("history").display().to_string();
    fs::create_dir_all(&mounted).expect("temporary folder");
    run("mount", &["-t", "tmpfs", "-o", "size=64m", "none", &mounted]);
    running.launch();
    wait("turns are kept", || turns(&running, i64::MAX).0 >= 4);
    running.end();
    let before = turns(&running, i64::MAX);

    run("mount", &["-o", "remount,ro", &mounted]);
    running.launch();
    wait("one line", || running.said().contains("the history fails"));
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(running.said().matches("the history fails").count(), 1, "{}", running.said());
    run("mount", &["-o", "remount,rw", &mounted]);
    wait("turns are kept without another start", || turns(&running, i64::MAX).1 > before.1);
    running.end();
    assert_eq!(turns(&running, before.1), before, "turns of the run before are lost");
    everything_is_readable(&running);
    run("umount", &[&mounted]);
}

#[test]
fn a_full_disk_is_one_line_and_nothing_is_lost_when_there_is_room_again() {
    if !alone("a_full_disk_is_one_line_and_nothing_is_lost_when_there_is_room_again") {
        return;
    }
    let mut running = Homeostat::prepare("history-full", "observe");
    let mounted = running.folder.display().to_string();
    run("mount", &["-t", "tmpfs", "-o", "size=6m", "none", &mounted]);
    running.launch();
    wait("turns are kept", || turns(&running, i64::MAX).0 >= 4);
    // What does not fit is refused.
    let filler = running.folder.join("filler");
    let _ = fs::write(&filler, vec![0; 8 << 20]);
    let before = turns(&running, i64::MAX);
    running.kill_daemon();
    wait("it goes on without room", || turns(&running, i64::MAX).1 > before.1 + 3_000_000_000);
    running.end();
    let said = running.said();
    let lines = |word: &str| said.lines().filter(|line| line.contains(word)).count();
    let line = "the history is not all in files (cannot write `fresh.tmp`: no room left on the disk)";
    assert!(said.contains(line), "{said}");
    // The other line comes only where five minutes begin meanwhile.
    assert!(lines("the history is not all in files") == 1 && lines("the history fails") <= 1, "{said}");
    let before = turns(&running, i64::MAX);

    fs::remove_file(filler).expect("ours");
    running.launch();
    wait("a new run notes turns", || turns(&running, i64::MAX).1 > before.1);
    running.end();
    assert_eq!(turns(&running, before.1), before, "turns that waited for room are lost");
    everything_is_readable(&running);
    run("umount", &[&mounted]);
}

#[test]
fn a_disk_that_becomes_read_only_is_one_line_and_nothing_is_lost_after_its_repair() {
    if !alone("a_disk_that_becomes_read_only_is_one_line_and_nothing_is_lost_after_its_repair") {
        return;
    }
    let mut running = Homeostat::prepare("history-ro", "observe");
    let image = running.folder.with_extension("image");
    let (mounted, image) = (running.folder.display().to_string(), image.display().to_string());
    fs::File::create(&image).and_then(|file| file.set_len(64 << 20)).expect("writable");
    run("mkfs.ext4", &["-q", "-F", &image]);
    let device = run("losetup", &["--find", "--show", &image]);
    run("mount", &["-o", "errors=remount-ro", &device, &mounted]);
    running.launch();
    wait("turns are kept", || turns(&running, i64::MAX).0 >= 4);
    // What the kernel does when the disk under a file system fails.
    let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", device.trim_start_matches("/dev/"));
    fs::write(trigger, "1").expect("ext4 has it");
    wait("one line", || running.said().contains("the history fails: cannot write"));
    let found = || running.ask(&["sql", "--plain", "SELECT sentence FROM findings"]).out;
    wait("a finding", || found().contains("collector history fails: cannot write"));
    let before = turns(&running, i64::MAX);
    wait("turns go on", || turns(&running, i64::MAX).0 > before.0 + 7);
    let said = running.said();
    let is_told = said.matches("the history fails").count() == 1 && said.contains("the disk is read-only");
    assert!(is_told, "{said}");
    running.end();
    let before = turns(&running, i64::MAX);

    run("umount", &[&mounted]);
    // It says by its exit code that it mended something.
    let _ = Command::new("fsck.ext4").args(["-f", "-y", &device]).output();
    run("mount", &[&device, &mounted]);
    running.launch();
    wait("a new run notes turns", || turns(&running, i64::MAX).1 > before.1);
    running.end();
    assert_eq!(turns(&running, before.1), before, "turns that waited for the disk are lost");
    everything_is_readable(&running);
    run("umount", &[&mounted]);
    run("losetup", &["--detach", &device]);
    fs::remove_file(image).expect("ours");
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

#[test]
fn what_is_exported_is_what_is_kept() {
    let running = some_turns("history-export");
    let all = numbers(&running, "SELECT count(*) FROM metrics");
    let csv = running.ask(&["export", "--csv", "-"]);
    let mut lines = csv.out.lines();
    assert_eq!(lines.next(), Some("at_ns,entity,series,value,least,greatest,last,samples"));
    assert_eq!((csv.code, lines.clone().count() as i64), (0, all[0]));
    assert!(lines.any(|line| line.contains(",machine,load_1,")));
    // Another reader than ours: the CSV of Python's standard library.
    let script =
        "import csv, sys; print(sum(1 for row in csv.DictReader(sys.stdin) if float(row['value']) * 0 == 0))";
    match python(script, csv.out.as_bytes()) {
        Some(found) => assert_eq!(found, all[0].to_string()),
        None => eprintln!("skipped: there is no python3 to read it back"),
    }
    let stats = running.ask(&["store", "stats"]);
    assert!(stats.code == 0 && stats.out.contains("fresh"), "{}", stats.out);
    assert_eq!(Homeostat::prepare("history-none", "observe").ask(&["store", "stats"]).code, 2);
    let file = running.folder.join("past.parquet");
    let said = running.ask(&["export", "--parquet", &file.display().to_string()]);
    if cfg!(not(feature = "parquet")) {
        assert!(
            said.code == 2 && said.err.contains("this build of Homeostat writes no Parquet"),
            "{}",
            said.err
        );
        return;
    }
    assert_eq!(said.code, 0, "{}", said.err);
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
    match python(&script, csv.out.as_bytes()) {
        Some(found) => assert_eq!(found, "True"),
        None => eprintln!("skipped: there is no python3 with pyarrow to read it back"),
    }
}
