//! The simple methods of the ladder, run on the same data. Their thresholds are the best ones for that data, chosen
//! with its labels: an advantage that our own fixed configuration does not get.
pub mod ewma;
pub mod forest;
pub mod mutant;
pub mod naive;
pub mod tail;
