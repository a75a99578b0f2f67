//! Recordings: everything a run depended on, and what it thought.
//!
//! Format, all integers little-endian: the eight bytes `HOMEOREC`, a u32 version, then frames. A frame is a
//! u32 length, the u32 CRC-32 of its payload, the payload: a u32 length and a block of LZ4 that has that length
//! unpacked. The first one holds a [`Header`], each further one a [`Record`], both in postcard encoding
//! (https://postcard.jamesmunns.com/wire-format). A torn last frame ends the recording and nothing else: what was
//! written before it is whole.
use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vocab::Timestamp;
use vocab::capability::Capabilities;
use vocab::decision::Decision;
use vocab::event::{Event, EventKind};
use vocab::incident::Incident;
use vocab::learnt::Told;
use vocab::outcome::Outcome;
use vocab::probe::Probe;
use vocab::sample::Sample;

use crate::book::Change;
use crate::packing;
use crate::start::Start;
use crate::world::{Command, Deeds, Recheck, World};
use act::Order;

const MAGIC: &[u8; 8] = b"HOMEOREC";

/// Version of the format; a reader refuses any other.
const VERSION: u32 = 8;

/// A recording that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file could not be read or written.
    #[error("the recording cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// It is no recording.
    #[error("this is not a Homeostat recording")]
    Foreign,
    /// It is of another version.
    #[error("this recording has format {0}, this Homeostat reads format {VERSION}")]
    Version(u32),
    /// A frame is damaged.
    #[error("the recording is damaged after turn {turn}: {what}")]
    Damaged {
        /// Last turn that is whole.
        turn: u64,
        /// What is wrong.
        what: String,
    },
}

/// What a recording begins with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Policies, mode, learnt state, numbers.
    pub start: Start,
    /// What could be seen and done there.
    pub capabilities: Capabilities,
    /// What the loop knew, of a recording that begins in the middle of a run ([`crate::Mind::pack`]).
    pub mind: Option<Vec<u8>>,
}

/// One turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What the machine said.
    pub sample: Sample,
    /// What people told the loop.
    pub commands: Vec<Command>,
    /// What act answered, and what was done between the turns.
    pub deeds: Deeds,
    /// What the loop thought.
    pub thought: Thought,
    /// What learn told, in a recording that begins without its models.
    pub told: Option<Told>,
}

/// What the stages said in one turn: what a replay must give again, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Thought {
    /// Incidents opened, changed or closed.
    pub incidents: Vec<Incident>,
    /// Decisions made.
    pub decisions: Vec<Decision>,
    /// Verdicts.
    pub outcomes: Vec<Outcome>,
    /// What was news of our own: who differs from normal, what failed in us.
    pub events: Vec<Event>,
}

impl Thought {
    /// What the stages said, of all that is new in a turn.
    pub fn of(change: &Change) -> Self {
        Self {
            incidents: change.incidents.clone(),
            decisions: change.decisions.clone(),
            outcomes: change.outcomes.clone(),
            events: change.events.clone(),
        }
    }
}

/// Writes a recording.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(mut to: W, header: &Header) -> Result<Self, RecordingError> {
        to.write_all(MAGIC)?;
        to.write_all(&VERSION.to_le_bytes())?;
        let mut writer = Self { to };
        writer.frame(header)?;
        Ok(writer)
    }

    /// Appends one turn.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, record: &Record) -> Result<(), RecordingError> {
        self.frame(record)
    }

    fn frame(&mut self, payload: &impl Serialize) -> Result<(), RecordingError> {
        let bytes = packing::append(payload, Vec::new()).map_err(io::Error::other)?;
        u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let (head, payload) = framed(&bytes);
        // What a recording begins with may be long: it stands in memory no more often than it must.
        drop(bytes);
        self.to.write_all(&head)?;
        self.to.write_all(&payload)?;
        self.to.flush()?;
        Ok(())
    }
}

/// A frame that holds these bytes.
pub fn frame(bytes: &[u8]) -> Vec<u8> {
    let (head, payload) = framed(bytes);
    [head.as_slice(), &payload].concat()
}

/// Head and payload of a frame that holds these bytes.
fn framed(bytes: &[u8]) -> ([u8; 8], Vec<u8>) {
    let payload = lz4_flex::block::compress_prepend_size(bytes);
    // No turn comes near 4 GiB; one that did would end the recording for its reader, nothing else.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut head = [0; 8];
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..].copy_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    (head, payload)
}

/// Reads a recording.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    turn: u64,
}

impl<R: Read> Reader<R> {
    /// Opens a recording.
    ///
    /// # Errors
    /// It is no recording, of another version, or damaged at its beginning.
    pub fn new(mut from: R) -> Result<(Self, Header), RecordingError> {
        let mut magic = [0; 8];
        from.read_exact(&mut magic).map_err(|_| RecordingError::Foreign)?;
        if magic != *MAGIC {
            return Err(RecordingError::Foreign);
        }
        let mut reader = Self { from, turn: 0 };
        let version = reader.number()?.ok_or(RecordingError::Foreign)?;
        if version != VERSION {
            return Err(RecordingError::Version(version));
        }
        let header = reader.frame()?.ok_or_else(|| reader.damaged("it has no header"))?;
        Ok((reader, header))
    }

    /// The next turn; `None` at the end, also at one that is torn.
    ///
    /// # Errors
    /// A frame is damaged.
    pub fn read(&mut self) -> Result<Option<Record>, RecordingError> {
        let record: Option<Record> = self.frame()?;
        if let Some(record) = &record {
            self.turn = record.sample.turn;
        }
        Ok(record)
    }

    fn frame<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RecordingError> {
        let (Some(length), Some(crc)) = (self.number()?, self.number()?) else { return Ok(None) };
        if length > packing::WHOLE_MAX {
            return Err(self.damaged("a frame is longer than any turn can be"));
        }
        let mut bytes = Vec::new();
        let read = self.from.by_ref().take(u64::from(length)).read_to_end(&mut bytes)?;
        if read < length as usize {
            return Ok(None);
        }
        if crc32fast::hash(&bytes) != crc {
            return Err(self.damaged("a frame does not match its checksum"));
        }
        let bytes =
            packing::unpack_whole(&bytes).ok_or_else(|| self.damaged("a frame cannot be unpacked"))?;
        postcard::from_bytes(&bytes).map(Some).map_err(|error| self.damaged(&error.to_string()))
    }

    fn number(&mut self) -> Result<Option<u32>, RecordingError> {
        let mut bytes = [0; 4];
        match self.from.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(u32::from_le_bytes(bytes))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn damaged(&self, what: &str) -> RecordingError {
        RecordingError::Damaged { turn: self.turn, what: what.to_owned() }
    }
}

/// A recording as a world: it shows what was seen and answers what was answered.
#[derive(Debug)]
pub struct Recorded<R> {
    reader: Reader<R>,
    capabilities: Capabilities,
    now: Record,
    /// Why the recording ended early, if it did.
    pub trouble: Option<RecordingError>,
}

impl<R: Read> Recorded<R> {
    /// The world that `reader` describes.
    pub fn new(reader: Reader<R>, capabilities: Capabilities) -> Self {
        Self { reader, capabilities, now: Record::default(), trouble: None }
    }

    /// What the loop thought in this turn when it was recorded.
    pub const fn thought(&self) -> &Thought {
        &self.now.thought
    }
}

impl<R: Read> World for Recorded<R> {
    fn look(&mut self, _turn: u64, _probes: &[Probe]) -> Option<Sample> {
        match self.reader.read() {
            Ok(Some(record)) => {
                self.now = record;
                Some(self.now.sample.clone())
            }
            Ok(None) => None,
            Err(error) => {
                self.trouble = Some(error);
                None
            }
        }
    }

    fn commands(&mut self) -> Vec<Command> {
        self.now.commands.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    /// What the machine answered then; under other rules some answers belong to decisions not made, and
    /// some decisions have no answer: their worth cannot be known.
    fn change(&mut self, _: Timestamp, _: Vec<Order>, _: &[Decision], _: Recheck<'_>) -> Deeds {
        self.now.deeds.clone()
    }

    /// What was told then; what failed in us is no news of learn.
    fn told(&mut self) -> Option<(Told, Vec<Event>)> {
        let news = self.now.thought.events.iter().filter(|one| one.kind != EventKind::Own);
        Some((self.now.told.clone()?, news.cloned().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Vec<u8> {
        let header = Header::default();
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &header).expect("memory can be written");
        for turn in 1..=3 {
            let sample = Sample { turn, ..Sample::default() };
            writer.write(&Record { sample, ..Record::default() }).expect("memory can be written");
        }
        bytes
    }

    fn turns(bytes: &[u8]) -> Result<u64, RecordingError> {
        let (mut reader, _) = Reader::new(bytes)?;
        let mut last = 0;
        while let Some(record) = reader.read()? {
            last = record.sample.turn;
        }
        Ok(last)
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(turns(&recording()).expect("whole"), 3);
    }

    #[test]
    fn a_torn_end_loses_only_its_turn() {
        let bytes = recording();
        assert_eq!(turns(&bytes[..bytes.len() - 1]).expect("torn, not damaged"), 2);
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut bytes = recording();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(matches!(turns(&bytes), Err(RecordingError::Damaged { turn: 2, .. })));
    }

    #[test]
    fn other_files_are_refused() {
        assert!(matches!(turns(b"not a recording at all"), Err(RecordingError::Foreign)));
        let mut bytes = recording();
        bytes[8] = 9;
        assert!(matches!(turns(&bytes), Err(RecordingError::Version(9))));
    }
}
