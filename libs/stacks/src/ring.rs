//! The ring that the kernel writes samples of one event into, and the reader of its records.
use std::ffi::c_void;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::arch::Registers;

const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;
/// Where the kernel's first page says how far it has written, and where we say how far we have read.
const HEAD_OFFSET: usize = 1024;
const TAIL_OFFSET: usize = 1032;

/// One sample, copied out of the ring.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// The thread.
    pub(crate) tid: u32,
    /// The address that was touched first, for page faults.
    pub(crate) address: u64,
    /// Registers in user mode; `None` for a thread of the kernel.
    pub(crate) registers: Option<Registers>,
    /// The stack from the stack pointer on.
    pub(crate) stack: Vec<u8>,
    /// Size of the page at `address`; 0 where it is not known. Unit: bytes.
    pub(crate) page_bytes: u64,
}

/// A mapped ring.
#[derive(Debug)]
pub(crate) struct Ring {
    start: *mut c_void,
    page: usize,
    data: usize,
}

// SAFETY: the mapping belongs to the value alone; the kernel's side of it is synchronised by the two offsets.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps the ring of an event.
    pub(crate) fn map(event: BorrowedFd<'_>, data: usize) -> io::Result<Self> {
        let page = rustix::param::page_size();
        let (length, protection) = (page + data, ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory in use.
        let start = unsafe { mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, event, 0) }?;
        Ok(Self { start, page, data })
    }

    fn offset(&self, at: usize) -> &AtomicU64 {
        // SAFETY: both offsets lie in the first page, aligned, and are only ever read and written as whole words.
        unsafe { AtomicU64::from_ptr(self.start.cast::<u8>().add(at).cast::<u64>()) }
    }

    /// Gives every record to `each` and frees its room; answers how many samples the kernel had no room for.
    pub(crate) fn drain(&self, has_page_size: bool, mut each: impl FnMut(&Sample)) -> u64 {
        let mut lost = 0;
        let mut sample = Sample::default();
        let mut record = Vec::new();
        let head = self.offset(HEAD_OFFSET).load(Ordering::Acquire);
        let mut tail = self.offset(TAIL_OFFSET).load(Ordering::Relaxed);
        while head.wrapping_sub(tail) >= 8 {
            self.copy(tail, 8, &mut record);
            let kind = word32(&record, 0);
            let length = usize::from(u16::from_ne_bytes([record[6], record[7]]));
            if length < 8 || length as u64 > head.wrapping_sub(tail) {
                tail = head;
                break;
            }
            self.copy(tail + 8, length - 8, &mut record);
            match kind {
                RECORD_SAMPLE if parse(&record, has_page_size, &mut sample).is_some() => each(&sample),
                RECORD_LOST => lost += word64(&record, 8).unwrap_or(0),
                _ => {}
            }
            tail += length as u64;
        }
        self.offset(TAIL_OFFSET).store(tail, Ordering::Release);
        lost
    }

    /// Copies `length` bytes at the position `at`, which may wrap around.
    fn copy(&self, at: u64, length: usize, into: &mut Vec<u8>) {
        into.clear();
        let from = (at % self.data as u64) as usize;
        let first = length.min(self.data - from);
        // SAFETY: the data pages follow the first page and are `data` long; both parts lie within them. The kernel does
        // not write there until the tail says that they were read.
        unsafe {
            let data = self.start.cast::<u8>().add(self.page);
            into.extend_from_slice(std::slice::from_raw_parts(data.add(from), first));
            into.extend_from_slice(std::slice::from_raw_parts(data, length - first));
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length; nothing borrows from it any more.
        let _ = unsafe { munmap(self.start, self.page + self.data) };
    }
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

fn word64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_ne_bytes)
}

/// Reads a sample as `perf.rs` asks for it: pid, tid; address; registers; stack; size of the page.
fn parse(record: &[u8], has_page_size: bool, sample: &mut Sample) -> Option<()> {
    sample.tid = word32(record, 4);
    sample.address = word64(record, 8)?;
    let mut at = 16;
    let abi = word64(record, at)?;
    at += 8;
    sample.registers = None;
    if abi != 0 {
        let words = [word64(record, at)?, word64(record, at + 8)?, word64(record, at + 16)?];
        sample.registers = Some(Registers::of_sample(words));
        at += 24;
    }
    let size = usize::try_from(word64(record, at)?).ok()?;
    at += 8;
    sample.stack.clear();
    if size > 0 {
        let room = record.get(at..at.checked_add(size)?)?;
        at += size;
        let used = usize::try_from(word64(record, at)?).ok()?;
        at += 8;
        sample.stack.extend_from_slice(room.get(..used)?);
    }
    sample.page_bytes = if has_page_size { word64(record, at)? } else { 0 };
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn a_sample_is_read_and_a_torn_one_is_not() {
        let both = u64::from(7_u32) << 32 | 5;
        let whole = [both, 0x7000, 2, 11, 12, 13, 16, 0xaa, 0xbb, 8, 4096];
        let mut sample = Sample::default();
        parse(&record(&whole), true, &mut sample).unwrap();
        assert_eq!((sample.tid, sample.address, sample.page_bytes), (7, 0x7000, 4096));
        assert_eq!(sample.registers, Some(Registers { ip: 13, sp: 12, fp: 11 }));
        assert_eq!(sample.stack, 0xaa_u64.to_ne_bytes());
        for words in 0..whole.len() {
            assert!(parse(&record(&whole[..words]), true, &mut sample).is_none(), "{words}");
        }
        let endless = [both, 0, 0, u64::MAX];
        assert!(parse(&record(&endless), false, &mut sample).is_none());
    }
}
