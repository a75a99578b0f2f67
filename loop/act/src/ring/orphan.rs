//! Rings whose state folder is gone: no later start opens them, so another one takes back what stands and removes them.
//!
//! A ring says in its header whose it is. One that does not, of a version before, is left alone; so is one that a process
//! has open, and one in which something stays that could not be taken back.
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rustix::fs::FlockOperation;

use super::map::Words;
use super::{Content, Ring, RingError, SLOT_BYTES, Stage, place};
use crate::{NoServices, Scope, undo_all};

/// Place of the length of the path in the header, behind the magic; the path follows.
const LENGTH: usize = 1;
/// The last word of the header counts changes.
const PATH_BYTES: usize = SLOT_BYTES - 24;

/// Marks the ring as in use until the last descriptor of this opening is closed, those of our children included.
pub(super) fn mark_in_use(file: &File) {
    // Without the mark it is only its state folder that keeps it.
    let _ = rustix::fs::flock(file, FlockOperation::NonBlockingLockShared);
}

/// Says in the header whose ring it is. A path too long to be told is none.
pub(super) fn write_owner(header: &Words, state_dir: &Path) {
    let Ok(path) = std::path::absolute(state_dir) else { return };
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() > PATH_BYTES {
        return;
    }
    let mut padded = [0; PATH_BYTES];
    padded[..bytes.len()].copy_from_slice(bytes);
    for (word, bytes) in header[LENGTH + 1..].iter().zip(padded.as_chunks::<8>().0) {
        word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
    }
    header[LENGTH].store(bytes.len() as u64, Ordering::Release);
}

/// Whose ring it is; `None` where it does not say.
fn owner(file: &File) -> Option<PathBuf> {
    let mut header = [0; SLOT_BYTES];
    file.read_exact_at(&mut header, 0).ok()?;
    let (length, path) = header.get(8..)?.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let path = path.get(..length).filter(|path| !path.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// Takes back what stands in the rings of this user whose state folder is gone and whose processes are, and removes
/// them; how many.
pub fn sweep() -> usize {
    place::all().filter(|path| sweep_one(path).unwrap_or(false)).count()
}

/// Whether the ring was removed. Errors: it cannot be opened, or is of another version.
fn sweep_one(path: &Path) -> Result<bool, RingError> {
    let file = place::open_file(path)?;
    let is_gone = |dir: PathBuf| matches!(std::fs::symlink_metadata(dir), Err(error) if error.kind() == io::ErrorKind::NotFound);
    let is_orphan = owner(&file).is_some_and(is_gone);
    if !is_orphan || rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    let ring = Ring::from_file(file)?;
    undo_all(&ring, Scope::Everything, &mut NoServices)?;
    // What was taken back is told by nobody any more.
    for (slot, content) in ring.slots() {
        if matches!(content, Content::Whole(Stage::Ended(_), _)) {
            ring.free(slot);
        }
    }
    Ok(ring.discard_if_unused())
}

#[cfg(test)]
#[path = "orphan/tests.rs"]
mod tests;
