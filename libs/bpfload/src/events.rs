//! The reader of the ring buffer: what happened, in the order in which it happened.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};

use crate::fdinfo::memory_of;
use crate::intf::{Event, Plain};
use crate::{Error, sys};

/// The reading end of the ring buffer. It may live on a thread of its own.
pub struct Events {
    ring: RingBuf<MapData>,
}

impl Events {
    /// Takes the ring buffer out of the loaded object.
    pub(crate) fn take(ebpf: &mut Ebpf) -> Option<Self> {
        let ring = RingBuf::try_from(ebpf.take_map("events")?).ok()?;
        Some(Self { ring })
    }

    /// The oldest event that was not yet read; `None` when there is none.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let item = self.ring.next()?;
            // A record of another size is not ours to read; its successor may be.
            if let Some(event) = Event::from_bytes(&item) {
                return Some(event);
            }
        }
    }

    /// Memory the kernel accounts for the ring buffer.
    pub fn memory_bytes(&self) -> u64 {
        memory_of(self.ring.as_raw_fd())
    }

    /// Waits for an event whose kind wakes the reader; false when `timeout_ms` passed first.
    ///
    /// A quiet event (exec, a clean exit) does not end the wait: look at least once a tick.
    pub fn wait(&self, timeout_ms: i32) -> Result<bool, Error> {
        sys::wait_readable(self.ring.as_fd(), timeout_ms).map_err(Error::Wait)
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}
