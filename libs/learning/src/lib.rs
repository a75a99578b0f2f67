//! Models of normal: streaming detectors, forecasts, sequences, templates.
//!
//! Pure and deterministic: no clock, no random state, no platform mathematics. Every model is bounded, can be written
//! out and read back, and says nothing that it has not seen enough samples for.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod fdr;
pub mod forecast;
pub mod logs;
pub mod multivariate;
pub mod ranks;
pub mod rng;
pub mod saved;
pub mod sequence;
pub mod univariate;
