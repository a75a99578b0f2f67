//! Samples to snapshots, SQL tables and history.
//!
//! Read [`Deriver`] first: it turns what the machine said (a sample) into what it means (a snapshot).
//! Nothing here reads the machine or changes it.

pub mod derive;

pub use derive::Deriver;
