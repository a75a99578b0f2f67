//! Samples to snapshots, SQL tables and history.
//!
//! Read [`Deriver`] first: it turns what the machine said (a sample) into what it means (a snapshot). Then
//! [`Engine`]: SQL over a snapshot and the loop's own rows. Nothing here reads the machine or changes it.

pub mod derive;
pub mod engine;

pub use derive::Deriver;
pub use engine::{Engine, EventRing, Live, ResultSet, View, Write};
/// Why a statement gave no rows.
pub use vocab::query::QueryError as EngineError;
