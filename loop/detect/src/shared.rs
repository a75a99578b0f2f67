//! Shared memory that a process makes: what becomes resident soon after it was mapped.
//!
//! A database maps its buffers once and fills them for hours, a recorder its ring; who leaks maps more and more.
use serde::{Deserialize, Serialize};
use vocab::rows::Process;

/// Share of the room that is gone a second later: what was mapped long ago is expected to fill.
const ROOM_LOST: f64 = 0.2;

/// How much of its shared memory a process made since it was first seen.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Shared {
    /// When it was last seen, with what was resident and mapped then. Unit: s since the first snapshot, bytes.
    last: Option<(f64, u64, u64)>,
    /// Mapped not long ago, and not yet touched. Unit: bytes.
    room: f64,
    /// Unit: bytes.
    made: f64,
}

impl Shared {
    /// Takes the process as it is now.
    pub fn push(&mut self, process: &Process, now_s: f64) {
        let Some(resident) = process.shmem_bytes else { return };
        let (last_s, before, mapped) = self.last.unwrap_or((now_s, resident, process.virtual_bytes));
        self.last = Some((now_s, resident, process.virtual_bytes));
        let kept = (1.0 - ROOM_LOST * (now_s - last_s)).max(0.0);
        self.room = kept * self.room + process.virtual_bytes.saturating_sub(mapped) as f64;
        let grown = (resident.saturating_sub(before) as f64).min(self.room);
        self.room -= grown;
        let fell = before.saturating_sub(resident) as f64;
        self.made = (self.made + grown - fell).clamp(0.0, resident as f64);
    }

    /// What it made and has not given back. Unit: bytes.
    pub const fn made_bytes(&self) -> f64 {
        self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::process;

    const MIB: u64 = 1 << 20;

    fn made(turns: u32, of: impl Fn(u64) -> (u64, u64)) -> f64 {
        let mut shared = Shared::default();
        for turn in 0..turns {
            let (resident, mapped) = of(u64::from(turn));
            let row = process(7, "one", turn);
            let row =
                Process { shmem_bytes: Some(resident * MIB), virtual_bytes: (100 + mapped) * MIB, ..row };
            shared.push(&row, f64::from(turn));
        }
        shared.made_bytes() / MIB as f64
    }

    #[test]
    fn what_is_mapped_and_touched_is_made_and_what_was_mapped_long_ago_fills() {
        assert_eq!(made(60, |turn| (2 * turn, 2 * turn)), 118.0);
        assert_eq!(made(60, |turn| (2 * turn, 0)), 0.0, "mapped before it was known");
        let ring = made(120, |turn| if turn < 20 { (0, 0) } else { (2 * (turn - 20), 4_000) });
        assert!(ring <= 70.0, "only what is touched at once: {ring}");
        assert_eq!(
            made(60, |turn| (40 * (turn % 6), 40 * (turn % 6))),
            200.0 * f64::from(u8::from(59 % 6 == 5))
        );
    }
}
