//! An embedded history of series and a durable log, for programs that may be killed at any instant.
//!
//! Three parts, from the ground up: a [`medium`] (a folder with explicit durability, replaceable in tests), the
//! durable [`log`], and the history of series with its lossless [`codec`]. Nothing here knows what a process or a
//! machine is: keys are bytes, values are 64 bits.

mod bytes;
pub mod codec;
mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod history;
pub mod log;
pub mod medium;

pub use error::{Result, StoreError};
