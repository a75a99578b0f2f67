//! A folder in memory, with the faults of a disk on request: no room, read-only, flipped bits, cut files.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Medium, MediumFile, PageBuf};
use crate::error::{Result, StoreError};

/// Contents by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

#[derive(Default)]
struct State {
    files: Files,
    room_bytes: Option<usize>,
    is_read_only: bool,
    /// Durable writes until one fails with an I/O error.
    writes_left: Option<usize>,
}

/// A folder in memory; clones share it.
#[derive(Default, Clone)]
pub struct MemoryMedium {
    state: Arc<Mutex<State>>,
}

struct MemoryFile {
    name: String,
    medium: MemoryMedium,
}

impl MemoryMedium {
    /// A folder with the given files.
    pub fn with_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { state: Arc::new(Mutex::new(State { files, ..State::default() })) }
    }

    /// A copy of all files as they are now.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().files.clone()
    }

    /// Lets all files together grow to `bytes`, then reports a full disk. `None` lifts the limit.
    pub fn set_room(&self, bytes: Option<usize>) {
        self.lock().room_bytes = bytes;
    }

    /// Refuses every change from now on.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.lock().is_read_only = is_read_only;
    }

    /// Lets `writes` more writes succeed, then fails every one.
    pub fn fail_after(&self, writes: usize) {
        self.lock().writes_left = Some(writes);
    }

    /// Changes one file's bytes behind the store's back.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(bytes) = self.lock().files.get_mut(name) {
            change(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, name: &str, bytes: &[u8], at: u64) -> Result<()> {
        let mut state = self.lock();
        state.may_change(name)?;
        match &mut state.writes_left {
            Some(0) => {
                return Err(StoreError::from_io("write", name, io::Error::other("the device failed")));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        let end = at as usize + bytes.len();
        let used: usize = state.files.values().map(Vec::len).sum();
        let room = state.room_bytes;
        let file = state.files.get_mut(name).ok_or_else(|| gone(name))?;
        if room.is_some_and(|room| used + end.saturating_sub(file.len()) > room) {
            return Err(StoreError::Full { name: name.to_owned() });
        }
        write_into(file, bytes, at);
        Ok(())
    }
}

impl State {
    fn may_change(&self, name: &str) -> Result<()> {
        match self.is_read_only {
            true => Err(StoreError::ReadOnly { name: name.to_owned() }),
            false => Ok(()),
        }
    }
}

/// Puts bytes into a file's content, with zeros up to `at` where it is shorter.
pub(super) fn write_into(file: &mut Vec<u8>, bytes: &[u8], at: u64) {
    let (start, end) = (at as usize, at as usize + bytes.len());
    if file.len() < end {
        file.resize(end, 0);
    }
    file[start..end].copy_from_slice(bytes);
}

pub(super) fn gone(name: &str) -> StoreError {
    StoreError::from_io("open", name, io::Error::from(io::ErrorKind::NotFound))
}

impl Medium for MemoryMedium {
    fn list(&self) -> Result<Vec<String>> {
        Ok(self.lock().files.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        let mut state = self.lock();
        state.may_change(name)?;
        state.files.insert(name.to_owned(), Vec::new());
        Ok(Box::new(MemoryFile { name: name.to_owned(), medium: self.clone() }))
    }

    fn open(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        match self.lock().files.contains_key(name) {
            true => Ok(Box::new(MemoryFile { name: name.to_owned(), medium: self.clone() })),
            false => Err(gone(name)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut state = self.lock();
        state.may_change(from)?;
        let file = state.files.remove(from).ok_or_else(|| gone(from))?;
        state.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        let mut state = self.lock();
        state.may_change(name)?;
        state.files.remove(name).map(|_| ()).ok_or_else(|| gone(name))
    }

    fn sync_folder(&self) -> Result<()> {
        Ok(())
    }
}

impl MediumFile for MemoryFile {
    fn len(&self) -> Result<u64> {
        let state = self.medium.lock();
        Ok(state.files.get(&self.name).ok_or_else(|| gone(&self.name))?.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize> {
        let state = self.medium.lock();
        let file = state.files.get(&self.name).ok_or_else(|| gone(&self.name))?;
        let start = (at as usize).min(file.len());
        let n = buffer.len().min(file.len() - start);
        buffer[..n].copy_from_slice(&file[start..start + n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> Result<()> {
        self.medium.write(&self.name, bytes, at)
    }

    fn write_durable(&self, pages: &PageBuf, at: u64) -> Result<()> {
        self.medium.write(&self.name, pages.padded(), at)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn truncate(&self, len: u64) -> Result<()> {
        let mut state = self.medium.lock();
        state.may_change(&self.name)?;
        state.files.get_mut(&self.name).ok_or_else(|| gone(&self.name))?.resize(len as usize, 0);
        Ok(())
    }
}
