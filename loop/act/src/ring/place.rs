//! Where the ring lies: a folder of ours on a tmpfs, so that it ends with the boot and never waits for a disk.
//!
//! Root: `/run/homeostat`, else `/dev/shm/homeostat-0`. Others: `$XDG_RUNTIME_DIR/homeostat`, else
//! `/dev/shm/homeostat-UID`. A folder that is not ours, or whose file system is not a tmpfs, is passed over.
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::RingError;

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of linux/magic.h.
const MEMORY_FILE_SYSTEMS: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// Opens or makes the ring `name` in the first folder that fits.
pub(super) fn open(name: &str) -> Result<File, RingError> {
    let user = rustix::process::geteuid().as_raw();
    let fits = |folder: &PathBuf| own_folder(folder, user).unwrap_or(false);
    let folder = folders(user).find(fits).ok_or(RingError::NoPlace)?;
    open_file(&folder.join(format!("{name}.{ENDING}")))
}

/// How the names of rings end.
const ENDING: &str = "ring";

/// All rings of this user, wherever one may lie.
pub(super) fn all() -> impl Iterator<Item = PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let is_ours = move |folder: &PathBuf| {
        std::fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == user)
    };
    let entries = folders(user).filter(is_ours).filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|word| word == ENDING))
}

fn folders(user: u32) -> impl Iterator<Item = PathBuf> {
    let first = if user == 0 {
        Some(PathBuf::from("/run"))
    } else {
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
    };
    let last = PathBuf::from(format!("/dev/shm/homeostat-{user}"));
    first.map(|parent| parent.join("homeostat")).into_iter().chain([last])
}

/// Opens or makes a ring file, which no link may stand for.
pub(super) fn open_file(path: &Path) -> Result<File, RingError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    Ok(options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)?)
}

/// Removes the file that is open here, if it still stands where it was opened; whether it did.
pub(super) fn remove(file: &File) -> bool {
    let Ok(path) = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) else { return false };
    let is_it = |found: std::fs::Metadata| {
        file.metadata().is_ok_and(|own| own.ino() == found.ino() && own.dev() == found.dev())
    };
    std::fs::symlink_metadata(&path).is_ok_and(is_it) && std::fs::remove_file(&path).is_ok()
}

/// Whether the folder is on a tmpfs, and ours alone; it is made if its parent is on a tmpfs.
fn own_folder(folder: &Path, user: u32) -> io::Result<bool> {
    let parent = folder.parent().unwrap_or(folder);
    let magic = rustix::fs::statfs(parent)?.f_type;
    if !u64::try_from(magic).is_ok_and(|magic| MEMORY_FILE_SYSTEMS.contains(&magic)) {
        return Ok(false);
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(folder)?;
    // Group and others may not write there: they could swap the file.
    Ok(found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0)
}

/// The process that holds the lock; 0 if it was freed meanwhile.
pub(super) fn lock_holder(file: &File) -> i32 {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: a valid descriptor and a valid struct that the kernel fills.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) };
    if answer == 0 && lock.l_type != libc::F_UNLCK as i16 { lock.l_pid } else { 0 }
}
