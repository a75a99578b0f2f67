//! Models in the ONNX format: a window of values in, one number out, computed by ONNX Runtime where its library lies.
//!
//! Whoever wrote a model is not trusted. It is run by a process of its own ([`serve`]), which has little memory, no
//! rights, no file but what was open, and the least share of the CPU; [`Worker`] starts that process, talks to it, and ends
//! it when it takes too long. A crash of the run-time is an answer, and unloading gives all memory back.
#[cfg(feature = "kit")]
pub mod kit;
mod library;
mod model;
mod serve;
mod wire;
mod worker;

pub use library::find;
pub use serve::serve;
pub use worker::{Failure, Worker};

/// Bytes of a model at most.
pub const MODEL_BYTES_MAX: u64 = 16 << 20;
/// Values of a window at most.
pub const WINDOW_MAX: usize = 4_096;
