//! The shared nouns of the loop, and every SQL table declared as data. There is no clock, file or thread here.
//!
//! Read [`sample::Sample`] (what the machine said) and [`snapshot::Snapshot`] (what it means) first; then, in
//! the order of the loop, [`finding`], [`incident`], [`decision`], [`action`] and [`outcome`].
#![no_std]

extern crate alloc;

#[macro_use]
pub mod table;

pub mod action;
pub mod baseline;
pub mod budget;
pub mod capability;
pub mod decision;
pub mod entity;
pub mod event;
pub mod finding;
pub mod incident;
pub mod kernel;
#[cfg(feature = "kit")]
pub mod kit;
pub mod learnt;
pub mod ledger;
pub mod onnx;
pub mod outcome;
pub mod probe;
pub mod query;
pub mod recent;
pub mod rows;
pub mod rule;
pub mod sample;
pub mod say;
pub mod snapshot;
pub mod time;
pub mod value;

pub use entity::{Entity, ProcessId};
pub use time::Timestamp;
pub use value::Value;
