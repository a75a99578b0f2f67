//! Scoreboard of the learning crate: public sets in, figures beside published ones out.
pub mod data;
pub mod score;
