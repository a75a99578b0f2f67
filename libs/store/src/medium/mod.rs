//! The medium: what the store needs from a folder of files, as a trait.
//!
//! Everything durable goes through it, so the same code runs on a real folder ([`FileMedium`]), in memory
//! ([`MemoryMedium`]) and on a medium that remembers what was flushed and lists every state a power cut may
//! leave ([`RecordingMedium`]). Names are plain file names; there are no subfolders.

mod file;
mod memory;
mod page;
mod recording;

pub use file::{DurableWay, FileMedium};
pub use memory::MemoryMedium;
pub use page::{PAGE, PageBuf};
pub use recording::RecordingMedium;

use crate::error::Result;

/// A folder of files with explicit durability.
pub trait Medium: Send + Sync {
    /// Names of all files, sorted.
    fn list(&self) -> Result<Vec<String>>;
    /// Creates an empty file, replacing one of that name. The entry is durable after [`Medium::sync_folder`].
    fn create(&self, name: &str) -> Result<Box<dyn MediumFile>>;
    /// Opens a file to read it and, where the medium allows, to write it.
    fn open(&self, name: &str) -> Result<Box<dyn MediumFile>>;
    /// Opens a file only to read it.
    fn open_to_read(&self, name: &str) -> Result<Box<dyn MediumFile>> {
        self.open(name)
    }
    /// Gives a file another name, atomically; durable after [`Medium::sync_folder`].
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Removes a file; durable after [`Medium::sync_folder`].
    fn remove(&self, name: &str) -> Result<()>;
    /// Makes every creation, renaming and removal so far durable.
    fn sync_folder(&self) -> Result<()>;
}

/// One open file of a medium.
pub trait MediumFile: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> Result<u64>;
    /// Whether there is nothing in it.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads up to `buffer.len()` bytes from `at`; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize>;
    /// Writes at `at`, extending the file; durable after [`MediumFile::sync`].
    fn write_at(&self, bytes: &[u8], at: u64) -> Result<()>;
    /// Writes whole pages at a page boundary; durable when it returns.
    fn write_durable(&self, pages: &PageBuf, at: u64) -> Result<()>;
    /// Makes everything written so far durable, length included.
    fn sync(&self) -> Result<()>;
    /// Cuts the file to `len` bytes; durable after [`MediumFile::sync`].
    fn truncate(&self, len: u64) -> Result<()>;
}

/// Reads a whole file.
pub fn read_all(file: &dyn MediumFile) -> Result<Vec<u8>> {
    let mut bytes = vec![0; file.len()? as usize];
    let got = file.read_at(&mut bytes, 0)?;
    bytes.truncate(got);
    Ok(bytes)
}
