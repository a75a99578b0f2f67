//! Numbers of actions for those that act between two turns.
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers left free for what the loop orders in the same turn.
const APART: u64 = 1_000;

/// The highest number known to be given.
#[derive(Debug)]
pub struct Numbers(AtomicU64);

impl Numbers {
    /// Numbers beyond `last`.
    pub const fn after(last: u64) -> Self {
        Self(AtomicU64::new(last))
    }

    /// Notes a number that the loop has given.
    pub fn note(&self, number: u64) {
        self.0.fetch_max(number, Ordering::Relaxed);
    }

    /// A number that nobody else gives.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(APART, Ordering::Relaxed) + APART
    }
}
