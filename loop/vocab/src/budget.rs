//! What Homeostat itself may cost, and how far it can shed work to stay within.

/// CPU time it aims at, of one core: beyond it, what is read at intervals comes half as often.
pub const CPU_SHARE_AIM: f64 = 0.005;

/// CPU time it may use, of one core: beyond it, more and more is shed. A machine that computes for money gives a watchman a fiftieth.
pub const CPU_SHARE_MAX: f64 = 0.02;

/// Resident memory it may use, keeper included. Unit: bytes.
pub const RSS_BYTES_MAX: u64 = 64 << 20;

/// The highest level of shedding: nothing is left to shed beyond it.
pub const SHED_LEVEL_MAX: u8 = 5;

/// Time from one tick to the next at a level of shedding: on a very slow machine it looks less often.
///
/// Unit: s.
pub const fn tick_s(shed_level: u8) -> u32 {
    match shed_level {
        0..=3 => 1,
        4 => 2,
        _ => 5,
    }
}
