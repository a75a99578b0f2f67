//! The shared nouns of the loop, and every SQL table declared as data. There is no clock, file or thread here.
#![no_std]

extern crate alloc;

pub mod entity;
pub mod table;
pub mod time;
pub mod value;

pub use entity::{Entity, ProcessId};
pub use time::Timestamp;
pub use value::Value;
