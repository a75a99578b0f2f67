//! The programs on the running kernel: what they count is true, and what they cannot do is said.
//!
//! Needs root (CAP_BPF, CAP_PERFMON); without, each test prints why it is skipped. One binary, so that
//! the same file can be carried to another kernel.

#![expect(clippy::unwrap_used, reason = "a test whose surroundings fail has failed")]

mod aggregates;
mod calls;
mod degrade;
mod events;
mod helpers;
mod memory;
mod objects;
mod storm;
mod support;
mod tasks;
