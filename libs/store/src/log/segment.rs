//! Segment files: their names, their header page, and how one is made.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::bytes::{u32_at, u64_at};
use crate::error::{Result, StoreError};
use crate::medium::{Medium, MediumFile, PAGE, PageBuf};

/// Format version of the log.
pub(super) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"hstlog\r\n";
const SPARE: &str = "spare.tmp";
/// Zeros are written in pieces of this size, so preparing a segment needs little memory.
const PIECE: usize = 16 * PAGE;

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub number: u64,
    /// Start value of every CRC of this segment, drawn at random when it was made.
    pub salt: u32,
}

/// File name of a segment.
pub(super) fn name(number: u64) -> String {
    format!("{number:016x}.log")
}

/// Number of a segment file; `None` for any other file.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|d| d.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

impl Header {
    fn page(self) -> PageBuf {
        let mut page = PageBuf::with_capacity(PAGE);
        page.push(MAGIC);
        page.push(&VERSION.to_le_bytes());
        page.push(&self.salt.to_le_bytes());
        page.push(&self.number.to_le_bytes());
        let crc = crc32fast::hash(page.bytes());
        page.push(&crc.to_le_bytes());
        page
    }

    /// Reads a segment's first page.
    ///
    /// Errors: damaged, or written by a later version.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self> {
        let damaged = |what| StoreError::Damaged { name: name.to_owned(), at: 0, what };
        if bytes.get(..8) != Some(MAGIC) {
            return Err(damaged("this is no segment of a log"));
        }
        let found = u32_at(bytes, 8).unwrap_or(0);
        if found > VERSION {
            return Err(StoreError::Newer { name: name.to_owned(), found, known: VERSION });
        }
        match (bytes.get(..24), u32_at(bytes, 12), u64_at(bytes, 16), u32_at(bytes, 24)) {
            (Some(head), Some(salt), Some(number), Some(crc)) if crc32fast::hash(head) == crc => {
                Ok(Self { number, salt })
            }
            _ => Err(damaged("the header fails its checksum")),
        }
    }
}

/// Makes a segment: zeros and header durable under a spare name, then the name durable.
pub(super) fn make(medium: &dyn Medium, number: u64, bytes: usize) -> Result<(Header, Box<dyn MediumFile>)> {
    let header = Header { number, salt: RandomState::new().build_hasher().finish() as u32 };
    let file = medium.create(SPARE)?;
    file.write_at(header.page().padded(), 0)?;
    let zeros = [0; PIECE];
    let mut at = PAGE;
    while at < bytes {
        let piece = PIECE.min(bytes - at);
        file.write_at(&zeros[..piece], at as u64)?;
        at += piece;
    }
    file.sync()?;
    drop(file);
    let name = name(number);
    medium.rename(SPARE, &name)?;
    medium.sync_folder()?;
    Ok((header, medium.open(&name)?))
}
