//! Where a slot stands, in one word: 8 bits of state, 32 bits of hold deadline, 24 bits of checksum.

/// Where the action of a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The change may or may not have been made.
    Intended,
    /// It was made; its lease runs.
    Applied,
    /// It proved itself and stands until then at the latest.
    Held {
        /// On CLOCK_BOOTTIME, rounded up. Unit: s.
        until_s: u32,
    },
    /// It proved itself and is being released: some of it may be gone. Whoever finds that ends it.
    Easing {
        /// As of [`Stage::Held`].
        until_s: u32,
    },
    /// It is being taken back.
    Undoing,
    /// It is over; the slot is freed once that has been reported.
    Ended(End),
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Taken back.
    Undone,
    /// Held, and no longer needed.
    Released,
    /// Done for good.
    Final,
    /// It was not done, or the machine refused it.
    Failed,
    /// The guard stopped it after its intent was written.
    Refused,
}

impl Stage {
    const fn code(self) -> (u8, u32) {
        match self {
            Self::Intended => (1, 0),
            Self::Applied => (2, 0),
            Self::Held { until_s } => (3, until_s),
            Self::Undoing => (4, 0),
            Self::Ended(End::Undone) => (5, 0),
            Self::Ended(End::Released) => (6, 0),
            Self::Ended(End::Final) => (7, 0),
            Self::Ended(End::Failed) => (8, 0),
            Self::Ended(End::Refused) => (9, 0),
            Self::Easing { until_s } => (10, until_s),
        }
    }

    const fn from_code(code: u8, until_s: u32) -> Option<Self> {
        Some(match code {
            1 => Self::Intended,
            2 => Self::Applied,
            3 => Self::Held { until_s },
            4 => Self::Undoing,
            5 => Self::Ended(End::Undone),
            6 => Self::Ended(End::Released),
            7 => Self::Ended(End::Final),
            8 => Self::Ended(End::Failed),
            9 => Self::Ended(End::Refused),
            10 => Self::Easing { until_s },
            _ => return None,
        })
    }

    /// The word for this stage of the record with that CRC; never zero.
    pub(super) fn seal(self, record_crc: u32) -> u64 {
        let (code, until_s) = self.code();
        u64::from(code) << 56 | u64::from(until_s) << 24 | check(code, until_s, record_crc)
    }

    /// The stage in a word, if it was sealed for the record with that CRC.
    pub(super) fn unseal(word: u64, record_crc: u32) -> Option<Self> {
        let (code, until_s) = ((word >> 56) as u8, (word >> 24) as u32);
        let is_sealed = word & 0x00ff_ffff == check(code, until_s, record_crc);
        if is_sealed { Self::from_code(code, until_s) } else { None }
    }
}

fn check(code: u8, until_s: u32, record_crc: u32) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[code]);
    hasher.update(&until_s.to_le_bytes());
    hasher.update(&record_crc.to_le_bytes());
    u64::from(hasher.finalize() & 0x00ff_ffff)
}
