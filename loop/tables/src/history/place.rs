//! Where the history lies, and how much of it there may be.
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use store::history::{HistoryOptions, HotSize};
use store::log::LogOptions;

/// Folder of the files in the state folder.
pub const FOLDER: &str = "history";
/// Room in shared memory.
pub const HOT: HotSize = HotSize { key_bytes: 384 << 10, tick_bytes: 2 << 20 };

/// Chunks of five minutes, a tail twice a minute, seconds for a week, minutes for half a year, hours for five years,
/// 1 GiB at most.
pub(super) fn options() -> HistoryOptions {
    let log = LogOptions { segment_bytes: 512 << 10, is_prepared: false };
    HistoryOptions { log, series_max: 20_000, ..HistoryOptions::default() }
}

/// Where the shared memory of a state folder may lie, the best place first: on a tmpfs, else beside the files.
///
/// A folder in memory is one of ours or is passed over. Killing every process leaves the memory; a power cut takes it,
/// and the tail in the files stands in.
pub fn hot_places(dir: &Path) -> Vec<PathBuf> {
    let user = rustix::process::geteuid();
    let first = if user.is_root() {
        Some(PathBuf::from("/run"))
    } else {
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
    };
    let folders = first.map(|parent| parent.join("homeostat")).into_iter();
    let folders = folders.chain([PathBuf::from(format!("/dev/shm/homeostat-{}", user.as_raw()))]);
    let name = format!("{}.history", name_of(dir));
    let mut places: Vec<_> = folders
        .filter(|folder| is_ours_in_memory(folder, user.as_raw()))
        .map(|folder| folder.join(&name))
        .collect();
    places.push(dir.join(FOLDER).join("hot"));
    places
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

/// Whether the folder is on a tmpfs and ours alone; it is made if its parent is on a tmpfs.
fn is_ours_in_memory(folder: &Path, user: u32) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    let is_tmpfs = |path: &Path| {
        rustix::fs::statfs(path)
            .is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|magic| magic == TMPFS))
    };
    if !folder.parent().is_some_and(is_tmpfs) {
        return false;
    }
    let _ = DirBuilder::new().mode(0o700).create(folder);
    let found = std::fs::symlink_metadata(folder);
    found.is_ok_and(|found| found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0)
}
