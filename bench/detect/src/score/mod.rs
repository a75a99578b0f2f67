//! Scorers, each checked against cases computed by hand.
pub mod nab;
pub mod roc;
pub mod vus;
