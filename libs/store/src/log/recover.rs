//! Reads a log back: every intact record in order, and what is missing between them.

use super::batch::Batch;
use super::segment::{self, Header};
use crate::error::{Result, StoreError};
use crate::medium::{Medium, PAGE, read_all};

/// Promised records that cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// First missing sequence number.
    pub from: u64,
    /// First sequence number that is there again.
    pub to: u64,
    /// Segment in which the damage lies.
    pub name: String,
    /// Where it begins, in bytes.
    pub at: u64,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`{}` is damaged at byte {}: records {} to {} are lost",
            self.name,
            self.at,
            self.from,
            self.to.saturating_sub(1)
        )
    }
}

/// What recovery found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records read.
    pub records: u64,
    /// Sequence number the next record gets.
    pub next: u64,
    /// Gaps between intact records.
    pub lost: Vec<Lost>,
    /// Segments that were skipped, one clear line each.
    pub skipped: Vec<String>,
    /// Segment files seen.
    pub segments: usize,
    /// Every segment that holds records, by number, with the sequence number of its first.
    pub(super) firsts: Vec<(u64, u64)>,
}

/// Where the log goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tail {
    /// Segment and offset behind the last batch; `None` in a log without a usable segment.
    pub at: Option<(Header, u64)>,
    /// An empty segment behind it, made ready before the log was closed.
    pub spare: Option<Header>,
    /// Highest segment number in use.
    pub last: Option<u64>,
}

/// Reads every intact record without changing anything; for tools, and for a disk that is read-only.
///
/// Errors: only where the folder itself cannot be listed. A damaged or newer segment is named in the recovery.
pub fn read(medium: &dyn Medium, mut visit: impl FnMut(u64, &[u8])) -> Result<Recovery> {
    let mut recovery = Recovery::default();
    walk(medium, &mut recovery, &mut visit).map(|_| recovery)
}

/// Walks all segments; the heart of opening and of reading.
pub(super) fn walk(
    medium: &dyn Medium,
    recovery: &mut Recovery,
    visit: &mut dyn FnMut(u64, &[u8]),
) -> Result<Tail> {
    let mut tail = Tail::default();
    let mut damage = None;
    for name in medium.list()? {
        let Some(number) = segment::number(&name) else { continue };
        recovery.segments += 1;
        tail.last = Some(number);
        let bytes = match medium.open(&name).and_then(|file| read_all(&*file)) {
            Ok(bytes) => bytes,
            Err(error) => {
                recovery.skipped.push(error.to_string());
                continue;
            }
        };
        match Header::parse(&name, &bytes) {
            Ok(header) => {
                let mut walk = Walk { name: &name, bytes: &bytes, header, recovery, damage: &mut damage };
                let (end, found) = walk.segment(visit);
                // An empty segment is the tail only while nothing stands in a later one.
                if found || tail.at.is_none() {
                    (tail.at, tail.spare) = (Some((header, end)), None);
                } else {
                    tail.spare.get_or_insert(header);
                }
            }
            Err(error) => recovery.skipped.push(error.to_string()),
        }
    }
    Ok(tail)
}

struct Walk<'a> {
    name: &'a str,
    bytes: &'a [u8],
    header: Header,
    recovery: &'a mut Recovery,
    /// Where the present gap began, carried from segment to segment.
    damage: &'a mut Option<(String, u64)>,
}

impl Walk<'_> {
    /// Delivers the batches of one segment; returns the end of the last one and whether there was any.
    fn segment(&mut self, visit: &mut dyn FnMut(u64, &[u8])) -> (u64, bool) {
        let (mut at, mut end, mut found) = (PAGE, PAGE, false);
        while at < self.bytes.len() {
            let batch = Batch::parse(&self.bytes[at..], self.header.salt);
            let Some(batch) = batch.filter(|b| b.first >= self.recovery.next) else {
                self.damage.get_or_insert_with(|| (self.name.to_owned(), at as u64));
                at += PAGE;
                continue;
            };
            self.note_gap(batch.first);
            if !found {
                self.recovery.firsts.push((self.header.number, batch.first));
            }
            for (seq, record) in batch.iter() {
                visit(seq, record);
            }
            self.recovery.records += u64::from(batch.records);
            self.recovery.next = batch.first + u64::from(batch.records);
            at += batch.len.next_multiple_of(PAGE);
            end = at;
            found = true;
        }
        (end as u64, found)
    }

    /// A step in the sequence numbers means that something promised is missing; none means a segment's unused rest.
    fn note_gap(&mut self, first: u64) {
        let began = self.damage.take();
        // The oldest segments may have been let go, so the first batch starts where it starts; but a segment is let go
        // whole, so an invalid page before its first batch is damage.
        let is_inside = began.as_ref().is_some_and(|(name, _)| name == self.name);
        if first > self.recovery.next && (self.recovery.records > 0 || is_inside) {
            let (name, at) = began.unwrap_or_else(|| (self.name.to_owned(), PAGE as u64));
            self.recovery.lost.push(Lost { from: self.recovery.next, to: first, name, at });
        }
    }
}

/// Refuses to go on behind a segment of a later version: what it holds is not ours to continue.
pub(super) fn refuse_newer(medium: &dyn Medium, tail: &Tail) -> Result<()> {
    let Some(last) = tail.last else { return Ok(()) };
    let name = segment::name(last);
    let bytes = medium.open(&name).and_then(|file| read_all(&*file))?;
    match Header::parse(&name, &bytes) {
        Err(error @ StoreError::Newer { .. }) => Err(error),
        _ => Ok(()),
    }
}
