//! The intent ring: memory that outlives the process and ends with the boot, as do the effects it tells of.
//!
//! A file on a tmpfs, or a memfd that the keeper holds, mapped shared and locked. One header of a slot's size (magic,
//! length and bytes of the path of its state folder, zero where it is not known; last a count of changes), then [`SLOTS`] slots of [`SLOT_BYTES`]. A slot is its stage (one 64-bit word, see [`Stage`]), the boot id, the length
//! and CRC-32 of the record, and the record in postcard.
//!
//! **Why a crash leaves nothing unknown.** A slot is claimed only while its stage is zero. The record, its length
//! and its CRC (over boot id, length and record) are written first, the stage last, by one release store. A process
//! that dies before that store leaves a slot of stage zero: nothing was intended, and nothing was done, for the
//! change is made only after the store. A stage carries 24 bits of checksum over itself and the record's CRC, so a
//! stage can never be taken for that of another record, and a record that does not match its CRC is reported as
//! broken, never used. From then on each step is one store of the one word: Intended, Applied, Held, Easing, Undoing,
//! Ended, then zero again. A process that dies between the change and the store leaves Intended, and the machine itself
//! says on which side of the change it died. Memory of a killed process is kept by the kernel in the order in which
//! it was written, so no flush is needed; after a power cut neither the ring nor the effects are there.
//!
//! Two processes may map a ring (daemon and keeper); who changes the machine holds [`Ring::lock`], which the kernel
//! gives back when its holder dies.
mod map;
mod orphan;
mod place;
mod stage;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use rustix::fs::{FlockOperation, MemfdFlags};
use rustix::io::Errno;

use crate::record::Record;
use map::{Map, Words};
pub use orphan::sweep;
pub use stage::{End, Stage};

/// Slots of a ring: more effects cannot stand at once. At 10 actions a minute and leases of a minute some 10 stand
/// unproved; the rest are held ones.
pub const SLOTS: usize = 128;
/// Size of a slot. Unit: bytes. A record with a cgroup path of 400 bytes fits twice.
pub const SLOT_BYTES: usize = 1024;
const WORDS: usize = SLOT_BYTES / 8;
/// Words before the record: stage, boot id (2), length and CRC.
const HEAD_WORDS: usize = 4;
const BODY_BYTES: usize = (WORDS - HEAD_WORDS) * 8;
const RING_BYTES: usize = (SLOTS + 1) * SLOT_BYTES;
/// Word of the header that counts changes.
const CHANGES: usize = WORDS - 1;
/// `HSTATR` and the version of the format.
const MAGIC: u64 = u64::from_be_bytes(*b"HSTATR\0\x01");

/// Why the ring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The kernel refused.
    #[error("the intent ring: {0}")]
    Os(#[from] io::Error),
    /// The memory holds something else.
    #[error("the intent ring is of another version; undo with the version that wrote it")]
    Foreign,
    /// There is no memory that outlives us and ends with the boot.
    #[error("no tmpfs to keep the intent ring on; let the keeper hold a memfd")]
    NoPlace,
    /// Every slot holds a standing effect.
    #[error("the intent ring is full: {SLOTS} effects stand")]
    Full,
    /// The record does not fit a slot.
    #[error("the intent does not fit the ring: more than {BODY_BYTES} bytes are needed to undo it")]
    TooLarge,
    /// Another process changes the machine just now.
    #[error("process {0} holds the intent ring")]
    Busy(i32),
}

impl From<Errno> for RingError {
    fn from(errno: Errno) -> Self {
        Self::Os(errno.into())
    }
}

/// Number of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub(crate) usize);

/// What a slot holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A whole record of this boot and where it stands.
    Whole(Stage, Box<Record>),
    /// A record of another boot: what it tells of is gone.
    OtherBoot,
    /// Stage and record do not belong together, or cannot be read.
    Broken,
}

/// The mapped ring.
pub struct Ring {
    map: Map,
    file: Arc<File>,
    boot: [u64; 2],
}

impl Ring {
    /// The ring of that name in the first place that this user has: see [`place`] in the source. It says from now on
    /// whose it is, and counts as in use as long as the file is open anywhere.
    ///
    /// # Errors
    /// [`RingError::NoPlace`] where no such place is a tmpfs; then the keeper hands in a memfd.
    pub fn open_default(name: &str, state_dir: &Path) -> Result<Self, RingError> {
        let open = || {
            let file = place::open(name)?;
            orphan::mark_in_use(&file);
            Self::from_file(file)
        };
        let ring = open()?;
        // Who ended just now may have removed it between.
        let ring = if ring.file.metadata()?.nlink() > 0 { ring } else { open()? };
        orphan::write_owner(&ring.map.words()[..WORDS], state_dir);
        Ok(ring)
    }

    /// The ring in that file, which is made if it is missing. The caller vouches that it is on a tmpfs.
    ///
    /// # Errors
    /// The file cannot be opened or mapped, or is not a ring of this version.
    pub fn open(path: &Path) -> Result<Self, RingError> {
        Self::from_file(place::open_file(path)?)
    }

    /// A ring in memory of its own; [`Ring::file`] is handed to whoever must outlive us.
    ///
    /// # Errors
    /// The kernel refuses the memory.
    pub fn memfd() -> Result<Self, RingError> {
        let fd = rustix::fs::memfd_create("homeostat-ring", MemfdFlags::CLOEXEC)?;
        Self::from_file(File::from(fd))
    }

    /// The ring in an open file or memfd. Keep no second descriptor of it in this process: closing one gives up
    /// the lock.
    ///
    /// # Errors
    /// As [`Ring::open`].
    pub fn from_file(file: File) -> Result<Self, RingError> {
        if file.metadata()?.len() < RING_BYTES as u64 {
            file.set_len(RING_BYTES as u64)?;
        }
        let map = Map::new(&file, RING_BYTES)?;
        let header = &map.words()[0];
        match header.compare_exchange(0, MAGIC, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(MAGIC) => {}
            Err(_) => return Err(RingError::Foreign),
        }
        Ok(Self { map, file: Arc::new(file), boot: boot_id()? })
    }

    /// The file or memfd behind it.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether its memory is locked, so that an intent never waits for a page.
    pub const fn is_locked(&self) -> bool {
        self.map.is_locked()
    }

    /// Takes the right to change the machine, or says who has it. Freed when dropped or when we die.
    ///
    /// # Errors
    /// [`RingError::Busy`], or the file system has no locks.
    pub fn lock(&self) -> Result<Lock, RingError> {
        match rustix::fs::fcntl_lock(&*self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(self.file.clone())),
            Err(Errno::AGAIN | Errno::ACCESS) => Err(RingError::Busy(place::lock_holder(&self.file))),
            Err(errno) => Err(errno.into()),
        }
    }

    /// How often anything in it has changed: while that is the same, so is all that was read of it.
    pub(crate) fn changes(&self) -> u64 {
        self.map.words()[CHANGES].load(Ordering::Acquire)
    }

    fn note_change(&self) {
        self.map.words()[CHANGES].fetch_add(1, Ordering::AcqRel);
    }

    /// Every slot in use.
    pub fn slots(&self) -> impl Iterator<Item = (Slot, Content)> + '_ {
        (0..SLOTS).map(Slot).filter_map(|slot| Some((slot, self.read(slot)?)))
    }

    /// What a slot holds; `None` if nothing.
    pub fn read(&self, slot: Slot) -> Option<Content> {
        let words = self.words(slot);
        let word = words[0].load(Ordering::Acquire);
        if word == 0 {
            return None;
        }
        let boot = [words[1].load(Ordering::Relaxed), words[2].load(Ordering::Relaxed)];
        if boot != self.boot {
            return Some(Content::OtherBoot);
        }
        let sealed = words[3].load(Ordering::Relaxed);
        let (length, crc) = ((sealed >> 32) as usize, sealed as u32);
        let body = read_body(words);
        let whole = body
            .get(..length)
            .filter(|bytes| checksum(boot, bytes) == crc)
            .and_then(|bytes| Some((Stage::unseal(word, crc)?, postcard::from_bytes::<Record>(bytes).ok()?)));
        Some(whole.map_or(Content::Broken, |(stage, record)| Content::Whole(stage, Box::new(record))))
    }

    /// Writes a record into a free slot as Intended. Only then may the change be made.
    ///
    /// # Errors
    /// [`RingError::Full`] or [`RingError::TooLarge`].
    pub fn intend(&self, record: &Record) -> Result<Slot, RingError> {
        let mut body = [0; BODY_BYTES];
        let length = postcard::to_slice(record, &mut body).map_err(|_| RingError::TooLarge)?.len();
        let is_free = |slot: &Slot| self.words(*slot)[0].load(Ordering::Acquire) == 0;
        let slot = (0..SLOTS).map(Slot).find(is_free).ok_or(RingError::Full)?;
        let words = self.words(slot);
        for (word, bytes) in words[HEAD_WORDS..].iter().zip(body.as_chunks::<8>().0) {
            word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
        }
        let crc = checksum(self.boot, &body[..length]);
        words[1].store(self.boot[0], Ordering::Relaxed);
        words[2].store(self.boot[1], Ordering::Relaxed);
        words[3].store((length as u64) << 32 | u64::from(crc), Ordering::Relaxed);
        fence(Ordering::Release);
        words[0].store(Stage::Intended.seal(crc), Ordering::Release);
        self.note_change();
        Ok(slot)
    }

    /// Moves a slot on, by one store.
    pub fn set_stage(&self, slot: Slot, stage: Stage) {
        let words = self.words(slot);
        let crc = words[3].load(Ordering::Relaxed) as u32;
        words[0].store(stage.seal(crc), Ordering::Release);
        self.note_change();
    }

    /// Gives a slot back.
    pub fn free(&self, slot: Slot) {
        self.words(slot)[0].store(0, Ordering::Release);
        self.note_change();
    }

    /// Removes the file of a ring in which nothing stands; whether it did. What stands is there for the next start.
    pub fn discard_if_unused(&self) -> bool {
        let Ok(_lock) = self.lock() else { return false };
        let is_unused = self.slots().all(|(_, content)| content == Content::OtherBoot);
        is_unused && place::remove(&self.file)
    }

    fn words(&self, slot: Slot) -> &Words {
        let start = (slot.0 + 1) * WORDS;
        &self.map.words()[start..start + WORDS]
    }
}

/// The right to change the machine.
pub struct Lock(Arc<File>);

impl Drop for Lock {
    fn drop(&mut self) {
        // A failure leaves the lock until we die; nobody else is misled by that.
        let _ = rustix::fs::fcntl_lock(&*self.0, FlockOperation::Unlock);
    }
}

fn read_body(words: &Words) -> [u8; BODY_BYTES] {
    let mut body = [0; BODY_BYTES];
    for (word, bytes) in words[HEAD_WORDS..].iter().zip(body.as_chunks_mut::<8>().0) {
        *bytes = word.load(Ordering::Relaxed).to_le_bytes();
    }
    body
}

fn checksum(boot: [u64; 2], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    boot.iter().for_each(|half| hasher.update(&half.to_le_bytes()));
    hasher.update(&(body.len() as u64).to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// The boot id as two words. Source: /proc/sys/kernel/random/boot_id.
fn boot_id() -> io::Result<[u64; 2]> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let id = u128::from_str_radix(&digits, 16).map_err(io::Error::other)?;
    Ok([(id >> 64) as u64, id as u64])
}

#[cfg(test)]
#[path = "ring/tests.rs"]
mod tests;
