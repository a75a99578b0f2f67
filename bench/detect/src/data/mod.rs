//! Readers of the public sets, in the layout that the unpacker makes; each is generic in the number of files.
pub mod adfa;
pub mod logs;
pub mod nab;
pub mod planetlab;

use std::path::{Path, PathBuf};

/// Why a set could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder is missing or unreadable.
    #[error("cannot read {path}: {1}", path = .0.display())]
    Read(PathBuf, std::io::Error),
    /// A file does not hold what its name promises.
    #[error("{0}: {1}")]
    Format(String, String),
}

/// The text of one file; bytes that are not UTF-8 are replaced.
pub fn read(path: &Path) -> Result<String, DataError> {
    let bytes = std::fs::read(path).map_err(|e| DataError::Read(path.into(), e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Entries of a folder sorted by name, so that every run sees one order.
pub fn children(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = std::fs::read_dir(dir).map_err(|e| DataError::Read(dir.into(), e))?;
    let mut out: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    out.sort();
    Ok(out)
}

/// Last component of a path as text.
pub fn base_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Numbers separated by white space; what is no number is skipped.
pub fn tokens(text: &str) -> Vec<u32> {
    text.split_ascii_whitespace().filter_map(|t| t.parse().ok()).collect()
}
