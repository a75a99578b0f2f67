//! The history of the live tables: every number and name in them, each turn, in the folder `history` of the state.
//!
//! [`Keeper`] takes one turn after the other into `libs/store` and keeps the files up; [`Reader`] reads them for SQL,
//! in the daemon or, through [`Reader::of`], without one. What is kept of which table stands in [`kept`].
mod export;
mod keeper;
pub mod kept;
mod key;
mod place;
mod read;
mod rounding;
#[cfg(test)]
mod tests;

pub use export::{Wish, each_series, series_name};
pub use keeper::{Keeper, Upkeep};
pub use key::{cut_text, parts, write_key};
pub use read::{Ask, Points, Reader, Series, Which};
