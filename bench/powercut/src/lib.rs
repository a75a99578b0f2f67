//! A disk that forgets at a power cut what was not flushed. For tests as root.
//!
//! A process of its own serves one file through FUSE, a loop device makes a disk of it, and ext4 stands on that. Every
//! write reaches the process at once; what a flush has not yet made durable stays apart, sector by sector and version by
//! version. At the cut any of that is kept or dropped, and the disk of the next round is what is left. From then on the
//! process goes on answering, so that the kernel meets no error, but nothing of it counts any more: a promise counts
//! only if [`is_cut`] says no after it was given.
//!
//! Use it in a mount namespace of one's own, so that nobody else sees the mounts: [`alone`].
mod disk;
mod fuse;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Tells a process that it is the disk, and where.
const SERVE: &str = "POWERCUT_SERVE";
/// Set in the process that has a mount namespace of its own: a file that it makes when the test begins.
const ALONE: &str = "POWERCUT_ALONE";
/// Size of the disk. Unit: bytes.
const DISK_BYTES: u64 = 64 << 20;
/// Longest wait for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

/// The disk between its rounds.
pub struct Disk {
    folder: PathBuf,
    /// The test that calls [`Disk::serve_if_asked`] first, by its name.
    test: &'static str,
}

/// The disk while it has power.
pub struct Plugged {
    /// Where its file system is mounted.
    pub path: PathBuf,
    folder: PathBuf,
    device: String,
    server: Child,
}

/// Runs a test of this binary again, alone: in a mount namespace of its own, as root. `None` in that process itself;
/// otherwise what became of it, an `Err` being why it cannot be run here.
///
/// # Panics
/// When the test fails there, and when no test of this binary has that name.
pub fn alone(test: &str) -> Option<Result<(), String>> {
    if let Some(begun) = std::env::var_os(ALONE) {
        fs::write(begun, "").expect("the temporary folder is writable");
        return None;
    }
    let begun =
        std::env::temp_dir().join(format!("powercut-{}-{test}", std::process::id()).replace("::", "-"));
    let me = std::env::current_exe().ok()?;
    let script = "mount --make-rprivate / && test -c /dev/fuse && losetup -f >/dev/null && command -v mkfs.ext4 \
                  >/dev/null || exit 77; exec \"$@\"";
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(me)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, &begun)
        .status();
    let has_begun = fs::remove_file(&begun).is_ok();
    Some(match status.map(|status| status.code()) {
        Ok(Some(0)) if has_begun => Ok(()),
        Ok(Some(0)) => panic!("this binary has no test `{test}`"),
        Ok(Some(101) | None) => panic!("the rounds failed"),
        _ => Err("it needs root, /dev/fuse, loop devices and mkfs.ext4".to_owned()),
    })
}

/// Whether the power is gone. What was promised before this said no must be there in the next round.
pub fn is_cut(folder: &Path) -> bool {
    folder.join("cut").exists()
}

impl Disk {
    /// Becomes the disk, and never returns, in a process that was started for that.
    pub fn serve_if_asked() {
        let Some(folder) = std::env::var_os(SERVE) else { return };
        let done = fuse::serve(Path::new(&folder), DISK_BYTES);
        if let Err(error) = &done {
            eprintln!("the disk: {error}");
        }
        std::process::exit(i32::from(done.is_err()));
    }

    /// A new disk in a folder, best on a tmpfs.
    ///
    /// # Errors
    /// In words: it cannot be made.
    pub fn new(folder: &Path, test: &'static str) -> Result<Self, String> {
        let disk = Self { folder: folder.to_owned(), test };
        for sub in ["file", "mounted"] {
            fs::create_dir_all(folder.join(sub)).map_err(|error| error.to_string())?;
        }
        let image = fs::File::create(folder.join("image")).map_err(|error| error.to_string())?;
        image.set_len(DISK_BYTES).map_err(|error| error.to_string())?;
        // No reserved blocks, nothing left to be initialised later.
        run(
            "mkfs.ext4",
            &["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0", &shown(&folder.join("image"))],
        )?;
        Ok(disk)
    }

    /// Gives it power: its file system is mounted when this returns. `seed` decides what the next cut drops.
    ///
    /// # Errors
    /// In words: something cannot be mounted, which after a cut means that the file system is broken.
    pub fn plug(&self, seed: u64) -> Result<Plugged, String> {
        let _ = fs::remove_file(self.folder.join("cut"));
        let me = std::env::current_exe().map_err(|error| error.to_string())?;
        let server = Command::new(me)
            .args([self.test, "--exact", "--nocapture", "--test-threads=1"])
            .env(SERVE, &self.folder)
            .env("POWERCUT_SEED", seed.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (folder, path) = (self.folder.clone(), self.folder.join("mounted"));
        let mut plugged = Plugged { path, folder, device: String::new(), server };
        let file = self.folder.join("file/disk");
        wait("the disk's process", || file.exists())?;
        plugged.device = run("losetup", &["--find", "--show", &shown(&file)])?;
        run("mount", &["-t", "ext4", &plugged.device, &shown(&plugged.path)])?;
        Ok(plugged)
    }
}

impl Plugged {
    /// The folder to ask [`is_cut`] about.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Cuts the power when the disk meets its `operations`-th request from now on, and waits for that.
    ///
    /// # Errors
    /// In words: nothing was written any more, so that the cut never came.
    pub fn cut_after(&mut self, operations: u64) -> Result<(), String> {
        let order = self.server.stdin.as_mut().ok_or("the disk hears nothing")?;
        writeln!(order, "{operations}").map_err(|error| error.to_string())?;
        wait("the cut", || is_cut(&self.folder))
    }

    /// Takes everything apart. Whoever used the file system must be gone.
    ///
    /// # Errors
    /// In words: something is still in use.
    pub fn unplug(mut self) -> Result<(), String> {
        run("umount", &[&shown(&self.path)])?;
        run("losetup", &["--detach", &std::mem::take(&mut self.device)])?;
        run("umount", &[&shown(&self.folder.join("file"))])?;
        drop(self.server.stdin.take());
        self.server.wait().map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Plugged {
    /// After a failed test: what is still there goes with the namespace, but for the loop device and the process.
    fn drop(&mut self) {
        if !self.device.is_empty() {
            let _ = run("umount", &["-l", &shown(&self.path)]);
            let _ = run("losetup", &["--detach", &self.device]);
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|e| format!("{program}: {e}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{program} {}: {}", arguments.join(" "), text(&output.stderr))),
    }
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > end {
            return Err(format!("{what} did not come within {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
