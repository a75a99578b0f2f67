//! A Homeostat with a state folder of its own: started, asked, killed, and removed at the end.
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program that was built for these tests.
pub const HOMEOSTAT: &str = env!("CARGO_BIN_EXE_homeostat");

/// How long a test waits for what must come, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

/// One Homeostat, ended and removed when dropped.
pub struct Homeostat {
    pub folder: PathBuf,
    program: PathBuf,
    mode: &'static str,
    keeper: Option<Child>,
}

/// What one command answered.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Homeostat {
    /// An empty state folder, and nobody at work in it.
    pub fn prepare(name: &str, mode: &'static str) -> Self {
        let folder = std::env::temp_dir().join(format!("homeostat-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("temporary folder");
        Self { folder, program: HOMEOSTAT.into(), mode, keeper: None }
    }

    /// One that answers.
    pub fn start(name: &str, mode: &'static str) -> Self {
        let mut homeostat = Self::prepare(name, mode);
        homeostat.launch();
        homeostat.wait_until_it_answers();
        homeostat
    }

    /// From here on this file is run in place of the program that was built.
    pub fn run_as(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// A keeper, which starts a daemon. What they say on standard error is appended to a file.
    pub fn launch(&mut self) {
        let said = fs::File::options().create(true).append(true).open(self.said_in()).expect("writable");
        let mut command = Command::new(&self.program);
        command.args(["run", "--mode", self.mode, "--state-dir"]).arg(&self.folder);
        let config = self.folder.join("config.toml");
        if config.exists() {
            command.arg("--config").arg(config);
        }
        let keeper = command.stdout(Stdio::null()).stderr(said).spawn();
        self.keeper = Some(keeper.expect("the program was built for this test"));
    }

    pub fn wait_until_it_answers(&self) {
        wait("the daemon answers", || self.ask(&["mode"]).code == 0);
    }

    /// A file in the state folder.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("temporary folder");
        fs::write(&path, text).expect("writable");
        path
    }

    /// Starts a service of that name from its command, which is TOML.
    pub fn serve(&self, name: &str, command: &str) {
        let file = self.write(&format!("{name}.toml"), &format!("name = \"{name}\"\ncommand = {command}\n"));
        let said = self.ask(&["service", "start", &file.to_string_lossy()]);
        assert_eq!(said.code, 0, "{}", said.err);
    }

    /// The process that a service was started as, once it runs.
    pub fn main_pid(&self, service: &str) -> Option<i32> {
        self.cell(&format!("SELECT main_pid FROM services WHERE name = '{service}'"))?.parse().ok()
    }

    pub fn ask(&self, words: &[&str]) -> Said {
        self.ask_by(Command::new(&self.program).args(words))
    }

    /// The same by whoever is set in the command.
    pub fn ask_by(&self, command: &mut Command) -> Said {
        let output = command.arg("--state-dir").arg(&self.folder).output().expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
        let code = output.status.code().unwrap_or(-1);
        Said { code, out: text(&output.stdout), err: text(&output.stderr) }
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The cells of the first row that a question is answered with.
    pub fn row(&self, question: &str) -> Vec<String> {
        let said = self.ask(&["sql", "--plain", question]);
        said.out.lines().next().unwrap_or_default().split('\t').map(str::to_owned).collect()
    }

    /// The first cell of the first row; `None` while there is none.
    pub fn cell(&self, question: &str) -> Option<String> {
        let said = self.ask(&["sql", "--json", question]);
        let rows: serde_json::Value = serde_json::from_str(&said.out).ok().filter(|_| said.code == 0)?;
        let cell = rows.get(0)?.as_object()?.values().next()?;
        (!cell.is_null()).then(|| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned))
    }

    /// What keeper and daemon said on standard error.
    pub fn said(&self) -> String {
        fs::read_to_string(self.said_in()).unwrap_or_default()
    }

    pub fn forget_what_was_said(&self) {
        fs::write(self.said_in(), "").expect("writable");
    }

    /// Beside the state folder, which may be full.
    fn said_in(&self) -> PathBuf {
        self.folder.with_extension("said")
    }

    pub fn keeper(&self) -> i32 {
        pid_of(self.keeper.as_ref().expect("it was launched"))
    }

    /// The daemon that the keeper has just now.
    pub fn daemon(&self) -> Option<i32> {
        let children = format!("/proc/{0}/task/{0}/children", self.keeper());
        let is_ours = |pid: &&str| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.windows(3).any(|word| word == b"run"))
        };
        fs::read_to_string(children).ok()?.split_whitespace().find(is_ours)?.parse().ok()
    }

    pub fn kill_daemon(&self) -> i32 {
        let daemon = self.daemon().expect("a daemon");
        kill(daemon, libc::SIGKILL);
        daemon
    }

    /// Ends both at once, as nothing but a power cut or the kernel would.
    pub fn kill_both(&mut self) {
        let daemon = self.daemon().expect("a daemon");
        kill(self.keeper(), libc::SIGKILL);
        kill(daemon, libc::SIGKILL);
        self.wait_for_keeper();
        // Its threads end after its first one, and its socket with the last of them.
        let socket = self.folder.join("homeostat.sock");
        wait("the daemon is gone", || !is_alive(daemon) && UnixStream::connect(&socket).is_err());
    }

    /// Ends it as a person would, and waits for the end.
    pub fn end(&mut self) {
        if self.keeper.is_some() {
            kill(self.keeper(), libc::SIGTERM);
            self.wait_for_keeper();
        }
    }

    fn wait_for_keeper(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            keeper.wait().expect("ours");
        }
    }
}

impl Drop for Homeostat {
    fn drop(&mut self) {
        self.end();
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(self.said_in());
    }
}

/// Waits until that holds, and fails the test if it does not come.
pub fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn kill(pid: i32, signal: i32) {
    // SAFETY: kill(2) takes plain integers; every pid here is of a process this test started.
    unsafe { libc::kill(pid, signal) };
}

/// Whether it runs; one that ended and waits for its parent does not.
pub fn is_alive(pid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !text.is_empty() && !text.contains("State:\tZ")
}

pub fn pid_of(child: &Child) -> i32 {
    i32::try_from(child.id()).expect("a pid")
}

/// A process of this test, killed when dropped.
pub struct Started(pub Child);

impl Started {
    pub fn by(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).spawn().expect("the program is there"))
    }

    pub fn pid(&self) -> i32 {
        pid_of(&self.0)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
