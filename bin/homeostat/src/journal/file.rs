//! The file of the journal: a head line, then one record a line, each with its CRC-32 before it.
//!
//! `homeostat intents 1`, then `CRC JSON`, eight hexadecimal digits and an object. A record is appended and made
//! durable before its action; a last line without an end was torn by a crash, so its action never began, and it is
//! dropped. A file that begins otherwise, or holds a whole line that does not match its CRC, was written by somebody
//! else or damaged: it is renamed, never overwritten, and what can be read of it is used.
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vocab::Timestamp;
use vocab::action::{ActionState, Intent};

const HEAD: &[u8] = b"homeostat intents 1\n";

/// Beyond this size a file is not ours: [`super::SIZE_MAX`] and one record. Unit: bytes.
const READ_MAX: u64 = 4 << 20;

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// An action is about to be done.
    Intent {
        /// When.
        at: Timestamp,
        /// In which boot.
        boot: String,
        /// The intent.
        intent: Intent,
    },
    /// It is over.
    Ended {
        /// Which.
        action_id: u64,
        /// How.
        state: ActionState,
    },
}

/// What a file held.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub records: Vec<Record>,
    /// Whether the last line has no end.
    pub is_torn: bool,
    /// Where a file that was not ours, or was damaged, is now.
    pub set_aside: Option<PathBuf>,
}

/// Reads a file; one that cannot be trusted is renamed first.
///
/// # Errors
/// It is no plain file, or cannot be read or renamed.
pub(super) fn read(path: &Path) -> io::Result<Found> {
    let mut bytes = Vec::new();
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("it is no plain file")),
        Ok(_) => File::open(path)?.take(READ_MAX).read_to_end(&mut bytes)?,
    };
    let Some(body) = bytes.strip_prefix(HEAD) else {
        // A head that was torn is a file in which nothing was intended yet.
        let is_torn = HEAD.starts_with(&bytes);
        let set_aside = if is_torn { None } else { Some(set_aside(path)?) };
        return Ok(Found { records: Vec::new(), is_torn, set_aside });
    };
    let (mut records, mut is_torn, mut is_damaged) = (Vec::new(), false, bytes.len() as u64 == READ_MAX);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        match (line.strip_suffix(b"\n"), line.strip_suffix(b"\n").and_then(parse)) {
            (_, Some(record)) => records.push(record),
            (Some(_), None) => is_damaged = true,
            (None, None) => is_torn = true,
        }
    }
    let set_aside = if is_damaged { Some(set_aside(path)?) } else { None };
    Ok(Found { records, is_torn, set_aside })
}

fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let name = |number: u32| path.with_extension(format!("log.aside-{number}"));
    let free = (1..1_000).map(name).find(|name| !name.exists());
    let free = free.ok_or_else(|| io::Error::other("a thousand files were set aside already"))?;
    std::fs::rename(path, &free)?;
    Ok(free)
}

fn parse(line: &[u8]) -> Option<Record> {
    let (crc, body) = line.split_at_checked(9)?;
    let crc = u32::from_str_radix(std::str::from_utf8(crc).ok()?.strip_suffix(' ')?, 16).ok()?;
    (crc32fast::hash(body) == crc).then(|| serde_json::from_slice(body).ok())?
}

/// A record as a line.
pub(super) fn line(record: &Record) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(record).map_err(io::Error::other)?;
    let mut line = format!("{:08x} ", crc32fast::hash(&body)).into_bytes();
    line.extend(body);
    line.push(b'\n');
    Ok(line)
}

/// Puts a file with these records in place of the one that is there: whole or not at all.
pub(super) fn replace(path: &Path, records: &[Record]) -> io::Result<()> {
    let new = path.with_extension("log.new");
    let mut bytes = HEAD.to_vec();
    for record in records {
        bytes.extend(line(record)?);
    }
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    // The new name, too, must survive a power cut.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
