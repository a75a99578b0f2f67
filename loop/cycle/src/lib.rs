//! One turn of the loop, in order; record and replay.
//!
//! Read [`cycle::Cycle::turn`] first: it is the product. [`world::World`] is the machine as the loop sees it,
//! live or recorded; everything else here keeps the books.

pub mod book;
pub mod cycle;
pub mod film;
#[doc(hidden)]
pub mod fuzzing;
mod judge;
mod mind;
pub mod models;
mod orders;
mod packing;
mod recheck;
pub mod recording;
pub mod replay;
pub mod rules;
pub mod scores;
mod shield;
mod start;
pub mod world;

pub use book::Change;
pub use cycle::{Cycle, Turn};
pub use learn::{Models, Opinion};
pub use mind::Mind;
pub use start::Start;
pub use world::{Command, Deeds, World};
