//! The command line as a person meets it: exit code, standard output, standard error.
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::kit::{HOMEOSTAT, Started, wait};

/// A state folder of its own, where no daemon runs.
struct Home(PathBuf);

static HOMES: AtomicU32 = AtomicU32::new(0);

impl Home {
    fn new() -> Self {
        let number = HOMES.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("homeostat-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary folders can be made");
        Self(dir)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(HOMEOSTAT);
        command.env_clear().env("HOME", &self.0).env("HOMEOSTAT_STATE_DIR", &self.0).args(args);
        command
    }

    /// Exit code, standard output, standard error with the folder left out.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.command(args).stdin(Stdio::null()).output().expect("the program starts");
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&self.0.display().to_string(), "[HOME]");
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.0.join(name);
        std::fs::write(&file, text).expect("temporary files can be written");
        file.display().to_string()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A daemon that was told to run there, and ends with the test.
struct Daemon(Child);

impl Daemon {
    fn start(home: &Home) -> Self {
        let mut child = home
            .command(&["run"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let out = child.stdout.take().expect("piped");
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.starts_with("page")), "no banner");
        Self(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.0.wait();
    }
}

fn error(args: &[&str], code: i32, what: &str, hint: &str) {
    let (exit, out, err) = Home::new().run(args);
    assert_eq!(
        (exit, out.as_str(), err.as_str()),
        (code, "", format!("error: {what}\n\nhint: {hint}\n").as_str())
    );
}

#[test]
fn wrong_words_get_one_line_and_the_next_command() {
    let help = "`homeostat --help` shows what can be said";
    error(&["stats"], 2, "unrecognized subcommand `stats`", &format!("did you mean `status`? {help}"));
    let hint = "did you mean `--json`? `homeostat sql --help` shows what can be said";
    error(&["sql", "--jsn", "x"], 2, "unexpected argument `--jsn` found", hint);
    let hint = "`homeostat undo --help` shows what can be said";
    error(&["undo"], 2, "the following required arguments were not provided: <ID|--all>", hint);
    let hint = "did you mean `heal`? the modes are `observe`, `advise` and `heal`";
    error(&["mode", "heel"], 2, "`MODE` is `heel`, which is no mode", hint);
    error(
        &["tables", "proceses"],
        2,
        "there is no table `proceses`",
        "did you mean `processes`? `homeostat tables` lists them",
    );
}

#[test]
fn words_that_are_no_numbers_and_files_that_are_no_recordings_are_named() {
    let help = "`homeostat --help` shows what can be said";
    error(&["explain", "x"], 2, "invalid value `x` for `<ID>`: it is no number", help);
    let hint = "`homeostat record FILE` writes a recording";
    error(&["replay", "/nowhere"], 2, "cannot read `/nowhere`: no such file or directory", hint);
    error(&["replay", "/bin/sh"], 2, "cannot replay `/bin/sh`: this is not a Homeostat recording", hint);
    let hint = "name a file in a folder that you may write";
    error(&["record", "/nowhere/x"], 2, "cannot write `/nowhere/x`: no such file or directory", hint);
}

#[test]
fn a_store_that_is_not_ours_is_set_aside_and_said() {
    let home = Home::new();
    home.write("homeostat.db", "dear diary");
    home.write("intents.log", "dear diary");
    let mut child = home
        .command(&["run"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let err = BufReader::new(child.stderr.take().expect("piped"));
    let said = err.lines().map_while(Result::ok).take(2).collect::<Vec<_>>().join("\n");
    assert!(said.contains("homeostat.db.corrupt-1") && said.contains("intents.log.aside-1"), "{said}");
    let kept = std::fs::read_to_string(home.0.join("homeostat.db.corrupt-1"));
    assert_eq!(kept.expect("nothing is overwritten"), "dear diary");
    drop(Daemon(child));
}

#[test]
fn a_broken_rule_names_its_file_and_its_line() {
    let home = Home::new();
    let rules = home.0.join("rules");
    std::fs::create_dir_all(&rules).expect("writable");
    std::fs::write(rules.join("mine.toml"), "name = 3").expect("writable");
    let file = home.write("c.toml", &format!("policies = \"{}\"\n", rules.display()));
    let (exit, out, err) = home.run(&["run", "--config", &file]);
    assert_eq!((exit, out.as_str()), (2, ""));
    assert!(err.contains("rule file `mine.toml` cannot be used") && err.contains("line 1"), "{err}");
    let file = home.write("c.toml", "policies = \"/nowhere\"\n");
    let (exit, _, err) = home.run(&["run", "--config", &file]);
    let what = "error: cannot read the rules in `/nowhere`: no such file or directory\n\nhint: ";
    assert!(exit == 2 && err.starts_with(what), "{err}");
}

#[test]
fn sql_garbage_is_explained_without_a_daemon() {
    let hint = "did you mean `processes`? `homeostat tables` lists them";
    error(&["sql", "SELECT * FROM proceses"], 2, "no such table: proceses", hint);
    for sql in ["SELEC", "SELECT (", "ATTACH 'x' AS y", "SELECT 1; SELECT 2", "", "PRAGMA user_version", "-"]
    {
        let (exit, out, err) = Home::new().run(&["sql", sql]);
        assert_eq!((exit, out.as_str()), (2, ""), "{sql}: {err}");
        assert!(err.starts_with("error: ") && err.contains("\n\nhint: "), "{sql}: {err}");
    }
}

#[test]
fn without_a_daemon_the_exit_code_is_three_and_the_way_out_is_named() {
    let what = "no daemon answers at `[HOME]/homeostat.sock`";
    let hint =
        "start one with `homeostat run`; `sql`, `tables`, `doctor`, `demo` and `undo --all` work without";
    for args in [
        &["status"][..],
        &["incidents"],
        &["explain", "1"],
        &["actions"],
        &["undo", "1"],
        &["mode"],
        &["service", "list"],
    ] {
        error(args, 3, what, hint);
    }
    error(&["sql", "UPDATE processes SET nice = 5 WHERE pid = 1"], 3, what, hint);
}

#[test]
fn sql_tables_and_doctor_work_without_a_daemon() {
    let home = Home::new();
    let pid = std::process::id();
    let sql = format!("SELECT pid, name IS NOT NULL AS named FROM processes WHERE pid = {pid}");
    assert_eq!(
        home.run(&["sql", "--json", &sql]),
        (0, format!("[{{\"pid\":{pid},\"named\":1}}]\n"), String::new())
    );
    assert_eq!(home.run(&["sql", "--plain", &sql]).1, format!("{pid}\t1\n"));
    let (exit, out, _) = home.run(&["tables", "--json"]);
    assert_eq!(exit, 0);
    assert!(
        out.lines().count() > 15 && out.lines().all(|line| line.starts_with("{\"schema\":1,\"name\":\"")),
        "{out}"
    );
    let (exit, out, _) = home.run(&["doctor"]);
    assert_eq!(exit, 0);
    assert!(out.contains("restart_service") && out.contains("configuration no file"), "{out}");
    let (exit, out, _) = home.run(&["undo", "--all"]);
    assert_eq!((exit, out.as_str()), (0, "nothing stands that could be undone\n"));
}

#[test]
fn a_broken_configuration_is_named_and_does_not_stop_an_undo() {
    let home = Home::new();
    let file = home.write("bad.toml", "mod = \"heal\"\n");
    let (exit, out, err) = home.run(&["run", "--config", &file]);
    let wanted =
        "error: configuration `[HOME]/bad.toml` has an unknown key `mod`\n\nhint: did you mean `mode`?\n";
    assert_eq!((exit, out.as_str(), err.as_str()), (2, "", wanted));
    let file = home.write("worse.toml", "port = = 1\n");
    let (exit, _, err) = home.run(&["run", "--config", &file]);
    assert!(exit == 2 && err.contains("`[HOME]/worse.toml` cannot be used: line 1"), "{err}");
    let (exit, out, err) = home.run(&["undo", "--all", "--config", &file]);
    assert_eq!((exit, out.as_str()), (0, "nothing stands that could be undone\n"), "{err}");
    let (exit, _, err) = home.run(&["run", "--config", "/nowhere.toml"]);
    assert!(exit == 2 && err.contains("cannot read configuration `/nowhere.toml`: no such file"), "{err}");
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("bound").port().to_string();
    let (exit, out, err) = Home::new().run(&["run", "--port", &port]);
    let what = format!("error: cannot listen on port `{port}`: address already in use\n");
    assert_eq!((exit, out.as_str()), (2, ""), "{err}");
    assert!(err.contains(&what) && err.contains("hint: name another with `--port`"), "{err}");
}

#[test]
fn a_home_that_cannot_be_written_is_an_error_with_a_way_out() {
    // /proc takes no files from anybody, root included.
    let (exit, out, err) = Home::new().run(&["run", "--state-dir", "/proc/homeostat"]);
    assert_eq!((exit, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("error: ") && err.contains("/proc/homeostat") && err.contains("hint: "), "{err}");
}

#[test]
fn a_daemon_answers_refuses_and_is_alone() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let (exit, out, err) = home.run(&["status"]);
    assert!(
        matches!(exit, 0 | 1) && out.contains("mode      advise") && out.contains("?token="),
        "{out}{err}"
    );
    assert_eq!(home.run(&["mode"]), (0, "advise\n".to_owned(), String::new()));
    let (exit, out, err) = home.run(&["mode", "observe"]);
    assert_eq!((exit, out.as_str()), (0, "observe\n"));
    assert!(err.contains("go back with `homeostat mode advise`"), "{err}");
    let (exit, out, err) = home.run(&["explain", "99999"]);
    let wanted = "error: there is no incident 99999\n\nhint: `homeostat incidents --all` lists them\n";
    assert_eq!((exit, out.as_str(), err.as_str()), (2, "", wanted));
    let (exit, _, err) = home.run(&["sql", "UPDATE processes SET nice = 5 WHERE pid = 1"]);
    assert!(exit == 4 && err.contains("refused"), "{exit}: {err}");
    let (exit, _, err) = home.run(&["run"]);
    assert!(exit == 2 && err.contains("hint: "), "a second daemon: {exit}: {err}");
    drop(daemon);
    assert_eq!(home.run(&["status"]).0, 3);
}

#[test]
fn a_change_by_hand_is_told_with_its_undo_and_taken_back() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let victim = Started::by(Command::new("sleep").arg("60"));
    let sql = format!("UPDATE processes SET nice = 7 WHERE pid = {}", victim.pid());
    let mut said = (0, String::new(), String::new());
    wait("the process is a row, from the turn after its start", || {
        said = home.run(&["sql", &sql]);
        !said.2.contains("no row matches")
    });
    let (exit, out, err) = said;
    if exit == 0 {
        assert!(out.contains("set_nice") && err.contains("undo with `homeostat undo "), "{out}{err}");
        let (exit, out, err) = home.run(&["undo", "--all"]);
        assert!(exit == 0 && out.contains("undone"), "{out}{err}");
    } else {
        // An ordinary user cannot lower a nice value again, so raising it is not offered.
        assert!(exit == 4 && err.contains("hint: "), "{exit}: {err}");
    }
    drop(daemon);
}

#[test]
fn models_leave_become_smaller_and_come_back_and_other_files_are_refused() {
    let home = Home::new();
    let file = |name: &str| home.0.join(name).display().to_string();
    let (all, small, light) = (file("all.models"), file("small.models"), file("light.models"));
    let foreign = home.write("foreign.models", "no models at all");
    let no_daemon = home.run(&["model", "export", &all]);
    assert!(no_daemon.0 == 3 && no_daemon.2.contains("no daemon answers"), "{no_daemon:?}");
    let daemon = Daemon::start(&home);
    let nobody = home.run(&["model", "export", &all, "no-such-service"]);
    assert!(nobody.0 == 2 && nobody.2.contains("nothing is known of `no-such-service`"), "{nobody:?}");
    let size = |file: &str| std::fs::metadata(file).expect("written").len();
    wait("the machine has a heavy model that remembers something", || {
        assert_eq!(home.run(&["model", "export", &all]).0, 0);
        let (exit, out, err) = home.run(&["--json", "model", "quantize", &all, &small]);
        assert_eq!(exit, 0, "{err}");
        out.contains("machine cpu_busy_pct") && size(&small) < size(&all)
    });
    let (exit, out, _) = home.run(&["model", "distill", &small, &light]);
    assert!(exit == 0 && out.contains("machine memory_available_bytes"), "{out}");
    assert!(size(&light) < size(&small), "each is smaller");
    let (exit, out, err) = home.run(&["model", "import", &small]);
    assert!(exit == 0 && out.starts_with("taken in: what `small.models` knows of "), "{out}{err}");
    let sql = "SELECT reason FROM models WHERE source = 'small.models' AND name = 'machine'";
    let row = home.run(&["sql", "--plain", sql]).1;
    assert_eq!(row, "taken in from small.models; it goes on learning here\n");
    for words in [&["import", &foreign][..], &["quantize", &foreign, &light], &["distill", &foreign, &light]]
    {
        let (exit, out, err) = home.run(&[&["model"], words].concat());
        let why =
            "error: the models in `[HOME]/foreign.models` cannot be used: they are no models of Homeostat\n";
        assert!(
            exit == 2 && out.is_empty() && err.starts_with(why) && err.contains("hint: "),
            "{exit}: {err}"
        );
    }
    drop(daemon);
}

#[test]
fn whoever_stops_reading_is_no_error() {
    let home = Home::new();
    let mut child = home
        .command(&["tables", "--plain"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""));
}

#[test]
fn a_statement_may_come_from_standard_input() {
    let home = Home::new();
    let mut child = home
        .command(&["sql", "--plain", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("piped").write_all(b"SELECT 6 * 7").expect("read");
    assert_eq!(child.wait_with_output().expect("ends").stdout, b"42\n");
}

#[test]
fn an_installation_says_every_step_and_a_dry_run_does_none() {
    let home = Home::new();
    let root = home.0.join("root");
    let root = root.to_str().expect("a path");
    let (exit, out, _) = home.run(&["install", "--dry-run", "--root", root]);
    assert_eq!(exit, 0);
    assert!(
        out.contains("write [HOME]/root/etc/systemd/system/homeostat.service")
            && !home.0.join("root").exists(),
        "{out}"
    );
    assert_eq!(home.run(&["install", "--root", root]).0, 0);
    assert!(home.0.join("root/usr/local/bin/homeostat").exists());
    let manual = home.0.join("root/usr/local/share/man/man1/homeostat.1");
    assert_eq!(std::fs::read_to_string(&manual).expect("installed"), home.run(&["man"]).1);
    assert_eq!(home.run(&["uninstall", "--purge", "--root", root]).0, 0);
    assert!(!home.0.join("root/usr/local/bin/homeostat").exists() && !manual.exists());
}
