//! Batches: the records that one durable write carries.

use crate::bytes::{u32_at, u64_at};
use crate::medium::PageBuf;

const MAGIC: u32 = 0x3162_6c68;
/// Bytes before the first record: magic, CRC, length, records, first sequence number.
pub(super) const HEAD: usize = 24;
/// Bytes before every record: its length.
pub(super) const RECORD_HEAD: usize = 4;

/// Starts an empty batch in `buffer`; the head is filled in by [`seal`].
pub(super) fn start(buffer: &mut PageBuf) {
    buffer.clear();
    buffer.push(&[0; HEAD]);
}

/// Appends a record.
pub(super) fn push(buffer: &mut PageBuf, record: &[u8]) {
    buffer.push(&(record.len() as u32).to_le_bytes());
    buffer.push(record);
}

/// Fills in the head, after which the buffer is ready to be written.
pub(super) fn seal(buffer: &mut PageBuf, salt: u32, records: u32, first: u64) {
    let len = buffer.len() as u32;
    let bytes = buffer.bytes_mut();
    bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
    bytes[8..12].copy_from_slice(&len.to_le_bytes());
    bytes[12..16].copy_from_slice(&records.to_le_bytes());
    bytes[16..24].copy_from_slice(&first.to_le_bytes());
    let crc = checksum(salt, &bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

/// A batch as read back; every part has been checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    /// Sequence number of its first record.
    pub first: u64,
    /// Number of records.
    pub records: u32,
    /// Bytes it takes, head included, without the padding.
    pub len: usize,
    body: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The batch at the start of `bytes`, if there is a whole and valid one.
    pub fn parse(bytes: &'a [u8], salt: u32) -> Option<Self> {
        if u32_at(bytes, 0)? != MAGIC {
            return None;
        }
        let len = u32_at(bytes, 8)? as usize;
        let whole = bytes.get(..len).filter(|_| len >= HEAD)?;
        if checksum(salt, &whole[8..]) != u32_at(bytes, 4)? {
            return None;
        }
        Some(Self { first: u64_at(bytes, 16)?, records: u32_at(bytes, 12)?, len, body: &whole[HEAD..] })
    }

    /// The records with their sequence numbers.
    pub fn iter(self) -> impl Iterator<Item = (u64, &'a [u8])> {
        let mut rest = self.body;
        (0..u64::from(self.records)).map_while(move |n| {
            let len = u32_at(rest, 0)? as usize;
            let record = rest.get(RECORD_HEAD..RECORD_HEAD + len)?;
            rest = &rest[RECORD_HEAD + len..];
            Some((self.first + n, record))
        })
    }
}
