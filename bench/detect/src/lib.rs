//! Scoreboard of the learning crate: public sets in, figures beside published ones out.
pub mod baseline;
pub mod data;
pub mod report;
pub mod run;
pub mod score;
