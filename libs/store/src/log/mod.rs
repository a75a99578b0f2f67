//! The durable log: records that are on the disk when `append` returns.
//!
//! # Format
//!
//! A log is a row of segment files `NNNNNNNNNNNNNNNN.log`, numbered in hexadecimal without gaps. A segment has a fixed
//! size, is written full of zeros and made durable before it gets its name, so no later write changes a length, an
//! extent or a name. Its first page is the header: magic, format version, salt, number, CRC. From the second page on
//! stand batches, each at a page boundary: magic, CRC, length, number of records, sequence number of the first record,
//! then every record with its length before it; zeros up to the page. The CRC (CRC-32, IEEE) covers everything behind
//! itself and starts from the segment's salt, so bytes of a record cannot pass for a batch.
//!
//! # Why a crash loses nothing promised
//!
//! There is one write at a time, to pages that hold no promised batch, and `append` returns after the device has it.
//! So after a power cut at any instant all promised batches are whole, at most one batch is partly there, and it is the
//! last. Recovery reads batches in order and stops at the first page that holds none: the torn batch fails its CRC and
//! is as if it had never begun; a batch that arrived whole but was not yet promised is kept. The next batch overwrites
//! the torn one. A later valid batch behind an invalid page can thus not come from a crash: it means that promised
//! bytes were damaged since, and is reported with its place while everything before and behind is still delivered. Only
//! damage to the very last batch cannot be told from a crash.

mod batch;
mod commit;
mod recover;
mod segment;
#[cfg(test)]
mod tests;

pub use commit::{Log, LogOptions, LogStats};
pub use recover::{Lost, Recovery, read};
