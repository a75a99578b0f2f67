//! The reader of the ring buffer: what happened, in the order in which it happened.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{Array, MapData, RingBuf};

use crate::intf::{Event, Plain};
use crate::stats::memory_of;
use crate::{Error, sys};

/// The reading end of the ring buffer. It may live on a thread of its own.
pub struct Events {
    ring: RingBuf<MapData>,
    /// 1 while nobody is to be woken.
    rests: Array<MapData, u32>,
}

impl Events {
    /// Takes the ring buffer out of the loaded object.
    pub(crate) fn take(ebpf: &mut Ebpf) -> Option<Self> {
        let ring = RingBuf::try_from(ebpf.take_map("events")?).ok()?;
        let rests = Array::try_from(ebpf.take_map("events_reader")?).ok()?;
        Some(Self { ring, rests })
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

    /// Sleeps for so long, during which no event wakes anybody: in a storm each wake-up costs more than its event. What came
    /// meanwhile ends the next wait at once.
    pub fn rest(&mut self, time: Duration) {
        // A cell that cannot be written costs wake-ups, nothing else.
        let _ = self.rests.set(0, 1, 0);
        std::thread::sleep(time);
        let _ = self.rests.set(0, 0, 0);
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
