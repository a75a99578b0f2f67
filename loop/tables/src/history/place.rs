//! Where the history lies, and how much of it there may be.
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use store::history::{HistoryOptions, HotSize};
use store::log::LogOptions;

/// Folder of the files in the state folder.
pub const FOLDER: &str = "history";
/// How the names of a memory and of what says whose it is end: a link to its state folder.
const MEMORY: &str = "history";
const OWNER: &str = "owner";
/// Room in shared memory.
pub const HOT: HotSize = HotSize { key_bytes: 384 << 10, tick_bytes: 2 << 20 };

/// Chunks of five minutes, a tail twice a minute, seconds for a week, minutes for half a year, hours for five years,
/// 1 GiB at most.
pub(super) fn options() -> HistoryOptions {
    let log = LogOptions { segment_bytes: 512 << 10, is_prepared: false };
    HistoryOptions { log, series_max: 20_000, ..HistoryOptions::default() }
}

/// Where the shared memory of a state folder may lie, the best place first: on a tmpfs, else beside the files. A folder
/// in memory is made when its turn comes, if `may_make`.
///
/// A folder in memory is one of ours or is passed over. Killing every process leaves the memory; a power cut takes it,
/// and the tail in the files stands in.
pub fn hot_places(dir: &Path, may_make: bool) -> impl Iterator<Item = PathBuf> {
    let name = format!("{}.{MEMORY}", name_of(dir));
    let beside = dir.join(FOLDER).join("hot");
    folders(may_make).map(move |folder| folder.join(&name)).chain([beside])
}

/// Folders of ours that are in memory, the best first.
fn folders(may_make: bool) -> impl Iterator<Item = PathBuf> {
    let user = rustix::process::geteuid();
    let first = if user.is_root() {
        Some(PathBuf::from("/run"))
    } else {
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
    };
    let folders = first.map(|parent| parent.join("homeostat")).into_iter();
    let folders = folders.chain([PathBuf::from(format!("/dev/shm/homeostat-{}", user.as_raw()))]);
    folders.filter(move |folder| is_ours_in_memory(folder, user.as_raw(), may_make))
}

/// Marks the memory as in use as long as `file` is open, and says beside it whose it is.
pub(super) fn claim(path: &Path, file: &File, dir: &Path) {
    // Without a mark nobody takes it away, which costs memory only.
    let _ = file.try_lock();
    let owner = path.with_extension(OWNER);
    if path.extension().is_some_and(|word| word == MEMORY) && fs::symlink_metadata(&owner).is_err() {
        let _ = std::path::absolute(dir).and_then(|dir| symlink(dir, owner));
    }
}

/// Takes the memory away, and what says whose it is.
pub(super) fn remove(path: &Path) {
    // Left behind, it is begun anew by the next run, or swept.
    let _ = fs::remove_file(path);
    if path.extension().is_some_and(|word| word == MEMORY) {
        let _ = fs::remove_file(path.with_extension(OWNER));
    }
}

/// Takes away what killed daemons left in memory whose state folder is gone, too; what any process uses stays. Where a
/// folder was only unmounted, the tail in its files stands in, as after a power cut.
pub(super) fn sweep() {
    folders(false).for_each(|folder| sweep_folder(&folder));
}

fn sweep_folder(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let owner = entry.path();
        let Ok(dir) = fs::read_link(&owner) else { continue };
        let is_owner = owner.extension().is_some_and(|word| word == OWNER);
        let is_gone = || matches!(fs::metadata(&dir), Err(error) if error.kind() == io::ErrorKind::NotFound);
        let memory = owner.with_extension(MEMORY);
        let is_free = || File::open(&memory).map_or(true, |file| file.try_lock().is_ok());
        if is_owner && is_gone() && is_free() {
            remove(&memory);
        }
    }
}

/// One name a state folder, so that a second Homeostat has its own.
fn name_of(dir: &Path) -> String {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let bytes = dir.as_os_str().as_encoded_bytes();
    // FNV-1a: tells folders apart, protects nothing.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Whether the folder is on a tmpfs and ours alone; it is made if its parent is on a tmpfs and it `may_make` one.
fn is_ours_in_memory(folder: &Path, user: u32, may_make: bool) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    let is_tmpfs = |path: &Path| {
        rustix::fs::statfs(path)
            .is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|magic| magic == TMPFS))
    };
    if !folder.parent().is_some_and(is_tmpfs) {
        return false;
    }
    if may_make {
        let _ = DirBuilder::new().mode(0o700).create(folder);
    }
    let found = std::fs::symlink_metadata(folder);
    found.is_ok_and(|found| found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_when_its_state_folder_and_its_process_are_gone() {
        let base = std::env::temp_dir().join(format!("homeostat-sweep-{}", std::process::id()));
        let (memories, state) = (base.join("memory"), base.join("state"));
        fs::create_dir_all(&memories).expect("temporary folder");
        fs::create_dir_all(&state).expect("temporary folder");
        let path = memories.join("a.history");
        let stranger = memories.join("b.history");
        fs::write(&stranger, "whose is not known").expect("writable");
        let file = File::create(&path).expect("writable");
        claim(&path, &file, &state);
        let left = |what: &str| {
            sweep_folder(&memories);
            assert!(stranger.exists(), "{what}");
            path.exists()
        };
        assert!(left("the state is there"));
        fs::remove_dir_all(&state).expect("ours");
        assert!(left("a process uses it"));
        drop(file);
        assert!(!left("nobody is left"));
        assert_eq!(fs::read_dir(&memories).expect("ours").count(), 1, "its link went with it");
        fs::remove_dir_all(&base).expect("ours");
    }
}
